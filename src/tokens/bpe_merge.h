#pragma once
// Merging one word: bytes to tokens by the model's merge list.

#include <cstdint>
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

}  // namespace weir::bpe
