// Against a plain model: random operations one at a time, every answer and counter compared, invariants after each step.
//
// Which entries are evicted is the policies' business (their tests compare the exact order); here the model learns of
// evictions from the sink, and everything else must agree to the byte.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

uint64_t Seed() {
  const char* set = std::getenv("WEIR_TEST_SEED");
  return set != nullptr ? std::strtoull(set, nullptr, 10) : std::random_device()();
}

struct Model {
  struct Value {
    size_t size;
    uint64_t version;
  };
  std::map<uint64_t, Value> entries;
  uint64_t hits = 0, misses = 0, inserts = 0, replaced = 0, erased = 0, evictions = 0;
};

class Session {
 public:
  Session(uint64_t seed, EvictionPolicy policy) : random_(seed) {
    PoolOptions options;
    options.budget_bytes = (random_() % 4 + 1) << 20;
    if (random_() % 3 == 0) options.budget_bytes = 12u << 20;
    options.policy = policy;
    // Each shard's queues take a page per price class in use: many shards need more than a MiB.
    options.shards = 1u << (random_() % std::min<uint64_t>(4, options.budget_bytes >> 20));
    options.extent_bytes = (64u << 10) << (random_() % 2);
    options.adaptive = random_() % 2 == 0;
    options.clock = &clock_;
    if (random_() % 2 == 0) options.entries_max = 200 + random_() % 2000;
    options.sink = [this](const Evicted& evicted) {
      const auto found = model_.entries.find(evicted.key.low);
      ASSERT_NE(found, model_.entries.end()) << "evicted twice: " << evicted.key.low;
      const std::vector<std::byte> value = ValueOf(evicted.key.low, found->second.size, found->second.version);
      ASSERT_TRUE(std::equal(value.begin(), value.end(), evicted.bytes.begin(), evicted.bytes.end()));
      model_.entries.erase(found);
      ++model_.evictions;
    };
    pool_ = std::move(pool::CreateOn(pages_, std::move(options))).value();
  }

