#include <fmt/format.h>
#include <fmt/ranges.h>

#include "manual.h"
#include "weir/base/check.h"
#include "weir/model/model_table.h"

namespace weir {
namespace {

std::vector<FlagDoc> AllFlagsOf(const CommandDoc& doc) {
  std::vector<FlagDoc> flags = doc.flags;
  for (FlagDoc& flag : DocumentCommonFlags()) flags.push_back(std::move(flag));
  return flags;
}

std::string CommandNames() {
  std::vector<std::string_view> names;
  for (const Command& command : Commands()) names.push_back(command.name);
  return fmt::format("{}", fmt::join(names, " "));
}

std::string ModelNames() {
  std::vector<std::string_view> names;
  for (const ModelEntry& entry : ModelTable()) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, " "));
}

constexpr std::string_view kTokenizerFolder = "${WEIR_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}/tokenizers";

// A bash command that offers values of this kind.
std::string BashValues(const FlagDoc& flag) {
  if (!flag.choices.empty()) {
    return fmt::format("_weir_words '{}'", fmt::join(flag.choices, " "));
  }
  switch (flag.kind) {
    case ValueKind::kTokenizer: return fmt::format("_weir_words \"$(ls \"{}\" 2>/dev/null)\" -f", kTokenizerFolder);
    case ValueKind::kModel: return fmt::format("_weir_words '{}' -f", ModelNames());
    case ValueKind::kFile: return "_weir_words '' -f";
    case ValueKind::kFolder: return "_weir_words '' -d";
    case ValueKind::kNone:
    case ValueKind::kText: return "COMPREPLY=()";
  }
  return {};
}

// A bash command that offers values for any of the command's arguments, wherever the cursor stands among them.
std::string BashArguments(const std::vector<FlagDoc>& flags) {
  std::vector<std::string> choices;
  std::string values = "COMPREPLY=()";
  for (const FlagDoc& flag : flags) {
    if (!flag.positional()) continue;
    choices.insert(choices.end(), flag.choices.begin(), flag.choices.end());
    if (flag.kind == ValueKind::kModel) {
      choices.push_back(ModelNames());
      values = "_weir_words '' -f";
    } else if (flag.choices.empty()) {
      values = BashValues(flag);
    }
  }
  if (choices.empty()) return values;
  const std::string words = fmt::format("_weir_words '{}'", fmt::join(choices, " "));
  constexpr std::string_view kNoWords = "_weir_words ''";
  return values.starts_with(kNoWords) ? words + values.substr(kNoWords.size()) : words;
}

std::string BashScript() {
  std::string out = "# bash completion of weir: source it, or put it into /usr/share/bash-completion/completions/weir\n";
  out +=
      "_weir_words() {\n"
      "  local words=\"$1\"; shift\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" \"$@\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n";
  out +=
      "_weir() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" "
      "command=\"${COMP_WORDS[1]}\"\n";
  out += fmt::format("  if [ \"$COMP_CWORD\" -le 1 ]; then _weir_words '{} --help --version'; return; fi\n", CommandNames());
  out += "  case \"$command\" in\n";
  for (const CommandDoc& doc : DocumentCommands()) {
    std::vector<std::string> names;
    std::string values;
    for (const FlagDoc& flag : AllFlagsOf(doc)) {
      names.insert(names.end(), flag.names.begin(), flag.names.end());
      if (flag.positional() || flag.value_name.empty()) continue;
      values += fmt::format("        {}) {}; return ;;\n", fmt::join(flag.names, "|"), BashValues(flag));
    }
    out += fmt::format("    {})\n      case \"$previous\" in\n{}      esac\n", doc.command->name, values);
    out += fmt::format(
        "      case \"$current\" in\n        -*) _weir_words '{}' ;;\n"
        "        *) {} ;;\n      esac ;;\n",
        fmt::join(names, " "), BashArguments(doc.flags));
  }
  out += "  esac\n}\ncomplete -o filenames -F _weir weir\n";
  return out;
}

