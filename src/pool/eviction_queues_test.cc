#include "eviction_queues.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eviction_oracle.h"
#include "pool_cases.h"
#include "weir/base/random.h"
#include "weir/pool/pool_key.h"

namespace weir::pool {
namespace {

constexpr EvictionPolicy kPolicies[] = {EvictionPolicy::kS3Fifo, EvictionPolicy::kClock, EvictionPolicy::kCar,
                                        EvictionPolicy::kDuel};

struct Header {
  EvictionLink link;
  uint64_t hash = 0;
  uint64_t bytes = 0;
  bool pinned = false;
};

struct View {
  Header* headers;
  EvictionLink& Link(Slot slot) const { return headers[slot].link; }
  uint64_t Bytes(Slot slot) const { return headers[slot].bytes; }
  uint64_t Hash(Slot slot) const { return headers[slot].hash; }
  bool Claim(Slot slot) const { return !headers[slot].pinned; }
};

struct Load {
  uint64_t seed = 1;
  uint32_t steps = 1000;
  uint32_t entries = 100;
  EvictionPolicy policy = EvictionPolicy::kS3Fifo;
  bool mixed_sizes = false;
  bool policy_changes = false;
  uint8_t classes = 1;     // how many are in use
  uint8_t class_step = 1;  // how far apart they are
};

std::string Describe(const Load& load) {
  return fmt::format("seed {}, {} steps, {} entries, {}, mixed sizes {}, policy changes {}, {} classes {} apart", load.seed,
                     load.steps, load.entries, PolicyName(load.policy), load.mixed_sizes, load.policy_changes, load.classes,
                     load.class_step);
}

// A random sequence of calls, made on the queues and, if there is one, on an oracle.
class Course {
 public:
  Course(const Load& load, PageSource& source, EvictionOracle* oracle)
      : load_(load), random_(load.seed), pages_(source), headers_(load.entries + 2), oracle_(oracle) {
    queues_ = std::make_unique<EvictionQueues<View>>(pages_, View{headers_.data()}, load.policy);
    for (Slot slot = load.entries + 1; slot >= 1; --slot) free_.push_back(slot);
    resident_.resize(load.entries * 4);
  }

  // What the queues and the oracle first differed in.
  std::optional<std::string> Run() {
    for (uint32_t step = 0; step < load_.steps; ++step) {
      std::optional<std::string> difference = Step();
      if (!difference) difference = Compare(step % 64 == 0);
      if (difference) return fmt::format("step {}: {}; {}", step, *difference, Describe(load_));
      if (step % 256 == 0) queues_->CheckInvariants();
    }
    return Drain();
  }

  const Pages& pages() const { return pages_; }
  const EvictionQueues<View>& queues() const { return *queues_; }
  uint64_t refused() const { return refused_; }

 private:
  std::optional<std::string> Step() {
    const uint64_t dice = random_.Below(1000);
    if (dice < 420) return Ask();
    if (dice < 640) return Use(), std::nullopt;
    if (dice < 740) return Evict(static_cast<uint32_t>(1 + random_.Below(30)));
    if (dice < 800) return Pin(), std::nullopt;
    if (dice < 870) return Remove(), std::nullopt;
    if (dice < 930) return Relocate(), std::nullopt;
    if (dice < 998 || !load_.policy_changes) return Reprice(), std::nullopt;
    return ChangePolicy(), std::nullopt;
  }

  // A key is asked for: a use where it is resident, else room is made and it is added.
  std::optional<std::string> Ask() {
    const uint64_t key = std::min(random_.Below(resident_.size()), random_.Below(resident_.size()));
    if (resident_[key] != kNoSlot) return NoteUse(resident_[key]), std::nullopt;
    if (live_.size() >= load_.entries) {
      if (std::optional<std::string> difference = Evict(200)) return difference;
    }
    if (free_.size() < 2) return std::nullopt;  // all are pinned; one cell stays free to move to
    const Slot slot = free_.back();
    Header& header = headers_[slot];
    header.hash = HashOf(PoolKey{load_.seed, key});
    header.bytes = load_.mixed_sizes ? 1 + random_.Below(random_.Below(10) == 0 ? 5000 : 100) : 1;
    header.pinned = false;
    const uint8_t price_class = AnyClass();
    if (!queues_->Add(slot, price_class)) return ++refused_, std::nullopt;
    if (oracle_ != nullptr) oracle_->Add(slot, price_class, header.bytes, header.hash);
    free_.pop_back();
    resident_[key] = slot;
    live_.push_back({slot, key});
    return std::nullopt;
  }

