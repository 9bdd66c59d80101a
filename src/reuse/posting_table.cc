#include "posting_table.h"

#include <algorithm>
#include <cstring>

namespace weir::internal {

size_t EndOfDocument(std::span<const Posting> places, size_t at) {
  const uint32_t document = places[at].document;
  size_t step = 1;
  size_t same = at;  // known to be of the document
  while (same + step < places.size() && places[same + step].document == document) {
    same += step;
    step *= 2;
  }
  size_t other = std::min(same + step, places.size());
  while (other - same > 1) {
    const size_t middle = same + (other - same) / 2;
    (places[middle].document == document ? same : other) = middle;
  }
  return other;
}

PostingTable::~PostingTable() {
  for (uint64_t i = 0; i < slot_count_; ++i) {
    if (slots_[i].count > 1) meter_.Free(slots_[i].many);
  }
  meter_.Free(slots_);
}

// The slot of this hash, or null.
PostingTable::Slot* PostingTable::Lookup(uint32_t hash) const {
  if (used_ == 0) return nullptr;
  uint64_t at = Home(hash);
  while (slots_[at].count > 0) {
    if (slots_[at].hash == hash) return &slots_[at];
    at = Next(at);
  }
  return nullptr;
}

std::span<const Posting> PostingTable::Find(uint32_t hash) const {
  const Slot* const slot = Lookup(hash);
  return slot == nullptr ? std::span<const Posting>() : slot->places();
}

void PostingTable::Resize(uint64_t slots) {
  auto* const fresh = static_cast<Slot*>(meter_.Allocate(slots * sizeof(Slot)));
  std::fill_n(fresh, slots, Slot());
  Slot* const old = slots_;
  const uint64_t old_count = slot_count_;
  slots_ = fresh;
  slot_count_ = slots;
  for (uint64_t i = 0; i < old_count; ++i) {
    if (old[i].count == 0) continue;
    uint64_t at = Home(old[i].hash);
    while (slots_[at].count > 0) at = Next(at);
    slots_[at] = old[i];
  }
  meter_.Free(old);
}

// Room for one more hash; at most four fifths are used.
void PostingTable::Reserve() {
  if ((used_ + 1) * 5 > slot_count_ * 4) Resize(std::max<uint64_t>(16, used_ + used_ / 2 + used_ / 4 + 1));
}

void PostingTable::Add(uint32_t hash, Posting place) {
  Slot* slot = Lookup(hash);
  if (slot == nullptr) {
    Reserve();
    uint64_t at = Home(hash);
    while (slots_[at].count > 0) at = Next(at);
    slot = &slots_[at];
    slot->hash = hash;
    slot->one = place;
    ++used_;
  } else if (slot->count == 1) {
    auto* const many = static_cast<Posting*>(meter_.Allocate(2 * sizeof(Posting)));
    many[0] = slot->one;
    many[1] = place;
    slot->many = many;
  } else {
    if (malloc_usable_size(slot->many) < (size_t{slot->count} + 1) * sizeof(Posting)) {
      const size_t roomy = size_t{slot->count} + slot->count / 2 + 1;
      auto* const many = static_cast<Posting*>(meter_.Allocate(roomy * sizeof(Posting)));
      std::memcpy(many, slot->many, slot->count * sizeof(Posting));
      meter_.Free(slot->many);
      slot->many = many;
    }
    slot->many[slot->count] = place;
  }
  ++slot->count;
  ++postings_;
}

void PostingTable::RemoveDocument(uint32_t hash, uint32_t document) noexcept {
  Slot* const slot = Lookup(hash);
  if (slot == nullptr) return;
  const std::span<const Posting> places = slot->places();
  size_t begin = 0;
  while (begin < places.size() && places[begin].document != document) begin = EndOfDocument(places, begin);
  if (begin == places.size()) return;
  const size_t end = EndOfDocument(places, begin);
  postings_ -= end - begin;
  const auto left = static_cast<uint32_t>(places.size() - (end - begin));
  if (left == 0) {
    EraseSlot(slot);
    return;
  }
  Posting* const many = slot->many;
  std::memmove(many + begin, many + end, (places.size() - end) * sizeof(Posting));
  slot->count = left;
  if (left == 1) {
    slot->one = *many;
    meter_.Free(many);
  } else if (malloc_usable_size(many) > size_t{left} * sizeof(Posting) * 2) {
    try {
      auto* const exact = static_cast<Posting*>(meter_.Allocate(size_t{left} * sizeof(Posting)));
      std::memcpy(exact, many, size_t{left} * sizeof(Posting));
      meter_.Free(many);
      slot->many = exact;
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

// Frees the slot and moves back what was displaced by it.
void PostingTable::EraseSlot(Slot* slot) noexcept {
  if (slot->count > 1) meter_.Free(slot->many);
  auto hole = static_cast<uint64_t>(slot - slots_);
  const auto distance = [&](uint64_t from, uint64_t to) { return to >= from ? to - from : to + slot_count_ - from; };
  for (uint64_t at = Next(hole); slots_[at].count > 0; at = Next(at)) {
    if (distance(Home(slots_[at].hash), at) >= distance(hole, at)) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole].count = 0;
  --used_;
  if (used_ == 0) {
    meter_.Free(slots_);
    slots_ = nullptr;
    slot_count_ = 0;
  } else if (slot_count_ > 64 && used_ * 4 < slot_count_) {
    try {
      Resize(used_ * 2);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

}  // namespace weir::internal
