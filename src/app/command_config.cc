#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "command.h"
#include "session.h"
#include "weir/base/bytes.h"

namespace weir {
namespace {

struct Options {
  std::string action = "show";
  bool origin = false;
};

void ShowJson(Session& session) {
  Json all = Json::MakeObject();
  for (const SettingDoc& doc : SettingDocs()) {
    const Setting& setting = session.settings().Get(doc.key);
    Json value;
    if (doc.kind == SettingKind::kCount) {
      value = session.settings().Count(doc.key);
    } else if (!setting.value.empty()) {
      value = setting.value;
    }
    Json object = Json::MakeObject();
    object.Set("value", std::move(value));
    object.Set("origin", setting.origin);
    all.Set(doc.key, std::move(object));
  }
  Json out = Json::MakeObject();
  out.Set("file", session.config_file().string());
  out.Set("settings", std::move(all));
  session.WriteJson(out);
}

// The same text is a valid configuration file.
void ShowText(Session& session, bool origin) {
  for (const SettingDoc& doc : SettingDocs()) {
    const Setting& setting = session.settings().Get(doc.key);
    std::string line;
    if (setting.value.empty()) {
      line = fmt::format("# {} = (not set)", doc.key);
    } else if (doc.kind == SettingKind::kCount) {
      line = fmt::format("{} = {}", doc.key, setting.value);
    } else {
      line = fmt::format("{} = {}", doc.key, JsonQuote(setting.value));
    }
    if (origin) {
      const size_t width = DisplayWidth(line);
      const std::string padding(width < 34 ? 34 - width : 1, ' ');
      line += padding + Paint(session.style(), Ink::kDim, "# " + Visible(setting.origin));
    }
    session.out().Line(line);
  }
}

std::string RangeOf(const SettingDoc& doc) {
  if (doc.kind == SettingKind::kCount) return fmt::format("{} to {}", doc.least, doc.most);
  if (doc.kind == SettingKind::kBytes) return fmt::format("{} to {}", FormatByteSize(doc.least), FormatByteSize(doc.most));
  if (doc.kind == SettingKind::kChoice) return fmt::format("{}", fmt::join(doc.choices, ", "));
  return {};
}

// A file to edit: every setting with its meaning, all commented out, whatever is in force here.
std::string ExampleFile() {
  std::string text =
      "# Settings of weir, as TOML. What is commented out stands at its default.\n"
      "# A flag wins over the environment, the environment over this file. An unknown key is an error.\n";
  for (const SettingDoc& doc : SettingDocs()) {
    text += fmt::format("\n# {}.\n", doc.description);
    const std::string range = RangeOf(doc);
    text += fmt::format("# {}{}{}, {}\n", range, range.empty() ? "" : "; ", doc.environment, FlagOf(doc.key));
    const bool is_count = doc.kind == SettingKind::kCount;
    text += fmt::format("#{} = {}\n", doc.key, is_count ? std::string(doc.default_value) : JsonQuote(doc.default_value));
  }
  return text;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("ACTION", options->action,
                 "show: the settings in force; path: where the file is looked for; example: a commented file", false,
                 ValueKind::kText, {"show", "path", "example"});
  flags.Switch("--origin", options->origin, "Also say where each value came from");
  for (const SettingDoc& doc : SettingDocs()) {
    if (doc.key != "color") flags.Setting(doc.key);
  }
  return [options](Session& session) -> Result<ExitCode> {
    if (options->action == "example" && !session.json()) {
      session.out().Write(ExampleFile());
    } else if (options->action == "path" && !session.json()) {
      session.out().Line(session.config_file().string());
    } else if (session.json()) {
      ShowJson(session);
    } else {
      ShowText(session, options->origin);
    }
    return ExitCode::kOk;
  };
}

}  // namespace

Command ConfigCommand() {
  return {.name = "config",
          .summary = "show the settings in force, and where each came from",
          .description =
              "Settings come from flags, then the environment (WEIR_...), then one TOML file, then defaults. An "
              "unknown key or a bad value is an error: the command stops with exit code 78.",
          .examples = {{"weir config show --origin", "each value and its source"},
                       {"weir config path", "the file that would be read"},
                       {"weir config example > ~/.config/weir/config.toml", "a file to start from: each setting explained"}},
          .declare = Declare};
}

}  // namespace weir
