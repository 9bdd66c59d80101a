#pragma once
// The manual: help, the man page, docs/commands.md and completions, all made from the commands' declarations.

#include <string>
#include <string_view>

#include "command.h"
#include "weir/report/text.h"

namespace weir {

// What `weir` and `weir --help` print.
std::string OverviewHelp(const TextStyle& style);

// What `weir NAME --help` prints; examples come first.
std::string CommandHelp(const CommandDoc& doc, const TextStyle& style);

// A page in man(7) format: weir(1).
std::string ManPage();

// docs/commands.md.
std::string MarkdownPage();

// A completion script for "bash", "zsh" or "fish". REQUIRES: one of these.
std::string CompletionScript(std::string_view shell);

// "--tokenizer F" or "PATH...".
std::string FlagUsage(const FlagDoc& flag);
// The description with choices, default and environment.
std::string FlagText(const FlagDoc& flag);

}  // namespace weir
