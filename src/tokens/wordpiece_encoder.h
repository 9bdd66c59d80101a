#pragma once
// WordPieceEncoder: text to ids with the word cache and scratch memory of one thread.
//
// Order of work, as in Hugging Face `tokenizers`: added tokens that are looked for in the raw text; on the stretches
// between them, normalising and cutting into words in one walk (bert_characters.h); pieces of each word. Only where added
// tokens are looked for in normalised text is that text written out.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "bert_characters.h"
#include "weir/tokens/tokenizer.h"
#include "word_cache.h"
#include "wordpiece_config.h"
#include "wordpiece_model.h"

namespace weir::wordpiece {

// All of a loaded tokenizer that decides ids. Immutable.
struct WordPieceParts {
  WordPieceModel model;
  WordPieceConfig config;
  CharacterFolder folder;
  std::optional<CharacterFolder> plain_folder;  // where there are normalized tokens: changes nothing
  bpe::AddedTokenFinder raw_finder;             // tokens looked for in raw text
  bpe::AddedTokenFinder normalized_finder;      // and in normalised text
};

class WordPieceEncoder final : public Encoder {
 public:
  // `parts` must outlive the encoder.
  explicit WordPieceEncoder(const WordPieceParts& parts);

  Status Encode(std::string_view text, const EncodeOptions& options, Encoding& out) override;
  size_t FindStableCut(std::string_view text) override;

 private:
  void EnsureRoom(size_t count);
  void EmitToken(uint32_t id, uint32_t begin);
  // A stretch without raw added tokens; `base` is its offset in the original text.
  void EncodeStretch(std::string_view stretch, uint32_t base);
  // A stretch without any added token.
  void EncodePlain(const CharacterFolder& folder, std::string_view stretch, uint32_t base);
  // From `at`, which begins a character and is in no word yet, up to where ASCII goes on outside words; returns that.
  size_t EncodeMixed(const CharacterFolder& folder, std::string_view stretch, size_t at, uint32_t base);

  // A word of ASCII as it stands in a stretch that ends at `end`.
  void EmitAscii(const char* word, size_t size, const char* end, bool lowercase, uint32_t from);
  // A folded word. Its tokens begin at `from` plus bytes in the word.
  void EmitWord(std::string_view word, size_t chars, uint32_t from);
  void EmitShort(bpe::WordKey key, uint64_t hash, std::string_view word, size_t chars, uint32_t from);
  void EmitEntry(const bpe::WordEntry& entry, uint32_t from);
  void EmitArena(uint32_t place, size_t count, uint32_t from);
  void EmitSplit(uint32_t from);
  // The folded word at hand, if any; its tokens begin where its bytes come from.
  void FlushWord(uint32_t base);

  const WordPieceParts* parts_;
  bpe::WordCache cache_;
  std::array<uint32_t, 128> sign_ids_;  // of one-byte words

  // The output while Encode() runs.
  Encoding* out_ = nullptr;
  uint32_t* ids_ = nullptr;
  uint32_t* begins_ = nullptr;
  size_t count_ = 0;
  size_t room_ = 0;

  // The word at hand while EncodeMixed() runs.
  std::string word_;
  std::vector<uint32_t> origins_;  // by byte
  size_t chars_ = 0;

  std::string lowered_;
  std::vector<uint32_t> pieces_;
  std::vector<uint32_t> piece_begins_;
};

}  // namespace weir::wordpiece
