#pragma once
// GPU memory: NVIDIA through NVML, loaded at run time (no header or library is needed to build), AMD through sysfs.
// Internal to `sensors`. One thread at a time.

#include <filesystem>
#include <vector>

#include "weir/sensors/headroom.h"

namespace weir::sensors {

// Holds the library open for its life; does nothing where there is none.
class Nvml {
 public:
  // `library` is what dlopen() gets; tests name one of their own.
  explicit Nvml(const char* library = "libnvidia-ml.so.1");
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml();

  // Appends one entry per device that answers.
  void Read(std::vector<DeviceMemory>& devices) const;

 private:
  void* library_ = nullptr;
};

// <root>/sys/class/drm/card*/device/mem_info_vram_{total,used}
void ReadAmdgpu(const std::filesystem::path& root, std::vector<DeviceMemory>& devices);

}  // namespace weir::sensors
