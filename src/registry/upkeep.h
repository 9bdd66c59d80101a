#pragma once
// Upkeep: a registry's rounds (expiry, reading ahead, noting modes) and its place under a broker. Internal to `registry`.
//
// Thread-safe; rounds run one at a time.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core.h"
#include "index_memory.h"
#include "workflows.h"

namespace weir::registry {

class Upkeep {
 public:
  Upkeep(Core& core, Workflows& workflows) : core_(core), workflows_(workflows) {}
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;
  ~Upkeep();

  Registry::Tended Tend();
  Status Start(Duration period);
  void Stop();
  // A round soon.
  void Wake();

  Status JoinBroker(Broker& broker, uint64_t min_share_bytes, uint8_t priority);
  void LeaveBroker();
  std::vector<PoolKey> FarthestFirst(uint64_t bytes) const;

 private:
  void Run(Duration period);
  uint64_t DropExpired();
  uint64_t ReadAhead();
  void NoteMode();

  Core& core_;
  Workflows& workflows_;

  std::mutex round_mutex_;
  std::optional<PressureMode> mode_;  // guarded by round_mutex_

  std::mutex life_mutex_;  // one Start or Stop at a time
  std::mutex thread_mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by thread_mutex_, as all below
  bool woken_ = false;
  std::thread thread_;

  std::mutex broker_mutex_;
  Broker* broker_ = nullptr;  // guarded by broker_mutex_, as all below
  std::unique_ptr<IndexMemory> index_memory_;
  std::vector<Registration> registrations_;
};

}  // namespace weir::registry
