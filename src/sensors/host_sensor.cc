#include "weir/sensors/host_sensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "devices.h"
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

std::vector<CgroupPlace> PlacesOf(const std::filesystem::path& root) {
  const auto cgroup = ReadSmallFile(root / "proc/self/cgroup");
  const auto mounts = ReadSmallFile(root / "proc/self/mountinfo");
  if (!cgroup || !mounts) return {};
  return FindCgroups(*cgroup, *mounts);
}

// The limits of one group, at `folder`.
void AddGroupBounds(int version, const std::filesystem::path& folder, const std::string& name, Headroom& headroom) {
  const bool is_v2 = version == 2;
  const std::optional<uint64_t> used = ReadNumber(folder / (is_v2 ? "memory.current" : "memory.usage_in_bytes"));
  if (!used) return;
  std::optional<uint64_t> inactive_file;
  if (const auto stat = ReadSmallFile(folder / "memory.stat")) {
    const auto fields = ParseFields(*stat);
    const auto found = fields.find(is_v2 ? "inactive_file" : "total_inactive_file");
    if (found != fields.end()) inactive_file = found->second;
  }
  const auto add = [&](std::string_view file, uint64_t none_from) {
    const std::optional<uint64_t> limit = ReadNumber(folder / file);
    if (!limit || *limit >= none_from) return;
    headroom.bounds.push_back({fmt::format("cgroup{} {} {}", version, name, file), *limit, *used, inactive_file});
  };
  if (is_v2) {
    add("memory.high", UINT64_MAX);
    add("memory.max", UINT64_MAX);
  } else {
    add("memory.limit_in_bytes", kNoLimitV1);
  }
}

void AddCgroups(const std::filesystem::path& root, Headroom& headroom) {
  for (const CgroupPlace& place : PlacesOf(root)) {
    const std::filesystem::path mount = Under(root, place.mount);
    for (std::filesystem::path relative = place.relative;; relative = relative.parent_path()) {
      AddGroupBounds(place.version, mount / relative, "/" + relative.string(), headroom);
      if (relative.empty()) break;
    }
    if (place.version != 2) continue;
    const std::filesystem::path own = mount / place.relative;
    if (const auto text = ReadSmallFile(own / "memory.events")) {
      const auto fields = ParseFields(*text);
      const auto value = [&](std::string_view name) {
        const auto found = fields.find(name);
        return found == fields.end() ? 0 : found->second;
      };
      headroom.events = MemoryEvents{value("high"), value("max"), value("oom"), value("oom_kill")};
    }
  }
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

void AddStall(const std::filesystem::path& root, Headroom& headroom) {
  const auto take = [&](const std::filesystem::path& path, std::string source) {
    const auto text = ReadSmallFile(path);
    const auto lines = text ? sensors::ParseStall(*text) : std::nullopt;
    if (!lines) return false;
    headroom.stall = {std::move(source), lines->some_avg10, lines->full_avg10, lines->some_total_us, lines->full_total_us};
    return true;
  };
  for (const CgroupPlace& place : PlacesOf(root)) {
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

HostSensor::HostSensor(HostSensorOptions options) : options_(std::move(options)) {
  if (options_.with_devices) devices_ = std::make_unique<Devices>();
}

HostSensor::~HostSensor() = default;

Headroom HostSensor::Read() {
  Headroom headroom;
  AddCgroups(options_.root, headroom);
  AddHost(options_.root, headroom);
  AddStall(options_.root, headroom);
  if (devices_) {
    devices_->nvml.Read(headroom.devices);
    sensors::ReadAmdgpu(options_.root, headroom.devices);
  }
  return headroom;
}

std::filesystem::path HostSensor::events_path() const {
  for (const CgroupPlace& place : PlacesOf(options_.root)) {
    const auto path = Under(options_.root, place.mount) / place.relative / "memory.events";
    if (place.version == 2 && ReadSmallFile(path)) return path;
  }
  return {};
}

std::optional<uint64_t> ResidentBytes(const std::filesystem::path& root) {
  const auto text = ReadSmallFile(root / "proc/self/status");
  if (!text) return std::nullopt;
  const auto fields = ParseFields(*text);
  const auto found = fields.find("VmRSS");
  if (found == fields.end()) return std::nullopt;
  return found->second;
}

}  // namespace weir
