#include "weir/codec/cbor.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/base/random.h"
#include "weir/codec/hex.h"

namespace weir {
namespace {

std::string Hex(void (*write)(CborWriter&)) {
  std::string out;
  CborWriter writer(out);
  write(writer);
  return HexOf(out);
}

// RFC 8949, appendix A.
TEST(Cbor, WritesTheExamplesOfTheStandard) {
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(0); }), "00");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(23); }), "17");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(24); }), "1818");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(100); }), "1864");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(1000); }), "1903e8");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(1000000); }), "1a000f4240");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(1000000000000); }), "1b000000e8d4a51000");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Unsigned(UINT64_MAX); }), "1bffffffffffffffff");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Integer(-1); }), "20");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Integer(-100); }), "3863");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Integer(INT64_MIN); }), "3b7fffffffffffffff");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Bytes("\x01\x02\x03\x04"); }), "4401020304");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Text("\u00fc"); }), "62c3bc");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Text(""); }), "60");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Array(25); }), "9819");
  EXPECT_EQ(Hex([](CborWriter& w) { w.Map(2); }), "a2");
  EXPECT_EQ(Hex([](CborWriter& w) {
              w.Bool(false);
              w.Bool(true);
              w.Null();
            }),
            "f4f5f6");
}

Status SkipAll(std::string_view hex) {
  const std::string bytes = *ParseHex(hex);
  CborReader reader(bytes);
  WEIR_TRY(reader.Skip());
  return reader.ended() ? Status() : Corrupt("left over");
}

TEST(Cbor, RefusesWhatIsNotCanonical) {
  for (const char* good : {"00", "1818", "1903e8", "83010203", "a26161016162820203", "a10102", "f6", "40", "6461626364"}) {
    EXPECT_TRUE(SkipAll(good)) << good;
  }
  const std::pair<const char*, const char*> bad[] = {
      {"", "the bytes end where an item is due"},
      {"1817", "a head longer than needed"},
      {"1900ff", "a head longer than needed"},
      {"1a0000ffff", "a head longer than needed"},
      {"1b00000000ffffffff", "a head longer than needed"},
      {"19ff", "the bytes end inside an item"},
      {"1c", "indefinite length"},
      {"5f", "indefinite length"},
      {"9f01ff", "indefinite length"},
      {"c000", "tags"},
      {"f97c00", "only false, true and null"},
      {"f7", "only false, true and null"},
      {"820101ff", "left over"},
      {"8201", "the bytes end"},
      {"9bffffffffffffffff", "the bytes end inside an item"},
      {"5bffffffffffffffff", "the bytes end inside an item"},
      {"62c328", "not UTF-8"},
      {"a2616201616101", "out of order"},
      {"a2616101616102", "out of order"},
      {"a262616101616202", "out of order"},  // the longer key first
      {"a101", "the bytes end"},
  };
  for (const auto& [hex, reason] : bad) {
    const Status status = SkipAll(hex);
    ASSERT_FALSE(status) << hex;
    EXPECT_NE(status.error().message.find(reason), std::string::npos) << hex << ": " << status.error().message;
  }
}

TEST(Cbor, DepthIsBounded) {
  const auto nested = [](size_t depth) { return std::string(depth, '\x81') + "\x01"; };
  std::string bytes = nested(CborReader::kDepthMax);
  EXPECT_TRUE(CborReader(bytes).Skip());
  bytes = nested(CborReader::kDepthMax + 1);
  EXPECT_FALSE(CborReader(bytes).Skip());
  bytes = nested(1'000'000);
  EXPECT_FALSE(CborReader(bytes).Skip());
}

TEST(Cbor, AFailedReadLeavesTheReaderInPlace) {
  const std::string bytes = *ParseHex("8201f5");
  CborReader reader(bytes);
  EXPECT_FALSE(reader.Text());
  EXPECT_FALSE(reader.Map());
  EXPECT_EQ(*reader.Array(), 2u);
  EXPECT_FALSE(reader.Bool());
  EXPECT_EQ(*reader.Integer(), 1);
  EXPECT_FALSE(reader.Null());
  EXPECT_TRUE(*reader.Bool());
  EXPECT_TRUE(reader.ended());
}

// Writes a random item and keeps what was written to compare the reading with.
struct Item {
  CborKind kind;
  uint64_t number = 0;
  std::string text;
};

void WriteRandom(Random& random, int depth, CborWriter& writer, std::vector<Item>& items) {
  const uint64_t number = random.Next() >> random.Below(64);
  const std::string text(random.Below(40), static_cast<char>('a' + random.Below(26)));
  switch (random.Below(depth > 0 ? 7 : 5)) {
    case 0: writer.Unsigned(number), items.push_back({CborKind::kUnsigned, number, {}}); break;
    case 1: {
      const auto value = static_cast<int64_t>(number);
      writer.Integer(value);
      items.push_back({value < 0 ? CborKind::kNegative : CborKind::kUnsigned, number, {}});
      break;
    }
    case 2: writer.Bytes(text), items.push_back({CborKind::kBytes, 0, text}); break;
    case 3: writer.Text(text), items.push_back({CborKind::kText, 0, text}); break;
    case 4: writer.Bool(number % 2 == 1), items.push_back({CborKind::kTrue, number % 2, {}}); break;
    case 5: {
      const uint64_t count = random.Below(30);
      writer.Array(count), items.push_back({CborKind::kArray, count, {}});
      for (uint64_t i = 0; i < count; ++i) WriteRandom(random, depth - 1, writer, items);
      break;
    }
    default: {
      const uint64_t count = random.Below(30);
      writer.Map(count), items.push_back({CborKind::kMap, count, {}});
      for (uint64_t i = 0; i < count; ++i) {
        writer.Unsigned(i), items.push_back({CborKind::kUnsigned, i, {}});
        WriteRandom(random, depth - 1, writer, items);
      }
    }
  }
}

TEST(Cbor, ReadsBackWhatItWrites) {
  Random random(17);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    CborWriter writer(bytes);
    std::vector<Item> items;
    WriteRandom(random, 3, writer, items);
    CborReader skipping(bytes);
    ASSERT_TRUE(skipping.Skip());
    ASSERT_TRUE(skipping.ended());
    CborReader reader(bytes);
    for (const Item& item : items) {
      switch (item.kind) {
        case CborKind::kUnsigned: ASSERT_EQ(*reader.Unsigned(), item.number); break;
        case CborKind::kNegative: ASSERT_EQ(*reader.Integer(), static_cast<int64_t>(item.number)); break;
        case CborKind::kBytes: ASSERT_EQ(*reader.Bytes(), item.text); break;
        case CborKind::kText: ASSERT_EQ(*reader.Text(), item.text); break;
        case CborKind::kArray: ASSERT_EQ(*reader.Array(), item.number); break;
        case CborKind::kMap: ASSERT_EQ(*reader.Map(), item.number); break;
        default: ASSERT_EQ(*reader.Bool(), item.number == 1);
      }
    }
    ASSERT_TRUE(reader.ended());
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 50) {
      ASSERT_FALSE(CborReader(std::string_view(bytes).substr(0, cut)).Skip()) << cut;  // no item is a prefix of another
    }
  }
}

}  // namespace
}  // namespace weir
