#include "core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>
#include <thread>

#include "quiescence.h"
#include "weir/base/check.h"

namespace weir::pool {
namespace {

constexpr uint64_t kMiB = 1u << 20;
// A probe meets a claimed entry only while another thread is between two stores; after this many looks it yields.
constexpr uint32_t kLooksBeforeYield = 64;

const Clock& SteadyClockOfProcess() {
  static const SteadyClock clock;
  return clock;
}

uint32_t ShardsFor(const PoolOptions& options) {
  if (options.shards != 0) return options.shards;
  // Small shards make for poor queues: each should hold some thousands of entries or some MiB.
  uint64_t most = options.budget_bytes / (8 * kMiB);
  if (options.entries_max != 0) most = std::min<uint64_t>(most, options.entries_max / 8192);
  return static_cast<uint32_t>(std::bit_floor(std::clamp<uint64_t>(most, 1, 64)));
}

uint64_t ExtentBytesFor(const PoolOptions& options) {
  if (options.extent_bytes != 0) return options.extent_bytes;
  const uint64_t per_budget = options.sizes == ValueSizes::kAlike ? 16 : 256;
  return std::bit_floor(std::clamp<uint64_t>(options.budget_bytes / per_budget, 64u << 10, 2 * kMiB));
}

// All that 32-bit slots of 16-byte granules can name: address space alone, so that any later budget has room.
constexpr uint64_t kReservationBytes = (uint64_t{1} << 32) * kGranuleBytes;

}  // namespace

bool IsValid(const Cost& cost) {
  return std::isfinite(cost.refetch_us) && cost.refetch_us >= 0 && std::isfinite(cost.weight) && cost.weight >= 0;
}

uint8_t PriceClassOf(const Cost& cost, uint64_t charged_bytes) {
  constexpr double kUnknown = 1.0 / 1024;
  if (cost.keep == Keep::kAlways) return kPriceClassNever;
  if (cost.refetch_us == 0 && cost.weight == 1) return kClassOfOne - 10;
  const double known = cost.refetch_us / static_cast<double>(charged_bytes);
  const double worth = (cost.refetch_us == 0 ? kUnknown : known) * cost.weight;
  if (!(worth > 0)) return 0;
  return static_cast<uint8_t>(std::clamp(std::ilogb(worth) + kClassOfOne, 0, kPriceClasses - 1));
}

Core::Core(PoolOptions options, PageSource& source)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SteadyClockOfProcess()),
      shard_count_(ShardsFor(options_)),
      shard_shift_(std::min(63u, static_cast<uint32_t>(64 - std::countr_zero(shard_count_)))),
      pages_(source),
      extents_(pages_, ExtentBytesFor(options_)),
      budget_(options_.budget_bytes),
      policy_(options_.policy) {}

Status Core::Open() {
  if (!extents_.Reserve(kReservationBytes)) {
    return Unavailable("no address space for pool " + options_.name, "raise the limit on virtual memory (ulimit -v)");
  }
  shards_ =
      static_cast<Shard*>(::operator new(sizeof(Shard) * shard_count_, std::align_val_t(alignof(Shard)), std::nothrow));
  if (shards_ == nullptr) return Unavailable("no memory for pool " + options_.name);
  for (uint32_t i = 0; i < shard_count_; ++i) new (&shards_[i]) Shard(pages_, extents_, options_.policy);
  if (options_.adaptive) sampler_ = std::make_unique<ShadowSampler>(pages_, options_.policy);
  LimitSampler();
  UpdateTick();
  return {};
}

Core::~Core() {
  if (shards_ != nullptr) {
    Clear();
    WEIR_CHECK(loading_.load() == 0, "pool {} ends with {} loads in flight", options_.name, loading_.load());
    const uint64_t pins =
        counters_.Sum(Count::kHits) + counters_.Sum(Count::kPinsTaken) - counters_.Sum(Count::kPinsDropped);
    WEIR_CHECK(pins == 0, "pool {} ends with {} pins held", options_.name, pins);
    for (uint32_t i = 0; i < shard_count_; ++i) shards_[i].~Shard();
    ::operator delete(shards_, std::align_val_t(alignof(Shard)));
  }
}

