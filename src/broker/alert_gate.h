#pragma once
// AlertGate: lets an alert through when a state begins, not while it lasts, and not too often.

#include <optional>

#include "weir/base/clock.h"
#include "weir/broker/broker.h"

namespace weir::broker {

// A plain value, guarded by its owner.
class AlertGate {
 public:
  enum class Verdict { kQuiet, kSend, kHold };

  // `state`: what is to be told now; null: all is calm, and the next state counts as new. kHold: it would be sent, but the
  // last one was less than `interval` ago; it is sent later if the state lasts.
  Verdict Next(std::optional<AlertKind> state, TimePoint now, Duration interval) {
    if (!state) told_.reset();
    if (!state || told_ == state) return Verdict::kQuiet;
    if (sent_at_ && now - *sent_at_ < interval) return Verdict::kHold;
    told_ = state;
    sent_at_ = now;
    return Verdict::kSend;
  }

 private:
  std::optional<AlertKind> told_;
  std::optional<TimePoint> sent_at_;
};

}  // namespace weir::broker
