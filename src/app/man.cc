#include <fmt/format.h>

#include "manual.h"

namespace weir {
namespace {

struct FileDoc {
  std::string_view path;
  std::string_view purpose;
};

constexpr FileDoc kFiles[] = {
    {"~/.config/weir/config.toml", "settings (or $XDG_CONFIG_HOME/weir/config.toml, $WEIR_CONFIG, --config FILE)"},
    {"/etc/weir/config.toml", "settings of the installed service, which sets WEIR_CONFIG"},
    {"~/.cache/weir/tokenizers/NAME/tokenizer.json",
     "tokenizers that set-up fetched (or $WEIR_CACHE_DIR, $XDG_CACHE_HOME/weir)"},
    {"~/.cache/weir/flat/", "parsed copies of tokenizers, validated by checksum; safe to delete"},
};

struct VariableDoc {
  std::string_view name;
  std::string_view purpose;
};

constexpr VariableDoc kVariables[] = {
    {"WEIR_CACHE_DIR", "folder of fetched tokenizers and parsed copies"},
    {"WEIR_CONFIG", "configuration file"},
    {"NO_COLOR", "no colour when set"},
    {"COLUMNS", "width of tables, when not the terminal's own"},
};

// Text for roff: a leading dot or quote would be a request, a backslash an escape, a hyphen a dash.
std::string Roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

void RoffFlags(const std::vector<FlagDoc>& flags, std::string& out) {
  for (const FlagDoc& flag : flags) {
    out += fmt::format(".TP\n.B {}\n{}\n", Roff(FlagUsage(flag)), Roff(FlagText(flag)));
  }
}

// A cell of a Markdown table.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

void MarkdownFlags(const std::vector<FlagDoc>& flags, std::string& out) {
  out += "| flag | meaning |\n|---|---|\n";
  for (const FlagDoc& flag : flags) out += fmt::format("| `{}` | {} |\n", Cell(FlagUsage(flag)), Cell(FlagText(flag)));
  out += '\n';
}

}  // namespace

std::string ManPage() {
  std::string out = fmt::format(".TH WEIR 1 \"\" \"weir {}\" \"User Commands\"\n", WEIR_VERSION);
  out += ".SH NAME\nweir \\- what LLM agents' prompts share, where sharing breaks, and which layout mends it\n";
  out += ".SH SYNOPSIS\n.B weir\n.I COMMAND\n[options]\n.SH COMMANDS\n";
  for (const CommandDoc& doc : DocumentCommands()) {
    out += fmt::format(".SS {}\n{}.\n.PP\n{}\n", Roff(doc.command->name), Roff(doc.command->summary),
                       Roff(doc.command->description));
    RoffFlags(doc.flags, out);
    out += ".PP\nExamples:\n";
    for (const CommandExample& example : doc.command->examples) {
      out += fmt::format(".PP\n.RS\n.B {}\n.br\n{}\n.RE\n", Roff(example.command), Roff(example.purpose));
    }
  }
  out += ".SH OPTIONS OF EVERY COMMAND\n";
  RoffFlags(DocumentCommonFlags(), out);
  out += ".SH EXIT STATUS\n";
  for (const ExitCodeDoc& code : ExitCodes()) {
    out += fmt::format(".TP\n.B {}\n{}\n", static_cast<int>(code.code), Roff(code.meaning));
  }
  out += ".SH ENVIRONMENT\n";
  for (const SettingDoc& doc : SettingDocs()) {
    out += fmt::format(".TP\n.B {}\nas {}\n", doc.environment, Roff(FlagOf(doc.key)));
  }
  for (const VariableDoc& variable : kVariables)
    out += fmt::format(".TP\n.B {}\n{}\n", variable.name, Roff(variable.purpose));
  out += ".SH FILES\n";
  for (const FileDoc& file : kFiles) out += fmt::format(".TP\n.I {}\n{}\n", Roff(file.path), Roff(file.purpose));
  return out;
}

std::string MarkdownPage() {
  std::string out = "# Commands\n\n<!-- Made by `weir man --markdown`; a test fails when it is out of date. -->\n\n";
  out += "| command | what it does |\n|---|---|\n";
  const std::vector<CommandDoc> docs = DocumentCommands();
  for (const CommandDoc& doc : docs) {
    out += fmt::format("| [`weir {0}`](#weir-{0}) | {1} |\n", doc.command->name, Cell(doc.command->summary));
  }
  out += "\nData goes to standard output, messages go to standard error.\n\n## Options of every command\n\n";
  MarkdownFlags(DocumentCommonFlags(), out);
  for (const CommandDoc& doc : docs) {
    out += fmt::format("## weir {}\n\n```\n", doc.command->name);
    for (const CommandExample& example : doc.command->examples) {
      out += fmt::format("{}\n    # {}\n", example.command, example.purpose);
    }
    out += fmt::format("```\n\n{}\n\n", doc.command->description);
    if (!doc.flags.empty()) MarkdownFlags(doc.flags, out);
  }
  out += "## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const ExitCodeDoc& code : ExitCodes()) out += fmt::format("| {} | {} |\n", static_cast<int>(code.code), code.meaning);
  out += "\n## Settings\n\nA flag wins over the environment, the environment over the file, the file over the default.\n\n";
  out += "| key in config.toml | environment | default | meaning |\n|---|---|---|---|\n";
  for (const SettingDoc& doc : SettingDocs()) {
    const std::string shown = doc.default_value.empty() ? std::string("none") : fmt::format("`{}`", doc.default_value);
    out += fmt::format("| `{}` | `{}` | {} | {} |\n", doc.key, doc.environment, shown, Cell(doc.description));
  }
  out += "\n| variable | meaning |\n|---|---|\n";
  for (const VariableDoc& variable : kVariables) out += fmt::format("| `{}` | {} |\n", variable.name, variable.purpose);
  out += "\n| file | meaning |\n|---|---|\n";
  for (const FileDoc& file : kFiles) out += fmt::format("| `{}` | {} |\n", file.path, file.purpose);
  return out;
}

}  // namespace weir
