#include "holder_set.h"

#include <cstring>

namespace weir::internal {
namespace {

constexpr HolderId kBitsMax = 64;  // ids of the form in place
constexpr uint32_t kFirstArray = 4;

uint32_t WordsFor(HolderId largest) { return largest / 64 + 1; }

// An eighth of room to grow, so that ascending ids do not move a bitmap each time.
uint32_t RoomyWords(HolderId largest) { return WordsFor(largest) + WordsFor(largest) / 8; }

}  // namespace

bool HolderSet::Contains(HolderId id) const {
  switch (static_cast<Form>(form_)) {
    case Form::kBits: return id < kBitsMax && (word_ >> id & 1) != 0;
    case Form::kIds: return (count_ > 0 && first_id() == id) || (count_ > 1 && second_id() == id);
    case Form::kArray: return std::binary_search(array(), array() + count_, id);
    case Form::kBitmap: return id / 64 < bitmap_words() && (bitmap()[id / 64] >> (id % 64) & 1) != 0;
  }
  return false;
}

HolderId HolderSet::Largest() const {
  HolderId largest = 0;
  switch (static_cast<Form>(form_)) {
    case Form::kArray: return array()[count_ - 1];
    case Form::kIds: return count_ > 1 ? second_id() : first_id();
    default: ForEach([&](HolderId id) { largest = id; });
  }
  return largest;
}

// Frees the heap block, if any, and takes the new form.
void HolderSet::Replace(Form form, uint64_t word, MemoryMeter& meter) noexcept {
  if (static_cast<Form>(form_) >= Form::kArray) meter.Free(block());
  form_ = static_cast<uint32_t>(form);
  word_ = word;
}

void HolderSet::ToArray(uint32_t capacity, MemoryMeter& meter) {
  auto* fresh = static_cast<uint64_t*>(meter.Allocate(sizeof(uint64_t) + size_t{capacity} * sizeof(HolderId)));
  *fresh = capacity;
  auto* ids = reinterpret_cast<HolderId*>(fresh + 1);
  ForEach([&](HolderId id) { *ids++ = id; });
  Replace(Form::kArray, reinterpret_cast<uint64_t>(fresh), meter);
}

void HolderSet::ToBitmap(uint32_t words, MemoryMeter& meter) {
  auto* fresh = static_cast<uint64_t*>(meter.Allocate((size_t{words} + 1) * sizeof(uint64_t)));
  std::memset(fresh, 0, (size_t{words} + 1) * sizeof(uint64_t));
  *fresh = words;
  ForEach([&](HolderId id) { fresh[1 + id / 64] |= uint64_t{1} << (id % 64); });
  Replace(Form::kBitmap, reinterpret_cast<uint64_t>(fresh), meter);
}

void HolderSet::Insert(HolderId id, MemoryMeter& meter) {
  if (count_ == 0 && static_cast<Form>(form_) <= Form::kIds) {
    form_ = static_cast<uint32_t>(id < kBitsMax ? Form::kBits : Form::kIds);
    word_ = id < kBitsMax ? uint64_t{1} << id : id;
    count_ = 1;
    return;
  }
  switch (static_cast<Form>(form_)) {
    case Form::kBits:
      if (id < kBitsMax) {
        word_ |= uint64_t{1} << id;
      } else if (count_ == 1) {
        word_ = static_cast<uint64_t>(std::countr_zero(word_)) | uint64_t{id} << 32;
        form_ = static_cast<uint32_t>(Form::kIds);
      } else {
        ToArray(count_ + kFirstArray, meter);
        array()[count_] = id;
      }
      break;
    case Form::kIds:
      if (count_ == 1) {
        const HolderId other = first_id();
        word_ = uint64_t{std::min(id, other)} | uint64_t{std::max(id, other)} << 32;
      } else {
        ToArray(kFirstArray, meter);
        InsertIntoArray(id, meter);
      }
      break;
    case Form::kArray: InsertIntoArray(id, meter); break;
    case Form::kBitmap: InsertIntoBitmap(id, meter); break;
  }
  ++count_;
}

void HolderSet::InsertIntoArray(HolderId id, MemoryMeter& meter) {
  if (count_ == array_capacity()) {
    const HolderId largest = std::max(id, Largest());
    if (WordsFor(largest) * sizeof(uint64_t) <= size_t{count_} * sizeof(HolderId)) {
      ToBitmap(RoomyWords(largest), meter);
      InsertIntoBitmap(id, meter);
      return;
    }
    ToArray(count_ + count_ / 4 + kFirstArray, meter);
  }
  HolderId* const end = array() + count_;
  HolderId* const place = std::lower_bound(array(), end, id);
  std::memmove(place + 1, place, static_cast<size_t>(end - place) * sizeof(HolderId));
  *place = id;
}

void HolderSet::InsertIntoBitmap(HolderId id, MemoryMeter& meter) {
  if (id / 64 >= bitmap_words()) {
    if (WordsFor(id) * sizeof(uint64_t) > (size_t{count_} + 1) * sizeof(HolderId) * 2) {  // one far id: back to an array
      ToArray(count_ + count_ / 4 + kFirstArray, meter);
      InsertIntoArray(id, meter);
      return;
    }
    ToBitmap(RoomyWords(id), meter);
  }
  bitmap()[id / 64] |= uint64_t{1} << (id % 64);
}

void HolderSet::Erase(HolderId id, MemoryMeter& meter) noexcept {
  switch (static_cast<Form>(form_)) {
    case Form::kBits: word_ &= ~(uint64_t{1} << id); break;
    case Form::kIds: word_ = first_id() == id ? second_id() : first_id(); break;
    case Form::kArray: {
      HolderId* const place = std::lower_bound(array(), array() + count_, id);
      std::memmove(place, place + 1, static_cast<size_t>(array() + count_ - place - 1) * sizeof(HolderId));
      break;
    }
    case Form::kBitmap: bitmap()[id / 64] &= ~(uint64_t{1} << (id % 64)); break;
  }
  --count_;
  Shrink(meter);
}

void HolderSet::Shrink(MemoryMeter& meter) noexcept {
  const Form form = static_cast<Form>(form_);
  if (form < Form::kArray) return;
  if (count_ <= 2) {
    HolderId ids[2] = {0, 0};
    uint32_t found = 0;
    ForEach([&](HolderId id) { ids[found++] = id; });
    const bool bits = found > 0 && ids[found - 1] < kBitsMax;
    uint64_t word = uint64_t{ids[0]} | uint64_t{ids[1]} << 32;
    if (bits) word = uint64_t{1} << ids[0] | (found > 1 ? uint64_t{1} << ids[1] : 0);
    Replace(bits ? Form::kBits : Form::kIds, word, meter);
    return;
  }
  const bool array_wastes = form == Form::kArray && count_ * 2 + kFirstArray < array_capacity();
  const bool bitmap_wastes =
      form == Form::kBitmap && size_t{count_} * sizeof(HolderId) * 4 < bitmap_words() * sizeof(uint64_t);
  if (!array_wastes && !bitmap_wastes) return;
  try {
    ToArray(count_ + count_ / 4 + 1, meter);
  } catch (const std::bad_alloc&) {  // the larger form stays
  }
}

void HolderSet::Clear(MemoryMeter& meter) noexcept {
  Replace(Form::kBits, 0, meter);
  count_ = 0;
}

HolderSet HolderSet::CopyOf(const HolderSet& other, MemoryMeter& meter) {
  HolderSet copy;
  copy.count_ = other.count_;
  if (static_cast<Form>(other.form_) >= Form::kArray) {
    const bool is_array = static_cast<Form>(other.form_) == Form::kArray;
    const size_t size = sizeof(uint64_t) + (is_array ? size_t{other.array_capacity()} * sizeof(HolderId)
                                                     : size_t{other.bitmap_words()} * sizeof(uint64_t));
    void* const fresh = meter.Allocate(size);
    std::memcpy(fresh, other.block(), size);
    copy.word_ = reinterpret_cast<uint64_t>(fresh);
  } else {
    copy.word_ = other.word_;
  }
  copy.form_ = other.form_;
  return copy;
}

}  // namespace weir::internal