  std::optional<std::string> Evict(uint32_t effort) {
    const Slot victim = queues_->Evict(effort);
    if (oracle_ != nullptr) {
      if (const Slot expected = oracle_->Evict(effort); victim != expected) {
        return fmt::format("the victim is {}, should be {}", victim, expected);
      }
    }
    if (victim == kNoSlot) return std::nullopt;
    for (size_t i = 0; i < live_.size(); ++i) {
      if (live_[i].slot == victim) return Forget(i), std::nullopt;
    }
    return fmt::format("the victim {} is not resident", victim);
  }

  void Use() {
    if (!live_.empty()) NoteUse(live_[random_.Below(live_.size())].slot);
  }
  void NoteUse(Slot slot) {
    headers_[slot].link.NoteUse();
    if (oracle_ != nullptr) oracle_->Use(slot);
  }
  void Pin() {
    if (live_.empty()) return;
    const Slot slot = live_[random_.Below(live_.size())].slot;
    // Mostly few, at times nearly all.
    headers_[slot].pinned = random_.Below(100) < (random_.Below(50) == 0 ? 95 : 20);
    if (oracle_ != nullptr) oracle_->Pin(slot, headers_[slot].pinned);
  }
  void Remove() {
    if (live_.empty()) return;
    const size_t i = random_.Below(live_.size());
    queues_->Remove(live_[i].slot);
    if (oracle_ != nullptr) oracle_->Remove(live_[i].slot);
    Forget(i);
  }
  void Relocate() {
    if (live_.empty() || free_.empty()) return;
    Live& live = live_[random_.Below(live_.size())];
    const Slot from = live.slot;
    const Slot to = free_.back();
    headers_[to].hash = headers_[from].hash;
    headers_[to].bytes = headers_[from].bytes;
    headers_[to].pinned = headers_[from].pinned;
    headers_[from].link.MoveTo(headers_[to].link);
    queues_->Relocate(from, to);
    if (oracle_ != nullptr) oracle_->Relocate(from, to);
    free_.back() = from;
    resident_[live.key] = live.slot = to;
  }
  void Reprice() {
    if (live_.empty()) return;
    const Slot slot = live_[random_.Below(live_.size())].slot;
    const uint8_t price_class = AnyClass();
    if (!queues_->Reprice(slot, price_class)) {
      ++refused_;
    } else if (oracle_ != nullptr) {
      oracle_->Reprice(slot, price_class);
    }
  }
  void ChangePolicy() {
    const EvictionPolicy policy = kPolicies[random_.Below(std::size(kPolicies))];
    queues_->SetPolicy(policy);
    if (oracle_ != nullptr) oracle_->SetPolicy(policy);
  }

  std::optional<std::string> Compare(bool whole_order) const {
    if (oracle_ == nullptr) return std::nullopt;
    if (queues_->size() != oracle_->size()) return fmt::format("size {}, should be {}", queues_->size(), oracle_->size());
    const double price = queues_->PriceOfNext();
    const uint8_t next = oracle_->NextClass();
    if (price != (next == kPriceClassNever ? INFINITY : std::ldexp(1.0, next))) {
      return fmt::format("the next price is {}, should be that of class {}", price, next);
    }
    if (!whole_order) return std::nullopt;
    for (uint8_t k = 0; k < kPriceClasses; ++k) {
      std::vector<Slot> small;
      std::vector<Slot> main;
      queues_->ForEach(k, [&](Slot slot, bool in_main) { (in_main ? main : small).push_back(slot); });
      if (small != oracle_->Order(k, EvictionOracle::kSmall)) return fmt::format("class {}: another order in small", k);
      if (main != oracle_->Order(k, EvictionOracle::kMain)) return fmt::format("class {}: another order in main", k);
    }
    return std::nullopt;
  }

  // Everything goes, in order; what is kept for ever goes by name.
  std::optional<std::string> Drain() {
    for (const Live& live : live_) {
      headers_[live.slot].pinned = false;
      if (oracle_ != nullptr) oracle_->Pin(live.slot, false);
    }
    while (queues_->size() != 0) {
      const size_t before = queues_->size();
      if (std::optional<std::string> difference = Evict(~0u)) return difference;
      if (queues_->size() != before - 1) return fmt::format("{} entries are left, and none goes", before);
    }
    while (!live_.empty()) {
      queues_->Remove(live_.back().slot);
      if (oracle_ != nullptr) oracle_->Remove(live_.back().slot);
      Forget(live_.size() - 1);
    }
    queues_->CheckInvariants();
    queues_->Trim();
    if (queues_->mapped_bytes() != 0 || pages_.mapped_bytes() != 0) {
      return fmt::format("empty queues hold {} bytes, {} are mapped", queues_->mapped_bytes(), pages_.mapped_bytes());
    }
    return std::nullopt;
  }

