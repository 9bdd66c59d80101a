#include "weir/broker/plan.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "weir/base/random.h"

namespace weir {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

uint64_t Sum(const std::vector<uint64_t>& numbers) { return std::accumulate(numbers.begin(), numbers.end(), uint64_t{0}); }

TEST(FillTier, EntersAndLeavesAtDifferentLevels) {
  FillTier tier = FillTier::kNormal;
  const auto at = [&](double level) { return tier = NextTier(tier, level); };
  EXPECT_EQ(at(0.59), FillTier::kNormal);
  EXPECT_EQ(at(0.60), FillTier::kWarning);
  EXPECT_EQ(at(0.56), FillTier::kWarning);
  EXPECT_EQ(at(0.54), FillTier::kNormal);
  EXPECT_EQ(at(0.99), FillTier::kCritical);
  EXPECT_EQ(at(0.91), FillTier::kCritical);
  EXPECT_EQ(at(0.89), FillTier::kHigh);
  EXPECT_EQ(at(0.76), FillTier::kHigh);
  EXPECT_EQ(at(0.10), FillTier::kNormal);
  EXPECT_EQ(at(kInfinity), FillTier::kCritical);
  EXPECT_EQ(at(std::numeric_limits<double>::quiet_NaN()), FillTier::kCritical);
  EXPECT_EQ(at(-1), FillTier::kCritical);
  EXPECT_EQ(TierName(tier), "critical");
}

TEST(PressureMode, EntersAndLeavesAtDifferentLevels) {
  PressureMode mode = PressureMode::kRelaxed;
  const auto at = [&](double level) { return mode = NextMode(mode, level); };
  EXPECT_EQ(at(0.70), PressureMode::kNormal);
  EXPECT_EQ(at(0.68), PressureMode::kNormal);
  EXPECT_EQ(at(0.85), PressureMode::kPressure);
  EXPECT_EQ(at(0.83), PressureMode::kPressure);
  EXPECT_EQ(at(0.97), PressureMode::kEmergency);
  EXPECT_EQ(at(0.94), PressureMode::kEmergency);
  EXPECT_EQ(at(0.92), PressureMode::kCritical);
  EXPECT_EQ(at(0.88), PressureMode::kPressure);
  EXPECT_EQ(at(0.69), PressureMode::kNormal);
  EXPECT_EQ(at(0.66), PressureMode::kRelaxed);
}

// The model: the highest step whose entry was passed since the level was last below that step's exit.
RC_GTEST_PROP(PressureMode, FollowsTheModel, (const std::vector<uint8_t>& readings)) {
  constexpr double kEnter[] = {0.70, 0.85, 0.92, 0.96};
  constexpr double kLeave[] = {0.67, 0.82, 0.89, 0.93};
  bool on[4] = {};
  PressureMode mode = PressureMode::kRelaxed;
  for (const uint8_t reading : readings) {
    const double level = 0.6 + (reading % 45) * 0.01;
    int expected = 0;
    for (int i = 0; i < 4; ++i) {
      on[i] = on[i] ? level >= kLeave[i] : level >= kEnter[i];
      if (on[i]) expected = i + 1;
    }
    mode = NextMode(mode, level);
    RC_ASSERT(static_cast<int>(mode) == expected);
  }
}

TEST(WaterMarks, ShortBelowLowUntilHigh) {
  const WaterMarks marks{100, 150};
  EXPECT_FALSE(NextShort(false, 100, marks));
  EXPECT_TRUE(NextShort(false, 99, marks));
  EXPECT_TRUE(NextShort(true, 149, marks));
  EXPECT_FALSE(NextShort(true, 150, marks));
}

TEST(FillRelief, KnownAmounts) {
  EXPECT_EQ(FillReliefBytes(900, 1000), 300u);
  EXPECT_EQ(FillReliefBytes(650, 1000), 100u);  // at least a tenth
  EXPECT_EQ(FillReliefBytes(40, 1000), 40u);    // never more than is used
  EXPECT_EQ(FillReliefBytes(UINT64_MAX, UINT64_MAX), UINT64_MAX - UINT64_MAX / 5 * 3);
  EXPECT_EQ(FillReliefBytes(7, 0), 7u);
}

TEST(Spread, CheapBytesFirstThenBothAlike) {
  // Worth twice as much: the cheap one gives half of itself before the dear one gives anything.
  const std::vector<Victim> victims = {{1000, 1000, 1.0}, {1000, 1000, 2.0}};
  EXPECT_EQ(SpreadByPrice(victims, 500), (std::vector<uint64_t>{500, 0}));
  const auto more = SpreadByPrice(victims, 1100);
  EXPECT_EQ(Sum(more), 1100u);
  EXPECT_NEAR(static_cast<double>(more[0]), 700, 2);
  EXPECT_NEAR(static_cast<double>(more[1]), 400, 2);
}

TEST(Spread, WorthlessBytesGoByPriorityThenSize) {
  const std::vector<Victim> victims = {{100, 100, 0, 5}, {300, 300, 0, 5}, {100, 100, 0, 1}, {100, 100, 1e-9, 0}};
  EXPECT_EQ(SpreadByPrice(victims, 350), (std::vector<uint64_t>{0, 250, 100, 0}));
  EXPECT_EQ(SpreadByPrice(victims, 1000), (std::vector<uint64_t>{100, 300, 100, 100}));
}

std::vector<Victim> RandomVictims(Random& random, uint64_t used_max) {
  std::vector<Victim> victims(random.Below(5) + 1);
  for (Victim& victim : victims) {
    victim.used_bytes = random.Below(used_max + 1);
    victim.takeable_bytes = random.Below(victim.used_bytes + 1);
    victim.price = random.Below(4) == 0 ? 0 : static_cast<double>(random.Below(1000) + 1) / 16;
  }
  return victims;
}

TEST(Spread, GivesExactlyWhatIsWantedOrAll) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t scale = uint64_t{1} << random.Below(60);
    const std::vector<Victim> victims = RandomVictims(random, scale);
    const uint64_t wanted = random.Below(3 * scale + 1);
    uint64_t takeable = 0;
    for (const Victim& victim : victims) takeable += victim.takeable_bytes;
    const std::vector<uint64_t> given = SpreadByPrice(victims, wanted);
    ASSERT_EQ(Sum(given), std::min(wanted, takeable));
    for (size_t i = 0; i < given.size(); ++i) ASSERT_LE(given[i], victims[i].takeable_bytes);
  }
}

