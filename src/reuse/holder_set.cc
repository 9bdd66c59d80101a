#include "holder_set.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace weir::internal {
namespace {

constexpr HolderId kBits = 64;  // ids in place

uint32_t WordsFor(HolderId largest) { return largest / 64 + 1; }

}  // namespace

uint32_t HolderSet::count() const {
  const auto small = static_cast<uint32_t>(std::popcount(bits_.load(std::memory_order_acquire)));
  const uint64_t more = more_.load(std::memory_order_acquire);
  return more == 0 ? small : small + CountOf(more);
}

bool HolderSet::Contains(HolderId id) const {
  if (id < kBits) return (bits_.load(std::memory_order_acquire) >> id & 1) != 0;
  const uint64_t more = more_.load(std::memory_order_acquire);
  if (FormOf(more) == Form::kIds) return FirstOf(more) == id || SecondOf(more) == id;
  const Block& block = *BlockOf(more);
  if (FormOf(more) == Form::kBitmap) {
    return id / 64 < block.size && (block.words()[id / 64].load(std::memory_order_relaxed) >> (id % 64) & 1) != 0;
  }
  const std::atomic<uint32_t>* const end = block.ids() + block.size;
  const auto* const place = std::lower_bound(block.ids(), end, id, [](const std::atomic<uint32_t>& held, HolderId wanted) {
    return held.load(std::memory_order_relaxed) < wanted;
  });
  return place != end && place->load(std::memory_order_relaxed) == id;
}

template <typename F>
void HolderSet::ForEachLarge(F&& f) const {
  HolderSet large;
  large.more_.store(more(), std::memory_order_relaxed);
  large.ForEach(f);
}

HolderId HolderSet::LargestLarge() const {
  HolderId largest = 0;
  ForEachLarge([&](HolderId id) { largest = id; });
  return largest;
}

HolderSet::Block* HolderSet::NewArray(uint32_t size, MemoryMeter& meter) {
  auto* const block = new (meter.Allocate(sizeof(Block) + size_t{size} * sizeof(uint32_t))) Block;
  block->size = size;
  return block;
}

HolderSet::Block* HolderSet::NewBitmap(HolderId largest, MemoryMeter& meter) {
  // An eighth of room to grow, so that ascending ids do not replace a bitmap each time.
  const uint32_t words = WordsFor(largest) + WordsFor(largest) / 8;
  auto* const block = new (meter.Allocate(sizeof(Block) + size_t{words} * sizeof(uint64_t))) Block;
  block->size = words;
  for (uint32_t w = 0; w < words; ++w) new (&block->words()[w]) std::atomic<uint64_t>(0);
  return block;
}

// An array of the large ids and `id` (0: none), `count` in all, as a word.
uint64_t HolderSet::ArrayWith(HolderId id, uint32_t count, MemoryMeter& meter) const {
  Block* const block = NewArray(count, meter);
  uint32_t at = 0;
  const auto put = [&](HolderId next) { new (&block->ids()[at++]) std::atomic<uint32_t>(next); };
  HolderId waiting = id;
  ForEachLarge([&](HolderId held) {
    if (waiting != 0 && waiting < held) put(std::exchange(waiting, 0));
    put(held);
  });
  if (waiting != 0) put(waiting);
  block->count.store(count, std::memory_order_relaxed);
  return reinterpret_cast<uint64_t>(block) | static_cast<uint64_t>(Form::kArray);
}

uint64_t HolderSet::BitmapWith(HolderId id, uint32_t count, MemoryMeter& meter) const {
  Block* const block = NewBitmap(std::max(id, LargestLarge()), meter);
  const auto put = [&](HolderId next) {
    std::atomic<uint64_t>& word = block->words()[next / 64];
    word.store(word.load(std::memory_order_relaxed) | uint64_t{1} << (next % 64), std::memory_order_relaxed);
  };
  ForEachLarge(put);
  put(id);
  block->count.store(count, std::memory_order_relaxed);
  return reinterpret_cast<uint64_t>(block) | static_cast<uint64_t>(Form::kBitmap);
}

void HolderSet::Replace(uint64_t fresh, Limbo& limbo) noexcept {
  const uint64_t old = more();
  more_.store(fresh, std::memory_order_release);
  if (FormOf(old) == Form::kIds) return;
  Block* const block = BlockOf(old);
  limbo.Retire(reinterpret_cast<uint64_t>(block), 0, malloc_usable_size(block));
}

void HolderSet::Insert(HolderId id, MemoryMeter& meter, Limbo& limbo) {
  if (id < kBits) {
    bits_.store(bits_.load(std::memory_order_relaxed) | uint64_t{1} << id, std::memory_order_release);
  } else {
    InsertLarge(id, meter, limbo);
  }
}

