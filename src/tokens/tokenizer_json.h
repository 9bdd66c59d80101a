#pragma once
// Reading a Hugging Face tokenizer.json into a BPE model and its configuration.

#include <string_view>

#include "bpe_model.h"
#include "tokenizer_config.h"
#include "weir/base/result.h"

namespace weir::bpe {

struct LoadedTokenizer {
  BpeModel model;
  TokenizerConfig config;
};

// invalid_argument: no valid JSON (byte offset) or not of the documented shape. unsupported: a feature, by name.
Result<LoadedTokenizer> ReadTokenizerJson(std::string_view json);

}  // namespace weir::bpe