// Takes one byte after another, each from where it is cheapest then.
std::vector<uint64_t> TakeByteByByte(const std::vector<Victim>& victims, uint64_t wanted) {
  std::vector<uint64_t> given(victims.size());
  for (uint64_t i = 0; i < wanted; ++i) {
    int best = -1;
    double best_price = kInfinity;
    for (size_t v = 0; v < victims.size(); ++v) {
      if (given[v] == victims[v].takeable_bytes) continue;
      const double used = static_cast<double>(victims[v].used_bytes);
      const double price = victims[v].price * used / (used - static_cast<double>(given[v]));
      const bool larger =
          price == 0 && best_price == 0 && victims[v].used_bytes > victims[static_cast<size_t>(best)].used_bytes;
      if (price < best_price || larger) {
        best = static_cast<int>(v);
        best_price = price;
      }
    }
    if (best < 0) break;
    ++given[static_cast<size_t>(best)];
  }
  return given;
}

// How many of the random cases a way of spreading gets wrong.
int CountDisagreements(const std::function<std::vector<uint64_t>(std::vector<Victim>, uint64_t)>& spread) {
  int wrong = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const std::vector<Victim> victims = RandomVictims(random, 400);
    const uint64_t wanted = random.Below(800);
    const std::vector<uint64_t> model = TakeByteByByte(victims, wanted);
    const std::vector<uint64_t> given = spread(victims, wanted);
    bool same = true;
    for (size_t v = 0; v < victims.size(); ++v) {
      same = same && std::max(given[v], model[v]) - std::min(given[v], model[v]) <= 2;
    }
    wrong += same ? 0 : 1;
  }
  return wrong;
}

TEST(Spread, AgreesWithTakingByteByByte) { EXPECT_EQ(CountDisagreements(SpreadByPrice), 0); }

TEST(Spread, TheModelFindsPlantedMistakes) {
  EXPECT_GT(CountDisagreements([](std::vector<Victim> victims, uint64_t wanted) {
              for (Victim& victim : victims) victim.price = victim.price > 0 ? 1 / victim.price : 1e9;  // the order flipped
              return SpreadByPrice(victims, wanted);
            }),
            50);
  EXPECT_GT(CountDisagreements([](std::vector<Victim> victims, uint64_t wanted) {
              for (Victim& victim : victims) victim.used_bytes = victim.takeable_bytes;  // what stays does not count
              return SpreadByPrice(victims, wanted);
            }),
            50);
}

SourceView Source(std::string name, uint64_t used, double price = 1, uint64_t guaranteed = 0) {
  return {.name = std::move(name),
          .used_bytes = used,
          .budget_bytes = 1000,
          .limit_bytes = 1000,
          .guaranteed_bytes = guaranteed,
          .price_per_byte = price};
}

PressureView CalmView() {
  PressureView view{.budget_bytes = 1000};
  view.devices.push_back({.source = "fake", .total_bytes = 100'000, .used_bytes = 10'000});
  return view;
}

