#include "flags.h"

#include <CLI/App.hpp>
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "suggest.h"

namespace weir {
namespace {

std::vector<std::string> SplitNames(const std::string& names) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    out.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// The parser prefixes what these return with the flag's name.
CLI::Validator OneOf(std::vector<std::string> choices) {
  const auto check = [choices](std::string& value) -> std::string {
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
    const std::string hint = SuggestionHint(value, choices);
    return fmt::format("no such value '{}'{}{}", value, hint.empty() ? "" : "; ", hint);
  };
  return CLI::Validator(check, "");
}

CLI::Validator ValueOf(const SettingDoc& doc) {
  const auto check = [&doc](std::string& value) -> std::string {
    const Status checked = CheckSetting(doc, value);
    if (checked) return {};
    const std::string& hint = checked.error().hint;
    return fmt::format("{}{}{}", checked.error().message, hint.empty() ? "" : "; ", hint);
  };
  return CLI::Validator(check, "");
}

}  // namespace

void Flags::Switch(const std::string& names, bool& target, std::string description) {
  app_.add_flag(names, target);
  Record({.names = SplitNames(names), .description = std::move(description)});
}

void Flags::Text(const std::string& names, std::string& target, std::string value_name, std::string description,
                 ValueKind kind) {
  app_.add_option(names, target)->take_last();
  Record({.names = SplitNames(names),
          .value_name = std::move(value_name),
          .description = std::move(description),
          .default_value = target,
          .kind = kind});
}

void Flags::Count(const std::string& names, std::optional<uint64_t>& target, std::string description) {
  const auto parse = [&target](const std::string& text) {
    uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      throw CLI::ValidationError(fmt::format("'{}' is no whole number", text));
    }
    target = number;
  };
  app_.add_option_function<std::string>(names, parse)->take_last();
  Record({.names = SplitNames(names), .value_name = "N", .description = std::move(description), .kind = ValueKind::kText});
}

void Flags::Choice(const std::string& names, std::string& target, std::string value_name, std::vector<std::string> choices,
                   std::string description) {
  app_.add_option(names, target)->take_last()->check(OneOf(choices));
  Record({.names = SplitNames(names),
          .value_name = std::move(value_name),
          .description = std::move(description),
          .default_value = target,
          .choices = std::move(choices),
          .kind = ValueKind::kText});
}

void Flags::Setting(std::string_view key) {
  const SettingDoc& doc = SettingDocOf(key);
  const std::string flag = FlagOf(key);
  const auto store = [&settings = settings_, name = std::string(key)](const std::string& value) { settings[name] = value; };
  app_.add_option_function<std::string>(flag, store)->take_last()->check(ValueOf(doc));
  const ValueKind kind = key == "tokenizer"       ? ValueKind::kTokenizer
                         : key == "chat_template" ? ValueKind::kFile
                         : key == "data"          ? ValueKind::kFolder
                                                  : ValueKind::kText;
  Record({.names = {flag},
          .value_name = std::string(doc.value_name),
          .description = std::string(doc.description),
          .default_value = std::string(doc.default_value),
          .environment = std::string(doc.environment),
          .choices = doc.choices,
          .kind = kind});
}

void Flags::Argument(const std::string& name, std::string& target, std::string description, bool required, ValueKind kind,
                     std::vector<std::string> choices) {
  CLI::Option* option = app_.add_option(name, target)->required(required);
  if (!choices.empty()) option->check(OneOf(choices));
  Record({.value_name = name,
          .description = std::move(description),
          .default_value = target,
          .choices = std::move(choices),
          .kind = kind,
          .required = required});
}

void Flags::Arguments(const std::string& name, std::vector<std::string>& target, std::string description, bool required,
                      ValueKind kind) {
  app_.add_option(name, target)->required(required);
  Record({.value_name = name, .description = std::move(description), .kind = kind, .required = required, .repeated = true});
}

}  // namespace weir
