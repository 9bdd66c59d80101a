#include "word_cache.h"

#include <algorithm>
#include <utility>

namespace weir::bpe {
namespace {

constexpr size_t kSlotsAtFirst = size_t{1} << 14;
constexpr size_t kShortSlotsMax = size_t{1} << 19;  // 16 MiB
constexpr size_t kLongSlotsMax = size_t{1} << 18;   // 4 MiB
constexpr size_t kArenaWordsMax = size_t{4} << 20;  // 16 MiB
constexpr size_t kArenaSlack = 4;                   // words past the last entry that may be read

}  // namespace

WordCache::WordCache() { Forget(); }

void WordCache::Forget() {
  short_.assign(kSlotsAtFirst, {});
  long_.assign(kSlotsAtFirst, {});
  arena_.assign(1 + kArenaSlack, 0);  // place 0 means none
  short_count_ = long_count_ = 0;
}

void WordCache::Reserve(size_t count) {
  const bool too_many = (short_count_ + count) * 2 > kShortSlotsMax || (long_count_ + count) * 2 > kLongSlotsMax;
  if (too_many || arena_.size() > kArenaWordsMax) Forget();
  while ((short_count_ + count) * 2 > short_.size()) GrowShort();
  while ((long_count_ + count) * 2 > long_.size()) GrowLong();
}

void WordCache::GrowShort() {
  const HugeVector<WordEntry> old = std::exchange(short_, HugeVector<WordEntry>(short_.size() * 2));
  for (const WordEntry& entry : old) {
    if (entry.layout == 0) continue;
    size_t slot = HashWord(entry.key) & mask();
    while (short_[slot].layout != 0) slot = (slot + 1) & mask();
    short_[slot] = entry;
  }
}

void WordCache::GrowLong() {
  const std::vector<LongWordEntry> old = std::exchange(long_, std::vector<LongWordEntry>(long_.size() * 2));
  for (const LongWordEntry& entry : old) {
    if (entry.place == 0) continue;
    size_t slot = entry.hash & (long_.size() - 1);
    while (long_[slot].place != 0) slot = (slot + 1) & (long_.size() - 1);
    long_[slot] = entry;
  }
}

uint32_t WordCache::AddToArena(const uint32_t* ids, const uint32_t* begins, size_t count, std::string_view text) {
  const size_t place = arena_.size() - kArenaSlack;
  arena_.resize(arena_.size() + count + (count + text.size() + 3) / 4);
  std::copy_n(ids, count, arena_.begin() + static_cast<ptrdiff_t>(place));
  auto* bytes = reinterpret_cast<uint8_t*>(arena_.data() + place + count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(begins[i]);
  std::copy(text.begin(), text.end(), bytes + count);
  return static_cast<uint32_t>(place);
}

const WordEntry* WordCache::Add(WordKey key, uint64_t hash, const uint32_t* ids, const uint32_t* begins, size_t count) {
  if ((short_count_ + 1) * 8 > short_.size() * 5) return nullptr;
  size_t slot = hash & mask();
  while (short_[slot].layout != 0) slot = (slot + 1) & mask();
  WordEntry& entry = short_[slot];
  entry.key = key;
  if (count >= 1 && count <= 3) {
    std::copy_n(ids, count, entry.ids);
    entry.layout = static_cast<uint32_t>(count) << 24;
    if (count > 1) entry.layout |= begins[1] << 8;
    if (count > 2) entry.layout |= begins[2] << 16;
  } else {
    entry.ids[0] = AddToArena(ids, begins, count, {});
    entry.ids[1] = static_cast<uint32_t>(count);
    entry.layout = kManyTokens << 24;
  }
  ++short_count_;
  return &entry;
}

void WordCache::AddLong(std::string_view word, uint64_t hash, const uint32_t* ids, const uint32_t* begins, size_t count) {
  if ((long_count_ + 1) * 8 > long_.size() * 5) return;
  size_t slot = hash & (long_.size() - 1);
  while (long_[slot].place != 0) slot = (slot + 1) & (long_.size() - 1);
  const uint32_t place = AddToArena(ids, begins, count, word);
  long_[slot] = {hash, place, static_cast<uint16_t>(word.size()), static_cast<uint16_t>(count)};
  ++long_count_;
}

size_t WordCache::MemoryBytes() const {
  return short_.capacity() * sizeof(WordEntry) + long_.capacity() * sizeof(LongWordEntry) + arena_.capacity() * 4;
}

}  // namespace weir::bpe
