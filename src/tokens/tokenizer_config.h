#pragma once
// TokenizerConfig: all of a BPE tokenizer.json but its vocabulary and merges, checked and resolved.
//
// Everything that could change an id and is not implemented exactly is refused by name here. A plain value.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir::bpe {

struct AddedToken {
  std::string content;
  uint32_t id = 0;
  bool left_strip = false;   // takes the white space before it along
  bool right_strip = false;  // and after it
  bool single_word = false;  // only where no word character touches it
  bool normalized = false;   // looked for in normalised text
};

// What tokenizers of every model type have.
struct SharedConfig {
  std::vector<AddedToken> added_tokens;  // by content, no two alike
  std::vector<uint32_t> prefix;          // what the post-processor puts before a text
  std::vector<uint32_t> suffix;          // and after it
};

struct TokenizerConfig : SharedConfig {
  bool nfc = false;
  Json pre_tokenizer;
};

// The vocabulary's part in resolving: how many strings it has, and the id of one (as tokenizer.json spells it) or kNone.
struct VocabularyFacts {
  size_t size = 0;
  std::function<uint32_t(std::string_view)> find;
};

// `document` is the tokenizer.json without model.vocab and model.merges. unsupported names what is not implemented;
// invalid_argument says what is malformed.
Result<TokenizerConfig> ResolveConfig(const Json& document, const VocabularyFacts& vocabulary);
// The version, post-processor and added tokens of a document.
Status ReadSharedConfig(const Json& document, const VocabularyFacts& vocabulary, SharedConfig& config);
// invalid_argument when two patterns, those of normalised tokens, are alike.
Status CheckPatternsDiffer(std::vector<std::string> patterns);
// The `type` of a component; "" when it has none.
std::string_view TypeOf(const Json& component);
inline bool IsAbsent(const Json* value) { return value == nullptr || value->is_null(); }
Error Refuse(std::string_view what);
// The model's own options alone; for the better message before anything else is read.
Status CheckModelOptions(const Json& model);
// The contents of `added_tokens`, as far as they are well-formed.
std::vector<std::string> AddedContents(const Json& document);

void SetSharedJson(const SharedConfig& config, Json& json);
// A canonical form, and back. corrupt when it is not of that form.
Json ConfigToJson(const TokenizerConfig& config);
Result<TokenizerConfig> ConfigFromJson(const Json& json);

}  // namespace weir::bpe
