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

// At most 256 KiB of a file; null when it cannot be read.
std::optional<std::string> ReadSmallFile(const std::filesystem::path& path);

// A decimal number with optional blanks around it; null for anything else, "max" included.
std::optional<uint64_t> ParseNumber(std::string_view text);

// "name value" lines, as in memory.stat and memory.events; also "Name:  value kB" of /proc files, in bytes then.
std::map<std::string, uint64_t, std::less<>> ParseFields(std::string_view text);

struct StallLines {
  double some_avg10 = 0;
  double full_avg10 = 0;
  uint64_t some_total_us = 0;
  uint64_t full_total_us = 0;
};
// Null without a "some" line.
std::optional<StallLines> ParseStall(std::string_view text);

// A mounted memory hierarchy and where this process stands in it.
struct CgroupPlace {
  int version = 2;                 // 1 or 2
  std::filesystem::path mount;     // where the hierarchy is mounted, for example /sys/fs/cgroup
  std::filesystem::path relative;  // of this process's group below the mount; empty: the mount itself
};

// From /proc/self/cgroup and /proc/self/mountinfo. Groups outside what is mounted here are left out.
std::vector<CgroupPlace> FindCgroups(std::string_view self_cgroup, std::string_view mountinfo);

}  // namespace weir::sensors
