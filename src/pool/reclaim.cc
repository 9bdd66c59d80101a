// Giving memory back to the system.
//
// Evicting in the policy's order alone leaves a hole in every extent and frees no page. So a sweep ranks the extents by
// what their entries are worth, drops the cold entries of the cheapest extents (those at or below the level that the
// wanted bytes reach), moves what remains in them together, and unmaps the extents that became empty. Entries with memory
// of their own, large values and resources, go in the policy's order, since each gives its bytes back by itself.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core.h"
#include "quiescence.h"
#include "sweep.h"

namespace weir::pool {
namespace {

// Cells of an extent that a survey looks at.
constexpr uint32_t kSamples = 48;
constexpr auto kTickLength = std::chrono::seconds(8);
constexpr Duration::rep kTicksMax = 60'000;

// A place in main is earned by uses.
uint32_t LevelOf(const EvictionLink& link) {
  if (link.price_class() >= kPriceClassNever) return kLevels;
  const uint32_t uses = link.uses.load(std::memory_order_relaxed) + (EvictionQueues<EntryView>::InMain(link) ? 2u : 0u);
  return link.price_class() * kLevelsPerClass + uses;
}
double WorthOf(uint32_t level) {
  return std::ldexp(1.0 + level % kLevelsPerClass, static_cast<int>(level / kLevelsPerClass));
}

}  // namespace

void Core::UpdateTick() const {
  const auto ticks = clock_.Now().time_since_epoch() / kTickLength;
  tick_.store(static_cast<uint16_t>(ticks), std::memory_order_relaxed);
}

// Ranks the extents and sets the level that the wanted bytes reach, from samples.
void Core::Survey(Sweep& sweep) {
  std::array<double, kLevels + 1> level_bytes{};
  const uint32_t extents = extents_.extent_count();
  sweep.ranked_count = 0;
  if (sweep.pages.empty() && sweep.pages.Allocate(pages_, std::max(1u, extents))) {
    sweep.ranked = {sweep.pages.data(), sweep.pages.size()};
  }
  const uint32_t start = victim_turn_.load(std::memory_order_relaxed);
  for (uint32_t step = 0; step < extents && sweep.ranked_count < sweep.ranked.size(); ++step) {
    const uint32_t i = (start + step) % extents;
    const Extents::View view = extents_.Look(i);
    if (!view.in_use || view.fresh == 0) continue;
    const uint64_t cell_bytes = extents_.CellBytes(view.size_class);
    const uint32_t stride = std::max(1u, view.fresh / kSamples);
    double worth = 0;
    ReadSection section;
    if (!extents_.IsStill(i, view)) continue;
    for (uint32_t cell = 0; cell < view.fresh; cell += stride) {
      const Entry* entry = extents_.At(extents_.CellSlot(i, view.size_class, cell));
      if (entry->state() != EntryState::kLive) continue;
      const uint32_t level = LevelOf(entry->link);
      const double stands_for = static_cast<double>(cell_bytes) * stride;
      level_bytes[level] += stands_for;
      worth += WorthOf(level) * stands_for;
    }
    sweep.ranked[sweep.ranked_count++] = {worth / static_cast<double>(extents_.extent_bytes()), view.taken_order, i};
  }
  std::sort(sweep.ranked.data(), sweep.ranked.data() + sweep.ranked_count);
  // Whole levels go, but for the youngest entries, which have had no chance yet; of the last level only as much as is
  // wanted, oldest first.
  const double wanted = static_cast<double>(sweep.wanted_bytes - sweep.done->bytes_released);
  double below = 0;
  for (uint32_t level = 0; level < kLevels && below < wanted; ++level) {
    if (level_bytes[level] == 0) continue;
    sweep.level_max = level;
    sweep.depth_max_at_level = std::max(0.5, std::min(1.0, (wanted - below) / level_bytes[level] + 0.1));
    below += level_bytes[level];
  }
  sweep.depth_max_below = 0.9;
}

// Tells the sink, frees; bytes that went back by themselves.
uint64_t Core::FreeTold(Leaving& leaving, bool for_pressure) {
  uint64_t bytes = 0;
  while (leaving.head != kNoSlot) {
    const Slot slot = leaving.Pop(extents_);
    TellSink(extents_.At(slot), for_pressure);
    bytes += FreeBody(slot);
    extents_.GiveBack(slot, EntryState::kClaimed);
  }
  return bytes;
}

// Drops what is cold in the extent; the cells become free where they are.
void Core::DropFrom(uint32_t extent, Sweep& sweep) {
  const Extents::View view = extents_.Look(extent);
  if (!view.in_use) return;
  const auto is_cold = [&](const Entry* entry) {
    const auto age =
        static_cast<uint16_t>(tick_.load(std::memory_order_relaxed) - entry->last_use_tick.load(std::memory_order_relaxed));
    return LevelOf(entry->link) <= sweep.level_max && age >= sweep.idle_ticks_min;
  };
  Leaving leaving;
  std::array<Candidate, kBatch> batch;
  uint64_t outside_bytes = 0;  // of what leaves
  const auto enough = [&] { return sweep.done->bytes_released + outside_bytes >= sweep.wanted_bytes; };
  for (uint32_t cell = 0; cell < view.fresh && !enough() && clock_.Now() < sweep.deadline;) {
    uint32_t count = 0;
    {
      ReadSection section;
      if (!extents_.IsStill(extent, view)) break;
      for (; cell < view.fresh && count < kBatch; ++cell) {
        const Slot slot = extents_.CellSlot(extent, view.size_class, cell);
        Entry* entry = extents_.At(slot);
        if (entry->word.load(std::memory_order_acquire) != WordOf(EntryState::kLive) || !is_cold(entry)) continue;
        const PoolKey key = entry->key();
        const Hashed place = Place(key);
        if (const IndexTable* table = place.shard.table.load(std::memory_order_acquire)) table->PrefetchHome(place.hash);
        batch[count++] = {slot, key, place.hash};
      }
    }
    for (uint32_t i = 0; i < count && !enough(); ++i) {
      Shard& shard = ShardOf(batch[i].hash);
      std::lock_guard lock(shard.mutex);
      // Only what the index says may be touched: the cell may have another owner by now.
      if (FindLocked(shard, batch[i].key, batch[i].hash) != batch[i].slot) continue;
      Entry* entry = extents_.At(batch[i].slot);
      if (!is_cold(entry) || shard.queues.DepthOf(entry->link) > sweep.depth_max(LevelOf(entry->link)) || !entry->Claim())
        continue;
      const Charge charge = ChargeOf(batch[i].slot);
      shard.table.load(std::memory_order_relaxed)->Remove(batch[i].hash, batch[i].slot);
      shard.queues.Remove(batch[i].slot);
      UncountLocked(shard, batch[i].slot);
      leaving.Push(extents_, batch[i].slot);
      ++sweep.done->entries;
      sweep.done->bytes_accounted += charge.total();
      const uint64_t cell_bytes = extents_.CellBytes(view.size_class);
      sweep.freed_bytes += cell_bytes;
      outside_bytes += charge.total() - cell_bytes;
    }
    sweep.done->bytes_released += FreeTold(leaving, sweep.for_pressure);
    outside_bytes = 0;
  }
}

// In the policy's order, while most of the pool's bytes are the entries' own mappings and resources, and until victims of
// any kind make up what is wanted: small ones leave holes, which the sweep then gathers.
void Core::EvictLarge(Sweep& sweep) {
  // As a hash that falls to each shard in turn.
  uint64_t turn = uint64_t{victim_turn_.fetch_add(1, std::memory_order_relaxed)} << shard_shift_;
  while (sweep.done->bytes_released + sweep.freed_bytes < sweep.wanted_bytes) {
    const uint64_t in_extents = extents_.committed_bytes();
    if (used_bytes() - std::min(used_bytes(), in_extents) < in_extents) return;
    if (clock_.Now() >= sweep.deadline) return;
    const Slot victim = EvictOne(turn);
    if (victim == kNoSlot) return;
    turn += uint64_t{1} << shard_shift_;
    ++sweep.done->entries;
    sweep.done->bytes_accounted += ChargeOf(victim).total();
    sweep.freed_bytes += extents_.CellBytesAt(victim);
    Leaving leaving;
    leaving.Push(extents_, victim);
    sweep.done->bytes_released += FreeTold(leaving, sweep.for_pressure);
  }
}

// Bytes that went back to the system.
uint64_t Core::GiveBack(uint64_t bytes, TimePoint deadline, bool for_pressure, Reclaimed& done) {
  Sweep sweep;
  sweep.wanted_bytes = done.bytes_released + bytes;
  sweep.deadline = deadline;
  sweep.for_pressure = for_pressure;
  sweep.done = &done;
  const uint64_t before = done.bytes_released;
  const uint64_t entries_before = done.entries;
  const uint64_t accounted_before = done.bytes_accounted;
  const uint64_t mark = ReleaseMark();
  done.bytes_released += extents_.ReleaseEmpty();
  if (!sweep.enough()) GatherHoles(sweep);
  if (!sweep.enough()) EvictLarge(sweep);
  for (uint32_t round = 0; !sweep.enough() && !done.deadline_reached; ++round) {
    if (round != 0) GatherHoles(sweep);
    if (sweep.enough()) break;
    Survey(sweep);
    // Two rounds did not do: pins hold what is cold, so everything may go.
    if (round > 1) sweep.level_max = kLevels - 1, sweep.depth_max_at_level = sweep.depth_max_below = 1;
    const uint64_t freed_before = sweep.freed_bytes;
    const uint64_t released_before = done.bytes_released;
    SweepExtents(sweep);
    if (round > 1 && sweep.freed_bytes == freed_before && done.bytes_released == released_before) break;
  }
  if (done.bytes_released == before && done.entries == entries_before && !done.deadline_reached) {
    fruitless_mark_.store(mark, std::memory_order_relaxed);
  }
  CountEvicted(done.entries - entries_before, done.bytes_accounted - accounted_before);
  if (for_pressure || !sweep.enough()) done.bytes_released += Trim();
  return done.bytes_released - before;
}

// Nothing is lost by moving together what erasures and victims left.
void Core::GatherHoles(Sweep& sweep) {
  Survey(sweep);
  MoveTogether(sweep, sweep.ranked_count);
  sweep.done->bytes_released += extents_.ReleaseEmpty();
}

// One pass over the ranked extents: drop, then move together.
void Core::SweepExtents(Sweep& sweep) {
  Reclaimed& done = *sweep.done;
  const uint64_t short_bytes = sweep.wanted_bytes - done.bytes_released;
  const uint64_t freed_at_start = sweep.freed_bytes;
  uint32_t visited = 0;
  for (; visited < sweep.ranked_count && !sweep.enough(); ++visited) {
    if (clock_.Now() >= sweep.deadline) {
      done.deadline_reached = true;
      break;
    }
    DropFrom(sweep.ranked[visited].extent, sweep);
    if (extents_.EmptyCount() >= kExtentsPerRelease || extents_.EmptyCount() * extents_.extent_bytes() >= short_bytes) {
      done.bytes_released += extents_.ReleaseEmpty();
    }
    if (sweep.freed_bytes - freed_at_start >= short_bytes) {
      ++visited;
      break;
    }
  }
  if (!sweep.enough() && !done.deadline_reached) MoveTogether(sweep, visited);
  done.bytes_released += extents_.ReleaseEmpty();
}

Reclaimed Core::Reclaim(uint64_t bytes, TimePoint deadline) {
  UpdateTick();
  Reclaimed done;
  if (bytes == 0) return done;
  GiveBack(bytes, deadline, true, done);
  return done;
}

Reclaimed Core::DropIdle(Duration idle, uint64_t bytes_max, TimePoint deadline) {
  UpdateTick();
  Reclaimed done;
  if (bytes_max == 0) return done;
  Sweep sweep;
  sweep.wanted_bytes = bytes_max;
  sweep.deadline = deadline;
  sweep.for_pressure = true;
  sweep.done = &done;
  // An age is known to a tick: one more is asked for than would do. The clock goes round in six days.
  const auto ticks = std::max<Duration::rep>(idle / kTickLength + 1, 1);
  if (ticks > kTicksMax) return done;
  Survey(sweep);
  sweep.level_max = kLevels - 1;
  sweep.depth_max_at_level = sweep.depth_max_below = 1;
  sweep.idle_ticks_min = static_cast<uint16_t>(ticks);
  SweepExtents(sweep);
  CountEvicted(done.entries, done.bytes_accounted);
  done.bytes_released += Trim();
  return done;
}

// An index that lost most of its entries goes on in a smaller table, and empty queues give up their pages. Bytes.
uint64_t Core::Trim() {
  uint64_t bytes = 0;
  bool empty = true;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    Shard& shard = shards_[i];
    std::unique_ptr<IndexTable> retired;
    {
      std::lock_guard lock(shard.mutex);
      const uint64_t queue_bytes = shard.queues.mapped_bytes();
      shard.queues.Trim();
      bytes += queue_bytes - shard.queues.mapped_bytes();
      IndexTable* table = shard.table.load(std::memory_order_relaxed);
      const uint64_t entries = shard.entries.load(std::memory_order_relaxed);
      empty = empty && entries == 0;
      if (table == nullptr) continue;
      if (entries == 0) {
        shard.table.store(nullptr, std::memory_order_release);
        retired.reset(table);
        bytes += table->mapped_bytes();
      } else if (table->mapped_bytes() > kPageBytes && entries * 3 < uint64_t{table->bucket_count()} * kBucketSlots) {
        if (ResizeIndexLocked(shard, entries * 3 / 2 / kBucketSlots + 1, retired)) {
          bytes += retired->mapped_bytes() - shard.table.load(std::memory_order_relaxed)->mapped_bytes();
        }
      }
    }
    if (retired != nullptr) WaitForReaders();
  }
  if (empty && sampler_ != nullptr) {
    bytes += sampler_->mapped_bytes();
    sampler_->Release();
  }
  return bytes;
}

// Changes with whatever could let a sweep succeed where the last one failed, but for SetCost and SetBudget.
uint64_t Core::ReleaseMark() const {
  return 1 + counters_.Sum(Count::kPinsDropped) + counters_.Sum(Count::kErased) + counters_.Sum(Count::kReplaced);
}

bool Core::NothingToGive() const {
  const uint64_t mark = fruitless_mark_.load(std::memory_order_relaxed);
  return mark != 0 && mark == ReleaseMark();
}

double Core::PricePerByte() const {
  double least = std::numeric_limits<double>::infinity();
  if (NothingToGive()) return least;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    Shard& shard = shards_[i];
    if (shard.mutex.try_lock()) {
      shard.price_per_byte.store(std::ldexp(shard.queues.PriceOfNext(), -kClassOfOne), std::memory_order_relaxed);
      shard.mutex.unlock();
    }
    least = std::min(least, shard.price_per_byte.load(std::memory_order_relaxed));
  }
  return least;
}

}  // namespace weir::pool
