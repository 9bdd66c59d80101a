#include "uri_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/codec/hex.h"
#include "weir/codec/utf8.h"

namespace weir::mcp {
namespace {

constexpr size_t kVariablesMax = 8;
constexpr int kStepsMax = 100'000;

std::optional<std::string> Decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const Result<std::string> byte = ParseHex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out += *byte;
    i += 2;
  }
  if (!IsValidUtf8(out)) return std::nullopt;
  return out;
}

bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

}  // namespace

Result<UriTemplate> UriTemplate::Parse(std::string_view text) {
  const auto fault = [&](std::string_view what) {
    return InvalidArgument(fmt::format("URI template \"{}\": {}", text, what));
  };
  UriTemplate out;
  size_t variables = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t open = rest.find('{');
    if (open > 0) out.parts_.push_back({std::string(rest.substr(0, open)), false, false});
    if (open == std::string_view::npos) break;
    const size_t close = rest.find('}', open);
    if (close == std::string_view::npos) return fault("an expression is not closed");
    std::string_view name = rest.substr(open + 1, close - open - 1);
    const bool takes_slash = name.starts_with('+');
    if (takes_slash) name.remove_prefix(1);
    if (!IsName(name)) return fault("only {name} and {+name} are supported");
    if (out.Names(name)) return fault("a variable appears twice");
    if (!out.parts_.empty() && out.parts_.back().is_variable) return fault("two variables stand side by side");
    if (++variables > kVariablesMax) return fault("more than 8 variables");
    out.parts_.push_back({std::string(name), true, takes_slash});
    rest.remove_prefix(close + 1);
  }
  if (variables == 0) return fault("it has no variable");
  return out;
}

bool UriTemplate::Names(std::string_view variable) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.is_variable && part.text == variable; });
}

bool UriTemplate::MatchFrom(size_t part, std::string_view rest, std::vector<std::string_view>& values, int& steps) const {
  if (part == parts_.size()) return rest.empty();
  if (!parts_[part].is_variable) {
    const std::string& literal = parts_[part].text;
    return rest.starts_with(literal) && MatchFrom(part + 1, rest.substr(literal.size()), values, steps);
  }
  for (size_t size = 1; size <= rest.size(); ++size) {
    if (rest[size - 1] == '/' && !parts_[part].takes_slash) return false;
    if (++steps > kStepsMax) return false;
    values.push_back(rest.substr(0, size));
    if (MatchFrom(part + 1, rest.substr(size), values, steps)) return true;
    values.pop_back();
  }
  return false;
}

std::optional<Json> UriTemplate::Match(std::string_view uri) const {
  std::vector<std::string_view> values;
  int steps = 0;
  if (!MatchFrom(0, uri, values, steps)) return std::nullopt;
  Json variables = Json::MakeObject();
  size_t next = 0;
  for (const Part& part : parts_) {
    if (!part.is_variable) continue;
    std::optional<std::string> value = Decoded(values[next++]);
    if (!value) return std::nullopt;
    variables.Set(part.text, *std::move(value));
  }
  return variables;
}

}  // namespace weir::mcp
