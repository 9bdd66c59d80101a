// What a pool says of itself: its counters, and the check that they and its structures agree.

#include "core.h"
#include "weir/base/check.h"

namespace weir::pool {

PoolStats Core::Stats() const {
  UpdateTick();
  const auto sum = [this](Count which) { return counters_.Sum(which); };
  PoolStats stats;
  stats.name = options_.name;
  stats.policy = policy_.load(std::memory_order_relaxed);
  stats.budget_bytes = budget();
  stats.mapped_bytes = pages_.mapped_bytes();
  stats.resource_bytes = resource_bytes_.load(std::memory_order_relaxed);
  stats.detached_bytes = detached_bytes_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < shard_count_; ++i) {
    stats.entries += shards_[i].entries.load(std::memory_order_relaxed);
    stats.entry_bytes += shards_[i].entry_bytes.load(std::memory_order_relaxed);
  }
  // Dropped first: a pin that is taken and dropped between the two must not make the difference negative.
  const uint64_t dropped = sum(Count::kPinsDropped);
  const uint64_t taken = sum(Count::kHits) + sum(Count::kPinsTaken);
  stats.pins = taken > dropped ? taken - dropped : 0;
  stats.loading = loading_.load(std::memory_order_relaxed);
  stats.waiting = waiting_.load(std::memory_order_relaxed);
  stats.hits = sum(Count::kHits);
  stats.misses = sum(Count::kMisses);
  stats.inserts = sum(Count::kInserts);
  stats.replaced = sum(Count::kReplaced);
  stats.erased = sum(Count::kErased);
  stats.evictions = sum(Count::kEvictions);
  stats.evicted_bytes = sum(Count::kEvictedBytes);
  stats.refused_too_large = sum(Count::kRefusedTooLarge);
  stats.refused_exhausted = sum(Count::kRefusedExhausted);
  stats.loads = sum(Count::kLoads);
  stats.load_failures = sum(Count::kLoadFailures);
  stats.coalesced = sum(Count::kCoalesced);
  stats.moved = sum(Count::kMoved);
  stats.released_bytes = pages_.released_bytes() + resource_bytes_released_.load(std::memory_order_relaxed);
  stats.sink_failures = sum(Count::kSinkFailures);
  stats.policy_switches = sum(Count::kPolicySwitches);
  return stats;
}

void Core::CheckInvariants() const {
  extents_.CheckInvariants();
  uint64_t expected_mapped = extents_.mapped_bytes();
  uint64_t entries = 0;
  if (sampler_ != nullptr) {
    sampler_->CheckInvariants();
    expected_mapped += sampler_->mapped_bytes();
  }
  for (uint32_t i = 0; i < shard_count_; ++i) {
    const Shard& shard = shards_[i];
    shard.queues.CheckInvariants();
    expected_mapped += shard.queues.mapped_bytes();
    WEIR_CHECK(shard.flights == nullptr || loading_.load() != 0, "shard {} keeps a flight that has landed", i);
    uint64_t in_index = 0;
    uint64_t bytes = 0;
    uint64_t kept = 0;
    if (const IndexTable* table = shard.table.load(); table != nullptr) {
      expected_mapped += table->mapped_bytes();
      table->ForEach([&](Slot slot) {
        const Entry* entry = extents_.At(slot);
        WEIR_CHECK(entry->state() == EntryState::kLive, "slot {} is in the index in state {}", slot,
                   static_cast<uint32_t>(entry->state()));
        const uint64_t hash = HashOf(entry->key());
        WEIR_CHECK(ShardNumber(hash) == i, "slot {} lies in shard {}, belongs to {}", slot, i, ShardNumber(hash));
        WEIR_CHECK(FindLocked(shard, entry->key(), hash) == slot, "slot {} cannot be found by its key", slot);
        bytes += ChargeOf(slot).mapped_bytes;
        kept += entry->link.price_class() >= kPriceClassNever;
        ++in_index;
      });
    }
    WEIR_CHECK(in_index == shard.entries.load(), "shard {}: {} in the index, {} counted", i, in_index, shard.entries.load());
    WEIR_CHECK(in_index == shard.queues.size() + kept, "shard {}: {} in the index, {} in queues, {} kept", i, in_index,
               shard.queues.size(), kept);
    WEIR_CHECK(bytes == shard.entry_bytes.load(), "shard {}: {} bytes, {} counted", i, bytes, shard.entry_bytes.load());
    entries += in_index;
  }
  CheckCells(entries, expected_mapped);
}

// Every cell by its state: live ones are those of the indexes, detached ones are the ones counted, large values are mapped.
void Core::CheckCells(uint64_t indexed, uint64_t expected_mapped) const {
  uint64_t live = 0;
  uint64_t detached_bytes = 0;
  uint64_t declared_bytes = 0;
  extents_.ForEachCell([&](Slot slot) {
    Entry* entry = extents_.At(slot);
    const EntryState state = entry->state();
    if (state == EntryState::kFree) return;
    const Charge charge = ChargeOf(slot);
    live += state == EntryState::kLive;
    if (state == EntryState::kDetached) detached_bytes += charge.total();
    declared_bytes += charge.declared_bytes;
    expected_mapped += charge.mapped_bytes - extents_.CellBytesAt(slot);
  });
  WEIR_CHECK(live == indexed, "{} live cells, {} in the indexes", live, indexed);
  WEIR_CHECK(detached_bytes == detached_bytes_.load(), "{} bytes detached, {} counted", detached_bytes,
             detached_bytes_.load());
  WEIR_CHECK(declared_bytes == resource_bytes_.load(), "{} bytes declared, {} counted", declared_bytes,
             resource_bytes_.load());
  WEIR_CHECK(expected_mapped == pages_.mapped_bytes(), "{} bytes mapped by parts, {} counted", expected_mapped,
             pages_.mapped_bytes());
}

}  // namespace weir::pool
