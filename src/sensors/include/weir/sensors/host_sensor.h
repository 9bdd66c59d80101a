#pragma once
// HostSensor: Headroom of this process on Linux, from cgroup v2 and v1, /proc, PSI and, where present, GPUs.
//
// Every read looks at this process's cgroup and all its ancestors. Files are read with a size limit and their content is
// never trusted: a line that does not parse counts as absent. Owned by one thread.

#include <filesystem>
#include <memory>

#include "weir/sensors/headroom.h"

namespace weir {

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

  // The memory.events file of this process's cgroup v2 group; poll() it for POLLPRI to wake on pressure. Empty: none.
  std::filesystem::path events_path() const;

 private:
  struct Devices;
  HostSensorOptions options_;
  std::unique_ptr<Devices> devices_;
};

// Resident bytes of this process as the kernel counts them (VmRSS); null when unreadable.
std::optional<uint64_t> ResidentBytes(const std::filesystem::path& root = "/");

}  // namespace weir
