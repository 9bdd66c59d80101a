#include "bpe_merge.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "wide_steps.h"

namespace weir::bpe {
namespace {

constexpr size_t kFew = 64;  // symbols whose places fit one word of bits

// Sort keys of pairs in MergeFew: rank above place, so that the least key is the leftmost pair of least rank.
constexpr uint32_t kNoPair = 0x7fffffff;
uint32_t PairSortKey(uint32_t rank, size_t place) {
  return rank == kNone ? kNoPair : rank << 6 | static_cast<uint32_t>(place);
}
static_assert((uint64_t{kMergesMax} << 6) < kNoPair);

}  // namespace

size_t WordMerger::Merge(std::string_view word) {
  const size_t count = LoadBytes(word);
  if (count < 2) return count;
  return count <= kFew ? MergeFew(count) : MergeMany(count);
}

size_t WordMerger::LoadBytes(std::string_view word) {
  if (ids_.size() < word.size()) {
    ids_.resize(word.size());
    begins_.resize(word.size());
  }
  return model_->LoadSymbols(word, ids_.data(), begins_.data());
}

size_t WordMerger::MergeFew(size_t count) {
  uint32_t* const ids = ids_.data();
  const uint32_t* const products = model_->tables().products.data();
  alignas(32) uint32_t keys[kFew];
  const size_t padded = (count + 7) & ~size_t{7};
  for (size_t i = 0; i + 1 < count; ++i) keys[i] = PairSortKey(model_->Rank(ids[i], ids[i + 1]), i);
  for (size_t i = count - 1; i < padded; ++i) keys[i] = kNoPair;

  uint64_t live = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  for (uint32_t key; (key = LeastKey(keys, padded)) != kNoPair;) {
    const size_t place = key & 63;
    const uint64_t above = live & (~uint64_t{1} << place);
    const auto gone = static_cast<size_t>(std::countr_zero(above));
    const uint64_t beyond = above & (above - 1);
    const uint64_t below = live & ((uint64_t{1} << place) - 1);
    live &= ~(uint64_t{1} << gone);
    keys[gone] = kNoPair;
    const uint32_t product = products[key >> 6];
    ids[place] = product;
    keys[place] = beyond == 0
                      ? kNoPair
                      : PairSortKey(model_->Rank(product, ids[static_cast<size_t>(std::countr_zero(beyond))]), place);
    if (below != 0) {
      const auto before = static_cast<size_t>(63 - std::countl_zero(below));
      keys[before] = PairSortKey(model_->Rank(ids[before], product), before);
    }
  }

  size_t out = 0;
  for (; live != 0; live &= live - 1) {
    const auto place = static_cast<size_t>(std::countr_zero(live));
    ids_[out] = ids[place];
    begins_[out++] = begins_[place];
  }
  return out;
}

size_t WordMerger::MergeMany(size_t count) {
  constexpr auto later = std::greater<uint64_t>();
  next_.resize(count);
  previous_.resize(count);
  ranks_.resize(count);
  heap_.clear();
  const auto rank_pair = [&](uint32_t at) {
    const uint32_t right = next_[at];
    ranks_[at] = right == kNone ? kNone : RankAt(at, right);
    return ranks_[at] != kNone;
  };
  const auto entry_of = [&](uint32_t at) { return uint64_t{ranks_[at]} << 32 | at; };
  for (uint32_t i = 0; i < count; ++i) {
    next_[i] = i + 1 < count ? i + 1 : kNone;
    previous_[i] = i == 0 ? kNone : i - 1;
    if (rank_pair(i)) heap_.push_back(entry_of(i));
  }
  std::make_heap(heap_.begin(), heap_.end(), later);
  const auto push = [&](uint32_t at) {
    if (!rank_pair(at)) return;
    heap_.push_back(entry_of(at));
    std::push_heap(heap_.begin(), heap_.end(), later);
  };

  while (!heap_.empty()) {
    const uint64_t entry = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
    const auto place = static_cast<uint32_t>(entry);
    const auto rank = static_cast<uint32_t>(entry >> 32);
    if (ranks_[place] != rank) continue;  // merged away, or paired anew, since it was pushed
    const uint32_t gone = next_[place];
    ids_[place] = model_->tables().products[rank];
    ranks_[gone] = kNone;
    next_[place] = next_[gone];
    if (next_[place] != kNone) previous_[next_[place]] = place;
    ids_[gone] = kNone;
    push(place);
    if (previous_[place] != kNone) push(previous_[place]);
  }

  size_t out = 0;
  for (uint32_t at = 0; at != kNone; at = next_[at]) {
    ids_[out] = ids_[at];
    begins_[out++] = begins_[at];
  }
  return out;
}

void BulkMerger::Start(Lane& lane, std::string_view word, size_t index) {
  lane.word = index;
  const auto count = static_cast<uint32_t>(model_->LoadSymbols(word, lane.ids + 1, lane.begins + 1));
  for (uint32_t i = 1; i < count; ++i) lane.asked[i] = model_->AskRank(lane.ids[i], lane.ids[i + 1]);
  lane.count = count;
  lane.padded = (count + 2 + 7) & ~7u;
  lane.live = static_cast<uint32_t>((uint64_t{1} << (count + 2)) - 1);
  lane.fresh = true;
}

bool BulkMerger::Step(Lane& lane) {
  const uint32_t* const products = model_->tables().products.data();
  const auto key_of = [&](PairQuery query, uint32_t place) {
    const uint32_t rank = model_->ReadRank(query);
    __builtin_prefetch(&products[rank & (kMergesMax - 1)]);
    return rank == kNone ? kNoPair : rank << 5 | place;
  };
  uint32_t* const keys = lane.keys;
  if (lane.fresh) {
    lane.fresh = false;
    keys[0] = kNoPair;
    for (uint32_t i = 1; i < lane.count; ++i) keys[i] = key_of(lane.asked[i], i);
    for (uint32_t i = std::max(lane.count, 1u); i < lane.padded; ++i) keys[i] = kNoPair;
  } else {
    keys[lane.place] = key_of(lane.with_right, lane.place);
    keys[lane.before] = key_of(lane.with_left, lane.before);
  }
  const uint32_t key = LeastKey(keys, lane.padded);
  if (key == kNoPair) return false;
  const uint32_t place = key & 31;
  const uint32_t above = lane.live & (~1u << place);
  const auto gone = static_cast<uint32_t>(std::countr_zero(above));
  const auto after = static_cast<uint32_t>(std::countr_zero(above & (above - 1)));
  const uint32_t before = 31u - static_cast<uint32_t>(std::countl_zero(lane.live & ((1u << place) - 1)));
  const uint32_t product = products[key >> 5];
  lane.live &= ~(1u << gone);
  keys[gone] = kNoPair;
  lane.ids[place] = product;
  lane.place = place;
  lane.before = before;
  lane.with_right = after > lane.count ? BpeModel::NoQuery() : model_->AskRank(product, lane.ids[after]);
  lane.with_left = before == 0 ? BpeModel::NoQuery() : model_->AskRank(lane.ids[before], product);
  return true;
}

size_t BulkMerger::Finish(Lane& lane) {
  const uint32_t last = lane.count + 1;
  size_t out = 0;
  for (uint32_t live = lane.live & ~1u & ~(1u << last); live != 0; live &= live - 1) {
    const auto place = static_cast<size_t>(std::countr_zero(live));
    lane.ids[out] = lane.ids[place];
    lane.begins[out++] = lane.begins[place];
  }
  return out;
}

}  // namespace weir::bpe
