#include "cache_operations.h"

#include <algorithm>
#include <cmath>

#include "weir/base/random.h"

namespace weir {
namespace {

constexpr double kExponent = 0.99;
constexpr uint64_t kPutsOneIn = 20;

// Draws ranks 0..count-1 with probability proportional to (rank + 1)^-0.99.
class ZipfRanks {
 public:
  explicit ZipfRanks(uint64_t count) : columns_(count) {
    std::vector<double> weights(count);
    double sum = 0;
    for (uint64_t i = 0; i < count; ++i) sum += weights[i] = std::pow(static_cast<double>(i + 1), -kExponent);
    std::vector<uint64_t> small;
    std::vector<uint64_t> large;
    for (uint64_t i = 0; i < count; ++i) {
      weights[i] *= static_cast<double>(count) / sum;
      columns_[i] = {1.0, i};
      (weights[i] < 1 ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
      const uint64_t low = small.back();
      const uint64_t high = large.back();
      small.pop_back();
      columns_[low] = {weights[low], high};
      weights[high] -= 1 - weights[low];
      if (weights[high] >= 1) continue;
      large.pop_back();
      small.push_back(high);
    }
  }

  uint64_t Draw(Random& random) const {
    const uint64_t column = random.Below(columns_.size());
    return random.Unit() < columns_[column].share ? column : columns_[column].other;
  }

 private:
  struct Column {
    double share = 1;
    uint64_t other = 0;
  };
  std::vector<Column> columns_;
};

uint64_t KeyOfRank(uint64_t rank) { return CacheOperations::KeyOf(Random(rank).Next()); }

}  // namespace

CacheOperations CacheOperations::Make(uint64_t keys, uint64_t operations_per_stream) {
  CacheOperations made;
  made.fill.reserve(keys);
  for (uint64_t rank = 0; rank < keys; ++rank) made.fill.push_back(KeyOfRank(rank));
  std::sort(made.fill.begin(), made.fill.end());  // by value, which a good hash made independent of the rank
  const ZipfRanks ranks(keys);
  for (int i = 0; i < kStreams; ++i) {
    Random random(static_cast<uint64_t>(i) + 1);
    made.streams[i].reserve(operations_per_stream);
    for (uint64_t n = 0; n < operations_per_stream; ++n) {
      const uint64_t key = KeyOfRank(ranks.Draw(random));
      const uint64_t put = random.Below(kPutsOneIn) == 0 ? 1 : 0;
      made.streams[i].push_back(key | put);
      made.digest = (made.digest ^ (key | put)) * 0x9e3779b97f4a7c15u;
    }
  }
  return made;
}

}  // namespace weir
