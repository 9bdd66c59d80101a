#include "posting_table.h"

#include <algorithm>
#include <new>

namespace weir::internal {

size_t Places::EndOfDocument(size_t at) const {
  const uint32_t document = (*this)[at].document;
  if (document == kDeadDocument) return at + 1;  // dead places stand anywhere
  size_t step = 1;
  size_t same = at;  // known to be of the document
  while (same + step < size_ && (*this)[same + step].document == document) {
    same += step;
    step *= 2;
  }
  size_t other = std::min(same + step, size_);
  while (other - same > 1) {
    const size_t middle = same + (other - same) / 2;
    ((*this)[middle].document == document ? same : other) = middle;
  }
  return other;
}

PostingTable::~PostingTable() {
  Slots* const slots = slots_.load(std::memory_order_relaxed);
  for (uint64_t i = 0; slots != nullptr && i < slots->count; ++i) {
    const uint64_t value = slots->at[i].value.load(std::memory_order_relaxed);
    if (value != kFree && !IsOne(value)) meter_.Free(ListOf(value));
  }
  meter_.Free(slots);
}

Places PostingTable::PlacesOf(uint64_t value) {
  if (IsOne(value)) return Places(value >> 1);
  const List* const list = ListOf(value);
  // Pairs with the release in Add: every place below the size is there.
  return {list->place, list->size.load(std::memory_order_acquire)};
}

// For readers. Each load is an acquire that pairs with the release of whoever stored: what was seen moved makes the new
// version seen.
Places PostingTable::Find(uint32_t hash) const {
  for (;;) {
    const uint64_t version = version_.load(std::memory_order_acquire);
    const Slots* const slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) return {};
    for (uint64_t i = slots->Home(hash);;) {
      const Slot& slot = slots->at[i];
      const uint64_t value = slot.value.load(std::memory_order_acquire);
      if (value == kFree) break;
      if (slot.hash.load(std::memory_order_acquire) == hash && value != kMoving) {
        if (slot.value.load(std::memory_order_relaxed) == value) return PlacesOf(value);
        continue;  // the slot changed between the two
      }
      i = slots->Next(i);
    }
    if (version_.load(std::memory_order_relaxed) == version) return {};
  }
}

// For the writer: the slot of this hash, or null.
PostingTable::Slot* PostingTable::Lookup(uint32_t hash) const {
  Slots* const slots = slots_.load(std::memory_order_relaxed);
  if (slots == nullptr) return nullptr;
  for (uint64_t i = slots->Home(hash);; i = slots->Next(i)) {
    Slot& slot = slots->at[i];
    if (slot.value.load(std::memory_order_relaxed) == kFree) return nullptr;
    if (slot.hash.load(std::memory_order_relaxed) == hash) return &slot;
  }
}

PostingTable::Slot* PostingTable::FreeSlot(uint32_t hash) noexcept {
  Slots* const slots = slots_.load(std::memory_order_relaxed);
  uint64_t i = slots->Home(hash);
  while (slots->at[i].value.load(std::memory_order_relaxed) != kFree) i = slots->Next(i);
  return &slots->at[i];
}

void PostingTable::Resize(uint64_t count) {
  auto* const fresh = static_cast<Slots*>(meter_.Allocate(sizeof(Slots) + count * sizeof(Slot)));
  fresh->count = count;
  for (uint64_t i = 0; i < count; ++i) new (&fresh->at[i]) Slot{0, kFree};
  Slots* const old = slots_.load(std::memory_order_relaxed);
  for (uint64_t i = 0; old != nullptr && i < old->count; ++i) {
    const uint64_t value = old->at[i].value.load(std::memory_order_relaxed);
    if (value == kFree) continue;
    const uint32_t hash = old->at[i].hash.load(std::memory_order_relaxed);
    uint64_t to = fresh->Home(hash);
    while (fresh->at[to].value.load(std::memory_order_relaxed) != kFree) to = fresh->Next(to);
    fresh->at[to].hash.store(hash, std::memory_order_relaxed);
    fresh->at[to].value.store(value, std::memory_order_relaxed);
  }
  slots_.store(fresh, std::memory_order_release);
  if (old != nullptr) limbo_.Retire(reinterpret_cast<uint64_t>(old), 0, old->count * sizeof(Slot));
}

// Room for one more hash; at most four fifths are used.
void PostingTable::Reserve() {
  const Slots* const slots = slots_.load(std::memory_order_relaxed);
  const uint64_t count = slots == nullptr ? 0 : slots->count;
  if ((used_ + 1) * 5 > count * 4) Resize(std::max<uint64_t>(16, used_ + used_ / 2 + used_ / 4 + 1));
}

PostingTable::List* PostingTable::NewList(uint64_t capacity) { return new (meter_.Allocate(List::Bytes(capacity))) List; }

void PostingTable::Retire(List* list) noexcept {
  limbo_.Retire(reinterpret_cast<uint64_t>(list), 0, List::Bytes(list->size.load(std::memory_order_relaxed)));
}

