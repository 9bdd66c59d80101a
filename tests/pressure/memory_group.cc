#include "memory_group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "kernel_text.h"

namespace weir::pressure {
namespace {

constexpr std::string_view kPrefix = "weir-pressure-";

Status Put(const std::filesystem::path& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool is_written = file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (file >= 0) close(file);
  if (is_written) return {};
  return Unavailable(fmt::format("cannot write '{}' to {}: {}", text, path.string(), std::strerror(error)));
}

std::optional<uint64_t> Number(const std::filesystem::path& path) {
  const auto text = sensors::ReadSmallFile(path);
  return text ? sensors::ParseNumber(*text) : std::nullopt;
}

std::optional<uint64_t> Field(const std::filesystem::path& path, std::string_view name) {
  const auto fields = sensors::ParseFields(sensors::ReadSmallFile(path).value_or(""));
  const auto found = fields.find(name);
  return found == fields.end() ? std::nullopt : std::optional(found->second);
}

// Removes the groups of runs that were killed before they could.
void SweepLeftovers(const std::filesystem::path& parent) {
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(parent, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const auto owner = sensors::ParseNumber(std::string_view(name).substr(kPrefix.size()));
    if (!owner || kill(static_cast<pid_t>(*owner), 0) == 0 || errno != ESRCH) continue;
    rmdir((entry->path() / "agent").c_str());
    rmdir(entry->path().c_str());
  }
}

// Where a group may be made: at the mount in version 2 (a group with processes cannot hand a controller on), below
// this process's own group in version 1, so that its limits still hold.
Result<std::filesystem::path> ParentOf(const sensors::CgroupPlace& place) {
  if (place.version == 1) return place.mount / place.relative;
  const std::string controllers = sensors::ReadSmallFile(place.mount / "cgroup.controllers").value_or("");
  if (controllers.find("memory") == std::string::npos) return Unavailable("cgroup v2 has no memory controller here");
  const std::filesystem::path handed_on = place.mount / "cgroup.subtree_control";
  if (sensors::ReadSmallFile(handed_on).value_or("").find("memory") == std::string::npos) {
    WEIR_TRY(Put(handed_on, "+memory"));
  }
  return place.mount;
}

void EndAll(const std::filesystem::path& folder) {
  std::string text = sensors::ReadSmallFile(folder / "cgroup.procs").value_or("");
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (const auto process = sensors::ParseNumber(std::string_view(text).substr(begin, end - begin))) {
      kill(static_cast<pid_t>(*process), SIGKILL);
    }
    begin = end + 1;
  }
}

}  // namespace

Result<MemoryGroup> MemoryGroup::Make(const GroupLimits& limits, Placement placement) {
  const auto groups = sensors::ReadSmallFile("/proc/self/cgroup");
  const auto mounts = sensors::ReadSmallFile("/proc/self/mountinfo", size_t{4} << 20);
  std::string reasons;
  for (const int version : {2, 1}) {
    for (const auto& place : sensors::FindCgroups(groups.value_or(""), mounts.value_or(""))) {
      if (place.version != version) continue;
      const Result<std::filesystem::path> parent = ParentOf(place);
      if (!parent) {
        reasons += parent.error().message + "; ";
        continue;
      }
      SweepLeftovers(*parent);
      MemoryGroup group(version, *parent / fmt::format("{}{}", kPrefix, getpid()));
      const Status limited = group.Limit(limits, placement);
      if (limited) return group;
      reasons += limited.error().message + "; ";
    }
  }
  return Unavailable(reasons.empty() ? "no memory control group is mounted here" : reasons.substr(0, reasons.size() - 2));
}

Status MemoryGroup::Limit(const GroupLimits& limits, Placement placement) {
  inner_ = placement == Placement::kNested ? folder_ / "agent" : folder_;
  if (mkdir(folder_.c_str(), 0755) != 0) {
    return Unavailable(fmt::format("cannot make {}: {}", folder_.string(), std::strerror(errno)));
  }
  if (version_ == 2) {
    WEIR_TRY(Put(folder_ / "memory.high", std::to_string(limits.high_bytes)));
    WEIR_TRY(Put(folder_ / "memory.max", std::to_string(limits.max_bytes)));
    if (inner_ != folder_) WEIR_TRY(Put(folder_ / "cgroup.subtree_control", "+memory"));
  } else {
    WEIR_TRY(Put(folder_ / "memory.limit_in_bytes", std::to_string(limits.max_bytes)));
  }
  if (inner_ != folder_ && mkdir(inner_.c_str(), 0755) != 0) {
    return Unavailable(fmt::format("cannot make {}: {}", inner_.string(), std::strerror(errno)));
  }
  return {};
}

MemoryGroup::MemoryGroup(MemoryGroup&& other) noexcept
    : version_(other.version_), folder_(std::exchange(other.folder_, {})), inner_(std::exchange(other.inner_, {})) {}

MemoryGroup::~MemoryGroup() {
  if (folder_.empty()) return;
  EndAll(inner_);
  if (inner_ != folder_) rmdir(inner_.c_str());
  rmdir(folder_.c_str());
}

Status MemoryGroup::Enter() const { return Put(inner_ / "cgroup.procs", std::to_string(getpid())); }

GroupUse MemoryGroup::Use() const {
  GroupUse use;
  if (version_ == 1) {
    use.peak_bytes = Number(folder_ / "memory.max_usage_in_bytes");
    use.current_bytes = Number(folder_ / "memory.usage_in_bytes");
    use.max_events = Number(folder_ / "memory.failcnt");
    use.oom_kills = Field(folder_ / "memory.oom_control", "oom_kill");
    return use;
  }
  use.peak_bytes = Number(folder_ / "memory.peak");
  use.current_bytes = Number(folder_ / "memory.current");
  use.high_events = Field(folder_ / "memory.events", "high");
  use.max_events = Field(folder_ / "memory.events", "max");
  use.oom_kills = Field(folder_ / "memory.events", "oom_kill");
  if (const auto stall = sensors::ParseStall(sensors::ReadSmallFile(folder_ / "memory.pressure").value_or(""))) {
    use.some_stall_us = stall->some_total_us;
    use.full_stall_us = stall->full_total_us;
  }
  return use;
}

}  // namespace weir::pressure
