#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "manual.h"

namespace weir {
namespace {

void DrawFlags(const TextStyle& style, const std::vector<FlagDoc>& flags, bool positional, std::string& out) {
  constexpr size_t kIndent = 2;
  constexpr size_t kLongestBeside = 26;
  size_t widest = 0;
  for (const FlagDoc& flag : flags) {
    const size_t width = DisplayWidth(FlagUsage(flag));
    if (flag.positional() == positional && width <= kLongestBeside) widest = std::max(widest, width);
  }
  const size_t column = kIndent + widest + 2;
  for (const FlagDoc& flag : flags) {
    if (flag.positional() != positional) continue;
    const std::string usage = FlagUsage(flag);
    std::string text = Wrapped(FlagText(flag), style.width, column);
    out += std::string(kIndent, ' ') + Paint(style, Ink::kGreen, usage);
    const size_t used = kIndent + DisplayWidth(usage);
    if (used + 2 > column) {
      out += '\n' + text;
    } else {
      out += std::string(column - used, ' ') + text.substr(column);
    }
  }
}

std::string Title(const TextStyle& style, std::string_view text) { return Paint(style, Ink::kBold, text) + "\n"; }

void DrawExamples(const TextStyle& style, const std::vector<CommandExample>& examples, std::string& out) {
  out += Title(style, "Examples");
  for (const CommandExample& example : examples) {
    out +=
        fmt::format("  {}\n      {}\n", Paint(style, Ink::kCyan, example.command), Paint(style, Ink::kDim, example.purpose));
  }
}

}  // namespace

std::string FlagUsage(const FlagDoc& flag) {
  if (flag.positional()) return flag.value_name + (flag.repeated ? "..." : "");
  const std::string names = fmt::format("{}", fmt::join(flag.names, ", "));
  return flag.value_name.empty() ? names : names + ' ' + flag.value_name;
}

std::string FlagText(const FlagDoc& flag) {
  std::vector<std::string> notes;
  if (!flag.choices.empty()) notes.push_back(fmt::format("{}", fmt::join(flag.choices, "|")));
  if (!flag.default_value.empty()) notes.push_back(fmt::format("default {}", flag.default_value));
  if (!flag.environment.empty()) notes.push_back(fmt::format("or {}", flag.environment));
  if (notes.empty()) return flag.description;
  return fmt::format("{} [{}]", flag.description, fmt::join(notes, "; "));
}

std::string OverviewHelp(const TextStyle& style) {
  std::string out = "weir - what LLM agents' prompts share, where sharing breaks, and which layout mends it\n\n";
  static const std::vector<CommandExample> kExamples = {
      {"weir demo", "five agents over this project's own documentation"},
      {"weir share prompts/ --tokenizer qwen3", "a folder with one text file per agent"},
      {"weir explain prompts/ --a planner --b critic --tokenizer qwen3", "where the two part, and why"},
      {"weir layout calls.jsonl --tokenizer qwen3", "which order of segments makes the cache hit"},
  };
  DrawExamples(style, kExamples, out);
  out += '\n' + Title(style, "Commands");
  for (const Command& command : Commands()) {
    out += fmt::format("  {}{}{}\n", Paint(style, Ink::kGreen, command.name), std::string(13 - command.name.size(), ' '),
                       command.summary);
  }
  out += '\n' + Title(style, "Options of every command");
  DrawFlags(style, DocumentCommonFlags(), false, out);
  out += "\n'weir COMMAND --help' shows a command's flags and examples; 'weir man' the whole manual.\n";
  return out;
}

std::string CommandHelp(const CommandDoc& doc, const TextStyle& style) {
  const Command& command = *doc.command;
  std::string out = fmt::format("weir {} - {}\n\n", command.name, command.summary);
  DrawExamples(style, command.examples, out);
  const auto is_positional = [](const FlagDoc& flag) { return flag.positional(); };
  const bool has_arguments = std::any_of(doc.flags.begin(), doc.flags.end(), is_positional);
  const bool has_flags = !std::all_of(doc.flags.begin(), doc.flags.end(), is_positional);
  out += '\n' + Title(style, "Usage") + fmt::format("  weir {} [options]", command.name);
  for (const FlagDoc& flag : doc.flags) {
    if (flag.positional()) out += flag.required ? ' ' + FlagUsage(flag) : fmt::format(" [{}]", FlagUsage(flag));
  }
  out += "\n\n" + Wrapped(command.description, style.width, 2);
  if (has_arguments) {
    out += '\n' + Title(style, "Arguments");
    DrawFlags(style, doc.flags, true, out);
  }
  if (has_flags) {
    out += '\n' + Title(style, "Options");
    DrawFlags(style, doc.flags, false, out);
  }
  out += '\n' + Title(style, "Options of every command");
  DrawFlags(style, DocumentCommonFlags(), false, out);
  return out;
}

}  // namespace weir
