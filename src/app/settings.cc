#include "settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "suggest.h"
#include "weir/base/bytes.h"
#include "weir/base/check.h"
#include "weir/base/file.h"

namespace weir {
namespace {

constexpr uint64_t kConfigBytesMax = 1 << 20;

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  for (const SettingDoc& doc : SettingDocs()) keys.emplace_back(doc.key);
  return keys;
}

// The node's value as the text that a flag would give, or an error that names the type it has.
Result<std::string> TextOf(const toml::node& node, const SettingDoc& doc) {
  if (doc.kind == SettingKind::kCount) {
    if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
    return InvalidArgument(fmt::format("{} must be a whole number", doc.key),
                           fmt::format("{} = {}", doc.key, doc.default_value));
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  return InvalidArgument(fmt::format("{} must be a text in quotes", doc.key), fmt::format("{} = \"...\"", doc.key));
}

}  // namespace

const SettingDoc& SettingDocOf(std::string_view key) {
  const auto docs = SettingDocs();
  const auto found = std::find_if(docs.begin(), docs.end(), [&](const SettingDoc& doc) { return doc.key == key; });
  WEIR_CHECK(found != docs.end(), "no setting {}", key);
  return *found;
}

std::string FlagOf(std::string_view key) {
  std::string flag = fmt::format("--{}", key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

Status CheckSetting(const SettingDoc& doc, std::string_view text) {
  if (doc.kind == SettingKind::kChoice && std::find(doc.choices.begin(), doc.choices.end(), text) == doc.choices.end()) {
    return InvalidArgument(fmt::format("'{}' is no value of {}", text, doc.key), SuggestionHint(text, doc.choices));
  }
  if (doc.kind == SettingKind::kBytes) {
    const Result<uint64_t> bytes = ParseByteSize(text);
    if (bytes && *bytes >= doc.least && *bytes <= doc.most) return {};
    return InvalidArgument(fmt::format("{} is '{}', but must be a size from {} to {}", doc.key, text,
                                       FormatByteSize(doc.least), FormatByteSize(doc.most)),
                           "such as 512MiB or 2GiB");
  }
  if (doc.kind != SettingKind::kCount) return {};
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number < doc.least || number > doc.most) {
    return InvalidArgument(
        fmt::format("{} is '{}', but must be a whole number from {} to {}", doc.key, text, doc.least, doc.most));
  }
  return {};
}

Status Settings::Put(const SettingDoc& doc, std::string value, std::string origin) {
  if (Status checked = CheckSetting(doc, value); !checked) {
    Error error = std::move(checked).error();
    error.message = fmt::format("{}: {}", origin, error.message);
    return error;
  }
  values_[std::string(doc.key)] = {std::move(value), std::move(origin)};
  return {};
}

Status Settings::ReadFile(const std::filesystem::path& file, bool required) {
  const Result<std::string> bytes = weir::ReadFile(file, kConfigBytesMax);
  if (!bytes) {
    if (!required && bytes.error().code == ErrorCode::kNotFound) return {};
    return bytes.error();
  }
  try {
    const toml::table table = toml::parse(*bytes);
    for (const auto& [table_key, node] : table) {
      const std::string_view key = table_key.str();
      const std::string place = fmt::format("{}:{}", file.string(), node.source().begin.line);
      const auto docs = SettingDocs();
      const auto doc = std::find_if(docs.begin(), docs.end(), [&](const SettingDoc& d) { return d.key == key; });
      if (doc == docs.end()) {
        return InvalidArgument(fmt::format("{}: unknown key '{}'", place, key), SuggestionHint(key, Keys()));
      }
      Result<std::string> text = TextOf(node, *doc);
      if (!text) return InvalidArgument(fmt::format("{}: {}", place, text.error().message), text.error().hint);
      WEIR_TRY(Put(*doc, *std::move(text), place));
    }
  } catch (const toml::parse_error& error) {
    return InvalidArgument(fmt::format("{}:{}:{}: not TOML: {}", file.string(), error.source().begin.line,
                                       error.source().begin.column, error.description()));
  }
  return {};
}

Result<Settings> Settings::Load(const Environment& environment, const std::filesystem::path& file, bool file_required,
                                const FlagValues& flags) {
  Settings settings;
  for (const SettingDoc& doc : SettingDocs()) {
    settings.values_[std::string(doc.key)] = {std::string(doc.default_value), "default"};
  }
  WEIR_TRY(settings.ReadFile(file, file_required));
  for (const SettingDoc& doc : SettingDocs()) {
    if (auto value = environment.Get(doc.environment)) {
      WEIR_TRY(settings.Put(doc, *std::move(value), fmt::format("environment {}", doc.environment)));
    }
  }
  for (const auto& [key, value] : flags) {
    WEIR_TRY(settings.Put(SettingDocOf(key), value, fmt::format("flag {}", FlagOf(key))));
  }
  return settings;
}

const Setting& Settings::Get(std::string_view key) const {
  const auto found = values_.find(key);
  WEIR_CHECK(found != values_.end(), "no setting {}", key);
  return found->second;
}

uint64_t Settings::Count(std::string_view key) const {
  const std::string& text = Text(key);
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  WEIR_CHECK(parsed.ec == std::errc(), "{} is {}", key, text);
  return number;
}

uint64_t Settings::Bytes(std::string_view key) const {
  const Result<uint64_t> bytes = ParseByteSize(Text(key));
  WEIR_CHECK(bytes.has_value(), "{} is {}", key, Text(key));
  return *bytes;
}

std::vector<std::string> Settings::List(std::string_view key) const {
  std::vector<std::string> items;
  std::string_view rest = Text(key);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string_view item = rest.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return items;
}

}  // namespace weir