  void Step() {
    const uint64_t key = Key();
    switch (random_() % 24) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6: return Get(key);
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
      case 15: return Insert(key);
      case 16:
      case 17: return Load(key);
      case 18: return Erase(key);
      case 19:
        if (random_() % 3 == 0 && !pins_.empty()) pins_.erase(pins_.begin() + static_cast<long>(random_() % pins_.size()));
        return;
      case 20: pool_->SetCost(KeyOf(key), {.refetch_us = static_cast<double>(random_() % 100'000), .weight = 1}); return;
      case 21: clock_.Advance(std::chrono::seconds(random_() % 5)); return;
      case 22:
        if (random_() % 50 == 0) return Reclaim();
        return;
      default:
        if (random_() % 200 == 0) pool_->SetPolicy(static_cast<EvictionPolicy>(random_() % 4));
        if (random_() % 400 == 0) pool_->SetBudget((random_() % 4 + 1) << 20);
        if (random_() % 1000 == 0) Clear();
    }
  }

  void Check() {
    const PoolStats stats = pool_->Stats();
    ASSERT_EQ(stats.entries, model_.entries.size());
    ASSERT_EQ(stats.hits, model_.hits);
    ASSERT_EQ(stats.misses, model_.misses);
    ASSERT_EQ(stats.inserts, model_.inserts);
    ASSERT_EQ(stats.replaced, model_.replaced);
    ASSERT_EQ(stats.erased, model_.erased);
    ASSERT_EQ(stats.evictions, model_.evictions);
    ASSERT_EQ(stats.pins, pins_.size());
    ASSERT_EQ(stats.mapped_bytes, pages_.held_bytes());
    ASSERT_EQ(stats.loading, 0u);
    pool_->CheckInvariants();
  }

  void Finish() {
    pins_.clear();
    Check();
    ASSERT_EQ(pool_->Stats().detached_bytes, 0u);
    pool_.reset();
    ASSERT_EQ(pages_.held_bytes(), 0u);
  }

 private:
  struct Held {
    Pin pin;
    uint64_t key;
    Model::Value value;
  };

  uint64_t Key() {
    const uint64_t wide = random_() % 3000;
    return random_() % 3 == 0 ? wide : wide % 200;
  }
  size_t Size() {
    switch (random_() % 8) {
      case 0: return random_() % 20'000;
      case 1: return random_() % 100'000;
      default: return random_() % 600;
    }
  }
  void MaybeHold(Pin pin, uint64_t key, Model::Value value) {
    if (random_() % 16 == 0 && pins_.size() < 40) pins_.push_back({std::move(pin), key, value});
  }

  void Get(uint64_t key) {
    Pin pin = pool_->Get(KeyOf(key));
    const auto found = model_.entries.find(key);
    ASSERT_EQ(static_cast<bool>(pin), found != model_.entries.end()) << key;
    pin ? ++model_.hits : ++model_.misses;
    if (!pin) return;
    ASSERT_TRUE(Holds(pin, key, found->second.size, found->second.version));
    MaybeHold(std::move(pin), key, found->second);
    for (const Held& held : pins_) {
      ASSERT_TRUE(Holds(held.pin, held.key, held.value.size, held.value.version));
    }
  }

  void Insert(uint64_t key) {
    const Model::Value value{Size(), ++version_};
    const Cost cost{.refetch_us = random_() % 2 == 0 ? 0.0 : static_cast<double>(random_() % 10'000), .weight = 1};
    InsertOutcome outcome = pool_->Insert(KeyOf(key), ValueOf(key, value.size, value.version), cost);
    if (!outcome.stored()) {
      // Only pins can be in the way, and there are few.
      ASSERT_NE(outcome.status, InsertStatus::kNoMemory);
      ASSERT_FALSE(pins_.empty()) << StatusName(outcome.status) << " " << value.size << " " << pool_->Stats().mapped_bytes
                                  << " of " << pool_->Stats().budget_bytes << ", entries " << pool_->Stats().entry_bytes;
      return;
    }
    const bool was_there = model_.entries.contains(key);
    ASSERT_EQ(outcome.status, was_there ? InsertStatus::kReplaced : InsertStatus::kInserted);
    ++(was_there ? model_.replaced : model_.inserts);
    model_.entries[key] = value;
    MaybeHold(std::move(outcome.pin), key, value);
  }

  void Load(uint64_t key) {
    const Model::Value value{Size(), ++version_};
    const bool fail = random_() % 4 == 0;
    const bool was_there = model_.entries.contains(key);
    Result<Loaded> loaded = pool_->LoadOrShare(KeyOf(key),
                                               [&](Filler& filler) -> Status {
                                                 WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(value.size));
                                                 const std::vector<std::byte> bytes =
                                                     ValueOf(key, value.size, value.version);
                                                 std::copy(bytes.begin(), bytes.end(), room.begin());
                                                 if (fail) throw 1;
                                                 return {};
                                               },
                                               {.bytes_expected = random_() % 2 == 0 ? value.size : 0});
    if (was_there) {
      ++model_.hits;
      ASSERT_EQ(loaded->by, LoadedBy::kHit);
      return;
    }
    ++model_.misses;
    if (!loaded) return;
    ASSERT_FALSE(fail);
    ASSERT_EQ(loaded->by, LoadedBy::kComputed);
    ++model_.inserts;
    model_.entries[key] = value;
    MaybeHold(std::move(loaded->pin), key, value);
  }

  void Erase(uint64_t key) {
    const bool was_there = model_.entries.erase(key) != 0;
    ASSERT_EQ(pool_->Erase(KeyOf(key)), was_there);
    model_.erased += was_there;
  }

  void Reclaim() {
    const uint64_t before = model_.evictions;
    const Reclaimed done = random_() % 2 == 0
                               ? pool_->Reclaim(random_() % (1u << 20), TimePoint::max())
                               : pool_->DropIdle(std::chrono::seconds(random_() % 100 + 2), UINT64_MAX, TimePoint::max());
    ASSERT_EQ(done.entries, model_.evictions - before);
  }

  void Clear() {
    ASSERT_EQ(pool_->Clear(), model_.entries.size());
    model_.erased += model_.entries.size();
    model_.entries.clear();
  }

  std::mt19937_64 random_;
  ManualClock clock_;
  RefusingPages pages_;
  std::unique_ptr<Pool> pool_;
  Model model_;
  std::vector<Held> pins_;
  uint64_t version_ = 0;
};

TEST(PoolModelTest, AgreesWithThePlainModel) {
  const uint64_t seed = Seed();
  std::printf("seed %llu (set WEIR_TEST_SEED to repeat)\n", static_cast<unsigned long long>(seed));
  for (uint64_t round = 0; round < 12; ++round) {
    Session run(seed + round, static_cast<EvictionPolicy>(round % 4));
    for (int step = 0; step < 8'000; ++step) {
      run.Step();
      if (step % 257 == 0) run.Check();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed + round << ", step " << step;
    }
    run.Finish();
    ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed + round;
  }
}

}  // namespace
}  // namespace weir
