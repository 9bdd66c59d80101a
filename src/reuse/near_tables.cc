#include "near_tables.h"

#include <algorithm>
#include <array>

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

NearTables::NearTables(MemoryMeter& meter, uint32_t bits)
    : meter_(meter),
      heads_(static_cast<NearBucket**>(meter.Allocate((kTables * sizeof(NearBucket*)) << bits))),
      bits_(bits) {
  std::fill_n(heads_, size_t{kTables} << bits, nullptr);
}

NearTables::~NearTables() {
  for (size_t i = 0; i < size_t{kTables} << bits_; ++i) {
    for (NearBucket* bucket = heads_[i]; bucket != nullptr;) meter_.Free(std::exchange(bucket, bucket->next));
  }
  meter_.Free(heads_);
}

NearBucket* NearTables::NewBucket(uint32_t size_min) {
  constexpr size_t kEach = sizeof(uint32_t) + sizeof(NearTextId);
  void* const block = meter_.Allocate(sizeof(NearBucket) + std::min(size_min, NearBucket::kCapacityMax) * kEach);
  auto* const bucket = new (block) NearBucket();
  // The allocator rounds up: what it gave is used.
  bucket->capacity = static_cast<uint32_t>((malloc_usable_size(block) - sizeof(NearBucket)) / kEach);
  return bucket;
}

void NearTables::InsertOne(NearBucket*& head, uint32_t excerpt, NearTextId text) {
  if (head == nullptr || head->size == head->capacity) {
    const bool chains = head == nullptr || head->size >= NearBucket::kCapacityMax;
    NearBucket* const larger = NewBucket(chains ? 1 : head->size + head->size / 4 + 1);
    if (chains) {
      larger->next = head;
    } else {
      larger->next = head->next;
      larger->size = head->size;
      std::copy_n(head->excerpts(), head->size, larger->excerpts());
      std::copy_n(head->texts(), head->size, larger->texts());
      meter_.Free(head);
    }
    head = larger;
  }
  head->excerpts()[head->size] = excerpt;
  head->texts()[head->size] = text;
  ++head->size;
}

// The last of the list takes the place of the erased one.
void NearTables::EraseOne(NearBucket*& head, NearTextId text) noexcept {
  NearBucket* bucket = head;
  uint32_t at = 0;
  for (;; bucket = bucket->next) {
    WEIR_CHECK(bucket != nullptr, "text {} is not in its bucket", text);
    const NearTextId* const texts = bucket->texts();
    at = static_cast<uint32_t>(std::find(texts, texts + bucket->size, text) - texts);
    if (at < bucket->size) break;
  }
  --head->size;
  bucket->excerpts()[at] = head->excerpts()[head->size];
  bucket->texts()[at] = head->texts()[head->size];
  if (head->size == 0) {
    meter_.Free(std::exchange(head, head->next));
  } else if (head->capacity > 2 * head->size + 4) {
    try {
      NearBucket* const smaller = NewBucket(head->size);
      smaller->next = head->next;
      smaller->size = head->size;
      std::copy_n(head->excerpts(), head->size, smaller->excerpts());
      std::copy_n(head->texts(), head->size, smaller->texts());
      meter_.Free(std::exchange(head, smaller));
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

void NearTables::Prefetch(uint64_t hash) const {
  for (uint32_t table = 0; table < kTables; ++table) {
    const NearBucket* const bucket = Bucket(table, KeyOf(hash, table));
    if (bucket == nullptr) continue;
    __builtin_prefetch(bucket->excerpts() + bucket->size);
    __builtin_prefetch(bucket->texts());
    __builtin_prefetch(bucket->texts() + bucket->size);
  }
}

void NearTables::Insert(uint64_t hash, NearTextId text) {
  uint32_t table = 0;
  try {
    for (; table < kTables; ++table) InsertOne(Head(hash, table), ExcerptOf(hash, table), text);
  } catch (const std::bad_alloc&) {
    while (table-- > 0) EraseOne(Head(hash, table), text);
    throw;
  }
}

void NearTables::Erase(uint64_t hash, NearTextId text) noexcept {
  for (uint32_t table = 0; table < kTables; ++table) EraseOne(Head(hash, table), text);
}

}  // namespace weir::internal
