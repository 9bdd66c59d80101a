#include "json_text.h"

#include <algorithm>
#include <utility>

#include "weir/base/check.h"

namespace weir {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The end of the bracket that opens at `begin`, strings skipped; npos when there is none. Counts the bytes it read.
size_t FindClose(std::string_view text, size_t begin, size_t& bytes_read) {
  std::string open;
  bool in_string = false;
  for (size_t i = begin; i < text.size(); ++i, ++bytes_read) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      } else if (c == '\n') {
        return std::string_view::npos;  // JSON strings hold no raw line end: this was prose
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      open += c;
    } else if (c == '}' || c == ']') {
      if (open.back() != (c == '}' ? '{' : '[')) return std::string_view::npos;
      open.pop_back();
      if (open.empty()) return i + 1;
    }
  }
  return std::string_view::npos;
}

bool HoldsObject(const Json& value) {
  if (value.is_object()) return true;
  if (!value.is_array()) return false;
  return std::any_of(value.as_array().begin(), value.as_array().end(), HoldsObject);
}

// Rewrites text that is known to be valid JSON.
class Rewriter {
 public:
  Rewriter(std::string_view text, const JsonRewrite& rewrite) : text_(text), rewrite_(rewrite) {}

  std::string Value() {
    std::string out = Blanks();
    if (text_[at_] == '{' || text_[at_] == '[') return out + Container();
    return out + Scalar();
  }

 private:
  std::string Blanks() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string Scalar() {
    const size_t begin = at_;
    if (text_[at_] == '"') {
      ++at_;
      while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      ++at_;
    } else {
      while (at_ < text_.size() && !IsBlank(text_[at_]) &&
             std::string_view(",]}").find(text_[at_]) == std::string_view::npos)
        ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string Container() {
    const bool is_object = text_[at_] == '{';
    const char close = is_object ? '}' : ']';
    std::vector<std::pair<std::string, std::string>> items;  // sort key, text
    std::vector<std::string> between;                        // between[i] stands in front of item i, the last one behind all
    std::string gap(1, text_[at_++]);
    gap += Blanks();
    while (text_[at_] != close) {
      between.push_back(std::exchange(gap, {}));
      std::string key;
      std::string item;
      if (is_object) {
        key = Scalar();
        item = key + Blanks();
        item += text_[at_++];  // the colon
      }
      item += Value();
      items.emplace_back(std::move(key), std::move(item));
      gap = Blanks();
      if (text_[at_] == ',') {
        gap += text_[at_++];
        gap += Blanks();
      }
    }
    between.push_back(gap + text_[at_++]);
    if (is_object ? rewrite_.sort_keys : (rewrite_.sort_tools && NameTools(items))) {
      std::stable_sort(items.begin(), items.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    }
    std::string out;
    for (size_t i = 0; i < items.size(); ++i) out += between[i] + items[i].second;
    return out + between.back();
  }

  // Fills in tool names as sort keys; false when an item is no tool definition.
  static bool NameTools(std::vector<std::pair<std::string, std::string>>& items) {
    for (auto& [key, text] : items) {
      const Result<Json> value = Json::Parse(text);
      const std::optional<std::string> name = value ? ToolName(*value) : std::nullopt;
      if (!name) return false;
      key = *name;
    }
    return items.size() > 1;
  }

  std::string_view text_;
  const JsonRewrite& rewrite_;
  size_t at_ = 0;
};

// Tool definitions one after the other, with nothing but blanks and commas between them, change places among themselves.
void SortNeighbours(std::string_view text, const std::vector<JsonSpan>& spans, std::vector<std::string>& rewritten) {
  std::vector<std::optional<std::string>> names;
  for (const std::string& one : rewritten) {
    const Result<Json> value = Json::Parse(one);
    names.push_back(value ? ToolName(*value) : std::nullopt);
  }
  for (size_t first = 0; first < spans.size();) {
    size_t end = first + 1;
    while (end < spans.size() && names[end - 1] && names[end]) {
      const std::string_view gap = text.substr(spans[end - 1].end, spans[end].begin - spans[end - 1].end);
      if (!std::all_of(gap.begin(), gap.end(), [](char c) { return IsBlank(c) || c == ','; })) break;
      ++end;
    }
    if (end - first > 1) {
      std::vector<std::pair<std::string, std::string>> run;
      for (size_t i = first; i < end; ++i) run.emplace_back(*names[i], std::move(rewritten[i]));
      std::stable_sort(run.begin(), run.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
      for (size_t i = first; i < end; ++i) rewritten[i] = std::move(run[i - first].second);
    }
    first = end;
  }
}

}  // namespace

std::vector<JsonSpan> FindJsonSpans(std::string_view text) {
  std::vector<JsonSpan> spans;
  const size_t bytes_read_max = 8 * text.size() + (size_t{1} << 20);
  size_t bytes_read = 0;
  for (size_t at = text.find_first_of("{["); at != std::string_view::npos && bytes_read < bytes_read_max;) {
    const size_t end = FindClose(text, at, bytes_read);
    size_t next = at + 1;
    if (end != std::string_view::npos) {
      const Result<Json> value = Json::Parse(text.substr(at, end - at));
      bytes_read += end - at;
      if (value && HoldsObject(*value)) {
        spans.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(end)});
        next = end;
      }
    }
    at = text.find_first_of("{[", next);
  }
  return spans;
}

std::string RewriteJson(std::string_view text, const JsonRewrite& rewrite) {
  const std::vector<JsonSpan> spans = FindJsonSpans(text);
  std::vector<std::string> rewritten;
  for (const JsonSpan& span : spans) {
    const std::string_view raw = text.substr(span.begin, span.end - span.begin);
    rewritten.push_back(rewrite.chosen && !rewrite.chosen(raw) ? std::string(raw) : Rewriter(raw, rewrite).Value());
  }
  if (rewrite.sort_tools) SortNeighbours(text, spans, rewritten);
  std::string out;
  size_t from = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    out.append(text.substr(from, spans[i].begin - from));
    out += rewritten[i];
    from = spans[i].end;
  }
  out.append(text.substr(from));
  return out;
}

Json SortedByKey(const Json& value) {
  if (value.is_array()) {
    Json::Array out;
    for (const Json& item : value.as_array()) out.push_back(SortedByKey(item));
    return Json(std::move(out));
  }
  if (!value.is_object()) return value;
  Json::Object out;
  for (const auto& [key, member] : value.as_object()) out.emplace_back(key, SortedByKey(member));
  std::stable_sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  return Json(std::move(out));
}

std::optional<std::string> ToolName(const Json& value) {
  const Json* function = value.Find("function");
  const Json* holder = function != nullptr && function->is_object() ? function : &value;
  const Json* name = holder->Find("name");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  if (holder == &value && value.Find("parameters") == nullptr && value.Find("input_schema") == nullptr &&
      value.Find("inputSchema") == nullptr) {
    return std::nullopt;
  }
  return name->as_string();
}

}  // namespace weir