// Where the pool is larger than the caches, a hit costs two misses in a row, and what it costs beside them is how many
// later instructions of the caller the processor can begin meanwhile: every instruction on this path counts many times. So
// the common hit runs straight through, keeps everything in registers, and leaves the rest to GetSlowly.
[[gnu::always_inline]] inline Pin Core::GetQuickly(const PoolKey& key) {
  ReaderRecord* const reader = QuickReader();
  if (reader == nullptr) [[unlikely]]
    return GetSlowly(key);
  const Hashed place = Place(key);
  if (sampler_ != nullptr && sampler_->Sampled(place.hash)) [[unlikely]]
    return GetSlowly(key);
  Entry* last_pin_of = nullptr;
  {
    ReadSection section(*reader);
    const IndexTable* table = place.shard.table.load(std::memory_order_acquire);
    if (table != nullptr) [[likely]] {
      bool absent = false;
      if (const std::atomic<Slot>* lane = table->FirstCandidate(place.hash, absent); lane != nullptr) [[likely]] {
        Entry* entry = extents_.At(lane->load(std::memory_order_acquire));
        // Header and value are one run of lines: fetch the second while the first is on its way.
        __builtin_prefetch(reinterpret_cast<std::byte*>(entry) + 64);
        // A tag that fits by chance costs a pin in passing.
        const uint32_t before = entry->word.fetch_add(1, std::memory_order_acq_rel);
        const uint64_t difference = (entry->key_high.load(std::memory_order_relaxed) ^ key.high) |
                                    (entry->key_low.load(std::memory_order_relaxed) ^ key.low);
        if (difference == 0 && StateOf(before) == EntryState::kLive) [[likely]] {
          NoteUse(*entry);
          counters_.Add(*reader, Count::kHits);
          return Pin(this, entry);
        }
        if (entry->Unpin()) last_pin_of = entry;
      } else if (absent) {
        counters_.Add(*reader, Count::kMisses);
        return Pin();
      }
    }
  }
  if (last_pin_of != nullptr) [[unlikely]]
    FreeDetached(last_pin_of);
  return GetSlowly(key);
}

Pin Core::Get(const PoolKey& key) { return GetQuickly(key); }

Pin Core::GetSlowly(const PoolKey& key) {
  const Hashed place = Place(key);
  Pin pin = Find(key, place);
  ObserveLookup(place.hash, pin);
  return pin;
}

Pin Core::Find(const PoolKey& key, const Hashed& place) {
  for (uint32_t look = 1;; ++look) {
    Entry* last_pin_of = nullptr;
    bool changed = false;
    // A tag that fits another key is a chance hit, or the trace of an entry that left its cell and came back.
    bool doubtful = false;
    {
      ReadSection section;
      Entry* found = nullptr;
      if (const IndexTable* table = place.shard.table.load(std::memory_order_acquire); table != nullptr) {
        const auto probed = table->Probe(place.hash, [&](Slot slot) {
          Entry* entry = extents_.At(slot);
          // Header and value are one run of lines: fetch the second while the first is on its way.
          __builtin_prefetch(reinterpret_cast<std::byte*>(entry) + 64);
          const Entry::Pinned pinned = entry->TryPin(key);
          if (pinned == Entry::Pinned::kOtherKey) {
            doubtful = true;
            return false;
          }
          if (pinned == Entry::Pinned::kYes) found = entry;
          if (pinned == Entry::Pinned::kLeavingLast) last_pin_of = entry;
          changed = pinned != Entry::Pinned::kYes;
          return true;
        });
        changed |= probed == IndexTable::Probed::kChanged;
      }
      if (found != nullptr) {
        NoteUse(*found);
        counters_.Add(section.record(), Count::kHits);
        return Pin(this, found);
      }
      if (!changed && !doubtful) {
        counters_.Add(section.record(), Count::kMisses);
        return Pin();
      }
    }
    if (!changed) return FindForCertain(key, place);
    if (last_pin_of != nullptr) FreeDetached(last_pin_of);
    if (look % kLooksBeforeYield == 0) std::this_thread::yield();
  }
}

