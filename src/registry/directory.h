#pragma once
// Directory: which agents are here, by name and by the number that the indexes know them by. Internal to `registry`.
//
// Thread-safe; each look-up locks one of 64 parts for the time of one map access, so nobody waits for the growth of a large
// map. Publish, Withdraw and Unmap need no memory.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/base/clock.h"
#include "weir/codec/sha256.h"
#include "weir/pool/pool_key.h"
#include "weir/registry/context_record.h"
#include "weir/reuse/block_index.h"
#include "weir/store/store.h"

namespace weir::registry {

struct SpaceIndexes;
struct Body;

// One revision of an agent's context. Immutable but for the marks at its end.
struct AgentState {
  ContextTerms terms;  // space: empty, it is in `space`; pinned: as it was registered, `pinned` says how it is now
  std::shared_ptr<SpaceIndexes> space;
  HolderId holder = 0;
  PoolKey pool_key;
  StoreKey store_key;
  uint32_t tokens = 0;
  uint32_t blocks = 0;
  uint64_t text_bytes = 0;
  uint64_t record_bytes = 0;
  Duration ttl{0};                          // as it was asked for; zero: never expires
  bool has_vector = false;                  // one that counts
  std::atomic<bool> vector_refused{false};  // the model gave none: upkeep leaves it alone
  bool stale_vector = false;                // one of another model
  bool has_system = false;
  Sha256Digest system_digest{};

  // When it became visible and when it ceased to be, in changes of the registry; 0: not yet.
  std::atomic<uint64_t> published{0};
  std::atomic<uint64_t> superseded{0};
  std::atomic<bool> pinned{false};
  // The record whose tokens the span and near indexes borrow; null: cold. Changed in the index turn only.
  std::atomic<const Body*> indexed{nullptr};

  // For a look-up that began after change number `begun`.
  bool VisibleAt(uint64_t begun) const {
    const uint64_t from = published.load(std::memory_order_acquire);
    const uint64_t to = superseded.load(std::memory_order_acquire);
    return from != 0 && from <= begun && (to == 0 || to > begun);
  }
};
using AgentPtr = std::shared_ptr<AgentState>;

class Directory {
 public:
  Directory();
  ~Directory();

  // The visible revision of an agent, or null.
  AgentPtr Find(std::string_view agent) const;
  // Who has this number, visible or not; null: nobody.
  AgentPtr FindHolder(HolderId holder) const;

  // Makes room, so that Publish() cannot fail; throws std::bad_alloc. One at a time for each agent.
  void Reserve(const std::string& agent);
  // Takes back a reservation that was not published.
  void Release(const std::string& agent);
  // Throws std::bad_alloc.
  void Map(const AgentPtr& state);
  void Unmap(HolderId holder);

  // `state` becomes the agent's visible revision. REQUIRES: Reserve().
  void Publish(const AgentPtr& state);
  // The agent is gone, if this is still its revision.
  void Withdraw(const AgentState& state);

  // Visible revisions, in no order.
  std::vector<AgentPtr> Snapshot() const;
  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  // About: names, terms, table slots.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kParts = 64;
  static constexpr uint32_t kChunk = 1024;
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  struct Entry {
    AgentPtr state;         // null while only reserved
    bool reserved = false;  // a change of this agent is on its way; changes of one agent take turns
  };
  struct Names {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, Entry, NameHash, std::equal_to<>> map;
  };
  struct Chunk {
    std::array<AgentPtr, kChunk> states;
  };

  Names& NamesOf(std::string_view agent) const { return names_[NameHash()(agent) % kParts]; }
  std::shared_mutex& MutexOf(HolderId holder) const { return holder_mutexes_[holder % kParts]; }

  mutable std::array<Names, kParts> names_;
  mutable std::array<std::shared_mutex, kParts> holder_mutexes_;
  std::array<std::atomic<Chunk*>, kHoldersMax / kChunk> chunks_{};
  std::atomic<uint64_t> size_{0};
  std::atomic<uint64_t> bytes_{0};
};

// About what a state takes, strings included.
uint64_t StateBytes(const AgentState& state);

}  // namespace weir::registry
