#include "weir/ledger/decision.h"

#include <array>

namespace weir {
namespace {

constexpr std::array<std::string_view, 10> kKindNames = {"reuse",   "refusal", "eviction",  "mode_change", "registration",
                                                         "removal", "restore", "set_aside", "repair",      "gap"};

}  // namespace

std::string_view DecisionKindName(DecisionKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<DecisionKind> ParseDecisionKind(std::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == name) return static_cast<DecisionKind>(i);
  }
  return std::nullopt;
}

}  // namespace weir
