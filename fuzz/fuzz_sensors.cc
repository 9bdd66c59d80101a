// The kernel's files from anywhere: a tree of files, cut out of the input, read as this process's machine. Whatever they
// hold, a reading keeps its contract. A section begins with a line "@path", or "@path>target" for a symbolic link to a
// name in the same folder; "@path/" makes a folder.

#include <algorithm>
#include <fstream>

#include "devices.h"
#include "fuzz_input.h"
#include "kernel_text.h"
#include "weir/sensors/host_sensor.h"

namespace {

constexpr size_t kFilesMax = 48;
constexpr std::ptrdiff_t kDepthMax = 12;

// A path that stays below the tree; empty: not usable.
std::filesystem::path SafePath(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.find('\0') != std::string_view::npos) return {};
  const std::filesystem::path path = std::filesystem::path(text).relative_path().lexically_normal();
  if (path.empty() || *path.begin() == ".." || std::distance(path.begin(), path.end()) > kDepthMax) return {};
  return path;
}

// What cannot be made (a folder where a file stands, too long a name) is left out.
void MakeEntry(const std::filesystem::path& root, std::string_view head, std::string_view content) {
  std::error_code ignored;
  const size_t arrow = head.find('>');
  const std::filesystem::path path = SafePath(head.substr(0, arrow));
  if (path.empty()) return;
  std::filesystem::create_directories((root / path).parent_path(), ignored);
  if (arrow != std::string_view::npos) {
    const std::filesystem::path target = SafePath(head.substr(arrow + 1));
    if (!target.empty()) std::filesystem::create_symlink(target.filename(), root / path, ignored);
  } else if (head.ends_with('/')) {
    std::filesystem::create_directories(root / path, ignored);
  } else {
    std::ofstream(root / path, std::ios::binary) << content;
  }
}

void MakeTree(const std::filesystem::path& root, std::string_view input) {
  for (size_t files = 0; files < kFilesMax && !input.empty(); ++files) {
    if (input.starts_with('@')) input.remove_prefix(1);
    const size_t next = std::min(input.find("\n@"), input.size());
    const std::string_view section = input.substr(0, next);
    const size_t head_end = std::min(section.find('\n'), section.size());
    MakeEntry(root, section.substr(0, head_end), section.substr(std::min(head_end + 1, section.size())));
    input.remove_prefix(std::min(next + 1, input.size()));
  }
}

void CheckReading(const weir::Headroom& headroom) {
  for (const weir::MemoryBound& bound : headroom.bounds) {
    WEIR_FUZZ_CHECK(!bound.source.empty());
    WEIR_FUZZ_CHECK(bound.strict_headroom_bytes() <= bound.headroom_bytes());
    WEIR_FUZZ_CHECK(bound.headroom_bytes() <= bound.limit_bytes);
    WEIR_FUZZ_CHECK(headroom.tightest()->headroom_bytes() <= bound.headroom_bytes());
  }
  WEIR_FUZZ_CHECK((headroom.tightest() == nullptr) == headroom.bounds.empty());
  WEIR_FUZZ_CHECK(!headroom.events || !headroom.events->source.empty());
  if (headroom.stall) {
    WEIR_FUZZ_CHECK(!headroom.stall->source.empty());
    for (const double share : {headroom.stall->some_avg10, headroom.stall->full_avg10.value_or(0)}) {
      WEIR_FUZZ_CHECK(share >= 0 && share <= 100);
    }
  }
  for (const weir::DeviceMemory& device : headroom.devices) {
    WEIR_FUZZ_CHECK(!device.source.empty() && device.used_bytes <= device.total_bytes);
  }
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  const size_t half = input.size() / 2;  // no reader may stray on any text
  (void)sensors::ParseNumber(input);
  (void)sensors::ParseFields(input);
  (void)sensors::ParseStall(input);
  for (const auto& place : sensors::FindCgroups(input.substr(0, half), input.substr(half))) {
    for (const auto& part : place.relative) WEIR_FUZZ_CHECK(part != "..");
  }

  static const std::filesystem::path kRoot = InputFile("", "tree.lock").parent_path() / "tree";
  std::error_code ignored;
  std::filesystem::remove_all(kRoot, ignored);
  MakeTree(kRoot, input);
  static HostSensor sensor({.root = kRoot, .with_devices = false});
  Headroom headroom = sensor.Read();
  sensors::ReadAmdgpu(kRoot, headroom.devices);
  CheckReading(headroom);
  WEIR_FUZZ_CHECK(sensor.WaitForEvent(Duration(0)) == Wake::kTimeout);
  (void)sensor.events_path();
  (void)ResidentBytes(kRoot);
}
