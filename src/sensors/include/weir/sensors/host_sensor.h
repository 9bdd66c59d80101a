#pragma once
// HostSensor: Headroom of this process on Linux, from cgroup v2 and v1, /proc, PSI and, where present, GPUs.
//
// Every read looks at this process's cgroup and all its ancestors. Files are read with a size limit and their content is
// never trusted: a line that does not parse counts as absent. Owned by one thread, but for Interrupt().

#include <filesystem>
#include <memory>

#include "weir/sensors/headroom.h"

namespace weir {

namespace sensors {
class EventWatch;
}

struct HostSensorOptions {
  // Where / is: tests point it at a recorded tree of files.
  std::filesystem::path root = "/";
  bool with_devices = true;  // look for NVIDIA (NVML, loaded at run time) and AMD GPUs
};

class HostSensor final : public Sensor {
 public:
  explicit HostSensor(HostSensorOptions options = {});
  ~HostSensor() override;

  Headroom Read() override;

  // Wakes on memory.events (cgroup v2) of this process's group and of every ancestor, as the last Read() found them: usage
  // crossed memory.high or met memory.max somewhere above. In cgroup v1, where the kernel lets us ask for it: usage passed
  // 90 % or 95 % of a limit. At most 100 times a second each. Where there is nothing to wake on it still sleeps and can be
  // interrupted. kUnsupported: the system refused a descriptor.
  Wake WaitForEvent(Duration timeout) override;
  void Interrupt() override;

  // The memory.events file of this process's cgroup v2 group. Empty: none.
  std::filesystem::path events_path() const;

 private:
  struct Devices;
  HostSensorOptions options_;
  std::unique_ptr<Devices> devices_;
  std::unique_ptr<sensors::EventWatch> watch_;
};

// Resident bytes of this process as the kernel counts them (VmRSS); null when unreadable. Cheap; some kernels keep this
// count per processor and are off by up to a MiB or so on each.
std::optional<uint64_t> ResidentBytes(const std::filesystem::path& root = "/");
// The same, to the page: the kernel walks the page tables (smaps_rollup), milliseconds per GiB. For single measurements.
std::optional<uint64_t> ExactResidentBytes(const std::filesystem::path& root = "/");

}  // namespace weir