// Text between single quotes of a shell.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// Brackets and colons have a meaning in zsh's specifications.
std::string ZshText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshValues(const FlagDoc& flag) {
  if (!flag.choices.empty()) return fmt::format(":{}:({})", flag.value_name, fmt::join(flag.choices, " "));
  switch (flag.kind) {
    case ValueKind::kTokenizer:
      return fmt::format(":{}:_alternative \"names:fetched:($(ls {} 2>/dev/null))\" \"files:file:_files\"", flag.value_name,
                         kTokenizerFolder);
    case ValueKind::kModel:
      return fmt::format(":{}:_alternative \"names:model:({})\" \"files:file:_files\"", flag.value_name, ModelNames());
    case ValueKind::kFile: return fmt::format(":{}:_files", flag.value_name);
    case ValueKind::kFolder: return fmt::format(":{}:_files -/", flag.value_name);
    case ValueKind::kText: return fmt::format(":{}: ", flag.value_name);
    case ValueKind::kNone: return {};
  }
  return {};
}

std::string ZshScript() {
  std::string out = "#compdef weir\n_weir() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n";
  for (const Command& command : Commands()) {
    out += fmt::format("      {}\n", Quoted(fmt::format("{}:{}", command.name, ZshText(command.summary))));
  }
  out +=
      "    )\n    _describe command commands\n    return\n  fi\n  local command=$words[2]\n  shift words; (( CURRENT-- ))\n "
      " case $command in\n";
  for (const CommandDoc& doc : DocumentCommands()) {
    out += fmt::format("    {}) _arguments", doc.command->name);
    for (const FlagDoc& flag : AllFlagsOf(doc)) {
      if (flag.positional()) {
        out += fmt::format(" \\\n      {}", Quoted((flag.repeated ? "*" : "") + ZshValues(flag)));
        continue;
      }
      for (const std::string& name : flag.names) {
        const std::string takes = flag.value_name.empty() ? "" : ZshValues(flag);
        out += fmt::format(" \\\n      {}", Quoted(fmt::format("{}[{}]{}", name, ZshText(flag.description), takes)));
      }
    }
    out += " ;;\n";
  }
  out += "  esac\n}\nif [ \"$funcstack[1]\" = _weir ]; then _weir \"$@\"; else compdef _weir weir; fi\n";
  return out;
}

std::string FishScript() {
  std::string out = "complete -c weir -f\n";
  for (const Command& command : Commands()) {
    out += fmt::format("complete -c weir -n __fish_use_subcommand -a {} -d {}\n", command.name, Quoted(command.summary));
  }
  for (const CommandDoc& doc : DocumentCommands()) {
    for (const FlagDoc& flag : AllFlagsOf(doc)) {
      std::string line = fmt::format("complete -c weir -n '__fish_seen_subcommand_from {}'", doc.command->name);
      for (const std::string& name : flag.names) {
        line += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
      }
      if (!flag.value_name.empty() && !flag.positional()) line += " -r";
      if (!flag.choices.empty()) {
        line += fmt::format(" -a {}", Quoted(fmt::format("{}", fmt::join(flag.choices, " "))));
      } else if (flag.kind == ValueKind::kTokenizer) {
        line += " -F -a '(__weir_tokenizers)'";
      } else if (flag.kind == ValueKind::kModel) {
        line += fmt::format(" -F -a {}", Quoted(ModelNames()));
      } else if (flag.kind == ValueKind::kFile || flag.kind == ValueKind::kFolder) {
        line += " -F";
      } else if (flag.positional()) {
        continue;
      }
      out += fmt::format("{} -d {}\n", line, Quoted(flag.description));
    }
  }
  out +=
      "function __weir_tokenizers\n  set -l folder $WEIR_CACHE_DIR\n"
      "  test -n \"$folder\"; or set folder (test -n \"$XDG_CACHE_HOME\"; and echo $XDG_CACHE_HOME; or echo "
      "$HOME/.cache)/weir\n"
      "  ls $folder/tokenizers 2>/dev/null\nend\n";
  return out;
}

}  // namespace

std::string CompletionScript(std::string_view shell) {
  if (shell == "zsh") return ZshScript();
  if (shell == "fish") return FishScript();
  WEIR_CHECK(shell == "bash", "no completions for {}", shell);
  return BashScript();
}

}  // namespace weir
