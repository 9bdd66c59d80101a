#include "tokenizer_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "suggest.h"

namespace weir {
namespace {

constexpr const char* kFileName = "tokenizer.json";

std::filesystem::path TokenizersFolder(const Environment& environment) { return environment.CacheFolder() / "tokenizers"; }

}  // namespace

std::vector<std::string> FetchedTokenizers(const Environment& environment) {
  std::vector<std::string> names;
  std::error_code ignored;  // no such folder: nothing was fetched
  for (const auto& entry : std::filesystem::directory_iterator(TokenizersFolder(environment), ignored)) {
    std::error_code unreadable;
    if (std::filesystem::exists(entry.path() / kFileName, unreadable)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<TokenizerChoice> ChooseTokenizer(const std::string& name, const Environment& environment) {
  const std::vector<std::string> fetched = FetchedTokenizers(environment);
  if (name.empty()) {
    const std::string names = fetched.empty() ? std::string("none fetched yet: run set-up, or download one")
                                              : fmt::format("fetched: {}", fmt::join(fetched, ", "));
    return InvalidArgument("no tokenizer given",
                           fmt::format("--tokenizer NAME or --tokenizer path/to/tokenizer.json ({})", names));
  }
  std::error_code error;
  const std::filesystem::path path = name;
  if (std::filesystem::is_directory(path, error)) {
    if (std::filesystem::exists(path / kFileName, error)) return TokenizerChoice{name, path / kFileName};
    if (std::find(fetched.begin(), fetched.end(), name) == fetched.end()) {
      return NotFound(fmt::format("the folder {} holds no {}", name, kFileName),
                      "give the folder or file of your model's tokenizer");
    }
  } else if (std::filesystem::exists(path, error)) {
    return TokenizerChoice{name, path};
  }
  if (std::find(fetched.begin(), fetched.end(), name) != fetched.end()) {
    return TokenizerChoice{name, TokenizersFolder(environment) / name / kFileName};
  }
  std::string hint = SuggestionHint(name, fetched);
  if (hint.empty()) hint = "give a path to a tokenizer.json or to a folder that holds one";
  return NotFound(fmt::format("no tokenizer '{}': neither a file, a folder nor a fetched name", name), hint);
}

}  // namespace weir
