#pragma once
// Core: what a Pool is made of, and the order of its locks.
//
//   shards    by the key's hash: an index, the eviction queues, the loads in flight, one lock
//   extents   the cells, shared by all shards (a lock per size class)
//   pages     what the kernel gave
// The byte budget is one for all shards: a shard that has more than its part gives its victims first.
// Order of locks: policy, then shard, then size class, then the spare extents; the sampler's is taken with none held.
// WaitForReaders() is called with none of them held. core.cc: look-up and removal; store.cc: room and insertion; load.cc:
// single flight; reclaim.cc and compact.cc: giving memory back; adapt.cc: the policy in force; figures.cc: its figures.

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>

#include "counters.h"
#include "entry.h"
#include "eviction_queues.h"
#include "extents.h"
#include "flight.h"
#include "index.h"
#include "pages.h"
#include "shadow.h"
#include "weir/base/clock.h"
#include "weir/pool/pool.h"

namespace weir::pool {

// A cell is charged in full; a large value its pages too; a resource what it declared.
struct Charge {
  uint64_t mapped_bytes = 0;
  uint64_t declared_bytes = 0;
  uint64_t total() const { return mapped_bytes + declared_bytes; }
};

inline Charge ChargeAt(const Extents& extents, Slot slot) {
  Entry* entry = extents.At(slot);
  Charge charge{extents.CellBytesAt(slot), 0};
  if (entry->slack >= kBodyResource) [[unlikely]] {
    if (entry->slack == kBodyLarge) charge.mapped_bytes += RoundUp(entry->large().size_bytes, kPageBytes);
    if (entry->slack == kBodyResource) charge.declared_bytes = entry->resource().bytes();
  }
  return charge;
}

// How the eviction queues see the entries.
class EntryView {
 public:
  explicit EntryView(const Extents& extents) : extents_(&extents) {}
  EvictionLink& Link(Slot slot) const { return extents_->At(slot)->link; }
  uint64_t Bytes(Slot slot) const { return ChargeAt(*extents_, slot).total(); }
  uint64_t Hash(Slot slot) const { return HashOf(extents_->At(slot)->key()); }
  bool Claim(Slot slot) const { return extents_->At(slot)->Claim(); }

 private:
  const Extents* extents_;
};

struct alignas(128) Shard {
  Shard(Pages& pages, const Extents& extents, EvictionPolicy policy) : queues(pages, EntryView(extents), policy) {}
  ~Shard() { delete table.load(); }

