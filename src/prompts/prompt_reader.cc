#include "weir/prompts/prompt_reader.h"

#include <fmt/format.h>

namespace weir {

std::string ToString(const PromptOrigin& origin) {
  return origin.line == 0 ? origin.file.string() : fmt::format("{}:{}", origin.file.string(), origin.line);
}

std::vector<size_t> PromptSet::LastCalls() const { return {}; }

const PromptCall* PromptSet::Find(std::string_view) const { return nullptr; }

Result<PromptSet> ReadPrompts(std::span<const std::filesystem::path>, const Tokenizer&, const PromptReadOptions&) {
  return Unsupported("reading prompts is not built yet");
}

}  // namespace weir
