#pragma once
// BpeEncoder: text to ids with the word cache and scratch memory of one thread.
//
// Order of work, as in Hugging Face `tokenizers`: added tokens that are looked for in the raw text; NFC on the stretches
// between them; added tokens that are looked for in normalised text; cutting into words; merging each word.

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "bpe_merge.h"
#include "bpe_model.h"
#include "char_joints.h"
#include "pretokenize.h"
#include "tokenizer_config.h"
#include "weir/tokens/tokenizer.h"
#include "word_cache.h"

namespace weir::bpe {

// All of a loaded tokenizer that decides ids. Immutable.
struct TokenizerParts {
  BpeModel model;
  TokenizerConfig config;
  Pretokenizer pretokenizer;
  AddedTokenFinder raw_finder;         // tokens looked for in raw text
  AddedTokenFinder normalized_finder;  // and in normalised text
};

class BpeEncoder final : public Encoder {
 public:
  // `parts` must outlive the encoder.
  explicit BpeEncoder(const TokenizerParts& parts);

  Status Encode(std::string_view text, const EncodeOptions& options, Encoding& out) override;
  size_t FindStableCut(std::string_view text) override;

 private:
  static constexpr size_t kBatch = 256;  // words looked ahead

  size_t FindWordCut(std::string_view text, size_t limit, bool nfc);

  // Makes room for `count` more tokens (and a few that bulk copies write past them).
  void EnsureRoom(size_t count);
  void EmitToken(uint32_t id, uint32_t begin);
  // A stretch without raw added tokens; `base` is its offset in the original text.
  void EncodeStretch(std::string_view stretch, uint32_t base);
  // The same after normalisation; begins count from `base`.
  void EncodeNormalized(std::string_view stretch, uint32_t base);
  // A stretch without any added token.
  void EncodePlain(std::string_view stretch, uint32_t base);
  void EncodeWords(std::string_view text, uint32_t base);
  // `count` words that end at ends_ and begin at `begin`: keys and hashes, then tokens.
  void EncodeBatch(const char* text, const char* text_end, size_t begin, size_t count, uint32_t base);
  void EmitBatch(const char* text, size_t begin, size_t count, uint32_t base);

  // Fills the cache with the words of the batch from `first` on (which begins at `from`) that it lacks, many at a time.
  void LearnBatch(const char* text, size_t from, size_t first, size_t count);
  void CollectParts(std::string_view word, uint64_t hash);
  // Calls emit(begin, end) for the parts of a word that merge apart from each other.
  template <typename Emit>
  void ForEachPart(std::string_view word, const Emit& emit) const;
  WordKey PartKey(std::string_view part) const;
  // The token of a whole word or part, found without merging, or kNone.
  uint32_t FindDirect(WordKey key, std::string_view word, bool is_part) const;

  // One word, by whatever way finds it. `from` is where the word begins in the output's terms.
  void EmitShort(WordKey key, uint64_t hash, std::string_view word, uint32_t from, bool is_part);
  void EmitLong(std::string_view word, uint64_t hash, uint32_t from);
  void EmitParts(std::string_view word, uint32_t from);
  void EmitMerged(std::string_view word, uint32_t from);
  void EmitEntry(const WordEntry& entry, uint32_t from);
  void EmitArena(uint32_t place, size_t count, uint32_t from);

  const TokenizerParts* parts_;
  const BpeModel* model_;
  CharJoints joints_;
  bool parts_differ_;  // a part of a word is not looked up like a whole one (ignore_merges)
  WordMerger merger_;
  BulkMerger bulk_merger_;
  WordCache cache_;

  // The output while Encode() runs.
  Encoding* out_ = nullptr;
  uint32_t* ids_ = nullptr;
  uint32_t* begins_ = nullptr;
  size_t count_ = 0;
  size_t room_ = 0;

  // A word or a part of one that the cache may lack.
  struct Unknown {
    WordKey key;
    uint64_t hash;
    std::string_view word;
    bool is_part;
  };
  std::vector<Unknown> unknown_;
  struct Candidate {
    uint32_t index;  // in the batch
    uint32_t begin;  // in the text
  };
  std::array<Candidate, kBatch + 1> candidates_;
  std::vector<std::string_view> unmerged_;

  std::array<uint32_t, kBatch> ends_;
  std::array<WordKey, kBatch> keys_;
  std::array<uint64_t, kBatch> hashes_;
  std::vector<uint32_t> boundaries_;  // of FindWordCut
  std::string prefixed_;              // a stretch with a blank put before it
};

}  // namespace weir::bpe
