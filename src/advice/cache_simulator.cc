#include "weir/advice/cache_simulator.h"

#include <algorithm>

#include "weir/base/check.h"

namespace weir {

CacheSimulator::CacheSimulator(size_t capacity_blocks, size_t block_size)
    : capacity_blocks_(std::min(capacity_blocks, kEndless)), block_size_(block_size) {
  WEIR_CHECK(block_size > 0);
}

CacheSimulator::Outcome CacheSimulator::Run(std::span<const BlockKey> keys, size_t tokens) {
  WEIR_CHECK(keys.size() == tokens / block_size_, "{} keys for {} tokens", keys.size(), tokens);
  ++counters_.requests;
  counters_.tokens += tokens;
  const size_t needed = (tokens + block_size_ - 1) / block_size_;
  if (needed > capacity_blocks_) {
    ++counters_.refused;
    return {0, false};
  }

  held_.clear();
  const size_t hits_max = tokens == 0 ? 0 : (tokens - 1) / block_size_;
  while (held_.size() < hits_max) {
    const auto known = known_.find(keys[held_.size()]);
    if (known == known_.end()) break;
    held_.push_back(known->second.oldest);
    Unqueue(known->second.oldest);
  }
  const size_t hits = held_.size();
  while (held_.size() < needed) held_.push_back(TakeFree());
  for (size_t i = hits; i < keys.size(); ++i) Remember(held_[i], keys[i]);
  for (size_t i = held_.size(); i > 0; --i) Enqueue(held_[i - 1]);

  const auto cached = static_cast<uint32_t>(hits * block_size_);
  counters_.cached_tokens += cached;
  return {cached, true};
}

uint32_t CacheSimulator::TakeFree() {
  if (slots_.size() < capacity_blocks_) {  // fresh slots stand in front of every used one
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = queue_head_;
  WEIR_CHECK(slot != kNone, "no free block among {}", capacity_blocks_);
  Unqueue(slot);
  if (slots_[slot].has_key) {
    Forget(slot);
    ++counters_.evicted_blocks;
  }
  return slot;
}

void CacheSimulator::Unqueue(uint32_t slot) {
  Slot& s = slots_[slot];
  (s.older == kNone ? queue_head_ : slots_[s.older].newer) = s.newer;
  (s.newer == kNone ? queue_tail_ : slots_[s.newer].older) = s.older;
  s.older = s.newer = kNone;
}

void CacheSimulator::Enqueue(uint32_t slot) {
  Slot& s = slots_[slot];
  s.older = queue_tail_;
  s.newer = kNone;
  (queue_tail_ == kNone ? queue_head_ : slots_[queue_tail_].newer) = slot;
  queue_tail_ = slot;
}

void CacheSimulator::Remember(uint32_t slot, const BlockKey& key) {
  Slot& s = slots_[slot];
  s.key = key;
  s.has_key = true;
  SameKey& same = known_[key];
  s.same_previous = same.newest;
  s.same_next = kNone;
  (same.newest == kNone ? same.oldest : slots_[same.newest].same_next) = slot;
  same.newest = slot;
  ++cached_blocks_;
}

void CacheSimulator::Forget(uint32_t slot) {
  Slot& s = slots_[slot];
  const auto known = known_.find(s.key);
  WEIR_CHECK(known != known_.end());
  SameKey& same = known->second;
  (s.same_previous == kNone ? same.oldest : slots_[s.same_previous].same_next) = s.same_next;
  (s.same_next == kNone ? same.newest : slots_[s.same_next].same_previous) = s.same_previous;
  if (same.oldest == kNone) known_.erase(known);
  s.same_previous = s.same_next = kNone;
  s.has_key = false;
  --cached_blocks_;
}

void CacheSimulator::CheckInvariants() const {
  WEIR_CHECK(slots_.size() <= capacity_blocks_);
  size_t queued = 0;
  uint32_t before = kNone;
  for (uint32_t slot = queue_head_; slot != kNone; slot = slots_[slot].newer) {
    WEIR_CHECK(slots_[slot].older == before, "slot {} of the queue", slot);
    WEIR_CHECK(++queued <= slots_.size(), "the queue has a cycle");
    before = slot;
  }
  WEIR_CHECK(before == queue_tail_);
  WEIR_CHECK(queued == slots_.size(), "{} of {} blocks are free between requests", queued, slots_.size());
  size_t keyed = 0;
  for (const auto& [key, same] : known_) {
    uint32_t previous = kNone;
    for (uint32_t slot = same.oldest; slot != kNone; slot = slots_[slot].same_next) {
      WEIR_CHECK(slots_[slot].has_key && slots_[slot].key == key && slots_[slot].same_previous == previous);
      WEIR_CHECK(++keyed <= slots_.size(), "blocks of one key form a cycle");
      previous = slot;
    }
    WEIR_CHECK(previous != kNone && previous == same.newest);
  }
  WEIR_CHECK(keyed == cached_blocks_, "{} keyed, {} counted", keyed, cached_blocks_);
}

}  // namespace weir
