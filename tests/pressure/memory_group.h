#pragma once
// A control group with a memory limit, made for one run and removed with it.
//
// Version 2 where the memory controller is there and may be handed on, else version 1. Single-threaded.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "weir/base/result.h"

namespace weir::pressure {

struct GroupLimits {
  uint64_t high_bytes = 0;  // version 2 only: from here on the kernel reclaims and slows the group down
  uint64_t max_bytes = 0;   // beyond it the kernel kills
};

// What the kernel counted in the group; null: not told by this version.
struct GroupUse {
  std::optional<uint64_t> peak_bytes;
  std::optional<uint64_t> current_bytes;
  std::optional<uint64_t> high_events;
  std::optional<uint64_t> max_events;
  std::optional<uint64_t> oom_kills;
  std::optional<uint64_t> some_stall_us;
  std::optional<uint64_t> full_stall_us;
};

enum class Placement {
  kOwn,     // the process is in the group that has the limits
  kNested,  // in a group below it, without limits of its own
};

class MemoryGroup {
 public:
  // unavailable, with the reason: this machine does not let us.
  static Result<MemoryGroup> Make(const GroupLimits& limits, Placement placement);
  MemoryGroup(MemoryGroup&& other) noexcept;
  MemoryGroup& operator=(MemoryGroup&&) = delete;
  // Ends what still runs inside, then removes the groups.
  ~MemoryGroup();

  // Moves the calling process inside.
  Status Enter() const;
  GroupUse Use() const;
  int version() const { return version_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  MemoryGroup(int version, std::filesystem::path folder) : version_(version), folder_(std::move(folder)) {}
  Status Limit(const GroupLimits& limits, Placement placement);

  int version_;
  std::filesystem::path folder_;  // empty: moved from
  std::filesystem::path inner_;   // where the process goes
};

}  // namespace weir::pressure