void PostingTable::Add(uint32_t hash, Posting place) {
  Slot* slot = Lookup(hash);
  if (slot == nullptr) {
    Reserve();
    slot = FreeSlot(hash);
    slot->hash.store(hash, std::memory_order_release);
    slot->value.store(ValueOf(place), std::memory_order_release);
    ++used_;
    ++postings_;
    return;
  }
  const uint64_t value = slot->value.load(std::memory_order_relaxed);
  List* list = IsOne(value) ? nullptr : ListOf(value);
  const uint32_t size = list == nullptr ? 1 : list->size.load(std::memory_order_relaxed);
  if (list == nullptr || malloc_usable_size(list) < List::Bytes(uint64_t{size} + 1)) {
    List* const larger = NewList(list == nullptr ? 2 : uint64_t{size} + size / 2 + 1);
    if (list == nullptr) new (&larger->place[0]) std::atomic<uint64_t>(value >> 1);
    for (uint32_t i = 0; list != nullptr && i < size; ++i) {
      new (&larger->place[i]) std::atomic<uint64_t>(list->place[i].load(std::memory_order_relaxed));
    }
    new (&larger->place[size]) std::atomic<uint64_t>(place.Packed());
    larger->live = (list == nullptr ? 1 : list->live) + 1;
    larger->size.store(size + 1, std::memory_order_relaxed);
    slot->value.store(reinterpret_cast<uint64_t>(larger), std::memory_order_release);
    if (list != nullptr) Retire(list);
  } else {
    new (&list->place[size]) std::atomic<uint64_t>(place.Packed());
    ++list->live;
    list->size.store(size + 1, std::memory_order_release);
  }
  ++postings_;
}

void PostingTable::RemoveDocument(uint32_t hash, uint32_t document) noexcept {
  Slot* const slot = Lookup(hash);
  if (slot == nullptr) return;
  const uint64_t value = slot->value.load(std::memory_order_relaxed);
  const Places places = PlacesOf(value);
  size_t begin = 0;
  // Place by place: most documents have one, and looking for the end of each would cost more than it skips.
  while (begin < places.size() && places[begin].document != document) ++begin;
  if (begin == places.size()) return;
  const size_t end = places.EndOfDocument(begin);
  postings_ -= end - begin;
  List* const list = IsOne(value) ? nullptr : ListOf(value);
  if (list == nullptr || list->live == end - begin) {
    EraseSlot(slot);
    return;
  }
  for (size_t i = begin; i < end; ++i) {
    list->place[i].store(Posting{kDeadDocument, places[i].position}.Packed(), std::memory_order_relaxed);
  }
  list->live -= static_cast<uint32_t>(end - begin);
  if (list->live == 1 || list->live * 2 <= list->size.load(std::memory_order_relaxed)) Shorten(slot, list);
}

// Replaces a list by its live places.
void PostingTable::Shorten(Slot* slot, List* list) noexcept {
  const Places places = PlacesOf(reinterpret_cast<uint64_t>(list));
  List* exact = nullptr;
  if (list->live > 1) {
    try {
      exact = NewList(list->live);
    } catch (const std::bad_alloc&) {  // the larger one stays
      return;
    }
    exact->live = list->live;
  }
  uint32_t at = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].document == kDeadDocument) continue;
    if (exact == nullptr) {
      slot->value.store(ValueOf(places[i]), std::memory_order_release);
      break;
    }
    new (&exact->place[at++]) std::atomic<uint64_t>(places[i].Packed());
  }
  if (exact != nullptr) {
    exact->size.store(at, std::memory_order_relaxed);
    slot->value.store(reinterpret_cast<uint64_t>(exact), std::memory_order_release);
  }
  Retire(list);
}

// What the slot held is elsewhere by now, or gone.
void PostingTable::SetHole(Slot& slot, uint64_t value) noexcept {
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  slot.value.store(value, std::memory_order_release);
}

// Frees the slot and moves back what was displaced by it.
void PostingTable::EraseSlot(Slot* slot) noexcept {
  Slots* const slots = slots_.load(std::memory_order_relaxed);
  const uint64_t gone = slot->value.load(std::memory_order_relaxed);
  auto hole = static_cast<uint64_t>(slot - slots->at);
  const auto distance = [&](uint64_t from, uint64_t to) { return to >= from ? to - from : to + slots->count - from; };
  for (uint64_t i = slots->Next(hole);; i = slots->Next(i)) {
    const uint64_t value = slots->at[i].value.load(std::memory_order_relaxed);
    if (value == kFree) break;
    const uint32_t hash = slots->at[i].hash.load(std::memory_order_relaxed);
    if (distance(slots->Home(hash), i) < distance(hole, i)) continue;
    SetHole(slots->at[hole], kMoving);
    slots->at[hole].hash.store(hash, std::memory_order_release);
    slots->at[hole].value.store(value, std::memory_order_release);
    hole = i;
  }
  SetHole(slots->at[hole], kFree);
  --used_;
  if (!IsOne(gone)) Retire(ListOf(gone));
  if (used_ == 0) {
    slots_.store(nullptr, std::memory_order_release);
    limbo_.Retire(reinterpret_cast<uint64_t>(slots), 0, slots->count * sizeof(Slot));
  } else if (slots->count > 64 && used_ * 4 < slots->count) {
    try {
      Resize(used_ * 2);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

}  // namespace weir::internal
