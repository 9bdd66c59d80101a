#include "eviction_queues.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir::pool {
namespace {

struct Header {
  EvictionLink link;
  uint64_t hash = 0;
  uint64_t bytes = 1;
  bool pinned = false;
};

struct View {
  Header* headers;
  EvictionLink& Link(Slot slot) const { return headers[slot].link; }
  uint64_t Bytes(Slot slot) const { return headers[slot].bytes; }
  uint64_t Hash(Slot slot) const { return headers[slot].hash; }
  bool Claim(Slot slot) const { return !headers[slot].pinned; }
  void Prefetch(Slot) const {}
};

TEST(EvictionQueues, AClockGivesAUsedEntryASecondChanceAndPassesOverAPinnedOne) {
  Pages pages(KernelPages());
  std::vector<Header> headers(5);
  EvictionQueues<View> queues(pages, View{headers.data()}, EvictionPolicy::kClock);
  for (const Slot slot : {1, 2, 3, 4}) ASSERT_TRUE(queues.Add(slot, 10));
  headers[1].link.NoteUse();
  headers[2].pinned = true;
  EXPECT_EQ(queues.Evict(2), kNoSlot);
  EXPECT_EQ(queues.Evict(8), 3u);
  EXPECT_EQ(queues.Evict(8), 4u);
  EXPECT_EQ(queues.Evict(8), 1u);
  EXPECT_EQ(queues.Evict(8), kNoSlot);
  headers[2].pinned = false;
  EXPECT_EQ(queues.Evict(8), 2u);
  queues.CheckInvariants();
}

}  // namespace
}  // namespace weir::pool
