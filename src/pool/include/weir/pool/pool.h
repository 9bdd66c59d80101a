#pragma once
// Pool: a byte-budgeted cache of one kind of thing, that gives memory back to the system when told to.
//
// Bytes live in extents that the pool maps itself, never in malloc, so that evicting them can unmap them; a value too
// big for an extent gets a mapping of its own. A resource (a loaded adapter, an engine's sequence) is owned by the pool,
// counts its declared size and is released when it is evicted and the last pin is gone.
//
// Invariants: an entry under a pin never moves or changes; a key's entry is immutable, a new value is a new entry; an
// entry that is erased, replaced or cleared while pinned is only unlinked, and its bytes count until the last pin goes.
// used_bytes() stays within the budget, but for what pins hold, and for a moment by as much as an index grows.
//
// Threads: every method from any thread. A Get takes no lock, but for the one in some
// thousands that must be sure of a miss which a look without it leaves in doubt. No user code (loader, sink, release step)
// runs under a lock. The pool must outlive its pins. Time comes from the Clock of the options.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/pool/pool_key.h"
#include "weir/pool/reclaimable.h"

namespace weir {

class Pool;

struct PoolOptions;

namespace pool {
class Core;
struct Entry;
class Filling;
class PageSource;
Result<std::unique_ptr<Pool>> CreateOn(PageSource& source, PoolOptions options);
}  // namespace pool

enum class Keep : uint8_t { kNormal, kAlways };  // kAlways: never evicted; goes by Erase or Clear alone

// What it would cost to lose an entry.
struct Cost {
  // Work to get the value back. 0: not known; such entries count as one microsecond per KiB, so among themselves only
  // use decides.
  double refetch_us = 0;
  // Multiplies the worth: 2 keeps an entry as if it cost twice as much.
  double weight = 1;
  Keep keep = Keep::kNormal;
};

// A move-only object that the pool owns. `bytes` is what its owner says it holds, in memory of any kind.
class Resource {
 public:
  Resource() = default;
  template <typename T>
  Resource(std::unique_ptr<T> object, uint64_t bytes)
      : object_(object.release()), release_([](void* p) { delete static_cast<T*>(p); }), bytes_(bytes) {}
  // `release` must not throw; it runs once, on whichever thread lets go last.
  Resource(void* object, void (*release)(void*), uint64_t bytes) : object_(object), release_(release), bytes_(bytes) {}
  Resource(Resource&& other) noexcept { swap(other); }
  Resource& operator=(Resource&& other) noexcept {
    Resource(std::move(other)).swap(*this);
    return *this;
  }
  ~Resource() {
    if (object_ != nullptr) release_(object_);
  }

  void* get() const { return object_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void swap(Resource& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(release_, other.release_);
    std::swap(bytes_, other.bytes_);
  }

  void* object_ = nullptr;
  void (*release_)(void*) = nullptr;
  uint64_t bytes_ = 0;
};

// A hold on one entry. Move-only; costs one atomic add to take and one to drop.
class Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept : core_(std::exchange(other.core_, nullptr)), entry_(std::exchange(other.entry_, nullptr)) {}
  Pin& operator=(Pin&& other) noexcept {
    Pin(std::move(other)).swap(*this);
    return *this;
  }
  ~Pin() {
    if (entry_ != nullptr) Drop();
  }

  explicit operator bool() const { return entry_ != nullptr; }

  // REQUIRES: *this holds an entry. Valid while the pin lives; aligned to 16 bytes. Empty for a resource.
  std::span<const std::byte> bytes() const;
  // REQUIRES: *this holds a resource whose object is a T.
  template <typename T>
  T& resource() const {
    return *static_cast<T*>(object());
  }
  PoolKey key() const;
  // What the entry is charged: header, value, rounding; for a resource its declared size as well.
  uint64_t charged_bytes() const;

 private:
  friend class pool::Core;
  Pin(pool::Core* core, pool::Entry* entry) : core_(core), entry_(entry) {}
  void swap(Pin& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(entry_, other.entry_);
  }
  void Drop();
  void* object() const;

  pool::Core* core_ = nullptr;
  pool::Entry* entry_ = nullptr;
};

enum class InsertStatus : uint8_t {
  kInserted,
  kReplaced,
  kTooLarge,   // can never fit the budget; nothing was evicted for it
  kExhausted,  // no room: what is left is pinned, kept or being loaded
  kNoMemory,   // the system refused to map memory
  kBadCost,    // a cost that is negative, infinite or not a number
};
std::string_view StatusName(InsertStatus status);

struct InsertOutcome {
  InsertStatus status = InsertStatus::kExhausted;
  Pin pin;  // holds the entry when it was stored

  bool stored() const { return status <= InsertStatus::kReplaced; }
};

// What a loader fills: room for bytes, or a resource. Lives as long as the loader runs.
class Filler {
 public:
  // Room for exactly `size` bytes, from the budget; call once. The loader writes all of it (it is not cleared).
  // exhausted, invalid_argument (can never fit) or unavailable (no memory) as Insert says.
  Result<std::span<std::byte>> Bytes(uint64_t size);
  Status Adopt(Resource resource);
  void SetCost(const Cost& cost);

