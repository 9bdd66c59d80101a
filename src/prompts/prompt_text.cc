#include "prompt_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace weir {
namespace {

constexpr size_t kNameBytesMax = 64;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == ':' ||
         c == '-';
}

struct Marker {
  std::string_view name;
  bool fixed = false;
};

// The words of a line, at most four.
std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; words.size() < 4;) {
    at = line.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) break;
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<Marker> ParseMarker(std::string_view line) {
  if (!line.starts_with("--- ")) return std::nullopt;
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::vector<std::string_view> words = Words(line);
  if (words.size() < 2 || words.size() > 3 || (words.size() == 3 && words[2] != "fixed")) return std::nullopt;
  const std::string_view name = words[1];
  const auto is_letter_or_digit = [](char c) { return IsNameCharacter(c) && c != '.' && c != ':' && c != '-'; };
  if (name.size() > kNameBytesMax || !is_letter_or_digit(name[0]) ||
      !std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return std::nullopt;
  }
  return Marker{name, words.size() == 3};
}

class Splitter {
 public:
  explicit Splitter(std::string_view source) : source_(source) { out_.text.reserve(source.size()); }

  MarkedText Run() {
    Begin("text", false);
    size_t copied = 0;  // everything before is in the text or was a marker
    for (size_t line = 0; line < source_.size();) {
      const size_t end = std::min(source_.find('\n', line), source_.size());
      const size_t next = std::min(end + 1, source_.size());
      if (const auto marker = ParseMarker(source_.substr(line, end - line))) {
        out_.text += source_.substr(copied, line - copied);
        copied = next;
        Begin(marker->name, marker->fixed);
      }
      // The next line that could be a marker.
      const size_t dashes = source_.find("\n--- ", next > 0 ? next - 1 : 0);
      line = dashes == std::string_view::npos ? source_.size() : dashes + 1;
    }
    out_.text += source_.substr(copied);
    End();
    return std::move(out_);
  }

 private:
  void Begin(std::string_view name, bool fixed) {
    End();
    Segment segment;
    segment.name = Unique(name);
    segment.kind = KindOfName(name);
    segment.fixed = fixed;
    segment.bytes = {static_cast<uint32_t>(out_.text.size()), 0};
    out_.segments.push_back(std::move(segment));
  }

  // Ends the open segment; an empty one is dropped, and its name is free again.
  void End() {
    if (out_.segments.empty()) return;
    Segment& open = out_.segments.back();
    open.bytes.end = static_cast<uint32_t>(out_.text.size());
    if (open.bytes.size() > 0) return;
    names_.erase(open.name);
    out_.segments.pop_back();
  }

  std::string Unique(std::string_view name) {
    std::string unique(name);
    for (size_t number = 2; !names_.insert(unique).second; ++number) unique = fmt::format("{} {}", name, number);
    return unique;
  }

  std::string_view source_;
  MarkedText out_;
  std::unordered_set<std::string> names_;
};

}  // namespace

SegmentKind KindOfName(std::string_view name) {
  static const std::unordered_map<std::string_view, SegmentKind> kKinds = {
      {"system", SegmentKind::kSystem},         {"developer", SegmentKind::kSystem},
      {"tools", SegmentKind::kTools},           {"user", SegmentKind::kUser},
      {"assistant", SegmentKind::kAssistant},   {"tool", SegmentKind::kToolResult},
      {"tool_result", SegmentKind::kToolResult}};
  const size_t last = name.find_last_not_of("0123456789");
  std::string_view word = last == std::string_view::npos ? name : name.substr(0, last + 1);
  if (word.size() < name.size() &&
      (word.ends_with('-') || word.ends_with('_') || word.ends_with(' ') || word.ends_with(':'))) {
    word.remove_suffix(1);
  }
  const auto found = kKinds.find(word);
  return found != kKinds.end() ? found->second : SegmentKind::kText;
}

MarkedText SplitSegments(std::string file_text) {
  if (!file_text.starts_with("--- ") && file_text.find("\n--- ") == std::string::npos) return {std::move(file_text), {}};
  return Splitter(file_text).Run();
}

}  // namespace weir
