// The kernel's files from anywhere: a tree of files, cut out of the input, read as this process's machine. Whatever they
// hold, a reading keeps its contract.

#include "devices.h"
#include "fuzz_input.h"
#include "kernel_text.h"
#include "testing/kernel_tree.h"
#include "weir/sensors/host_sensor.h"

namespace {

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
  testing::MakeKernelTree(kRoot, input);
  static HostSensor sensor({.root = kRoot, .with_devices = false});
  Headroom headroom = sensor.Read();
  sensors::ReadAmdgpu(kRoot, headroom.devices);
  CheckReading(headroom);
  WEIR_FUZZ_CHECK(sensor.WaitForEvent(Duration(0)) == Wake::kTimeout);
  (void)sensor.events_path();
  (void)ResidentBytes(kRoot);
  (void)ExactResidentBytes(kRoot);
}