 private:
  friend class pool::Core;
  explicit Filler(pool::Filling& filling) : filling_(filling) {}
  pool::Filling& filling_;
};

// Runs on the caller's thread, outside every lock. It fills the value or returns an error; an exception counts as one.
using Loader = std::function<Status(Filler& filler)>;

struct LoadOptions {
  // Nonzero: taken from the budget before the loader starts; a load that can never fit is refused without running it.
  uint64_t bytes_expected = 0;
  // How long this caller waits for another caller's load. Its own loader is not interrupted.
  TimePoint deadline = TimePoint::max();
  // Ends this caller's wait (unavailable: "cancelled"); the load goes on for the others.
  std::stop_token stop{};
};

enum class LoadedBy : uint8_t { kHit, kComputed, kCoalesced };

struct Loaded {
  Pin pin;
  LoadedBy by = LoadedBy::kHit;
};

// An entry that is leaving. Bytes are those of the value, valid during the call; empty for a resource.
struct Evicted {
  PoolKey key;
  std::span<const std::byte> bytes;
  void* object = nullptr;     // of a resource; released after the call
  bool for_pressure = false;  // by Reclaim or DropIdle; else to make room
};
// For demotion to a next tier and for purging indexes. Called outside locks, on the thread that evicts, before the memory
// is given up. An exception is contained and counted. A sink may use the pool, but nothing is evicted there for what it
// inserts.
using EvictionSink = std::function<void(const Evicted& evicted)>;

// What the values of a pool are like; decides the size of its extents.
enum class ValueSizes : uint8_t {
  kMixed,  // many sizes: small extents, so that few bytes lie unused when each size needs extents of its own
  kAlike,  // one or a few sizes: large extents on huge pages, which makes every access faster
};

struct PoolOptions {
  std::string name = "pool";
  uint64_t budget_bytes = 256ull << 20;
  // Limit on the number of entries; 0: none.
  uint64_t entries_max = 0;
  EvictionPolicy policy = EvictionPolicy::kS3Fifo;
  // Watches a sample of the keys and changes the policy when another one would clearly hit more often. A budget under
  // about 2.5 MiB has no room for that; such a pool keeps its policy.
  bool adaptive = true;
  // Power of two up to 256; 0: chosen from the budget and the processors.
  uint32_t shards = 0;
  ValueSizes sizes = ValueSizes::kMixed;
  // Power of two, 64 KiB to 2 MiB; 0: chosen from the budget and the above. The unit in which memory comes and goes.
  uint64_t extent_bytes = 0;
  EvictionSink sink{};
  const Clock* clock = nullptr;  // borrowed; null: the steady clock

  Status Validate() const;
};

class Pool final : public Reclaimable {
 public:
  // invalid_argument from Validate(); unavailable when the system grants no address space.
  static Result<std::unique_ptr<Pool>> Create(PoolOptions options);
  // REQUIRES: no pin is held and no load is in flight.
  ~Pool() override;

  // Hit: the entry, pinned. Miss: an empty pin. Never loads.
  Pin Get(const PoolKey& key);
  // Neither counts as a use nor as a hit or miss.
  bool Contains(const PoolKey& key) const;

  // Copies `bytes` in. A load of the key that is in flight goes on, its value loses to this one.
  InsertOutcome Insert(const PoolKey& key, std::span<const std::byte> bytes, const Cost& cost = {});
  InsertOutcome Insert(const PoolKey& key, Resource resource, const Cost& cost = {});

  // Single flight: of the callers that miss one key at the same time, one runs its loader, the others wait for it and
  // share what it stored. An error or exception reaches all of them and stores nothing; the next call loads again.
  // Clear() or Erase() during a flight: the flight's callers still get its value, but it does not stay in the pool.
  // A loader may load other keys; loaders that would wait for each other in a circle are told (invalid_argument).
  // Errors: the loader's; exhausted, invalid_argument, unavailable from storing; deadline; unavailable when stopped.
  Result<Loaded> LoadOrShare(const PoolKey& key, const Loader& loader, const LoadOptions& options = {});

  // Changes what an entry is worth; false: not there, a cost that is none, or no memory for another queue.
  bool SetCost(const PoolKey& key, const Cost& cost);

  // True: it was there. A pinned entry is unlinked at once.
  bool Erase(const PoolKey& key);
  // As Erase, but leaves a pinned entry alone. Bytes given back to the budget; 0: absent or pinned.
  uint64_t EraseUnpinned(const PoolKey& key);
  // Removes all entries, pinned and kept ones too, and returns what memory they leave empty. Number of entries removed.
  uint64_t Clear();

  std::string_view name() const override;
  PoolStats Stats() const override;
  double PricePerByte() const override;
  Reclaimed Reclaim(uint64_t bytes, TimePoint deadline) override;
  Reclaimed DropIdle(Duration idle, uint64_t bytes_max, TimePoint deadline) override;
  void SetBudget(uint64_t bytes) override;
  void SetPolicy(EvictionPolicy policy);

  // Entries under a pin now; visits every entry.
  uint64_t CountPinned() const;
  // Stops the process when an invariant does not hold: links, counters, extents, budget. REQUIRES: no other call runs.
  void CheckInvariants() const;

 private:
  friend Result<std::unique_ptr<Pool>> pool::CreateOn(pool::PageSource& source, PoolOptions options);
  explicit Pool(std::unique_ptr<pool::Core> core);
  std::unique_ptr<pool::Core> core_;
};

}  // namespace weir
