#include "weir/report/registry_view.h"

#include <gtest/gtest.h>

#include <string>

#include "weir/base/random.h"

namespace weir {
namespace {

uint32_t AnyCount(Random& random) { return static_cast<uint32_t>(random.Below(2) == 0 ? random.Below(100) : random.Next()); }

Registered AnyRegistered(Random& random) {
  Registered registered;
  registered.agent = "agent \"" + std::to_string(random.Below(1000)) + "\" é";
  registered.revision = random.Below(uint64_t{1} << 50);
  for (uint32_t* const count :
       {&registered.tokens, &registered.blocks, &registered.tokens_encoded, &registered.shared_blocks}) {
    *count = AnyCount(random);
  }
  if (random.Below(2) == 0) registered.shared_with = "another";
  registered.system.has_system = random.Below(2) == 0;
  registered.system.identical = random.Below(2) == 0;
  registered.system.members = AnyCount(random);
  registered.system.same = AnyCount(random);
  if (random.Below(2) == 0) {
    registered.system.divergence = {AnyCount(random), AnyCount(random), AnyCount(random), AnyCount(random)};
  }
  registered.has_vector = random.Below(2) == 0;
  if (random.Below(2) == 0) registered.vector_note = "no threads";
  return registered;
}

TEST(RegisteredForm, GoesThroughJsonAndBack) {
  const uint64_t seed = 20;
  Random random(seed);
  for (int round = 0; round < 500; ++round) {
    const Json json = RegisteredJson(AnyRegistered(random));
    const Result<Json> read = Json::Parse(json.Dump());
    ASSERT_TRUE(read);
    const Result<Registered> back = ParseRegistered(*read);
    ASSERT_TRUE(back) << "seed " << seed << ": " << back.error().ToString();
    ASSERT_EQ(RegisteredJson(*back).Dump(), json.Dump()) << "seed " << seed;
  }
}

TEST(RegisteredForm, EveryMemberIsMissed) {
  Random random(21);
  Registered whole = AnyRegistered(random);
  whole.system.divergence = SystemDivergence{1, 2, 3, 4};
  const Json json = RegisteredJson(whole);
  for (const Json::Member& member : json.as_object()) {
    Json::Object less = json.as_object();
    std::erase_if(less, [&](const Json::Member& one) { return one.first == member.first; });
    const Result<Registered> parsed = ParseRegistered(Json(std::move(less)));
    ASSERT_FALSE(parsed) << member.first;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(parsed.error().message.find(member.first), std::string::npos) << parsed.error().message;

    Json other = json;
    other.Set(member.first, Json::MakeArray());
    EXPECT_FALSE(ParseRegistered(other)) << member.first;
  }
}

TEST(RegisteredForm, RefusesCountsThatDoNotFit) {
  Random random(22);
  for (const Json& count : {Json(int64_t{-1}), Json(uint64_t{1} << 32), Json(0.5)}) {
    Json json = RegisteredJson(AnyRegistered(random));
    json.Set("tokens", count);
    EXPECT_FALSE(ParseRegistered(json)) << count.Dump();
  }
  EXPECT_FALSE(ParseRegistered(Json()));
  EXPECT_FALSE(ParseRegistered(Json::MakeArray()));
}

}  // namespace
}  // namespace weir
