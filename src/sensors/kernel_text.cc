#include "kernel_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>

namespace weir::sensors {
namespace {

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

// At most bytes_max + 1 bytes are read; one too many means that the last line is cut.
std::optional<std::string> ReadRegular(int file, size_t bytes_max) {
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text;
  constexpr size_t kStep = 4096;  // most of these files are smaller, and st_size says nothing
  while (text.size() <= bytes_max) {
    const size_t begin = text.size();
    const size_t wanted = std::min(std::max(kStep, begin), bytes_max + 1 - begin);
    text.resize(begin + wanted);
    const ssize_t got = read(file, text.data() + begin, wanted);
    if (got < 0 && errno != EINTR) return std::nullopt;
    text.resize(begin + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return text;
  }
  text.resize(bytes_max);
  const size_t last_end = text.rfind('\n');
  text.resize(last_end == std::string::npos ? 0 : last_end + 1);
  return text;
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
  if (words.size() < 6 || words.end() - dash < 4 || words[3].size() + words[4].size() > PATH_MAX) return std::nullopt;
  const std::string_view type = *(dash + 1);
  const std::vector<std::string_view> controllers = Split(*(dash + 3), ',');
  if (type == "cgroup2") return Mount{2, Unescape(words[3]), Unescape(words[4])};
  if (type == "cgroup" && std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()) {
    return Mount{1, Unescape(words[3]), Unescape(words[4])};
  }
  return std::nullopt;
}

// This process's group in one hierarchy with a memory controller.
struct Membership {
  int version;
  std::filesystem::path path;
};

// A process is in one group of a hierarchy: of several lines that name one, the first counts.
std::vector<Membership> ParseMemberships(std::string_view self_cgroup) {
  std::vector<Membership> memberships;
  ForEachLine(self_cgroup, [&](std::string_view line) {
    // hierarchy:controllers:path
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos || line.size() - second > PATH_MAX) return;
    const std::vector<std::string_view> controllers = Split(line.substr(first + 1, second - first - 1), ',');
    const bool is_v2 = line.starts_with("0::");
    const bool is_memory = std::find(controllers.begin(), controllers.end(), "memory") != controllers.end();
    if (!is_v2 && !is_memory) return;
    const int version = is_v2 ? 2 : 1;
    const auto same = [&](const Membership& known) { return known.version == version; };
    if (std::any_of(memberships.begin(), memberships.end(), same)) return;
    memberships.push_back({version, std::filesystem::path(line.substr(second + 1)).lexically_normal()});
  });
  return memberships;
}

struct StallLine {
  std::optional<double> avg10;
  std::optional<uint64_t> total_us;
};

StallLine ParseStallLine(std::string_view line) {
  StallLine parsed;
  for (const std::string_view word : Split(line, ' ')) {
    if (word.starts_with("avg10=")) {
      double value = 0;
      const char* end = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data() + 6, end, value);
      if (error == std::errc() && stop == end && value >= 0 && value <= 100) parsed.avg10 = value;  // false for NaN
    } else if (word.starts_with("total=")) {
      parsed.total_us = ParseNumber(word.substr(6));
    }
  }
  return parsed;
}

}  // namespace

std::optional<std::string> ReadSmallFile(const std::filesystem::path& path, size_t bytes_max) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return std::nullopt;
  std::optional<std::string> text = ReadRegular(file, bytes_max);
  close(file);
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

std::optional<MemoryStall> ParseStall(std::string_view text) {
  std::optional<StallLine> some;
  std::optional<StallLine> full;
  ForEachLine(text, [&](std::string_view line) {
    if (line.starts_with("some ")) some = ParseStallLine(line);
    if (line.starts_with("full ")) full = ParseStallLine(line);
  });
  if (!some || !some->avg10 || !some->total_us) return std::nullopt;
  MemoryStall stall{{}, *some->avg10, *some->total_us, std::nullopt, std::nullopt};
  if (full) {
    stall.full_avg10 = full->avg10;
    stall.full_total_us = full->total_us;
  }
  return stall;
}

std::vector<CgroupPlace> FindCgroups(std::string_view self_cgroup, std::string_view mountinfo) {
  std::vector<CgroupPlace> places;
  const std::vector<Membership> memberships = ParseMemberships(self_cgroup);
  ForEachLine(mountinfo, [&](std::string_view line) {
    if (places.size() >= kCgroupPlacesMax) return;
    const std::optional<Mount> mount = ParseMount(line);
    if (!mount) return;
    const std::filesystem::path point = std::filesystem::path(mount->point).lexically_normal();
    for (const Membership& membership : memberships) {
      if (membership.version != mount->version) continue;
      const auto relative = Below(membership.path, mount->root);
      if (!relative) continue;
      const bool is_known = std::any_of(places.begin(), places.end(), [&](const CgroupPlace& place) {
        return place.version == mount->version && place.mount == point && place.relative == *relative;
      });
      if (!is_known) places.push_back({mount->version, point, *relative});
    }
  });
  return places;
}

}  // namespace weir::sensors
