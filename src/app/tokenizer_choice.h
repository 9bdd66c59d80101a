#pragma once
// Which tokenizer a name or a path means, and what lies beside it.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "environment.h"
#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct TokenizerChoice {
  std::string name;            // as people gave it
  std::filesystem::path file;  // a tokenizer.json
};

// Names of the tokenizers that set-up fetched, sorted.
std::vector<std::string> FetchedTokenizers(const Environment& environment);

// A path to a file, a folder that holds a tokenizer.json, or a fetched name. not_found with a suggestion.
Result<TokenizerChoice> ChooseTokenizer(const std::string& name, const Environment& environment);

}  // namespace weir
