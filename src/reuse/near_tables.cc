#include "near_tables.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "weir/base/check.h"

namespace weir::internal {

namespace {

// Nothing, one bit, two bits ordered by the higher one: for keys of fewer bits a prefix of each of the three parts is right.
constexpr auto kProbes = [] {
  std::array<uint16_t, NearTables::kProbesMax> probes{};
  size_t at = 1;
  for (uint32_t bit = 0; bit < NearTables::kWidth; ++bit) probes[at++] = static_cast<uint16_t>(1u << bit);
  for (uint32_t high = 0; high < NearTables::kWidth; ++high) {
    for (uint32_t low = 0; low < high; ++low) probes[at++] = static_cast<uint16_t>(1u << high | 1u << low);
  }
  return probes;
}();

}  // namespace

std::span<const uint16_t> NearTables::Probes(uint32_t ones, uint32_t bits) {
  if (ones == 0) return std::span(kProbes).first(1);
  if (ones == 1) return std::span(kProbes).subspan(1, bits);
  return std::span(kProbes).subspan(1 + kWidth, bits * (bits - 1) / 2);
}

NearTables::NearTables(MemoryMeter& meter, Limbo& limbo, uint32_t heads_kind)
    : meter_(meter), limbo_(limbo), heads_kind_(heads_kind), heads_(NewHeads(kBitsLeast)) {}

NearTables::Heads* NearTables::NewHeads(uint32_t bits) {
  auto* const heads = static_cast<Heads*>(meter_.Allocate(sizeof(Heads) + ((kTables * sizeof(Place)) << bits)));
  heads->bits = bits;
  for (size_t i = 0; i < size_t{kTables} << bits; ++i) new (&heads->at[i]) Place(nullptr);
  return heads;
}

void NearTables::FreeHeads(MemoryMeter& meter, Heads* heads) noexcept {
  for (size_t i = 0; i < size_t{kTables} << heads->bits; ++i) {
    for (NearBucket* bucket = heads->at[i].load(std::memory_order_relaxed); bucket != nullptr;) {
      meter.Free(std::exchange(bucket, bucket->next.load(std::memory_order_relaxed)));
    }
  }
  meter.Free(heads);
}

NearBucket* NearTables::NewBucket(uint32_t size_min) {
  constexpr size_t kEach = sizeof(uint32_t) + sizeof(NearTextId);
  void* const block = meter_.Allocate(sizeof(NearBucket) + std::min(size_min, NearBucket::kCapacityMax) * kEach);
  auto* const bucket = new (block) NearBucket();
  // The allocator rounds up: what it gave is used.
  bucket->capacity = static_cast<uint32_t>((malloc_usable_size(block) - sizeof(NearBucket)) / kEach);
  return bucket;
}

// Into a bucket that nobody sees yet.
void NearTables::CopyLive(const NearBucket& from, NearBucket& to) noexcept {
  uint32_t copied = 0;
  const uint32_t size = from.size.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < size; ++i) {
    const NearTextId text = from.texts()[i].load(std::memory_order_relaxed);
    if (text == kNoText) continue;
    to.excerpts()[copied] = from.excerpts()[i];
    new (&to.texts()[copied]) std::atomic<NearTextId>(text);
    ++copied;
  }
  to.live = copied;
  to.size.store(copied, std::memory_order_relaxed);
  to.next.store(from.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

// What took its place is there already. A reader that stands on it finds in it, and behind it, all that it could find when
// it came: what has left the list since is freed after that reader has left.
void NearTables::Drop(NearBucket* bucket, Seen seen) noexcept {
  if (seen == Seen::kByNobody) {
    meter_.Free(bucket);
  } else {
    limbo_.Retire(reinterpret_cast<uint64_t>(bucket), 0, sizeof(NearBucket) + size_t{bucket->capacity} * sizeof(uint64_t));
  }
}

// The releases pair with the acquires of Heads::Bucket and of who reads a bucket's size or next.
void NearTables::InsertOne(Place& head, uint32_t excerpt, NearTextId text, Seen seen) {
  NearBucket* bucket = head.load(std::memory_order_relaxed);
  NearBucket* replaced = nullptr;
  const bool full = bucket == nullptr || bucket->size.load(std::memory_order_relaxed) == bucket->capacity;
  if (full) {
    if (bucket == nullptr || bucket->live >= NearBucket::kCapacityMax) {
      NearBucket* const first = NewBucket(1);
      first->next.store(bucket, std::memory_order_relaxed);
      bucket = first;
    } else {
      replaced = bucket;
      bucket = NewBucket(replaced->live + replaced->live / 4 + 1);
      CopyLive(*replaced, *bucket);
    }
  }
  const uint32_t size = bucket->size.load(std::memory_order_relaxed);
  bucket->excerpts()[size] = excerpt;
  new (&bucket->texts()[size]) std::atomic<NearTextId>(text);
  ++bucket->live;
  bucket->size.store(size + 1, std::memory_order_release);
  if (full) head.store(bucket, std::memory_order_release);
  if (replaced != nullptr) Drop(replaced, seen);
}

void NearTables::EraseOne(Place& head, NearTextId text) noexcept {
  Place* place = &head;
  NearBucket* bucket = nullptr;
  uint32_t at = 0;
  for (;; place = &bucket->next) {
    bucket = place->load(std::memory_order_relaxed);
    WEIR_CHECK(bucket != nullptr, "text {} is not in its bucket", text);
    const uint32_t size = bucket->size.load(std::memory_order_relaxed);
    for (at = 0; at < size && bucket->texts()[at].load(std::memory_order_relaxed) != text;) ++at;
    if (at < size) break;
  }
  // Relaxed: a reader that still sees the text finds that nobody owns it.
  bucket->texts()[at].store(kNoText, std::memory_order_relaxed);
  --bucket->live;
  if (bucket->live == 0) {
    place->store(bucket->next.load(std::memory_order_relaxed), std::memory_order_release);
    Drop(bucket, Seen::kByReaders);
  } else if (bucket->size.load(std::memory_order_relaxed) > 2 * bucket->live + 4) {
    try {
      NearBucket* const smaller = NewBucket(bucket->live);
      CopyLive(*bucket, *smaller);
      place->store(smaller, std::memory_order_release);
      Drop(bucket, Seen::kByReaders);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

void NearTables::Prefetch(uint64_t hash) const {
  const Heads& heads = *heads_.load(std::memory_order_relaxed);
  for (uint32_t table = 0; table < kTables; ++table) {
    const NearBucket* const bucket = heads.Bucket(table, heads.KeyOf(hash, table));
    if (bucket == nullptr) continue;
    const uint32_t size = bucket->size.load(std::memory_order_relaxed);
    __builtin_prefetch(bucket->excerpts() + size);
    __builtin_prefetch(bucket->texts());
    __builtin_prefetch(bucket->texts() + size);
  }
}

void NearTables::Insert(uint64_t hash, NearTextId text) {
  uint32_t table = 0;
  try {
    for (; table < kTables; ++table) InsertOne(Head(hash, table), ExcerptOf(hash, table), text, Seen::kByReaders);
  } catch (const std::bad_alloc&) {
    while (table-- > 0) EraseOne(Head(hash, table), text);
    throw;
  }
}

void NearTables::Erase(uint64_t hash, NearTextId text) noexcept {
  for (uint32_t table = 0; table < kTables; ++table) EraseOne(Head(hash, table), text);
}

}  // namespace weir::internal
