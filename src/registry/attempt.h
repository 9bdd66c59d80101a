#pragma once
// Attempt: one change on its way. Whatever it has done is undone when it goes, unless it was published.

#include "core.h"

namespace weir::registry {

class Core::Attempt {
 public:
  explicit Attempt(Core& core) : core_(core) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt();

  // The steps, in this order; each all or nothing. They throw std::bad_alloc.
  Status TakePlace();                         // of a new agent, among contexts_max
  Status TakeNumber(AgentPtr state);          // a holder number and a key of the pool
  Status Hold(std::unique_ptr<Body> body);    // memory from the pool
  Status EnterIndexes(int reclaims_max = 4);  // all indexes of the space
  // Both steps above; where there is no room, cold. `record`: the bytes of `body` once more.
  Status HoldOrEnterCold(std::unique_ptr<Body> body, std::span<const std::byte> record);
  Status EnterCold(const ContextView& view);  // instead of the two above: blocks and vectors alone
  Status JoinGroup();
  void Reserve();  // room in the directory

  // Visible from now on. Cannot fail.
  void Publish();

  const Body& body() const { return pin_.resource<Body>(); }

 private:
  Core& core_;
  AgentPtr state_;
  Pin pin_;
  bool has_place_ = false;
  bool has_number_ = false;
  bool is_held_ = false;
  bool is_indexed_ = false;
  bool is_member_ = false;
  bool is_reserved_ = false;
  bool is_mapped_ = false;
};

}  // namespace weir::registry