TEST(Plan, NothingToDoWhenCalm) {
  PressureView view = CalmView();
  view.sources = {Source("a", 500)};
  const Plan plan = MakePlan(view);
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.bytes_wanted, 0u);
  EXPECT_EQ(PlanText(plan), "nothing to do\n");
}

TEST(Plan, AFullBudgetIsRelievedWhereItIsCheapest) {
  PressureView view = CalmView();
  view.tier = FillTier::kHigh;
  view.sources = {Source("dear", 500, 100), Source("cheap", 400, 1)};
  const Plan plan = MakePlan(view);
  ASSERT_EQ(plan.demands.size(), 1u);
  EXPECT_EQ(plan.demands[0].trigger, Trigger::kBudget);
  EXPECT_EQ(plan.bytes_wanted, 300u);
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(plan.steps[0].source, "cheap");
  EXPECT_EQ(plan.steps[0].bytes, 300u);
  EXPECT_EQ(PlanText(plan), "wanted budget: 300 B\nreclaim cheap: 300 B at 1.02e+03 us per KiB\n");
}

TEST(Plan, PriorityMakesBytesDearer) {
  PressureView view = CalmView();
  view.sources = {Source("a", 500, 1), Source("b", 500, 3)};
  view.sources[0].priority = 7;  // counts four times
  EXPECT_EQ(MakePlan(view, 100).steps[0].source, "b");
}

