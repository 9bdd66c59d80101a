#include "weir/pool/reclaimable.h"

#include "weir/base/check.h"

namespace weir {

std::string_view PolicyName(EvictionPolicy policy) {
  switch (policy) {
    case EvictionPolicy::kS3Fifo: return "s3-fifo";
    case EvictionPolicy::kClock: return "clock";
    case EvictionPolicy::kCar: return "car";
    case EvictionPolicy::kDuel: return "duel";
  }
  WEIR_CHECK(false, "policy {}", static_cast<int>(policy));
  return {};
}

double PoolStats::pressure() const {
  if (budget_bytes == 0) return used_bytes() == 0 ? 0 : 1;
  return static_cast<double>(used_bytes()) / static_cast<double>(budget_bytes);
}

void Reclaimed::Add(const Reclaimed& other) {
  entries += other.entries;
  bytes_accounted += other.bytes_accounted;
  bytes_released += other.bytes_released;
  deadline_reached |= other.deadline_reached;
}

}  // namespace weir
