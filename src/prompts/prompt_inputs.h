#pragma once
// From paths to the prompts that lie behind them, not yet rendered or tokenized. Internal to `prompts`.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/prompts/prompt_reader.h"

namespace weir {

// One prompt to be: a text, or a recorded request. Movable.
struct PromptItem {
  PromptOrigin origin;
  std::string file_agent;  // the agent unless a request names one
  bool is_request = false;
  bool from_folder = false;  // found in a folder, not named by the person: a binary file is passed over
  uint64_t bytes = 0;        // for progress
  // Where the bytes are: in `loaded` (a line of a file that is shared, or standard input), parsed, or still in the file.
  std::shared_ptr<const std::string> owner;
  std::optional<std::string_view> loaded;
  std::optional<Json> parsed;
};

struct PromptItems {
  std::vector<PromptItem> items;
  std::vector<InputProblem> problems;
};

// In the order of the inputs, folders by path. Reads request files and standard input, not text files.
// Errors: an input that is missing or cannot be read, the same input twice, a folder without files.
Result<PromptItems> FindPrompts(std::span<const std::filesystem::path> inputs, const PromptReadOptions& options);

// Puts the origin before the message.
Error At(const PromptOrigin& origin, Error error);

}  // namespace weir
