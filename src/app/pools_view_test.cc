#include "pools_view.h"

#include <gtest/gtest.h>

#include "weir/base/random.h"

namespace weir {
namespace {

// Any JSON under the names that the view reads.
Json AnyJson(Random& random, int depth) {
  static constexpr const char* kNames[] = {"pid",
                                           "process",
                                           "pools",
                                           "devices",
                                           "name",
                                           "tier",
                                           "mode",
                                           "used_bytes",
                                           "budget_bytes",
                                           "pressure",
                                           "hits",
                                           "misses",
                                           "entries",
                                           "counters",
                                           "grants",
                                           "needs",
                                           "stall",
                                           "events",
                                           "source",
                                           "last_relief",
                                           "text",
                                           "on_hold_ms",
                                           "price_us_per_byte",
                                           "managed",
                                           "short",
                                           "total_bytes",
                                           "some_avg10"};
  switch (random.Below(depth > 0 ? 9 : 6)) {
    case 0: return {};
    case 1: return random.Below(2) == 0;
    case 2: return random.Next();
    case 3: return static_cast<int64_t>(random.Next());
    case 4: return (random.Unit() - 0.5) * 1e300;
    case 5: return random.Below(2) == 0 ? "critical" : "\x1b[31m\n text";
    case 6: {
      Json list = Json::MakeArray();
      for (uint64_t n = random.Below(4); n > 0; --n) list.Append(AnyJson(random, depth - 1));
      return list;
    }
    default: {
      Json object = Json::MakeObject();
      for (uint64_t n = random.Below(20); n > 0; --n) {
        object.Set(kNames[random.Below(std::size(kNames))], AnyJson(random, depth - 1));
      }
      return object;
    }
  }
}

TEST(PoolsView, DrawsWhateverAProcessSays) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Json now = AnyJson(random, 4);
    const Json before = AnyJson(random, 4);
    const TextStyle style{.color = false, .width = 60};
    for (const std::string& text : {DrawPools(now, style), DrawPressure(now, style),
                                    DrawTop(now, seed % 2 == 0 ? &before : nullptr, std::chrono::seconds(1), style)}) {
      ASSERT_FALSE(text.empty());
      ASSERT_EQ(text.find('\x1b'), std::string::npos);
    }
  }
}

TEST(PoolsView, RatesComeFromTwoLooks) {
  const auto snapshot = [](int hits) {
    const Json pool(Json::Object{{"name", "a"}, {"hits", hits}, {"misses", nullptr}});
    return Json(Json::Object{{"pools", Json::Array{pool}}});
  };
  const Json before = snapshot(100);
  const Json now = snapshot(400);
  EXPECT_NE(DrawTop(now, &before, std::chrono::seconds(2), {}).find(" 150 "), std::string::npos);
  EXPECT_EQ(DrawTop(now, nullptr, std::chrono::seconds(2), {}).find(" 150 "), std::string::npos);
}

}  // namespace
}  // namespace weir
