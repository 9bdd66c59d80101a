#pragma once
// Parsing of the small text files in which the kernel publishes memory figures. Internal to `sensors`; pure functions.
// Content is never trusted: what does not parse is absent.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/sensors/headroom.h"

namespace weir::sensors {

// A regular file; null when it cannot be read or is something else (opening never blocks). Of a file beyond bytes_max the
// whole lines among its first bytes_max bytes, at most 64 KiB when nothing else is said.
std::optional<std::string> ReadSmallFile(const std::filesystem::path& path, size_t bytes_max = 64 * 1024);

// A decimal number with optional blanks around it; null for anything else, "max" included.
std::optional<uint64_t> ParseNumber(std::string_view text);

// "name value" lines, as in memory.stat and memory.events; also "Name:  value kB" of /proc files, in bytes then.
std::map<std::string, uint64_t, std::less<>> ParseFields(std::string_view text);

// A pressure file; null unless its "some" line holds avg10 and total. `source` is left empty.
std::optional<MemoryStall> ParseStall(std::string_view text);

// A mounted memory hierarchy and where this process stands in it.
struct CgroupPlace {
  int version = 2;                 // 1 or 2
  std::filesystem::path mount;     // where the hierarchy is mounted, for example /sys/fs/cgroup
  std::filesystem::path relative;  // of this process's group below the mount; empty: the mount itself
};

// From /proc/self/cgroup and /proc/self/mountinfo, each place once, at most kCgroupPlacesMax. Left out: groups outside
// what is mounted here, and paths longer than the kernel's PATH_MAX.
inline constexpr size_t kCgroupPlacesMax = 8;
std::vector<CgroupPlace> FindCgroups(std::string_view self_cgroup, std::string_view mountinfo);

}  // namespace weir::sensors