TEST(Plan, TheHeadroomIsBroughtBackToTheHighMark) {
  PressureView view = CalmView();
  view.devices[0].used_bytes = 90'500;
  view.devices[0].is_short = true;
  view.sources = {Source("a", 900'000)};
  const Plan plan = MakePlan(view);
  EXPECT_EQ(plan.demands[0].trigger, Trigger::kHeadroom);
  EXPECT_EQ(plan.bytes_wanted, 15'000u - 9'500u);
  EXPECT_EQ(plan.bytes_planned, plan.bytes_wanted);
}

TEST(Plan, ModesActAsTheTableSays) {
  PressureView view = CalmView();
  view.sources = {Source("a", 40'000), Source("tiered", 40'000), Source("guaranteed", 40'000, 1, 100)};
  view.sources[1].offloads = true;
  const auto plan = [&](PressureMode mode, uint64_t used) {
    view.devices[0].mode = mode;
    view.devices[0].used_bytes = used;
    return MakePlan(view);
  };
  EXPECT_TRUE(plan(PressureMode::kRelaxed, 60'000).empty());
  const Plan normal = plan(PressureMode::kNormal, 75'000);
  ASSERT_EQ(normal.steps.size(), 3u);
  EXPECT_EQ(normal.steps[2].bytes_max, 39'900u);
  EXPECT_EQ(normal.steps[0].kind, StepKind::kDropIdle);
  EXPECT_EQ(normal.steps[0].idle, std::chrono::seconds(120));
  EXPECT_EQ(normal.bytes_wanted, 0u);
  const Plan pressure = plan(PressureMode::kPressure, 99'999'999);
  EXPECT_EQ(pressure.bytes_wanted, (40'000u + 40'000 + 39'900) / 4);  // a quarter at a time
  EXPECT_EQ(plan(PressureMode::kPressure, 85'000).bytes_wanted, 3'000u);
  const Plan critical = plan(PressureMode::kCritical, 93'000);
  EXPECT_EQ(critical.steps[0].kind, StepKind::kDropIdle);
  EXPECT_EQ(critical.steps[1].kind, StepKind::kOffloadIdle);
  EXPECT_EQ(critical.steps[1].idle, std::chrono::seconds(30));
  EXPECT_EQ(critical.bytes_planned, 11'000u);
  const Plan emergency = plan(PressureMode::kEmergency, 182'000);
  EXPECT_EQ(emergency.steps[1].kind, StepKind::kDropIdle);
  EXPECT_EQ(emergency.bytes_wanted, 100'000u);
}

TEST(Plan, WorkflowAwareTakesTheFarthestOfThoseThatCan) {
  PressureView view = CalmView();
  view.workflow_aware = true;
  view.devices[0].mode = PressureMode::kEmergency;
  view.devices[0].used_bytes = 97'000;
  view.sources = {Source("a", 40'000), Source("b", 40'000)};
  view.sources[0].ordered = true;
  const Plan plan = MakePlan(view);
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(plan.steps[0].source, "b");  // idle entries of the one without an order
  EXPECT_EQ(plan.steps[1].kind, StepKind::kFarthestFirst);
  EXPECT_EQ(plan.steps[2].kind, StepKind::kReclaim);
}

TEST(Plan, DevicesAreRelievedByTheirOwnPools) {
  PressureView view = CalmView();
  view.devices.push_back(
      {.name = "gpu", .source = "nvml", .total_bytes = 1000, .used_bytes = 970, .mode = PressureMode::kEmergency});
  view.sources = {Source("host", 500), Source("vram", 900)};
  view.sources[1].device = "gpu";
  const Plan plan = MakePlan(view);
  EXPECT_EQ(plan.bytes_wanted, 150u);
  for (const PlanStep& step : plan.steps) EXPECT_EQ(step.source, "vram");
  EXPECT_NE(PlanText(plan).find("reclaim vram on gpu: 150 B"), std::string::npos) << PlanText(plan);
}

TEST(Plan, SaysWhatIsLackingAndWhy) {
  PressureView view = CalmView();
  view.sources = {Source("pinned", 600, kInfinity), Source("small", 300, 1, 250)};
  const Plan plan = MakePlan(view, 500);
  EXPECT_EQ(plan.bytes_planned, 50u);
  EXPECT_EQ(plan.bytes_short, 450u);
  EXPECT_EQ(
      plan.why_short,
      "450 B of 500 B cannot be given back: pools hold 900 B, of which 250 B are guaranteed and 600 B cannot be given up "
      "now (pinned, kept or being loaded)");
}

TEST(Plan, BadPricesGoLast) {
  PressureView view = CalmView();
  view.sources = {Source("broken", 500, std::numeric_limits<double>::quiet_NaN()), Source("negative", 500, -1),
                  Source("good", 500, 1e6)};
  EXPECT_EQ(MakePlan(view, 100).steps[0].source, "good");
  EXPECT_EQ(MakePlan(view, 1500).bytes_planned, 1500u);
}

// Any view, however odd: planned and short add up to what is wanted, and nothing guaranteed is touched.
TEST(Plan, AddsUpAndKeepsGuarantees) {
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto bytes = [&] { return random.Below(8) == 0 ? UINT64_MAX >> random.Below(3) : random.Below(100'000); };
    PressureView view{.budget_bytes = random.Below(2) == 0 ? 0 : bytes()};
    view.tier = static_cast<FillTier>(random.Below(4));
    view.workflow_aware = random.Below(2) == 0;
    view.devices.resize(random.Below(2) + 1);
    if (view.devices.size() > 1) view.devices[1].name = "gpu";
    for (DeviceView& device : view.devices) {
      device.mode = static_cast<PressureMode>(random.Below(5));
      device.is_short = random.Below(2) == 0;
      if (random.Below(4) > 0) device.total_bytes = bytes();
      if (random.Below(4) > 0) device.used_bytes = bytes();
    }
    constexpr double kPrices[] = {0, 1, 2.5, 1e12, 1e308, kInfinity, -1, std::numeric_limits<double>::quiet_NaN()};
    for (uint64_t i = random.Below(5); i > 0; --i) {
      SourceView source = Source(std::string(1, static_cast<char>('a' + i)), bytes(), kPrices[random.Below(8)], bytes());
      source.granted_bytes = random.Below(2) == 0 ? 0 : bytes();
      source.limit_bytes = random.Below(4) == 0 ? 0 : bytes();
      source.ordered = random.Below(2) == 0;
      source.priority = static_cast<uint8_t>(random.Below(kPriorityMax + 1));
      if (random.Below(3) == 0) source.device = "gpu";
      view.sources.push_back(source);
    }
    const Plan plan = random.Below(3) == 0 ? MakePlan(view, bytes()) : MakePlan(view);
    uint64_t planned = 0;
    for (const PlanStep& step : plan.steps) {
      planned = AddSaturating(planned, step.bytes);
      const auto source =
          std::find_if(view.sources.begin(), view.sources.end(), [&](auto& s) { return s.name == step.source; });
      ASSERT_NE(source, view.sources.end());
      ASSERT_TRUE(source->managed());
      ASSERT_LE(step.bytes, source->takeable_bytes());
      ASSERT_LE(step.bytes, source->used_bytes - std::min(source->used_bytes, source->guaranteed_bytes));
      const bool by_idle = step.kind == StepKind::kDropIdle || step.kind == StepKind::kOffloadIdle;
      ASSERT_EQ(by_idle ? step.bytes : step.bytes_max, 0u);
      ASSERT_LE(step.bytes_max, source->takeable_bytes());
    }
    ASSERT_EQ(planned, plan.bytes_planned);
    ASSERT_EQ(AddSaturating(plan.bytes_planned, plan.bytes_short), plan.bytes_wanted);
    ASSERT_EQ(plan.bytes_short > 0, !plan.why_short.empty());
    ASSERT_FALSE(PlanText(plan).empty());
  }
}

}  // namespace
}  // namespace weir
