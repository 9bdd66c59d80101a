#pragma once
// Tokenizer: text to the exact token ids of a model, and back.
//
// A Tokenizer is immutable after loading and shared by all threads. The work is done by an Encoder, which owns the word
// cache and scratch memory of one thread. Our own byte-level BPE and BERT's WordPiece (LoadTokenizer) give the ids of
// Hugging Face `tokenizers` on every input; a GGUF vocabulary can stand behind the same interface.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"

namespace weir {

using TokenId = uint32_t;

// Token i covers bytes [begins[i], begins[i+1]) of the original text, the last one up to its end. begins never falls;
// a token that stands for no byte of its own (an added begin-of-text, or the rest of a character that normalisation
// changed) has an empty range. Texts are limited to 4 GiB - 1.
//
// WordPiece: begins are where Hugging Face says that tokens begin, in bytes. White space and characters that vanish belong
// to the token before them, those before the first token to none; tokens that share one character of the text (Hangul in
// parts) all begin where it does, so that all but the last of them have empty ranges.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<uint32_t> begins;  // same length as ids; bytes

  void Clear() {
    ids.clear();
    begins.clear();
  }
};

struct EncodeOptions {
  // Apply the tokenizer's post-processor (for example Llama 3's begin-of-text), as HF's encode() does by default. A
  // prompt rendered by a chat template holds its special tokens already: false there.
  bool add_special_tokens = false;
};

// One thread at a time; keep it, its word cache makes later texts faster. Must not outlive its Tokenizer.
class Encoder {
 public:
  virtual ~Encoder() = default;

  // Replaces `out`. invalid_argument, with the byte offset, when the text is not UTF-8; out is then unspecified.
  virtual Status Encode(std::string_view text, const EncodeOptions& options, Encoding& out) = 0;

  // A byte offset c such that, whatever is appended to `text`, the ids (without the post-processor's) of the whole are
  // those of text[0, c) followed by those of the rest encoded on its own. 0 is always right. REQUIRES: valid UTF-8.
  virtual size_t FindStableCut(std::string_view text) {
    static_cast<void>(text);
    return 0;
  }
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // 32 lower-case hexadecimal digits over everything that decides ids: equal means interchangeable.
  virtual const std::string& fingerprint() const = 0;
  // Number of ids, added tokens included: every id is below it.
  virtual uint32_t vocab_size() const = 0;
  virtual std::unique_ptr<Encoder> NewEncoder() const = 0;

  // BPE: exact bytes. WordPiece does not keep them (case, accents and white space are lost): tokens joined by blanks, pieces
  // that go on without, and blanks before signs taken out where the file's decoder cleans up; as Hugging Face decodes
  // without skipping special tokens. invalid_argument for an id that is not in the vocabulary (names its index).
  virtual Result<std::string> Decode(std::span<const TokenId> ids) const = 0;
  // The id of a token given as its exact text (added tokens included), for example "<|im_start|>".
  virtual std::optional<TokenId> IdOf(std::string_view token) const = 0;
};

struct TokenizerLoadOptions {
  // Where a flat, checksummed copy of the parsed tokenizer is kept to load faster; empty: none is read or written.
  std::filesystem::path cache_folder;
};

// Reads a Hugging Face tokenizer.json: byte-level BPE, or WordPiece with BERT's normaliser and pre-tokeniser. A feature that
// is not implemented exactly is refused by name (unsupported); a broken file is invalid_argument with the place. The
// truncation and padding that files of embedding models ask for are not applied: a text gives all its tokens. Of
// WordPiece files, which are small, no flat copy is kept.
Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::filesystem::path& path, const TokenizerLoadOptions& options);

}  // namespace weir
