#pragma once
// Reading a Hugging Face tokenizer.json into a model and its configuration.

#include <string_view>
#include <variant>

#include "bpe_model.h"
#include "tokenizer_config.h"
#include "weir/base/result.h"
#include "wordpiece_tokenizer.h"

namespace weir::bpe {

struct LoadedTokenizer {
  BpeModel model;
  TokenizerConfig config;
};

using AnyLoadedTokenizer = std::variant<LoadedTokenizer, wordpiece::LoadedWordPiece>;

// invalid_argument: no valid JSON (byte offset) or not of the documented shape. unsupported: a feature, by name.
Result<AnyLoadedTokenizer> ReadTokenizerJson(std::string_view json);

}  // namespace weir::bpe