  std::atomic<IndexTable*> table{nullptr};  // null until the first entry
  std::mutex mutex;
  // Guarded by mutex; the atomics are read by anybody, and changed by Adjust.
  EvictionQueues<EntryView> queues;
  Flight* flights = nullptr;
  std::atomic<uint64_t> entries{0};
  std::atomic<uint64_t> entry_bytes{0};
  std::atomic<double> price_per_byte{std::numeric_limits<double>::infinity()};
};

// For a counter that is written under a lock and read without: no locked instruction is needed.
inline void Adjust(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// What is to be stored, and what it takes.
struct Wanted {
  SizeClass size_class = 0;
  uint64_t large_bytes = 0;     // a mapping of its own; 0: the value is in the cell
  uint64_t declared_bytes = 0;  // of a resource
  uint64_t extra() const { return large_bytes + declared_bytes; }
};

// Entries that left the index and wait, outside locks, for the sink and the freeing of their memory. Linked through
// EvictionLink::position, which no queue uses any more.
struct Leaving {
  Slot head = kNoSlot;

  void Push(const Extents& extents, Slot slot) { extents.At(slot)->link.position = std::exchange(head, slot); }
  Slot Pop(const Extents& extents) { return std::exchange(head, extents.At(head)->link.position); }
};

class Core {
 public:
  Core(PoolOptions options, PageSource& source);
  ~Core();
  Status Open();

  Pin Get(const PoolKey& key);
  Pin GetQuickly(const PoolKey& key);  // the same, inlined
  bool Contains(const PoolKey& key) const;
  InsertOutcome Insert(const PoolKey& key, std::span<const std::byte> bytes, const Cost& cost);
  InsertOutcome Insert(const PoolKey& key, Resource&& resource, const Cost& cost);
  Result<Loaded> LoadOrShare(const PoolKey& key, const Loader& loader, const LoadOptions& options);
  bool SetCost(const PoolKey& key, const Cost& cost);
  bool Erase(const PoolKey& key);
  uint64_t EraseUnpinned(const PoolKey& key);
  uint64_t Clear();

  std::string_view name() const { return options_.name; }
  PoolStats Stats() const;
  double PricePerByte() const;
  Reclaimed Reclaim(uint64_t bytes, TimePoint deadline);
  Reclaimed DropIdle(Duration idle, uint64_t bytes_max, TimePoint deadline);
  void SetBudget(uint64_t bytes);
  void SetPolicy(EvictionPolicy policy);
  uint64_t CountPinned() const;
  void CheckInvariants() const;

  // For Pin.
  void Drop(Entry* entry);
  std::span<const std::byte> BytesOf(Entry* entry) const {
    if (entry->slack >= kBodyResource) [[unlikely]] {
      if (entry->slack == kBodyResource) return {};
      return {entry->large().at, entry->large().size_bytes};
    }
    return {entry->body(), extents_.CellBytesAt(extents_.SlotOf(entry)) - kHeaderBytes - entry->slack};
  }
  uint64_t ChargedBytes(const Entry* entry) const { return ChargeOf(extents_.SlotOf(entry)).total(); }

 private:
  friend class Filling;

  // core.cc
  struct Hashed {
    uint64_t hash;
    Shard& shard;
  };
  Hashed Place(const PoolKey& key) const {
    const uint64_t hash = HashOf(key);
    return {hash, ShardOf(hash)};
  }
  uint32_t ShardNumber(uint64_t hash) const { return static_cast<uint32_t>(hash >> shard_shift_) & (shard_count_ - 1); }
  Shard& ShardOf(uint64_t hash) const { return shards_[ShardNumber(hash)]; }
  [[gnu::noinline]] Pin GetSlowly(const PoolKey& key);
  Pin FindForCertain(const PoolKey& key, const Hashed& place);
  [[gnu::noinline]] void DropSlowly(Entry* entry);
  void NoteUse(Entry& entry) const {
    entry.link.NoteUse();
    const uint16_t tick = tick_.load(std::memory_order_relaxed);
    if (entry.last_use_tick.load(std::memory_order_relaxed) != tick) [[unlikely]]
      entry.last_use_tick.store(tick, std::memory_order_relaxed);
  }
  Charge ChargeOf(Slot slot) const { return ChargeAt(extents_, slot); }
  Slot FindLocked(const Shard& shard, const PoolKey& key, uint64_t hash) const;
  void UncountLocked(Shard& shard, Slot slot);
  void DetachLocked(Shard& shard, Slot slot, Leaving& leaving);
  void UnlinkLocked(Shard& shard, uint64_t hash, Slot slot, Leaving& leaving);
  void TellSink(Entry* entry, bool for_pressure) {
    if (options_.sink) CallSink(entry, for_pressure);
  }
  void CallSink(Entry* entry, bool for_pressure);
  bool InOwnSink() const;
  void Free(Leaving& leaving);
  void CountEvicted(uint64_t entries, uint64_t bytes) {
    counters_.Add(Count::kEvictions, entries);
    counters_.Add(Count::kEvictedBytes, bytes);
  }
  // What the cell holds outside itself goes back; its bytes.
  uint64_t FreeBody(Slot slot) {
    Entry* entry = extents_.At(slot);
    const uint64_t bytes = entry->slack >= kBodyResource ? FreeOutside(entry) : 0;
    entry->slack = 0;
    return bytes;
  }
  uint64_t FreeOutside(Entry* entry);
  void FreeDetached(Entry* entry);
  Pin Find(const PoolKey& key, const Hashed& place);
  // For the sampler, which may find that another policy would do better; that one comes into force with an insertion.
  void ObserveLookup(uint64_t hash, const Pin& pin) {
    if (sampler_ != nullptr && sampler_->Sampled(hash)) TellSampler(hash, pin ? pin.charged_bytes() : 0, false);
  }
  void ObserveInsert(uint64_t hash, uint64_t bytes) {
    if (sampler_ == nullptr) return;
    if (sampler_->Sampled(hash)) TellSampler(hash, bytes, true);
    if (sampler_->Best() != policy_.load(std::memory_order_relaxed)) FollowSampler();
  }
  void TellSampler(uint64_t hash, uint64_t bytes, bool stored);
  void FollowSampler();
  void LimitSampler();
  void ChangePolicyLocked(EvictionPolicy policy);

  // store.cc
  struct Room {
    InsertStatus status = InsertStatus::kInserted;
    Slot slot = kNoSlot;  // in kReserved, header and body not set
    bool ok() const { return slot != kNoSlot; }
  };
  Wanted WantBytes(uint64_t size) const;
  static Wanted WantResource(uint64_t declared_bytes);
  bool CanEverFit(const Wanted& wanted) const;
  Room TakeRoom(const Wanted& wanted, uint64_t hash);
  Room FindCell(const Wanted& wanted);
  struct RoomSearch;
  bool MakeRoom(const Wanted& wanted, uint64_t hash, RoomSearch& search);
  Room ReserveBytes(uint64_t size, uint64_t hash);
  Room ReserveResource(Resource& resource, uint64_t hash);
  void ReturnRoom(Slot slot);
  Pin Overwrite(const PoolKey& key, const Hashed& place, std::span<const std::byte> bytes, const Cost& cost);
  InsertOutcome Refuse(InsertStatus status);
  InsertOutcome Publish(const PoolKey& key, uint64_t hash, Slot slot, const Cost& cost, Flight* flight);
  InsertStatus LinkLocked(Shard& shard, uint64_t hash, Slot slot, uint8_t price_class, Leaving& leaving,
                          std::unique_ptr<IndexTable>& retired);
  bool GrowIndexLocked(Shard& shard, std::unique_ptr<IndexTable>& retired);
  bool ResizeIndexLocked(Shard& shard, uint64_t buckets, std::unique_ptr<IndexTable>& retired);
  Slot EvictFrom(Shard& shard, uint64_t wanted_for);
  Slot EvictOne(uint64_t hash);
  bool SetAside(uint64_t bytes);
  bool CountEntry();
  void UncountEntry() {
    if (options_.entries_max != 0) entries_total_.fetch_sub(1, std::memory_order_relaxed);
  }

  // load.cc
  Flight* FindFlightLocked(Shard& shard, const PoolKey& key) const;
  void RetireFlightsLocked(Shard& shard, const PoolKey* key);
  void UnlinkFlightLocked(Shard& shard, Flight* flight);
  Result<Loaded> Lead(Flight* flight, const Loader& loader, const LoadOptions& options);
  Result<Loaded> RunLoader(Flight* flight, const Loader& loader, const LoadOptions& options);
  Result<Loaded> Follow(Flight* flight, const LoadOptions& options);
  void Release(Flight* flight);

  // reclaim.cc, compact.cc
  struct Sweep;
  uint64_t GiveBack(uint64_t bytes, TimePoint deadline, bool for_pressure, Reclaimed& done);
  void Survey(Sweep& sweep);
  void EvictLarge(Sweep& sweep);
  void SweepExtents(Sweep& sweep);
  void MoveTogether(Sweep& sweep, uint32_t visited);
  void DropFrom(uint32_t extent, Sweep& sweep);
  bool MoveOut(uint32_t extent);
  bool Close(uint32_t extent, std::array<uint64_t, kClassCount>& promised);
  bool IsHeld(uint32_t extent, const Extents::View& view) const;
  void GatherHoles(Sweep& sweep);
  bool MoveLocked(Shard& shard, uint64_t hash, Slot slot, SizeClass size_class);
  bool EmptySparsestExtent();
  uint32_t SparsestExtent(bool& moves) const;
  uint64_t FreeTold(Leaving& leaving, bool for_pressure);
  uint64_t Trim();
  uint64_t HeldBytes() const;
  uint64_t ReleaseMark() const;
  bool NothingToGive() const;
  void UpdateTick() const;

  // figures.cc
  void CheckCells(uint64_t indexed, uint64_t expected_mapped) const;

  uint64_t used_bytes() const { return pages_.mapped_bytes() + resource_bytes_.load(std::memory_order_relaxed); }
  uint64_t budget() const { return budget_.load(std::memory_order_relaxed); }

  const PoolOptions options_;
  const Clock& clock_;
  const uint32_t shard_count_;
  const uint32_t shard_shift_;
  Pages pages_;
  Extents extents_;
  Shard* shards_ = nullptr;  // shard_count_ of them
  std::atomic<uint64_t> budget_;
  std::atomic<uint64_t> resource_bytes_{0};  // live and detached
  std::atomic<uint64_t> resource_bytes_released_{0};
  std::atomic<uint64_t> detached_bytes_{0};
  std::atomic<uint64_t> loading_{0};
  std::atomic<uint64_t> waiting_{0};
  std::atomic<uint64_t> set_aside_bytes_{0};  // of the budget, for what is about to be mapped or declared
  std::atomic<uint64_t> entries_total_{0};    // live and reserved; kept only when entries_max is set
  std::mutex policy_mutex_;                   // held while the shards change over
  std::atomic<EvictionPolicy> policy_;
  std::unique_ptr<ShadowSampler> sampler_;  // null: not adaptive
  mutable std::atomic<uint16_t> tick_{0};
  std::atomic<uint32_t> victim_turn_{0};
  std::atomic<uint64_t> fruitless_mark_{0};  // ReleaseMark() when a sweep last found nothing to give; 0: not so
  std::atomic<uint64_t> part_bytes_{0};      // of entries, in an average shard, a little while ago
  mutable Counters counters_;
};

// The class of entries worth one microsecond per byte; each further class is worth twice as much.
inline constexpr int kClassOfOne = 24;
uint8_t PriceClassOf(const Cost& cost, uint64_t charged_bytes);
bool IsValid(const Cost& cost);

}  // namespace weir::pool
