#pragma once
// Merging one word: bytes to tokens by the model's merge list.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bpe_model.h"

namespace weir::bpe {

// Merges words one after the other; keeps its memory. One thread at a time. Must not outlive the model.
class WordMerger {
 public:
  explicit WordMerger(const BpeModel& model) : model_(&model) {}

  // The tokens of `word` by merging alone (ignore_merges is the caller's matter): ids() and begins() hold that many. A
  // byte that the vocabulary lacks yields no token, as Hugging Face does it without an unknown token. Cost grows as
  // n log n. REQUIRES: word.size() < 4 GiB.
  size_t Merge(std::string_view word);

  // Valid until the next Merge().
  const uint32_t* ids() const { return ids_.data(); }
  const uint32_t* begins() const { return begins_.data(); }  // byte offsets in the word

 private:
  size_t LoadBytes(std::string_view word);
  size_t MergeFew(size_t count);
  size_t MergeMany(size_t count);
  uint32_t RankAt(uint32_t left, uint32_t right) const { return model_->Rank(ids_[left], ids_[right]); }

  const BpeModel* model_;
  std::vector<uint32_t> ids_ = std::vector<uint32_t>(64);
  std::vector<uint32_t> begins_ = std::vector<uint32_t>(64);
  // For words of many symbols: neighbours and rank of the pair that starts at each, and a heap of (rank, place).
  std::vector<uint32_t> next_, previous_, ranks_;
  std::vector<uint64_t> heap_;
};

// Merges many words at once. Looking up a pair mostly waits for memory, so several words take turns, each asking for its
// next pairs before the others go on. One thread at a time. Must not outlive the model.
class BulkMerger {
 public:
  static constexpr size_t kSymbolsMax = 30;

  explicit BulkMerger(const BpeModel& model) : model_(&model) {}

  // Merges every word and calls done(index of the word, ids, begins, count), in any order.
  // REQUIRES: words of 1 to kSymbolsMax bytes.
  template <typename Done>
  void Merge(std::span<const std::string_view> words, const Done& done) {
    size_t next = 0;
    size_t busy = 0;
    std::array<Lane*, kLanes> turns;
    for (; busy < kLanes && next < words.size(); ++busy, ++next) {
      turns[busy] = &lanes_[busy];
      Start(lanes_[busy], words[next], next);
    }
    while (busy > 0) {
      for (size_t i = 0; i < busy;) {
        Lane& lane = *turns[i];
        if (Step(lane)) {
          ++i;
          continue;
        }
        const size_t count = Finish(lane);
        done(lane.word, lane.ids, lane.begins, count);
        if (next < words.size()) {
          Start(lane, words[next], next);
          ++next;
          ++i;
        } else {
          turns[i] = turns[--busy];
        }
      }
    }
  }

 private:
  static constexpr size_t kLanes = 8;
  static constexpr size_t kPlaces = kSymbolsMax + 2;  // one before the first symbol and one after the last stay empty
  using PairQuery = BpeModel::PairQuery;

  // A word under way. After Start() every pair has been asked for; after a merge, those of the two places it touched.
  struct Lane {
    size_t word = 0;
    uint32_t live = 0;  // bit per place of a symbol that is not merged away, and of the two empty places
    uint32_t count = 0;
    uint32_t padded = 0;  // places that hold keys, rounded up
    bool fresh = true;
    uint32_t place = 0;   // of the last product
    uint32_t before = 0;  // of its neighbour
    PairQuery with_right, with_left;
    alignas(16) uint32_t keys[kPlaces];  // of the pair that begins at each place: rank above place
    uint32_t ids[kPlaces];
    uint32_t begins[kPlaces];
    PairQuery asked[kPlaces];
  };

  void Start(Lane& lane, std::string_view word, size_t index);
  // One merge; false when none is left.
  bool Step(Lane& lane);
  // Packs the symbols that are left; returns how many.
  static size_t Finish(Lane& lane);

  const BpeModel* model_;
  std::array<Lane, kLanes> lanes_;
};

}  // namespace weir::bpe
