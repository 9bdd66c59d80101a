#pragma once
// Fill tiers and pressure modes: what a fill level means, with separate thresholds for coming in and going out.
//
// Pure functions on plain values. A level that is not known (NaN, negative) changes nothing.

#include <cstdint>
#include <string_view>

namespace weir {

// How full a byte budget is: used/capacity.
enum class FillTier : uint8_t {
  kNormal,    // below 0.60
  kWarning,   // from 0.60, left below 0.55
  kHigh,      // from 0.80, left below 0.75: relief begins
  kCritical,  // from 0.95, left below 0.90
};
std::string_view TierName(FillTier tier);  // "normal", "warning", "high", "critical"

// How full the memory is that holds the pools, whoever fills it: used/total of the host's tightest limit or of a device.
enum class PressureMode : uint8_t {
  kRelaxed,    // below 0.70: nothing to do
  kNormal,     // from 0.70, left below 0.67: entries idle for 120 s go
  kPressure,   // from 0.85, left below 0.82: the cheapest bytes go, a quarter at a time
  kCritical,   // from 0.92, left below 0.89: entries idle for 30 s go to a lower tier, then as above
  kEmergency,  // from 0.96, left below 0.93: entries idle for 30 s are dropped, then all that is over; nothing new is taken
};
std::string_view ModeName(PressureMode mode);  // "relaxed", "normal", "pressure", "critical", "emergency"

// The state that follows `now` when the level reads `level`. Climbs over as many steps as the level has passed; goes down
// only past the exit thresholds.
FillTier NextTier(FillTier now, double level);
PressureMode NextMode(PressureMode now, double level);

// Relief of memory aims below this level: where the pressure mode is left.
inline constexpr double kModeTarget = 0.82;

// Two water marks: short of headroom below `low`, no longer short from `high` on.
struct WaterMarks {
  uint64_t low_bytes = 0;
  uint64_t high_bytes = 0;
};
bool NextShort(bool now, uint64_t headroom_bytes, const WaterMarks& marks);

// How much a budget that is too full gives back: max(used - 0.60 x capacity, capacity / 10), at most what is used.
uint64_t FillReliefBytes(uint64_t used_bytes, uint64_t capacity_bytes);

}  // namespace weir
