#include <gtest/gtest.h>

#include <string>

#include "weir/base/random.h"
#include "weir/codec/hex.h"
#include "weir/codec/xxh3.h"

namespace weir {
namespace {

TEST(Hex, RoundTripsAndRefuses) {
  EXPECT_EQ(HexOf(std::string_view("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(*ParseHex("007FfF"), std::string("\x00\x7f\xff", 3));
  EXPECT_EQ(ParseHex("000").error().message, "3 hexadecimal digits: an even number is due");
  EXPECT_EQ(ParseHex("00g0").error().message, "character 2 is no hexadecimal digit");
}

TEST(Xxh3, KnownAnswers) {
  EXPECT_EQ(Xxh3_64(""), 0x2D06800538D394C2u);
  EXPECT_EQ(Xxh3_128(""), (Hash128{0x99AA06D3014798D8u, 0x6001C324468D497Fu}));
  EXPECT_EQ(HexOf(DigestBytes(Xxh3_128("\x61\x30"))), "1ebe36576dcb573f26b99533a20aaeca");
}

TEST(Xxh3, StreamEqualsOneShot) {
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(random.Below(3000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    const uint64_t seed = round % 2 == 0 ? 0 : random.Next();
    Xxh3Stream stream(seed);
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = 1 + random.Below(700);
      stream.Update(std::string_view(bytes).substr(at, piece));
      at += piece;
    }
    ASSERT_EQ(stream.Finish64(), Xxh3_64(bytes, seed)) << bytes.size();
    ASSERT_EQ(stream.Finish128(), Xxh3_128(bytes, seed)) << bytes.size();
  }
}

}  // namespace
}  // namespace weir
