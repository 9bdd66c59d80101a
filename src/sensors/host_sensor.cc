#include "weir/sensors/host_sensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "devices.h"
#include "event_watch.h"
#include "kernel_text.h"

namespace weir {

using sensors::CgroupPlace;
using sensors::FindCgroups;
using sensors::ParseFields;
using sensors::ParseNumber;
using sensors::ReadSmallFile;

namespace {

// A v1 limit at or above this means none: the kernel prints the largest page-aligned number instead of a word.
constexpr uint64_t kNoLimitV1 = uint64_t{1} << 62;

std::filesystem::path Under(const std::filesystem::path& root, const std::filesystem::path& absolute) {
  return root / absolute.relative_path();
}

std::optional<uint64_t> ReadNumber(const std::filesystem::path& path) {
  const std::optional<std::string> text = ReadSmallFile(path);
  return text ? ParseNumber(*text) : std::nullopt;
}

std::optional<uint64_t> ReadField(const std::filesystem::path& path, std::string_view name) {
  const std::optional<std::string> text = ReadSmallFile(path);
  const auto fields = ParseFields(text.value_or(""));
  const auto found = fields.find(name);
  return found == fields.end() ? std::nullopt : std::optional(found->second);
}

constexpr size_t kMountsBytesMax = size_t{4} << 20;  // a host of many containers has thousands of mounts

std::vector<CgroupPlace> PlacesOf(const std::filesystem::path& root) {
  const auto cgroup = ReadSmallFile(root / "proc/self/cgroup");
  const auto mounts = ReadSmallFile(root / "proc/self/mountinfo", kMountsBytesMax);
  if (!cgroup || !mounts) return {};
  return FindCgroups(*cgroup, *mounts);
}

// Calls `use(folder, name)` for this process's group at `place` and for each ancestor, up to the mount.
template <typename Use>
void ForEachLevel(const std::filesystem::path& root, const CgroupPlace& place, Use use) {
  const std::filesystem::path mount = Under(root, place.mount);
  for (std::filesystem::path relative = place.relative;; relative = relative.parent_path()) {
    use(mount / relative, "/" + relative.string());
    if (relative.empty()) return;
  }
}

// The limits of one group, at `folder`.
void AddGroupBounds(int version, const std::filesystem::path& folder, const std::string& name, Headroom& headroom) {
  const bool is_v2 = version == 2;
  const std::optional<uint64_t> used = ReadNumber(folder / (is_v2 ? "memory.current" : "memory.usage_in_bytes"));
  if (!used) return;
  const auto stat_text = ReadSmallFile(folder / "memory.stat");
  const auto stat = ParseFields(stat_text.value_or(""));
  const auto stat_value = [&](std::string_view field) {
    const auto found = stat.find(field);
    return found == stat.end() ? std::nullopt : std::optional(found->second);
  };
  const std::optional<uint64_t> inactive_file = stat_value(is_v2 ? "inactive_file" : "total_inactive_file");
  const auto add = [&](std::string_view source, std::optional<uint64_t> limit, uint64_t none_from) {
    if (!limit || *limit >= none_from) return;
    headroom.bounds.push_back({fmt::format("cgroup{} {} {}", version, name, source), *limit, *used, inactive_file});
  };
  if (is_v2) {
    add("memory.high", ReadNumber(folder / "memory.high"), UINT64_MAX);
    add("memory.max", ReadNumber(folder / "memory.max"), UINT64_MAX);
    return;
  }
  const std::optional<uint64_t> own_limit = ReadNumber(folder / "memory.limit_in_bytes");
  add("memory.limit_in_bytes", own_limit, kNoLimitV1);
  // At the top of what is mounted here: the limit of a group above it, whose other members cannot be seen.
  const std::optional<uint64_t> inherited = stat_value("hierarchical_memory_limit");
  if (name == "/" && inherited < own_limit) add("memory.stat hierarchical_memory_limit", inherited, kNoLimitV1);
}

// Where use should be told of: a tenth, and a twentieth, before the limit.
void AddMarks(const std::filesystem::path& folder, uint64_t limit, std::vector<sensors::UsageMark>& marks) {
  marks.push_back({folder, limit - limit / 10});
  marks.push_back({folder, limit - limit / 20});
}

void AddEvents(const std::filesystem::path& root, const CgroupPlace& place, Headroom& headroom) {
  const auto text = ReadSmallFile(Under(root, place.mount) / place.relative / "memory.events");
  if (!text) return;
  const auto fields = ParseFields(*text);
  const auto value = [&](std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::nullopt : std::optional(found->second);
  };
  headroom.events = MemoryEvents{fmt::format("cgroup2 /{} memory.events", place.relative.string()), value("high"),
                                 value("max"), value("oom"), value("oom_kill")};
}

void AddHost(const std::filesystem::path& root, Headroom& headroom) {
  const auto text = ReadSmallFile(root / "proc/meminfo");
  if (!text) return;
  const auto fields = ParseFields(*text);
  const auto total = fields.find("MemTotal");
  const auto available = fields.find("MemAvailable");
  if (total == fields.end() || available == fields.end()) return;
  const uint64_t used = total->second - std::min(total->second, available->second);
  headroom.bounds.push_back({"MemAvailable", total->second, used, std::nullopt});
}

void AddStall(const std::filesystem::path& root, std::span<const CgroupPlace> places, Headroom& headroom) {
  const auto take = [&](const std::filesystem::path& path, std::string source) {
    const auto text = ReadSmallFile(path);
    headroom.stall = text ? sensors::ParseStall(*text) : std::nullopt;
    if (headroom.stall) headroom.stall->source = std::move(source);
    return headroom.stall.has_value();
  };
  for (const CgroupPlace& place : places) {
    if (place.version != 2) continue;
    const auto path = Under(root, place.mount) / place.relative / "memory.pressure";
    if (take(path, fmt::format("cgroup2 /{} memory.pressure", place.relative.string()))) return;
  }
  take(root / "proc/pressure/memory", "/proc/pressure/memory");
}

}  // namespace

uint64_t MemoryBound::headroom_bytes() const {
  const uint64_t droppable = std::min(inactive_file_bytes.value_or(0), used_bytes);
  const uint64_t held = used_bytes - droppable;
  return limit_bytes > held ? limit_bytes - held : 0;
}

const MemoryBound* Headroom::tightest() const {
  const auto least = std::min_element(bounds.begin(), bounds.end(), [](const MemoryBound& a, const MemoryBound& b) {
    return a.headroom_bytes() < b.headroom_bytes();
  });
  return least == bounds.end() ? nullptr : &*least;
}

struct HostSensor::Devices {
  sensors::Nvml nvml;
};

HostSensor::HostSensor(HostSensorOptions options)
    : options_(std::move(options)), watch_(std::make_unique<sensors::EventWatch>()) {
  if (options_.with_devices) devices_ = std::make_unique<Devices>();
}

HostSensor::~HostSensor() = default;

Headroom HostSensor::Read() {
  Headroom headroom;
  std::vector<std::filesystem::path> event_files;
  std::vector<sensors::UsageMark> marks;
  const std::vector<CgroupPlace> places = PlacesOf(options_.root);
  for (const CgroupPlace& place : places) {
    ForEachLevel(options_.root, place, [&](const std::filesystem::path& folder, const std::string& name) {
      const size_t known = headroom.bounds.size();
      AddGroupBounds(place.version, folder, name, headroom);
      if (place.version == 2) event_files.push_back(folder / "memory.events");
      if (place.version == 1 && headroom.bounds.size() > known) AddMarks(folder, headroom.bounds.back().limit_bytes, marks);
    });
    if (place.version == 2 && !headroom.events) AddEvents(options_.root, place, headroom);
  }
  AddHost(options_.root, headroom);
  AddStall(options_.root, places, headroom);
  headroom.resident_bytes = ResidentBytes(options_.root);
  if (devices_) {
    devices_->nvml.Read(headroom.devices);
    sensors::ReadAmdgpu(options_.root, headroom.devices);
  }
  watch_->Watch(std::move(event_files), std::move(marks));
  return headroom;
}

Wake HostSensor::WaitForEvent(Duration timeout) { return watch_->Wait(timeout); }

void HostSensor::Interrupt() { watch_->Interrupt(); }

std::filesystem::path HostSensor::events_path() const {
  for (const CgroupPlace& place : PlacesOf(options_.root)) {
    const auto path = Under(options_.root, place.mount) / place.relative / "memory.events";
    if (place.version == 2 && ReadSmallFile(path)) return path;
  }
  return {};
}

std::optional<uint64_t> ResidentBytes(const std::filesystem::path& root) {
  return ReadField(root / "proc/self/status", "VmRSS");
}

std::optional<uint64_t> ExactResidentBytes(const std::filesystem::path& root) {
  return ReadField(root / "proc/self/smaps_rollup", "Rss");
}

}  // namespace weir
