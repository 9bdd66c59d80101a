#include "weir/registry/context_feed.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace weir {
namespace {

constexpr Duration kNoWait{0};

TEST(ContextFeed, SeveralChangesOfOneContextAreOne) {
  ContextFeed feed;
  feed.Note("default", "early", true);  // nobody listens
  const auto listener = feed.Listen();
  const auto other = feed.Listen();
  feed.Note("team", "a", false);
  feed.Note("default", "a", false);
  feed.Note("default", "a", true);
  feed.Note("default", "a", false);
  const ContextNews news = *listener->Take(kNoWait);
  ASSERT_EQ(news.changes.size(), 2u);
  EXPECT_EQ(news.changes[0].source, "default");
  EXPECT_EQ(news.changes[0].agent, "a");
  EXPECT_TRUE(news.changes[0].came_or_went);
  EXPECT_EQ(news.changes[1].source, "team");
  EXPECT_FALSE(news.changes[1].came_or_went);
  EXPECT_TRUE(listener->Take(kNoWait)->empty());
  EXPECT_EQ(other->Take(kNoWait)->changes.size(), 2u) << "each has a queue of its own";
}

TEST(ContextFeed, AFullQueueSaysThatSomethingWasMissed) {
  ContextFeed feed;
  const auto listener = feed.Listen(2);
  for (const char* agent : {"a", "b"}) feed.Note("default", agent, false);
  EXPECT_FALSE(listener->Take(kNoWait)->missed);
  for (const char* agent : {"a", "b", "c", "d"}) feed.Note("default", agent, false);
  const ContextNews news = *listener->Take(kNoWait);
  EXPECT_TRUE(news.missed);
  EXPECT_LE(news.changes.size(), 2u);
  EXPECT_TRUE(listener->Take(kNoWait)->empty());
}

TEST(ContextFeed, WhoWaitsIsWoken) {
  ContextFeed feed;
  const auto listener = feed.Listen();
  std::thread writer([&] { feed.Note("default", "a", true); });
  EXPECT_EQ(listener->Take(std::chrono::hours(1))->changes.size(), 1u);
  writer.join();
  std::thread stopper([&] { listener->Stop(); });
  EXPECT_FALSE(listener->Take(std::chrono::hours(1)));
  stopper.join();
  feed.Note("default", "a", true);
  EXPECT_FALSE(listener->Take(kNoWait));
}

}  // namespace
}  // namespace weir
