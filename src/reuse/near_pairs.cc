// All pairs of hashes within a radius: the tables of the near index once, each bucket compared with those near it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "near_tables.h"
#include "weir/reuse/near_index.h"

namespace weir {

using internal::NearTables;

namespace {

constexpr uint32_t kTables = NearTables::kTables;
constexpr uint64_t kBucket = 8;  // hashes in one, about

struct Hit {
  uint32_t x;
  uint32_t y;
  uint64_t different;
};

// A bucket: hashes of which some table has the same substring.
struct Bucket {
  const uint64_t* hashes = nullptr;
  const uint32_t* places = nullptr;
  uint32_t size = 0;
};

// One row of one bucket against another bucket; hits have room for all.
using CompareRow = uint32_t (*)(uint64_t hash, uint32_t place, const Bucket& other, uint32_t radius, Hit* hits);

uint32_t ComparePortable(uint64_t hash, uint32_t place, const Bucket& other, uint32_t radius, Hit* hits) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < other.size; ++i) {
    const uint64_t different = hash ^ other.hashes[i];
    if (static_cast<uint32_t>(std::popcount(different)) <= radius) hits[found++] = {place, other.places[i], different};
  }
  return found;
}

#ifdef __x86_64__
// The same loop; the compiler has the popcnt instruction for it.
__attribute__((target("popcnt"))) uint32_t ComparePopcnt(uint64_t hash, uint32_t place, const Bucket& other, uint32_t radius,
                                                         Hit* hits) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < other.size; ++i) {
    const uint64_t different = hash ^ other.hashes[i];
    if (static_cast<uint32_t>(__builtin_popcountll(different)) <= radius)
      hits[found++] = {place, other.places[i], different};
  }
  return found;
}
#endif

CompareRow FastestCompare() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("popcnt")) return ComparePopcnt;
#endif
  return ComparePortable;
}

class Join {
 public:
  Join(std::span<const uint64_t> hashes, const NearPairsOptions& options)
      : hashes_(hashes),
        options_(options),
        compare_(options.portable_only ? ComparePortable : FastestCompare()),
        bits_(std::clamp<uint32_t>(static_cast<uint32_t>(std::bit_width(hashes.size() / kBucket)), NearTables::kBitsLeast,
                                   NearTables::kWidth)),
        first_in_((size_t{1} << bits_) + 1),
        sorted_(hashes.size()),
        places_(hashes.size()),
        neighbours_of_(hashes.size()) {}

  NearPairs Run() {
    for (uint32_t table = 0; table < kTables && !gave_up_; ++table) {
      if (NearTables::RadiusOf(table, options_.radius) < 0) continue;
      Sort(table);
      for (uint32_t key = 0; key < 1u << bits_ && !gave_up_; ++key) CompareKey(table, key);
    }
    return Collect();
  }

 private:
  struct Pair {
    uint32_t from;
    uint32_t to;
  };

  uint32_t KeyOf(uint64_t hash, uint32_t table) const {
    return static_cast<uint32_t>(hash >> (table * NearTables::kWidth)) & ((1u << bits_) - 1);
  }
  Bucket BucketOf(uint32_t key) const {
    const uint32_t begin = first_in_[key];
    return {sorted_.data() + begin, places_.data() + begin, first_in_[key + 1] - begin};
  }

  // The hashes by their key in this table.
  void Sort(uint32_t table) {
    std::fill(first_in_.begin(), first_in_.end(), 0);
    for (const uint64_t hash : hashes_) ++first_in_[KeyOf(hash, table) + 1];
    for (size_t key = 1; key < first_in_.size(); ++key) first_in_[key] += first_in_[key - 1];
    std::vector<uint32_t> next(first_in_.begin(), first_in_.end() - 1);
    for (uint32_t place = 0; place < hashes_.size(); ++place) {
      const uint32_t at = next[KeyOf(hashes_[place], table)]++;
      sorted_[at] = hashes_[place];
      places_[at] = place;
    }
  }

