#pragma once
// What the tests of stores share: a model, a seed that is printed, a store opened or a test that fails.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "weir/base/random.h"
#include "weir/store/store.h"

namespace weir::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

using StoreModel = std::map<std::pair<StoreTable, StoreKey>, std::string>;

// WEIR_TEST_SEED, or another one each time.
inline uint64_t TestSeed() {
  const char* set = std::getenv("WEIR_TEST_SEED");
  return set != nullptr ? std::strtoull(set, nullptr, 10) : std::random_device()();
}

inline std::unique_ptr<Store> Opened(const StoreOptions& options) {
  auto store = OpenStore(options);
  EXPECT_TRUE(store) << store.error().ToString();
  return store ? std::move(store).value() : nullptr;
}

inline StoreModel ContentsOf(const Store& store) {
  StoreModel contents;
  for (const StoreTable table : kStoreTables) {
    StoreKey last;
    bool first = true;
    const Status status = store.Scan(table, [&](const StoreKey& key, std::string_view bytes) -> Status {
      EXPECT_TRUE(first || last < key) << "keys out of order";
      first = false;
      last = key;
      contents[{table, key}] = bytes;
      return {};
    });
    EXPECT_TRUE(status) << status.error().ToString();
  }
  return contents;
}

inline std::string RandomBytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

inline void ApplyTo(StoreModel& model, const StoreBatch& batch) {
  for (const StoreBatch::Change& change : batch.changes()) {
    if (change.bytes) {
      model[{change.table, change.key}] = *change.bytes;
    } else {
      model.erase({change.table, change.key});
    }
  }
}

}  // namespace weir::testing
