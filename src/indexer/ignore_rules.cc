#include "weir/indexer/ignore_rules.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace weir {
namespace {

constexpr std::string_view kSpecial = "*?[\\";

// Blanks at the end do not count unless a backslash stands before them.
std::string_view WithoutTrailingBlanks(std::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') continue;
    if (line[i] == '\\') {
      if (i + 1 == line.size()) return line;
      ++i;
    }
    end = i + 1;
  }
  return line.substr(0, end);
}

using Belongs = int (*)(int);
constexpr std::pair<std::string_view, Belongs> kNamedClasses[] = {
    {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank}, {"cntrl", std::iscntrl},
    {"digit", std::isdigit}, {"graph", std::isgraph}, {"lower", std::islower}, {"print", std::isprint},
    {"punct", std::ispunct}, {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit},
};

// Adds the bytes of a named class; false: there is none of that name.
bool AddNamedClass(std::string_view name, std::bitset<256>& set) {
  const auto found = std::ranges::find(kNamedClasses, name, [](const auto& named) { return named.first; });
  if (found == std::end(kNamedClasses)) return false;
  for (int byte = 0; byte < 128; ++byte) {
    if (found->second(byte) != 0) set.set(static_cast<size_t>(byte));
  }
  return true;
}

}  // namespace

IgnoreRules::IgnoreRules(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    const bool has_line_end = end < text.size();
    text.remove_prefix(has_line_end ? end + 1 : end);
    if (has_line_end && line.ends_with('\r')) line.remove_suffix(1);
    line = line.substr(0, std::min(line.find('\0'), line.size()));
    if (line.starts_with('#')) continue;
    if (std::optional<Pattern> pattern = ParseLine(WithoutTrailingBlanks(line))) patterns_.push_back(*std::move(pattern));
  }
}

std::optional<IgnoreRules::Pattern> IgnoreRules::ParseLine(std::string_view line) {
  Pattern pattern;
  if (line.starts_with('!')) {
    pattern.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    pattern.folders_only = true;
    line.remove_suffix(1);
  }
  if (line.empty()) return std::nullopt;
  pattern.base_name_only = line.find('/') == std::string_view::npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  pattern.text = line;
  pattern.is_literal = line.find_first_of(kSpecial) == std::string_view::npos;
  if (!pattern.is_literal) Compile(pattern);
  return pattern;
}

void IgnoreRules::Compile(Pattern& pattern) {
  const std::string_view text = pattern.text;
  const size_t first_special = text.find_first_of(kSpecial);
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '*') {
      CompileStars(text, at, first_special, pattern);
    } else if (c == '?') {
      pattern.steps.push_back({.kind = Kind::kNotSlash});
      ++at;
    } else if (c == '[') {
      if (!CompileClass(text, at, pattern)) {
        pattern.steps = {{.kind = Kind::kNothing}};
        return;
      }
    } else {
      if (c == '\\') ++at;
      if (at == text.size()) {
        pattern.steps = {{.kind = Kind::kNothing}};
        return;
      }
      pattern.steps.push_back({.kind = Kind::kByte, .byte = static_cast<unsigned char>(text[at++])});
    }
  }
}

// Two stars stand for folders only between slashes or at an end. git compares what precedes the first special byte apart,
// so that two stars there count as being at the beginning.
void IgnoreRules::CompileStars(std::string_view text, size_t& at, size_t first_special, Pattern& pattern) {
  const size_t begin = at;
  while (at < text.size() && text[at] == '*') ++at;
  const bool opens = begin == first_special || text[begin - 1] == '/';
  const std::string_view rest = text.substr(at);
  if (at - begin < 2 || !opens || !(rest.empty() || rest[0] == '/' || rest.starts_with("\\/"))) {
    pattern.steps.push_back({.kind = Kind::kStar});
  } else if (rest.starts_with('/')) {
    ++at;
    pattern.steps.push_back({.kind = Kind::kFolders});
    pattern.steps.push_back({.kind = Kind::kFoldersRest});
  } else {
    pattern.steps.push_back({.kind = Kind::kAnything});
  }
}