void HolderSet::InsertLarge(HolderId id, MemoryMeter& meter, Limbo& limbo) {
  const uint64_t old = more();
  if (FormOf(old) == Form::kIds) {
    const HolderId first = FirstOf(old);
    if (SecondOf(old) == 0) {  // a single id stands first
      more_.store(first == 0 ? IdsWord(id, 0) : IdsWord(std::min(id, first), std::max(id, first)),
                  std::memory_order_release);
    } else {
      Replace(ArrayWith(id, 3, meter), limbo);
    }
    return;
  }
  Block& block = *BlockOf(old);
  const uint32_t count = block.count.load(std::memory_order_relaxed) + 1;
  if (FormOf(old) == Form::kBitmap && id / 64 < block.size) {
    std::atomic<uint64_t>& word = block.words()[id / 64];
    word.store(word.load(std::memory_order_relaxed) | uint64_t{1} << (id % 64), std::memory_order_release);
    block.count.store(count, std::memory_order_release);
    return;
  }
  // A bitmap is left only when it would waste much: it and an array take turns with room between.
  const size_t bitmap_bytes = WordsFor(std::max(id, LargestLarge())) * sizeof(uint64_t);
  const size_t array_bytes = size_t{count} * sizeof(uint32_t);
  const bool to_bitmap = bitmap_bytes <= (FormOf(old) == Form::kBitmap ? array_bytes * 2 : array_bytes);
  Replace(to_bitmap ? BitmapWith(id, count, meter) : ArrayWith(id, count, meter), limbo);
}

void HolderSet::Erase(HolderId id, MemoryMeter& meter, Limbo& limbo) noexcept {
  if (id < kBits) {
    bits_.store(bits_.load(std::memory_order_relaxed) & ~(uint64_t{1} << id), std::memory_order_release);
  } else {
    EraseLarge(id, meter, limbo);
  }
}

void HolderSet::EraseLarge(HolderId id, MemoryMeter& meter, Limbo& limbo) noexcept {
  const uint64_t old = more();
  if (FormOf(old) == Form::kIds) {
    more_.store(IdsWord(FirstOf(old) == id ? SecondOf(old) : FirstOf(old), 0), std::memory_order_release);
    return;
  }
  Block& block = *BlockOf(old);
  if (FormOf(old) == Form::kBitmap) {
    std::atomic<uint64_t>& word = block.words()[id / 64];
    word.store(word.load(std::memory_order_relaxed) & ~(uint64_t{1} << (id % 64)), std::memory_order_release);
  } else {
    std::atomic<uint32_t>* const ids = block.ids();
    uint32_t begin = 0;
    while (ids[begin].load(std::memory_order_relaxed) != id) ++begin;
    uint32_t end = begin;
    while (end < block.size && ids[end].load(std::memory_order_relaxed) == id) ++end;
    const HolderId neighbour = ids[begin > 0 ? begin - 1 : end].load(std::memory_order_relaxed);  // three ids or more
    for (uint32_t i = begin; i < end; ++i) ids[i].store(neighbour, std::memory_order_release);
  }
  block.count.store(block.count.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  Shrink(meter, limbo);
}

void HolderSet::Shrink(MemoryMeter& meter, Limbo& limbo) noexcept {
  const uint64_t old = more();
  const Block& block = *BlockOf(old);
  const uint32_t count = block.count.load(std::memory_order_relaxed);
  if (count <= 2) {
    HolderId ids[2] = {0, 0};
    uint32_t found = 0;
    ForEachLarge([&](HolderId id) { ids[found++] = id; });
    Replace(IdsWord(ids[0], ids[1]), limbo);
    return;
  }
  const bool array_wastes = FormOf(old) == Form::kArray && count * 2 < block.size;
  const bool bitmap_wastes =
      FormOf(old) == Form::kBitmap && size_t{count} * sizeof(uint32_t) * 4 < size_t{block.size} * sizeof(uint64_t);
  if (!array_wastes && !bitmap_wastes) return;
  try {
    Replace(ArrayWith(0, count, meter), limbo);
  } catch (const std::bad_alloc&) {  // the larger form stays
  }
}

void HolderSet::Clear(MemoryMeter& meter) noexcept {
  const uint64_t old = more();
  if (FormOf(old) != Form::kIds) meter.Free(BlockOf(old));
  bits_.store(0, std::memory_order_relaxed);
  more_.store(0, std::memory_order_relaxed);
}

HolderSet HolderSet::CopyOf(const HolderSet& other, MemoryMeter& meter) {
  HolderSet copy;
  const uint64_t more = other.more();
  if (FormOf(more) == Form::kArray) {
    copy.more_.store(other.ArrayWith(0, BlockOf(more)->count.load(std::memory_order_relaxed), meter));
  } else if (FormOf(more) == Form::kBitmap) {
    const Block& block = *BlockOf(more);
    const HolderId largest = other.LargestLarge();
    copy.more_.store(other.BitmapWith(largest, block.count.load(std::memory_order_relaxed), meter));
  } else {
    copy.more_.store(more);
  }
  copy.bits_.store(other.bits_.load(std::memory_order_relaxed));
  return copy;
}

}  // namespace weir::internal
