// Room for a value, and its way into the pool.
//
// Room comes before the value: a cell (and, for a large value, a mapping) is reserved within the budget, filled outside
// locks, then published under the lock of its shard. What makes room, in this order: a free cell of the class, an empty
// extent, a new extent within the budget, a victim whose cell fits, and, when victims of other classes have given up an
// extent's worth of cells, an extent emptied by moving its last entries together.

#include <algorithm>
#include <cstring>
#include <utility>

#include "core.h"
#include "quiescence.h"
#include "weir/base/check.h"

namespace weir::pool {
namespace {

// Entries that one call looks at for a victim before it tries another shard.
constexpr uint32_t kEvictEffort = 4096;
// A longer copy would keep readers of the key waiting.
constexpr uint64_t kOverwriteBytesMax = 2048;
constexpr uint64_t kIndexLoadMaxPercent = 85;
constexpr double kIndexGrowth = 1.5;
// After a cut of the budget every insert gives back a few extents, rather than one of them all.
constexpr uint64_t kExtentsPerInsert = 4;
// From so many extents on, a value is worth a look at what is held before others are dropped for it.
constexpr uint64_t kHeldLookExtents = 8;
// More than any budget; sums with it do not overflow.
constexpr uint64_t kLargeBytesMax = uint64_t{1} << 56;
constexpr uint64_t kFirstBuckets = kPageBytes / sizeof(Bucket);

}  // namespace

Wanted Core::WantBytes(uint64_t size) const {
  if (size <= extents_.value_bytes_max()) return {ClassOf(size), 0, 0};
  // No budget reaches that far, so the sum that follows may saturate.
  if (size > kLargeBytesMax) return {ClassOf(sizeof(LargeBody)), kLargeBytesMax, 0};
  return {ClassOf(sizeof(LargeBody)), RoundUp(size, kPageBytes), 0};
}

Wanted Core::WantResource(uint64_t declared_bytes) {
  return {ClassOf(sizeof(Resource)), 0, std::min(declared_bytes, kLargeBytesMax)};
}

bool Core::CanEverFit(const Wanted& wanted) const {
  // Beside the value: its extent and a first page for each of index and queue.
  const uint64_t least = extents_.extent_bytes() + 3 * kPageBytes;
  return wanted.extra() < kLargeBytesMax && wanted.extra() <= budget() && least <= budget() - wanted.extra();
}

// Sets bytes of the budget aside until they are mapped or declared. False: they do not fit now.
bool Core::SetAside(uint64_t bytes) {
  if (bytes == 0) return true;
  const uint64_t before = set_aside_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (used_bytes() + before + bytes <= budget()) return true;
  set_aside_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

// Counts one entry more against entries_max. False: there are that many.
bool Core::CountEntry() {
  if (options_.entries_max == 0) return true;
  if (entries_total_.fetch_add(1, std::memory_order_relaxed) < options_.entries_max) return true;
  UncountEntry();
  return false;
}

// A cell without evicting anybody, counted and with its extra bytes set aside; kNoMemory: the system refused; kExhausted:
// only an eviction can help.
Core::Room Core::FindCell(const Wanted& wanted) {
  if (!CountEntry()) return {InsertStatus::kExhausted, kNoSlot};
  InsertStatus status = InsertStatus::kExhausted;
  if (used_bytes() <= budget() && SetAside(wanted.extra())) {
    for (;;) {
      if (const Slot slot = extents_.Take(wanted.size_class); slot != kNoSlot) return {InsertStatus::kInserted, slot};
      if (extents_.UseEmpty(wanted.size_class) == Extents::Grown::kYes) continue;
      const uint64_t extent_bytes = extents_.extent_bytes();
      if (!SetAside(extent_bytes)) break;
      const Extents::Grown grown = extents_.UseNew(wanted.size_class);
      set_aside_bytes_.fetch_sub(extent_bytes, std::memory_order_relaxed);
      if (grown == Extents::Grown::kNoMemory) {
        status = InsertStatus::kNoMemory;
        break;
      }
    }
    set_aside_bytes_.fetch_sub(wanted.extra(), std::memory_order_relaxed);
  }
  UncountEntry();
  return {status, kNoSlot};
}

struct Core::RoomSearch {
  Slot cell = kNoSlot;       // found
  uint64_t freed_bytes = 0;  // by victims since an extent last became empty
  bool gave_back = false;    // this call has lowered what is used
};

Core::Room Core::TakeRoom(const Wanted& wanted, uint64_t hash) {
  if (!CanEverFit(wanted)) {
    // Nothing will come that could make the pool smaller.
    Reclaimed done;
    if (used_bytes() > budget()) GiveBack(kExtentsPerInsert * extents_.extent_bytes(), TimePoint::max(), false, done);
    return {InsertStatus::kTooLarge, kNoSlot};
  }
  RoomSearch search;
  for (;;) {
    const Room room = FindCell(wanted);
    if (room.ok()) return room;
    if (!MakeRoom(wanted, hash, search)) {
      return {room.status == InsertStatus::kNoMemory ? room.status : InsertStatus::kExhausted, kNoSlot};
    }
    if (search.cell != kNoSlot) return {InsertStatus::kInserted, search.cell};
  }
}

// One step towards room; false: nothing more can be done. A victim's cell that fits is handed over at once.
bool Core::MakeRoom(const Wanted& wanted, uint64_t hash, RoomSearch& search) {
  if (InOwnSink() || NothingToGive()) return false;
  const uint64_t extent_bytes = extents_.extent_bytes();
  const uint64_t need = used_bytes() + set_aside_bytes_.load(std::memory_order_relaxed) + wanted.extra();
  const uint64_t over = need > budget() ? need - budget() : 0;
  if (search.freed_bytes >= extent_bytes) {
    // Victims leave holes; the last entries of an extent move into them.
    search.freed_bytes = 0;
    if (EmptySparsestExtent()) {
      if (over != 0) extents_.ReleaseEmpty();
      return true;
    }
  }
  if (over >= extent_bytes && !search.gave_back) {
    // Without this look, all that is not held would go, and the value still not fit.
    if (wanted.extra() >= kHeldLookExtents * extent_bytes && HeldBytes() + wanted.extra() > budget()) return false;
    Reclaimed done;
    const uint64_t wish = wanted.extra() != 0 ? over : std::min(over, kExtentsPerInsert * extent_bytes);
    if (GiveBack(wish, TimePoint::max(), false, done) == 0) return false;
    search.gave_back = wanted.extra() == 0;
    return true;
  }
  const Slot victim = EvictOne(hash);
  if (victim == kNoSlot) {
    Reclaimed done;
    if (!search.gave_back && GiveBack(extent_bytes, TimePoint::max(), false, done) != 0) return true;
    // A little over the budget, by an index that grew, and pins hold the rest: a cell that is there takes nothing more.
    if (over >= extent_bytes || wanted.extra() != 0 || !CountEntry()) return false;
    search.cell = extents_.Take(wanted.size_class);
    if (search.cell == kNoSlot) UncountEntry();
    return search.cell != kNoSlot;
  }
  CountEvicted(1, ChargeOf(victim).total());
  TellSink(extents_.At(victim), false);
  const uint64_t outside_bytes = FreeBody(victim);
  if (extents_.ClassAt(victim) == wanted.size_class && (over <= outside_bytes || search.gave_back) && CountEntry()) {
    if (SetAside(wanted.extra())) {
      extents_.At(victim)->Change(EntryState::kClaimed, EntryState::kReserved);
      search.cell = victim;
      return true;
    }
    UncountEntry();
  }
  search.freed_bytes += extents_.CellBytesAt(victim);
  extents_.GiveBack(victim, EntryState::kClaimed);
  return true;
}

// A claimed entry that is in no index and no queue any more; kNoSlot: none can be had from this shard now.
Slot Core::EvictFrom(Shard& shard, uint64_t wanted_for) {
  std::lock_guard lock(shard.mutex);
  shard.queues.Expect(wanted_for);
  const Slot victim = shard.queues.Evict(kEvictEffort);
  if (victim == kNoSlot) return kNoSlot;
  IndexTable& table = *shard.table.load(std::memory_order_relaxed);
  table.Remove(HashOf(extents_.At(victim)->key()), victim);
  UncountLocked(shard, victim);
  // The next call here will look for that one's bucket.
  if (const Slot next = shard.queues.Next(); next != kNoSlot) table.PrefetchHome(HashOf(extents_.At(next)->key()));
  return victim;
}

// From the shard where room is wanted, unless it holds clearly less than its part: the budget is one.
Slot Core::EvictOne(uint64_t hash) {
  const uint32_t home = ShardNumber(hash);
  Slot victim = kNoSlot;
  uint32_t start = home;
  if (shard_count_ > 1) {
    // What an even part is changes slowly: one eviction in 64 adds it up.
    if (hash % 64 == 0) {
      uint64_t all = 0;
      for (uint32_t i = 0; i < shard_count_; ++i) all += shards_[i].entry_bytes.load(std::memory_order_relaxed);
      part_bytes_.store(all / shard_count_, std::memory_order_relaxed);
    }
    const uint64_t own = shards_[home].entry_bytes.load(std::memory_order_relaxed);
    if (own + own / 8 < part_bytes_.load(std::memory_order_relaxed))
      start = victim_turn_.fetch_add(1, std::memory_order_relaxed);
  }
  for (uint32_t step = 0; step < shard_count_ && victim == kNoSlot; ++step) {
    victim = EvictFrom(shards_[(start + step) & (shard_count_ - 1)], hash);
  }
  return victim;
}

// The header of a reserved cell is set but for its key; the body is the caller's to fill.
Core::Room Core::ReserveBytes(uint64_t size, uint64_t hash) {
  const Wanted wanted = WantBytes(size);
  Room room = TakeRoom(wanted, hash);
  if (!room.ok()) return room;
  Entry* entry = extents_.At(room.slot);
  if (wanted.large_bytes == 0) {
    entry->slack = static_cast<uint16_t>(ClassValueBytes(wanted.size_class) - size);
  } else {
    std::byte* at = pages_.Map(wanted.large_bytes);
    set_aside_bytes_.fetch_sub(wanted.large_bytes, std::memory_order_relaxed);
    if (at == nullptr) {
      extents_.GiveBack(room.slot, EntryState::kReserved);
      UncountEntry();
      return {InsertStatus::kNoMemory, kNoSlot};
    }
    entry->large() = {at, size};
    entry->slack = kBodyLarge;
  }
  return room;
}

// On success the resource has moved into the cell.
Core::Room Core::ReserveResource(Resource& resource, uint64_t hash) {
  Room room = TakeRoom(WantResource(resource.bytes()), hash);
  if (!room.ok()) return room;
  Entry* entry = extents_.At(room.slot);
  resource_bytes_.fetch_add(resource.bytes(), std::memory_order_relaxed);
  set_aside_bytes_.fetch_sub(resource.bytes(), std::memory_order_relaxed);
  new (entry->body()) Resource(std::move(resource));
  entry->slack = kBodyResource;
  return room;
}

void Core::ReturnRoom(Slot slot) {
  FreeBody(slot);
  UncountEntry();
  extents_.GiveBack(slot, EntryState::kReserved);
}

// Publication -----------------------------------------------------------------------------------------------------------

InsertOutcome Core::Refuse(InsertStatus status) {
  if (status == InsertStatus::kTooLarge) counters_.Add(Count::kRefusedTooLarge);
  if (status == InsertStatus::kExhausted || status == InsertStatus::kNoMemory) counters_.Add(Count::kRefusedExhausted);
  return {status, Pin()};
}

InsertOutcome Core::Insert(const PoolKey& key, std::span<const std::byte> bytes, const Cost& cost) {
  if (!IsValid(cost)) return Refuse(InsertStatus::kBadCost);
  const Hashed place = Place(key);
  if (bytes.size() <= kOverwriteBytesMax) {
    if (Pin pin = Overwrite(key, place, bytes, cost)) return {InsertStatus::kReplaced, std::move(pin)};
  }
  const Room room = ReserveBytes(bytes.size(), place.hash);
  if (!room.ok()) return Refuse(room.status);
  const std::span<const std::byte> to = BytesOf(extents_.At(room.slot));
  if (!bytes.empty()) std::memcpy(const_cast<std::byte*>(to.data()), bytes.data(), bytes.size());
  return Publish(key, place.hash, room.slot, cost, nullptr);
}

InsertOutcome Core::Insert(const PoolKey& key, Resource&& resource, const Cost& cost) {
  if (!IsValid(cost)) return Refuse(InsertStatus::kBadCost);
  const Hashed place = Place(key);
  const Room room = ReserveResource(resource, place.hash);
  if (!room.ok()) return Refuse(room.status);
  return Publish(key, place.hash, room.slot, cost, nullptr);
}

// A small value whose key is there under no pin, in a cell of the right size, goes where the old one was: nobody can tell.
// A reader that comes meanwhile looks again until the copy is done. Empty: not so.
Pin Core::Overwrite(const PoolKey& key, const Hashed& place, std::span<const std::byte> bytes, const Cost& cost) {
  {
    // Most inserts are of new keys: they are told so without the lock.
    ReadSection section;
    const IndexTable* table = place.shard.table.load(std::memory_order_acquire);
    if (table == nullptr || table->Probe(place.hash, [](Slot) { return true; }) == IndexTable::Probed::kNotFound)
      return Pin();
  }
  const SizeClass size_class = ClassOf(bytes.size());
  const ReaderRecord& reader = ThisReader();
  std::lock_guard lock(place.shard.mutex);
  const Slot slot = FindLocked(place.shard, key, place.hash);
  if (slot == kNoSlot || extents_.ClassAt(slot) != size_class) return Pin();
  Entry* entry = extents_.At(slot);
  if (used_bytes() > budget()) return Pin();
  if (entry->slack >= kBodyResource || entry->link.price_class() != PriceClassOf(cost, extents_.CellBytes(size_class))) {
    return Pin();
  }
  if (!entry->Claim()) return Pin();
  RetireFlightsLocked(place.shard, &key);
  if (!bytes.empty()) std::memcpy(entry->body(), bytes.data(), bytes.size());
  entry->slack = static_cast<uint16_t>(ClassValueBytes(size_class) - bytes.size());
  NoteUse(*entry);
  entry->word.fetch_add(WordOf(EntryState::kLive) - WordOf(EntryState::kClaimed) + 1, std::memory_order_acq_rel);
  counters_.Add(reader, Count::kReplaced);
  counters_.Add(reader, Count::kPinsTaken);
  return Pin(this, entry);
}

// The entry in the cell becomes the key's, with one pin. With a flight: it ends with this step, and its value stays only
// if nobody has stored or erased the key meanwhile; otherwise it is born detached.
InsertOutcome Core::Publish(const PoolKey& key, uint64_t hash, Slot slot, const Cost& cost, Flight* flight) {
  Shard& shard = ShardOf(hash);
  Entry* entry = extents_.At(slot);
  const uint64_t bytes = ChargeOf(slot).total();
  entry->set_key(key);
  entry->last_use_tick.store(tick_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  const ReaderRecord& reader = ThisReader();  // before anything is linked: the first one of a thread takes memory
  Leaving leaving;
  std::unique_ptr<IndexTable> retired;
  InsertStatus status = InsertStatus::kInserted;
  bool stays = true;
  {
    std::lock_guard lock(shard.mutex);
    if (flight == nullptr) RetireFlightsLocked(shard, &key);
    stays = flight == nullptr || (!flight->retired && FindLocked(shard, key, hash) == kNoSlot);
    if (stays) {
      status = LinkLocked(shard, hash, slot, PriceClassOf(cost, bytes), leaving, retired);
    } else {
      UncountEntry();
      detached_bytes_.fetch_add(bytes, std::memory_order_relaxed);
      entry->word.fetch_add(WordOf(EntryState::kDetached) - WordOf(EntryState::kReserved) + 1, std::memory_order_acq_rel);
    }
    if (flight != nullptr && status != InsertStatus::kNoMemory) UnlinkFlightLocked(shard, flight);
  }
  if (retired != nullptr) WaitForReaders(), retired.reset();
  Free(leaving);
  if (status == InsertStatus::kNoMemory) {
    ReturnRoom(slot);
    return Refuse(status);
  }
  if (stays) counters_.Add(reader, status == InsertStatus::kReplaced ? Count::kReplaced : Count::kInserts);
  counters_.Add(reader, Count::kPinsTaken);
  if (stays && status == InsertStatus::kInserted) ObserveInsert(hash, bytes);
  return {status, Pin(this, entry)};
}

// The entry becomes live with one pin. kNoMemory: nothing changed.
InsertStatus Core::LinkLocked(Shard& shard, uint64_t hash, Slot slot, uint8_t price_class, Leaving& leaving,
                              std::unique_ptr<IndexTable>& retired) {
  Entry* entry = extents_.At(slot);
  shard.queues.Expect(hash);
  const Slot old = FindLocked(shard, entry->key(), hash);
  if (old == kNoSlot && !GrowIndexLocked(shard, retired)) return InsertStatus::kNoMemory;
  const bool in_place = old != kNoSlot && extents_.At(old)->link.price_class() == price_class &&
                        ChargeOf(old).total() == ChargeOf(slot).total();
  if (!in_place && !shard.queues.Add(slot, price_class)) return InsertStatus::kNoMemory;
  Adjust(shard.entries, 1);
  Adjust(shard.entry_bytes, ChargeOf(slot).mapped_bytes);
  if (in_place) {
    // A new value for a key is a use of it, not a new entry: it keeps its place in the queues.
    extents_.At(old)->link.MoveTo(entry->link);
    entry->link.NoteUse();
    shard.queues.Relocate(old, slot);
  }
  entry->word.fetch_add(WordOf(EntryState::kLive) - WordOf(EntryState::kReserved) + 1, std::memory_order_acq_rel);
  IndexTable& table = *shard.table.load(std::memory_order_relaxed);
  if (old != kNoSlot) {
    table.Replace(hash, old, slot);
    DetachLocked(shard, old, leaving);
    return InsertStatus::kReplaced;
  }
  WEIR_CHECK(table.Add(hash, slot), "an index that was grown is full");
  return InsertStatus::kInserted;
}

// Room for one entry more. False: no memory, and the table is full.
bool Core::GrowIndexLocked(Shard& shard, std::unique_ptr<IndexTable>& retired) {
  const IndexTable* table = shard.table.load(std::memory_order_relaxed);
  const uint64_t entries = shard.entries.load(std::memory_order_relaxed);
  const uint64_t places = table == nullptr ? 0 : uint64_t{table->bucket_count()} * kBucketSlots;
  if (entries < places / 100 * kIndexLoadMaxPercent) return true;
  const double larger = table == nullptr ? kFirstBuckets : table->bucket_count() * kIndexGrowth;
  return ResizeIndexLocked(shard, static_cast<uint64_t>(larger), retired) || entries < places;
}

// `retired` may be unmapped once readers were waited for. False: no memory; nothing changed.
bool Core::ResizeIndexLocked(Shard& shard, uint64_t buckets, std::unique_ptr<IndexTable>& retired) {
  auto other = std::unique_ptr<IndexTable>(new (std::nothrow) IndexTable);
  if (other == nullptr || !other->Allocate(pages_, buckets)) return false;
  IndexTable* table = shard.table.load(std::memory_order_relaxed);
  if (table != nullptr) {
    table->ForEach([&](Slot slot) {
      WEIR_CHECK(other->Add(HashOf(extents_.At(slot)->key()), slot), "an index of {} buckets is full", buckets);
    });
  }
  shard.table.store(other.release(), std::memory_order_release);
  retired.reset(table);
  return true;
}

}  // namespace weir::pool
