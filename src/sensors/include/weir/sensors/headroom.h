#pragma once
// Headroom: how many bytes of memory this process may still take before the kernel pushes back, and who says so.
//
// Values are read from the kernel each time; nothing is remembered between reads. What cannot be read is null, never 0.
// Plain values; thread rule as for a std::vector.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/base/clock.h"

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

// Counters of memory.events (cgroup v2) of this process's own group; they only rise. The kernel counts an event where the
// limit stands and above it, so what a limit of an ancestor causes is not among them.
struct MemoryEvents {
  std::string source;  // "cgroup2 /a memory.events"
  std::optional<uint64_t> high;
  std::optional<uint64_t> max;
  std::optional<uint64_t> oom;
  std::optional<uint64_t> oom_kill;
};

// Pressure stall figures (PSI) for memory.
struct MemoryStall {
  std::string source;     // "cgroup2 /a memory.pressure" or "/proc/pressure/memory"
  double some_avg10 = 0;  // percent of the last 10 s in which some task waited for memory
  uint64_t some_total_us = 0;
  std::optional<double> full_avg10;  // the same for all tasks at once
  std::optional<uint64_t> full_total_us;
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
  std::optional<uint64_t> resident_bytes;  // of this process, as the kernel counts them

  // The bound with the least headroom_bytes(); null when none was readable. Valid while this object lives.
  const MemoryBound* tightest() const;
};

enum class Wake : uint8_t {
  kEvent,        // a limit over this process was touched; may be spurious, Read() tells
  kTimeout,      // nothing happened
  kInterrupted,  // Interrupt() was called
  kUnsupported,  // this sensor cannot wait and returned at once: the caller waits in its own way
};

// The seam behind which tests put a fake. Thread rule: Read and WaitForEvent by one caller at a time.
class Sensor {
 public:
  virtual ~Sensor() = default;
  virtual Headroom Read() = 0;

  // Sleeps until the kernel says that a memory limit was touched, at most `timeout` (0 or less: only looks).
  virtual Wake WaitForEvent(Duration /*timeout*/) { return Wake::kUnsupported; }
  // Ends the wait that is on, or else the next one. From any thread.
  virtual void Interrupt() {}
};

}  // namespace weir