Pin Core::FindForCertain(const PoolKey& key, const Hashed& place) {
  const ReaderRecord& reader = ThisReader();
  std::lock_guard lock(place.shard.mutex);
  const Slot slot = FindLocked(place.shard, key, place.hash);
  counters_.Add(reader, slot != kNoSlot ? Count::kHits : Count::kMisses);
  if (slot == kNoSlot) return Pin();
  Entry* entry = extents_.At(slot);
  entry->word.fetch_add(1, std::memory_order_acq_rel);
  NoteUse(*entry);
  return Pin(this, entry);
}

bool Core::Contains(const PoolKey& key) const {
  const Hashed place = Place(key);
  std::lock_guard lock(place.shard.mutex);
  return FindLocked(place.shard, key, place.hash) != kNoSlot;
}

Slot Core::FindLocked(const Shard& shard, const PoolKey& key, uint64_t hash) const {
  const IndexTable* table = shard.table.load(std::memory_order_relaxed);
  Slot found = kNoSlot;
  if (table != nullptr) {
    table->Probe(hash, [&](Slot slot) {
      if (extents_.At(slot)->key() == key) found = slot;
      return found != kNoSlot;
    });
  }
  return found;
}

void Core::Drop(Entry* entry) {
  ReaderRecord* const reader = internal::tls_reader;
  uint32_t word = entry->word.load(std::memory_order_relaxed);
  // From kLive to kLive nobody has to be told, and there is only one step: no section is needed.
  if (reader != nullptr && StateOf(word) == EntryState::kLive &&
      entry->word.compare_exchange_strong(word, word - 1, std::memory_order_acq_rel)) [[likely]] {
    counters_.Add(*reader, Count::kPinsDropped);
    return;
  }
  DropSlowly(entry);
}

void Core::DropSlowly(Entry* entry) {
  bool last = false;
  {
    ReadSection section;
    counters_.Add(section.record(), Count::kPinsDropped);
    last = entry->Unpin();
  }
  if (last) FreeDetached(entry);
}

// Removal. An entry is unlinked under its shard's lock, and told to the sink and freed outside of it. ---------------------

void Core::UncountLocked(Shard& shard, Slot slot) {
  const Charge charge = ChargeOf(slot);
  Adjust(shard.entries, -uint64_t{1});
  Adjust(shard.entry_bytes, -charge.mapped_bytes);
  UncountEntry();
}

