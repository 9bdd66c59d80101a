#pragma once
// NextAgentPredictor: which agent runs next, learnt from who ran after whom.
//
// Prediction by partial matching: counts of followers under the last 3, 2, 1 and 0 agents; the longest context that was
// seen speaks first and leaves the rest of the probability to the shorter ones (Cleary and Witten 1984), by escape method C
// with exclusion (Moffat 1990). Counts of a context are halved when they reach kCountMax, so that it follows a change.
//
// Judged before it learns (Dawid's prequential principle, 1984): for each observation the agent it would have named first
// is compared with what came, and so is the guess of the static order, both over the last kWindow observations.
// enabled() turns on when there are at least kSamplesMin, its hit rate is at least kHitRateMin and beats the static order's
// by kMarginOn; it turns off when the lead falls below kMarginOff or the rate below kHitRateMin - kMarginOn.
//
// Bounded: at most agents_max agents and contexts_max contexts with kFollowersMax followers each; when one is full, those
// least counted (agents: longest unseen) give way, a quarter at a time. Deterministic: the same observations give the same
// answers. One thread at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"

namespace weir {

struct PredictorOptions {
  uint32_t order_max = 3;        // 0 to 3
  uint32_t agents_max = 1024;    // 4 to 1 << 20; one observation may cost a pass over them
  uint32_t contexts_max = 8192;  // 16 to 1 << 24

  // invalid_argument names the field.
  Status Validate() const;
};

struct AgentProbability {
  std::string agent;
  double probability = 0;
};

struct PredictorScore {
  uint64_t samples = 0;    // in the window
  double hit_rate = 0;     // of its own first guess; 0 without samples
  double static_rate = 0;  // of the static order's; no guess is a miss
};

class NextAgentPredictor {
 public:
  static constexpr uint32_t kWindow = 256;
  static constexpr uint32_t kSamplesMin = 64;
  static constexpr double kMarginOn = 0.10;
  static constexpr double kMarginOff = 0.02;
  static constexpr double kHitRateMin = 0.30;
  static constexpr uint32_t kFollowersMax = 32;
  static constexpr uint32_t kCountMax = 64;

  static Result<NextAgentPredictor> Create(const PredictorOptions& options = {});
  NextAgentPredictor(NextAgentPredictor&&) noexcept;
  NextAgentPredictor& operator=(NextAgentPredictor&&) noexcept;
  ~NextAgentPredictor();

  // `agent` runs now. `static_guess` is who the workflow's order would have named before it was known
  // (WorkflowRun::NextByOrder()).
  void Observe(std::string_view agent, std::optional<std::string_view> static_guess = std::nullopt);
  // A new execution begins: what ran before says nothing about what runs first. Counts and scores stay.
  void Restart();

  // The n likeliest agents, likeliest first (equals: first seen first). Their probabilities sum to less than 1: the rest is
  // for agents never seen. Answers whether enabled or not; empty before the first observation.
  std::vector<AgentProbability> Predict(size_t n) const;

  bool enabled() const;
  PredictorScore score() const;

  size_t agents() const;    // known
  size_t contexts() const;  // held

 private:
  class Core;
  explicit NextAgentPredictor(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace weir
