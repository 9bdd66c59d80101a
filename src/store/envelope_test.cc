#include "envelope.h"

#include <gtest/gtest.h>

#include <string>

#include "store_cases.h"
#include "totals.h"

namespace weir::store {
namespace {

std::string Enveloped(const EncodedKey& key, std::string_view bytes) {
  const auto head = EnvelopeHead(RecordChecksum(key, bytes));
  return std::string(head.data(), head.size()).append(bytes);
}

TEST(Envelope, GivesBackWhatItHoldsAndRefusesEveryChange) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (const size_t size : {0, 1, 16, 200, 241, 1000}) {
    const EncodedKey key = EncodeKey(StoreTable::kContext, {random.Next(), random.Next()});
    const std::string bytes = testing::RandomBytes(random, size);
    std::string record = Enveloped(key, bytes);
    ASSERT_TRUE(OpenEnvelope(key, record));
    EXPECT_EQ(OpenEnvelope(key, record)->bytes, bytes);
    for (size_t at = 0; at < record.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        record[at] = static_cast<char>(record[at] ^ (1 << bit));
        ASSERT_FALSE(OpenEnvelope(key, record)) << at;
        record[at] = static_cast<char>(record[at] ^ (1 << bit));
      }
      ASSERT_FALSE(OpenEnvelope(key, std::string_view(record).substr(0, at)));
    }
    ASSERT_FALSE(OpenEnvelope(key, record + "x"));
    EncodedKey other = key;
    for (char& byte : other) {
      byte = static_cast<char>(byte ^ 1);
      ASSERT_FALSE(OpenEnvelope(other, record)) << "another key";
      byte = static_cast<char>(byte ^ 1);
    }
  }
}

TEST(Envelope, TakesAnyBytes) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = testing::RandomBytes(random, random.Below(64));
    EXPECT_FALSE(OpenEnvelope(EncodeKey(StoreTable::kContext, {1, 2}), bytes));
    EXPECT_FALSE(DecodeTotals(StoreTable::kContext, bytes));
    EXPECT_FALSE(DecodeCounters(bytes));
    (void)DecodeEntry(bytes);
    (void)DecodeKey(StoreTable::kContext, bytes);
  }
}

TEST(Envelope, KeysSortAsTheirBytes) {
  const StoreKey keys[] = {{0, 0}, {0, 1}, {0, 256}, {1, 0}, {1, UINT64_MAX}, {UINT64_MAX, 0}};
  for (size_t i = 0; i < std::size(keys); ++i) {
    const EncodedKey encoded = EncodeKey(StoreTable::kSetting, keys[i]);
    EXPECT_EQ(DecodeKey(StoreTable::kSetting, View(encoded)), keys[i]);
    EXPECT_EQ(DecodeKey(StoreTable::kContext, View(encoded)), std::nullopt);
    if (i > 0) {
      EXPECT_LT(View(EncodeKey(StoreTable::kSetting, keys[i - 1])), View(encoded));
    }
  }
}

TEST(Totals, DoNotDependOnOrderAndComeBackToNothing) {
  const EncodedKey one = EncodeKey(StoreTable::kContext, {1, 1}), two = EncodeKey(StoreTable::kContext, {1, 2});
  Totals ahead, back;
  ahead.Add(one, {7, 70});
  ahead.Add(two, {8, 80});
  back.Add(two, {8, 80});
  back.Add(one, {7, 70});
  EXPECT_EQ(ahead, back);
  EXPECT_EQ(ahead.bytes, 150 + 2 * kStoreRecordOverheadBytes);
  EXPECT_EQ(DecodeTotals(StoreTable::kContext, EncodeTotals(StoreTable::kContext, ahead)), ahead);
  EXPECT_EQ(DecodeTotals(StoreTable::kSetting, EncodeTotals(StoreTable::kContext, ahead)), std::nullopt);
  ahead.Remove(one, {7, 70});
  EXPECT_NE(ahead, back);
  ahead.Remove(two, {8, 80});
  EXPECT_EQ(ahead, Totals());
}

}  // namespace
}  // namespace weir::store
