// json.dumps() of template values.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "jinja_text.h"
#include "jinja_value.h"

namespace weir::jinja_rendering {
namespace {

void AppendEscape(std::string& out, char32_t c) {
  if (c >= 0x10000) {
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((static_cast<uint32_t>(c) - 0x10000) >> 10),
                       0xdc00 + (static_cast<uint32_t>(c) & 0x3ff));
  } else {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

void AppendText(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(text, at);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (c < 0x20 || (ensure_ascii && c > 0x7e)) {
          AppendEscape(out, c);
        } else {
          out += text.substr(begin, at - begin);
        }
    }
  }
  out += '"';
}

std::string KeyText(const Value& key) {
  if (key.is_text()) return key.bytes();
  if (key.is_bool()) return key.Truth() ? "true" : "false";
  if (key.is_none()) return "null";
  if (key.is_number()) return key.Repr();
  Fail(fmt::format("keys must be str, int, float, bool or None, not {}", key.type_name()));
}

class Dumper {
 public:
  Dumper(const JsonStyle& style, std::string& out) : style_(style), out_(out) {}

  void Append(const Value& value, int depth) {
    if (value.is_none()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.Truth() ? "true" : "false";
    } else if (value.is_integer()) {
      out_ += FormatInteger(value.integer());
    } else if (value.is_float()) {
      const double number = value.number();
      out_ += std::isnan(number)   ? "NaN"
              : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                                   : FormatFloat(number);
    } else if (value.is_text()) {
      AppendText(out_, value.bytes(), style_.ensure_ascii);
    } else if (value.is_sequence()) {
      AppendContainer('[', ']', value.items().size(), depth, [&](size_t i) { Append(value.items()[i], depth + 1); });
    } else if (value.is_dict()) {
      std::vector<std::pair<Value, Value>> members = value.dict().members;
      if (style_.sort_keys) {
        std::stable_sort(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return Less(a.first, b.first); });
      }
      AppendContainer('{', '}', members.size(), depth, [&](size_t i) {
        AppendText(out_, KeyText(members[i].first), style_.ensure_ascii);
        out_ += style_.key_separator;
        Append(members[i].second, depth + 1);
      });
    } else {
      Fail(fmt::format("Object of type {} is not JSON serializable", value.type_name()));
    }
  }

 private:
  template <typename AppendItem>
  void AppendContainer(char open, char close, size_t count, int depth, AppendItem append_item) {
    out_ += open;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += style_.item_separator;
      NewLine(depth + 1);
      append_item(i);
    }
    if (count > 0) NewLine(depth);
    out_ += close;
  }

  void NewLine(int depth) {
    if (style_.indent >= 0) out_.append("\n").append(static_cast<size_t>(style_.indent) * static_cast<size_t>(depth), ' ');
  }

  const JsonStyle& style_;
  std::string& out_;
};

}  // namespace

std::string DumpJson(const Value& value, const JsonStyle& style) {
  std::string out;
  Dumper(style, out).Append(value, 0);
  return out;
}

}  // namespace weir::jinja_rendering
