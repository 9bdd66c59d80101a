#pragma once
// Headroom: how many bytes of memory this process may still take before the kernel pushes back, and who says so.
//
// Values are read from the kernel each time; nothing is remembered between reads. What cannot be read is null, never 0.
// Plain values; thread rule as for a std::vector.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir {

// One limit that holds for this process.
struct MemoryBound {
  std::string source;  // "cgroup2 /a/b memory.high", "cgroup1 /x memory.limit_in_bytes", "MemAvailable"
  uint64_t limit_bytes = 0;
  uint64_t used_bytes = 0;
  // File pages on the kernel's inactive list: counted in used_bytes, but dropped by the kernel before anything else.
  // Null: unknown, none is assumed.
  std::optional<uint64_t> inactive_file_bytes;

  // limit - used, never below 0: what the kernel's own counter leaves.
  uint64_t strict_headroom_bytes() const { return limit_bytes > used_bytes ? limit_bytes - used_bytes : 0; }
  // The same with inactive file pages counted as free: a process that reads large files is not short of memory.
  uint64_t headroom_bytes() const;
};

// Counters of memory.events (cgroup v2) of this process's own group; they only rise.
struct MemoryEvents {
  uint64_t high = 0;
  uint64_t max = 0;
  uint64_t oom = 0;
  uint64_t oom_kill = 0;
};

// Pressure stall figures (PSI) for memory.
struct MemoryStall {
  std::string source;     // "cgroup2 /a memory.pressure" or "/proc/pressure/memory"
  double some_avg10 = 0;  // percent of the last 10 s in which some task waited for memory
  double full_avg10 = 0;
  uint64_t some_total_us = 0;
  uint64_t full_total_us = 0;
};

struct DeviceMemory {
  std::string name;    // "NVIDIA H100 80GB", "card0"
  std::string source;  // "nvml", "amdgpu"
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
};

struct Headroom {
  std::vector<MemoryBound> bounds;  // every limit that was readable, in the order found
  std::optional<MemoryEvents> events;
  std::optional<MemoryStall> stall;
  std::vector<DeviceMemory> devices;

  // The bound with the least headroom_bytes(); null when none was readable. Valid while this object lives.
  const MemoryBound* tightest() const;
};

// The seam behind which tests put a fake. Thread rule: one caller at a time.
class Sensor {
 public:
  virtual ~Sensor() = default;
  virtual Headroom Read() = 0;
};

}  // namespace weir
