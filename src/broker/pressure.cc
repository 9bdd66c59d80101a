#include "weir/broker/pressure.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "weir/base/check.h"

namespace weir {
namespace {

// A step of a ladder: come in from `enter` on, go out below `leave`.
struct Rung {
  double enter;
  double leave;
};
constexpr std::array<Rung, 3> kFillRungs = {{{0.60, 0.55}, {0.80, 0.75}, {0.95, 0.90}}};
constexpr std::array<Rung, 4> kModeRungs = {{{0.70, 0.67}, {0.85, kModeTarget}, {0.92, 0.89}, {0.96, 0.93}}};

// `now` counts the rungs one stands on: 0 is the ground.
size_t Climb(std::span<const Rung> rungs, size_t now, double level) {
  if (!(level >= 0)) return now;
  while (now < rungs.size() && level >= rungs[now].enter) ++now;
  while (now > 0 && level < rungs[now - 1].leave) --now;
  return now;
}

}  // namespace

std::string_view TierName(FillTier tier) {
  switch (tier) {
    case FillTier::kNormal: return "normal";
    case FillTier::kWarning: return "warning";
    case FillTier::kHigh: return "high";
    case FillTier::kCritical: return "critical";
  }
  WEIR_CHECK(false, "tier {}", static_cast<int>(tier));
  return {};
}

std::string_view ModeName(PressureMode mode) {
  switch (mode) {
    case PressureMode::kRelaxed: return "relaxed";
    case PressureMode::kNormal: return "normal";
    case PressureMode::kPressure: return "pressure";
    case PressureMode::kCritical: return "critical";
    case PressureMode::kEmergency: return "emergency";
  }
  WEIR_CHECK(false, "mode {}", static_cast<int>(mode));
  return {};
}

FillTier NextTier(FillTier now, double level) {
  return static_cast<FillTier>(Climb(kFillRungs, static_cast<size_t>(now), level));
}

PressureMode NextMode(PressureMode now, double level) {
  return static_cast<PressureMode>(Climb(kModeRungs, static_cast<size_t>(now), level));
}

bool NextShort(bool now, uint64_t headroom_bytes, const WaterMarks& marks) {
  return headroom_bytes < (now ? std::max(marks.low_bytes, marks.high_bytes) : marks.low_bytes);
}

uint64_t FillReliefBytes(uint64_t used_bytes, uint64_t capacity_bytes) {
  const auto keep = static_cast<uint64_t>(static_cast<unsigned __int128>(capacity_bytes) * 3 / 5);
  const uint64_t over = used_bytes > keep ? used_bytes - keep : 0;
  return std::min(used_bytes, std::max(over, capacity_bytes / 10));
}

}  // namespace weir
