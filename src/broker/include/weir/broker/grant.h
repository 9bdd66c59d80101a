#pragma once
// Grants: bytes that a workflow declares for its pools, gets when it is activated, and gives back at its end.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/result.h"

namespace weir {

class Broker;

// What a workflow needs to run. A pool that is named twice counts twice.
struct WorkflowBudget {
  struct Need {
    std::string pool;
    uint64_t bytes = 0;
  };
  std::string workflow;
  std::vector<Need> needs;
};

enum class ShortageReason : uint8_t {
  kUnknownPool,  // no pool of that name is registered
  kUnmanaged,    // the pool has no budget of its own
  kLimit,        // more than the pool may ever use, with what it is guaranteed already
  kBudget,       // the byte budget is guaranteed to others
  kMemory,       // the memory is not there, even with everything given back that can be
  kEmergency,    // memory is so short that nothing new is taken
};
std::string_view ReasonName(ShortageReason reason);  // "unknown_pool", "unmanaged", "limit", "budget", "memory", "emergency"

struct Shortage {
  std::string pool;
  ShortageReason reason = ShortageReason::kBudget;
  uint64_t wanted_bytes = 0;
  uint64_t lacking_bytes = 0;  // how many of them are not to be had

  // "pool 'kv' lacks 12.0 MiB of 64.0 MiB: the byte budget is guaranteed to others".
  std::string ToString() const;
};

// A hold on the granted bytes. Move-only; gives them back when it goes. The broker must outlive it. Thread-safe to destroy.
class Grant {
 public:
  Grant() = default;
  Grant(Grant&& other) noexcept : broker_(std::exchange(other.broker_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Grant& operator=(Grant&& other) noexcept {
    Grant(std::move(other)).swap(*this);
    return *this;
  }
  ~Grant() {
    if (broker_ != nullptr) Return();
  }
  explicit operator bool() const { return broker_ != nullptr; }

 private:
  friend class Broker;
  Grant(Broker* broker, uint64_t id) : broker_(broker), id_(id) {}
  void swap(Grant& other) noexcept {
    std::swap(broker_, other.broker_);
    std::swap(id_, other.id_);
  }
  void Return();

  Broker* broker_ = nullptr;
  uint64_t id_ = 0;
};

// All or nothing: either the grant, or every pool that lacks something.
struct GrantOutcome {
  Grant grant;
  std::vector<Shortage> shortages;

  bool granted() const { return static_cast<bool>(grant); }
  // REQUIRES: !granted(). exhausted, or not_found when a pool is unknown.
  Error ToError() const;
};

}  // namespace weir