// From the opening bracket on; false: malformed.
bool IgnoreRules::CompileClass(std::string_view text, size_t& at, Pattern& pattern) {
  std::bitset<256> set;
  const auto byte_at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  size_t p = at + 1;
  const bool negated = byte_at(p) == '!' || byte_at(p) == '^';
  if (negated) ++p;
  unsigned before = 0;  // that a range may begin with
  do {
    unsigned c = byte_at(p);
    if (c == 0) return false;
    if (c == '\\') {
      c = byte_at(++p);
      if (c == 0) return false;
      set.set(c);
    } else if (c == '-' && before != 0 && byte_at(p + 1) != 0 && byte_at(p + 1) != ']') {
      c = byte_at(++p);
      if (c == '\\') c = byte_at(++p);
      if (c == 0) return false;
      for (unsigned byte = before; byte <= c; ++byte) set.set(byte);
      c = 0;
    } else if (c == '[' && byte_at(p + 1) == ':') {
      const size_t begin = p + 2;
      const size_t end = text.find(']', begin);
      if (end == std::string_view::npos) return false;
      if (end == begin || text[end - 1] != ':') {
        set.set('[');
      } else {
        if (!AddNamedClass(text.substr(begin, end - 1 - begin), set)) return false;
        p = end;
        c = 0;
      }
    } else {
      set.set(c);
    }
    before = c;
  } while (byte_at(++p) != ']');
  if (negated) set.flip();
  set.reset('/');
  at = p + 1;
  pattern.steps.push_back({.kind = Kind::kClass, .set = static_cast<uint32_t>(pattern.sets.size())});
  pattern.sets.push_back(set);
  return true;
}

// All places in the pattern that the bytes so far can have led to, at once.
bool IgnoreRules::Matches(const Pattern& pattern, std::string_view name) {
  if (pattern.is_literal) return pattern.text == name;
  const std::vector<Step>& steps = pattern.steps;
  std::vector<char> here(steps.size() + 1, 0), next(steps.size() + 1, 0);
  // Steps that may match nothing are passed.
  const auto pass = [&steps](std::vector<char>& places) {
    for (size_t i = 0; i < steps.size(); ++i) {
      if (places[i] == 0) continue;
      const Kind kind = steps[i].kind;
      if (kind == Kind::kStar || kind == Kind::kAnything || kind == Kind::kFolders) places[i + 1] = 1;
      if (kind == Kind::kFolders) places[i + 2] = 1;
    }
  };
  here[0] = 1;
  pass(here);
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    std::ranges::fill(next, 0);
    for (size_t i = 0; i < steps.size(); ++i) {
      if (here[i] == 0) continue;
      switch (steps[i].kind) {
        case Kind::kByte: next[i + 1] |= byte == steps[i].byte; break;
        case Kind::kNotSlash: next[i + 1] |= byte != '/'; break;
        case Kind::kClass: next[i + 1] |= pattern.sets[steps[i].set][byte]; break;
        case Kind::kStar: next[i] |= byte != '/'; break;
        case Kind::kAnything: next[i] = 1; break;
        case Kind::kFoldersRest:
          next[i] = 1;
          next[i + 1] |= byte == '/';
          break;
        case Kind::kFolders:
        case Kind::kNothing: break;
      }
    }
    here.swap(next);
    pass(here);
  }
  return here[steps.size()] != 0;
}

std::optional<bool> IgnoreRules::Decide(std::string_view path, bool is_folder) const {
  const size_t slash = path.rfind('/');
  const std::string_view base_name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (size_t i = patterns_.size(); i-- > 0;) {
    const Pattern& pattern = patterns_[i];
    if (pattern.folders_only && !is_folder) continue;
    if (Matches(pattern, pattern.base_name_only ? base_name : path)) return !pattern.negated;
  }
  return std::nullopt;
}

}  // namespace weir