// REQUIRES: live; out of the index, or about to be. Claimed if nothing pins it, else detached.
void Core::DetachLocked(Shard& shard, Slot slot, Leaving& leaving) {
  Entry* entry = extents_.At(slot);
  shard.queues.Remove(slot);
  UncountLocked(shard, slot);
  if (!entry->Claim()) {
    const uint64_t bytes = ChargeOf(slot).total();
    detached_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    // The last pin may go between the two steps, and the cell and its extent with it: the section keeps them readable.
    ReadSection section;
    entry->Change(EntryState::kLive, EntryState::kDetached);
    if (!entry->ClaimDetached()) return;
    detached_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  leaving.Push(extents_, slot);
}

void Core::UnlinkLocked(Shard& shard, uint64_t hash, Slot slot, Leaving& leaving) {
  shard.table.load(std::memory_order_relaxed)->Remove(hash, slot);
  DetachLocked(shard, slot, leaving);
}

void Core::FreeDetached(Entry* entry) {
  const Slot slot = extents_.SlotOf(entry);
  detached_bytes_.fetch_sub(ChargeOf(slot).total(), std::memory_order_relaxed);
  FreeBody(slot);
  extents_.GiveBack(slot, EntryState::kClaimed);
}

uint64_t Core::FreeOutside(Entry* entry) {
  uint64_t bytes = 0;
  if (entry->slack == kBodyLarge) {
    bytes = RoundUp(entry->large().size_bytes, kPageBytes);
    pages_.Unmap(entry->large().at, bytes);
  } else if (entry->slack == kBodyResource) {
    bytes = entry->resource().bytes();
    entry->resource().~Resource();
    resource_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    resource_bytes_released_.fetch_add(bytes, std::memory_order_relaxed);
  }
  entry->slack = 0;
  return bytes;
}

namespace {
// The sinks that this thread is inside of, innermost first.
struct InSink {
  const Core* core;
  const InSink* outer;
};
constinit thread_local const InSink* sinks_of_thread = nullptr;
}  // namespace

bool Core::InOwnSink() const {
  const InSink* sink = sinks_of_thread;
  while (sink != nullptr && sink->core != this) sink = sink->outer;
  return sink != nullptr;
}

void Core::CallSink(Entry* entry, bool for_pressure) {
  const InSink here{this, sinks_of_thread};
  sinks_of_thread = &here;
  const bool is_resource = entry->slack == kBodyResource;
  try {
    options_.sink({entry->key(), BytesOf(entry), is_resource ? entry->resource().get() : nullptr, for_pressure});
  } catch (...) {
    counters_.Add(Count::kSinkFailures);
  }
  sinks_of_thread = here.outer;
}

void Core::Free(Leaving& leaving) {
  while (leaving.head != kNoSlot) {
    const Slot slot = leaving.Pop(extents_);
    FreeBody(slot);
    extents_.GiveBack(slot, EntryState::kClaimed);
  }
}

bool Core::Erase(const PoolKey& key) {
  const Hashed place = Place(key);
  Leaving leaving;
  bool found = false;
  {
    std::lock_guard lock(place.shard.mutex);
    RetireFlightsLocked(place.shard, &key);
    const Slot slot = FindLocked(place.shard, key, place.hash);
    found = slot != kNoSlot;
    if (found) UnlinkLocked(place.shard, place.hash, slot, leaving);
  }
  if (found) counters_.Add(Count::kErased);
  Free(leaving);
  return found;
}

uint64_t Core::EraseUnpinned(const PoolKey& key) {
  const Hashed place = Place(key);
  Leaving leaving;
  uint64_t bytes = 0;
  {
    std::lock_guard lock(place.shard.mutex);
    const Slot slot = FindLocked(place.shard, key, place.hash);
    if (slot == kNoSlot || !extents_.At(slot)->Claim()) return 0;
    RetireFlightsLocked(place.shard, &key);
    bytes = ChargeOf(slot).total();
    place.shard.table.load(std::memory_order_relaxed)->Remove(place.hash, slot);
    place.shard.queues.Remove(slot);
    UncountLocked(place.shard, slot);
    leaving.Push(extents_, slot);
  }
  counters_.Add(Count::kErased);
  Free(leaving);
  return bytes;
}

uint64_t Core::Clear() {
  uint64_t removed = 0;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    Shard& shard = shards_[i];
    Leaving leaving;
    {
      std::lock_guard lock(shard.mutex);
      RetireFlightsLocked(shard, nullptr);
      IndexTable* table = shard.table.load(std::memory_order_relaxed);
      if (table == nullptr) continue;
      table->Clear([&](Slot slot) {
        DetachLocked(shard, slot, leaving);
        ++removed;
      });
    }
    Free(leaving);
  }
  counters_.Add(Count::kErased, removed);
  extents_.ReleaseEmpty();
  Trim();
  return removed;
}

bool Core::SetCost(const PoolKey& key, const Cost& cost) {
  if (!IsValid(cost)) return false;
  const Hashed place = Place(key);
  std::lock_guard lock(place.shard.mutex);
  const Slot slot = FindLocked(place.shard, key, place.hash);
  fruitless_mark_.store(0, std::memory_order_relaxed);
  return slot != kNoSlot && place.shard.queues.Reprice(slot, PriceClassOf(cost, ChargeOf(slot).total()));
}

}  // namespace weir::pool

// Here and not with its like, so that the common hit costs no call more.
weir::Pin weir::Pool::Get(const PoolKey& key) { return core_->GetQuickly(key); }