  void CompareKey(uint32_t table, uint32_t key) {
    const Bucket bucket = BucketOf(key);
    if (bucket.size == 0) return;
    for (int ones = 0; ones <= NearTables::RadiusOf(table, options_.radius); ++ones) {
      for (const uint16_t probe : NearTables::Probes(static_cast<uint32_t>(ones), bits_)) {
        const uint32_t other = key ^ probe;
        if (other >= key) CompareBuckets(table, bucket, BucketOf(other), other == key);
        if (gave_up_) return;
      }
    }
  }

  void CompareBuckets(uint32_t table, const Bucket& bucket, Bucket other, bool same) {
    for (uint32_t i = 0; i < bucket.size && !gave_up_; ++i) {
      if (same) other = {bucket.hashes + i + 1, bucket.places + i + 1, bucket.size - i - 1};
      for (uint32_t begin = 0; begin < other.size; begin += kHits) {
        const Bucket part{other.hashes + begin, other.places + begin,
                          std::min<uint32_t>(static_cast<uint32_t>(kHits), other.size - begin)};
        comparisons_ += part.size;
        const uint32_t found = compare_(bucket.hashes[i], bucket.places[i], part, options_.radius, hits_.data());
        for (uint32_t hit = 0; hit < found; ++hit) Take(table, hits_[hit]);
      }
      gave_up_ = comparisons_ > options_.comparisons_max || pairs_.size() > options_.pairs_max;
    }
  }

  void Take(uint32_t table, const Hit& hit) {
    for (uint32_t before = 0; before < table; ++before) {  // found there already
      if (std::popcount(KeyOf(hit.different, before)) <= NearTables::RadiusOf(before, options_.radius)) return;
    }
    for (const Pair pair : {Pair{hit.x, hit.y}, Pair{hit.y, hit.x}}) {
      if (neighbours_of_[pair.from]++ < options_.neighbours_max) pairs_.push_back(pair);
    }
  }

  NearPairs Collect() const {
    NearPairs result;
    result.gave_up = gave_up_;
    if (gave_up_) return result;
    result.first.resize(hashes_.size() + 1);
    for (const Pair& pair : pairs_) ++result.first[pair.from + 1];
    for (size_t i = 1; i < result.first.size(); ++i) result.first[i] += result.first[i - 1];
    std::vector<uint64_t> next(result.first.begin(), result.first.end() - 1);
    result.neighbours.resize(pairs_.size());
    for (const Pair& pair : pairs_) result.neighbours[next[pair.from]++] = pair.to;
    for (const uint32_t count : neighbours_of_) result.too_many.push_back(count > options_.neighbours_max);
    return result;
  }

  static constexpr size_t kHits = 1024;

  std::span<const uint64_t> hashes_;
  const NearPairsOptions& options_;
  CompareRow compare_;
  uint32_t bits_;
  std::vector<uint32_t> first_in_;  // by key: the first in sorted_
  std::vector<uint64_t> sorted_;
  std::vector<uint32_t> places_;         // in hashes_
  std::vector<uint32_t> neighbours_of_;  // how many
  std::vector<Pair> pairs_;
  std::array<Hit, kHits> hits_;
  uint64_t comparisons_ = 0;
  bool gave_up_ = false;
};

}  // namespace

Result<NearPairs> AllNearPairs(std::span<const uint64_t> hashes, const NearPairsOptions& options) {
  if (options.radius > kNearRadiusMax) {
    return InvalidArgument(fmt::format("a radius of {} is above {}", options.radius, kNearRadiusMax));
  }
  if (hashes.size() > UINT32_MAX) return InvalidArgument(fmt::format("{} hashes", hashes.size()));
  try {
    return Join(hashes, options).Run();
  } catch (const std::bad_alloc&) {
    return Exhausted("no memory for what is near what", "compare fewer blocks");
  }
}

}  // namespace weir
