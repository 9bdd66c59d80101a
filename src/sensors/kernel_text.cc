#include "kernel_text.h"

#include <algorithm>
#include <charconv>
#include <fstream>

namespace weir::sensors {
namespace {

constexpr size_t kFileBytesMax = 256 * 1024;

// Calls `use` for each line, without its end.
template <typename Use>
void ForEachLine(std::string_view text, Use use) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    use(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Octal escapes of mountinfo (\040 is a blank).
std::string Unescape(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) && is_octal(text[i + 3])) {
      out += static_cast<char>(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// `path` as seen below `base`; null when it lies elsewhere.
std::optional<std::filesystem::path> Below(const std::filesystem::path& path, const std::filesystem::path& base) {
  const std::filesystem::path relative = path.lexically_relative(base);
  if (relative.empty() || *relative.begin() == "..") return std::nullopt;
  return relative == "." ? std::filesystem::path() : relative;
}

struct Mount {
  int version;
  std::string root;
  std::string point;
};

std::optional<Mount> ParseMount(std::string_view line) {
  // ID parent major:minor root point options [tags...] - type source super-options
  const std::vector<std::string_view> words = Split(line, ' ');
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (words.size() < 6 || words.end() - dash < 4) return std::nullopt;
  const std::string_view type = *(dash + 1);
  const std::vector<std::string_view> controllers = Split(*(dash + 3), ',');
  if (type == "cgroup2") return Mount{2, Unescape(words[3]), Unescape(words[4])};
  if (type == "cgroup" && std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()) {
    return Mount{1, Unescape(words[3]), Unescape(words[4])};
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ReadSmallFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text(kFileBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return std::nullopt;
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  text = Trim(text);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::map<std::string, uint64_t, std::less<>> ParseFields(std::string_view text) {
  std::map<std::string, uint64_t, std::less<>> fields;
  ForEachLine(text, [&](std::string_view line) {
    const size_t name_end = line.find_first_of(": \t");
    if (name_end == std::string_view::npos || name_end == 0) return;
    std::string_view rest = Trim(line.substr(name_end + 1));
    const bool is_kib = rest.size() > 3 && rest.ends_with(" kB");
    if (is_kib) rest.remove_suffix(3);
    const std::optional<uint64_t> value = ParseNumber(rest);
    if (!value || (is_kib && *value > UINT64_MAX / 1024)) return;
    fields.emplace(line.substr(0, name_end), is_kib ? *value * 1024 : *value);
  });
  return fields;
}

std::optional<StallLines> ParseStall(std::string_view text) {
  StallLines stall;
  bool has_some = false;
  ForEachLine(text, [&](std::string_view line) {
    const bool is_some = line.starts_with("some ");
    if (!is_some && !line.starts_with("full ")) return;
    has_some |= is_some;
    for (const std::string_view word : Split(line, ' ')) {
      if (word.starts_with("avg10=")) {
        double value = 0;
        const std::string_view digits = word.substr(6);
        if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) continue;
        if (!(value >= 0 && value <= 100)) continue;
        (is_some ? stall.some_avg10 : stall.full_avg10) = value;
      } else if (word.starts_with("total=")) {
        (is_some ? stall.some_total_us : stall.full_total_us) = ParseNumber(word.substr(6)).value_or(0);
      }
    }
  });
  if (!has_some) return std::nullopt;
  return stall;
}

std::vector<CgroupPlace> FindCgroups(std::string_view self_cgroup, std::string_view mountinfo) {
  std::vector<CgroupPlace> places;
  ForEachLine(mountinfo, [&](std::string_view mount_line) {
    const std::optional<Mount> mount = ParseMount(mount_line);
    if (!mount) return;
    ForEachLine(self_cgroup, [&](std::string_view line) {
      // hierarchy:controllers:path
      const size_t first = line.find(':');
      const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
      if (second == std::string_view::npos) return;
      const std::vector<std::string_view> controllers = Split(line.substr(first + 1, second - first - 1), ',');
      const bool is_v2 = line.starts_with("0::");
      const bool is_memory = std::find(controllers.begin(), controllers.end(), "memory") != controllers.end();
      if (mount->version == 2 ? !is_v2 : !is_memory) return;
      const auto relative = Below(std::filesystem::path(line.substr(second + 1)).lexically_normal(), mount->root);
      if (relative) places.push_back({mount->version, mount->point, *relative});
    });
  });
  return places;
}

}  // namespace weir::sensors