  struct Live {
    Slot slot;
    uint64_t key;
  };
  void Forget(size_t i) {
    free_.push_back(live_[i].slot);
    resident_[live_[i].key] = kNoSlot;
    live_[i] = live_.back();
    live_.pop_back();
  }
  uint8_t AnyClass() {
    if (random_.Below(64) == 0) return kPriceClassNever;
    return static_cast<uint8_t>(random_.Below(load_.classes) * load_.class_step);
  }

  const Load load_;
  Random random_;
  Pages pages_;
  std::vector<Header> headers_;
  std::unique_ptr<EvictionQueues<View>> queues_;
  EvictionOracle* oracle_;
  std::vector<Slot> free_;
  std::vector<Slot> resident_;  // by key
  std::vector<Live> live_;
  uint64_t refused_ = 0;
};

std::optional<std::string> FirstDifference(const Load& load, EvictionOracle::Mutation mutation) {
  EvictionOracle oracle(load.entries + 2, load.policy, mutation);
  return Course(load, KernelPages(), &oracle).Run();
}

Load AnyLoad() {
  Load load;
  load.seed = *rc::gen::resize(1000, rc::gen::arbitrary<uint64_t>());
  load.steps = *rc::gen::inRange<uint32_t>(1, 40'000);
  load.entries = *rc::gen::element<uint32_t>(1, 3, 20, 100, 500, 3000);
  load.policy = kPolicies[*rc::gen::inRange<size_t>(0, std::size(kPolicies))];
  load.mixed_sizes = *rc::gen::arbitrary<bool>();
  load.policy_changes = *rc::gen::arbitrary<bool>();
  load.classes = *rc::gen::element<uint8_t>(1, 2, 5, 32);
  load.class_step = load.classes > 5 ? 1 : *rc::gen::element<uint8_t>(1, 6);
  return load;
}

// RC_PARAMS sets rapidcheck's seed and the number of sequences.
TEST(EvictionQueues, EvictsInTheExactOrderOfTheOracle) {
  uint64_t steps = 0;
  EXPECT_TRUE(rc::check("queues and oracle agree after every step", [&] {
    const Load load = AnyLoad();
    steps += load.steps;
    const std::optional<std::string> difference = FirstDifference(load, EvictionOracle::Mutation::kNone);
    if (difference) RC_FAIL(*difference);
  }));
  RecordProperty("steps", std::to_string(steps));
}

// The comparison above would mean nothing if it let these pass.
TEST(EvictionQueues, TheOracleNoticesEveryPlantedMistake) {
  using Mutation = EvictionOracle::Mutation;
  for (const EvictionPolicy policy : kPolicies) {
    for (const Mutation mutation :
         {Mutation::kYoungestFirst, Mutation::kDearestFirst, Mutation::kUsesIgnored, Mutation::kGhostsForgotten}) {
      if (mutation == Mutation::kGhostsForgotten && policy == EvictionPolicy::kClock) continue;  // it has none
      Load load;
      load.policy = policy;
      load.steps = 20'000;
      load.classes = 3;
      EXPECT_TRUE(FirstDifference(load, mutation)) << PolicyName(policy) << ", mutation " << static_cast<int>(mutation);
      EXPECT_FALSE(FirstDifference(load, Mutation::kNone));
    }
  }
}

TEST(EvictionQueues, RefusedMemoryChangesNothing) {
  uint64_t refused = 0;
  EXPECT_TRUE(rc::check("queues hold together whatever is refused", [&] {
    Load load = AnyLoad();
    load.entries = *rc::gen::element<uint32_t>(500, 3000, 8000);
    load.policy_changes = true;
    RefusingPages source;
    source.RefuseNext(*rc::gen::inRange<uint64_t>(0, 30), *rc::gen::inRange<uint64_t>(1, 20));
    Course course(load, source, nullptr);
    if (const std::optional<std::string> wrong = course.Run()) RC_FAIL(*wrong);
    refused += course.refused();
  }));
  EXPECT_GT(refused, 0u);
}

TEST(EvictionQueues, AddWithoutMemoryLeavesTheEntryOut) {
  RefusingPages source;
  source.RefuseNext(0);
  Pages pages(source);
  std::vector<Header> headers(3);
  EvictionQueues<View> queues(pages, View{headers.data()}, EvictionPolicy::kS3Fifo);
  EXPECT_FALSE(queues.Add(1, 3));
  EXPECT_EQ(queues.size(), 0u);
  EXPECT_EQ(queues.Evict(10), kNoSlot);
  EXPECT_TRUE(queues.Add(1, kPriceClassNever));
  EXPECT_FALSE(queues.Reprice(1, 3));
  source.RefuseNone();
  EXPECT_TRUE(queues.Reprice(1, 3));
  EXPECT_EQ(queues.PriceOfNext(), 8);
  EXPECT_EQ(queues.Evict(10), 1u);
}

// An entry of main that comes up in small's place has nowhere to go without memory: it stays for another round.
TEST(EvictionQueues, WithoutMemoryForMainAUsedEntryStaysInSmall) {
  RefusingPages source;
  Pages pages(source);
  std::vector<Header> headers(3);
  EvictionQueues<View> queues(pages, View{headers.data()}, EvictionPolicy::kCar);
  ASSERT_TRUE(queues.Add(1, 3));
  ASSERT_TRUE(queues.Add(2, 3));
  source.RefuseNext(0);
  headers[1].link.NoteUse();
  EXPECT_EQ(queues.Evict(10), 2u);
  EXPECT_FALSE(queues.InMain(headers[1].link));
  queues.CheckInvariants();
  EXPECT_EQ(queues.Evict(10), 1u);
}

TEST(EvictionQueues, HolesCloseUpAndMemoryGoesBackAsEntriesLeave) {
  constexpr Slot kEntries = 100'000;
  Pages pages(KernelPages());
  std::vector<Header> headers(kEntries + 1);
  EvictionQueues<View> queues(pages, View{headers.data()}, EvictionPolicy::kClock);
  for (Slot slot = 1; slot <= kEntries; ++slot) ASSERT_TRUE(queues.Add(slot, 0));
  const uint64_t full_bytes = queues.mapped_bytes();
  EXPECT_LE(full_bytes, kEntries * 5 + kPageBytes);  // four bytes an entry, and room to grow
  for (Slot slot = 1; slot <= kEntries; ++slot) {
    if (slot % 10 != 0) queues.Remove(slot);
  }
  queues.CheckInvariants();
  EXPECT_LT(queues.mapped_bytes(), full_bytes / 3);
  for (int round = 0; round < 20; ++round) {
    for (Slot slot = 1; slot <= 90; ++slot) {
      if (slot % 10 != 0) {
        ASSERT_TRUE(queues.Add(slot, 0));
      }
    }
    for (Slot slot = 1; slot <= 90; ++slot) {
      if (slot % 10 != 0) queues.Remove(slot);
    }
  }
  EXPECT_LT(queues.mapped_bytes(), full_bytes / 3);
  for (Slot slot = 10; slot <= kEntries; slot += 10) EXPECT_EQ(queues.Evict(1), slot);
}

TEST(EvictionQueues, DearEntriesOutlastCheapOnesButNotForEver) {
  Pages pages(KernelPages());
  std::vector<Header> headers(2000);
  EvictionQueues<View> queues(pages, View{headers.data()}, EvictionPolicy::kClock);
  // Ten dear entries, then a stream of cheap ones through a hundred places; a dear one is worth eight cheap ones.
  Slot next = 1;
  for (; next <= 10; ++next) ASSERT_TRUE(queues.Add(next, 3));
  for (; next <= 100; ++next) ASSERT_TRUE(queues.Add(next, 0));
  std::vector<Slot> dear_left_after;
  for (; next < 2000; ++next) {
    const Slot victim = queues.Evict(10);
    if (victim <= 10) dear_left_after.push_back(next - 101);
    ASSERT_TRUE(queues.Add(next, 0));
  }
  ASSERT_EQ(dear_left_after.size(), 10u);
  // L rises by one cheap price with every turn of the cheap entries, after the first turn.
  EXPECT_GT(dear_left_after.front(), 7 * 90u);
  EXPECT_LT(dear_left_after.back(), 9 * 110u);
}

}  // namespace
}  // namespace weir::pool
