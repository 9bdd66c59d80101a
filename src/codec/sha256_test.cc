#include "weir/codec/sha256.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "sha256_blocks.h"
#include "weir/base/random.h"
#include "weir/codec/hex.h"

namespace weir {
namespace {

// NIST's example messages (FIPS 180-4 examples and the short-message test vectors).
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(HexOf(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexOf(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexOf(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      HexOf(Sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmno"
                   "pqrstnopqrstu")),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(HexOf(Sha256(std::string(1'000'000, 'a'))), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(HexOf(Sha256("\xd3")), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
  EXPECT_EQ(HexOf(Sha256(std::string_view("\x11\xaf", 2))),
            "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
}

std::string RandomBytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

std::string DigestBy(const internal::Sha256Path& path, const std::string& bytes) {
  std::string padded = bytes + '\x80';
  while (padded.size() % 64 != 56) padded.push_back('\0');
  for (int shift = 56; shift >= 0; shift -= 8) padded.push_back(static_cast<char>(bytes.size() * 8 >> shift));
  uint32_t state[8];
  std::memcpy(state, internal::kSha256Start, sizeof(state));
  path.compress({state, reinterpret_cast<const uint8_t*>(padded.data()), padded.size() / 64});
  std::string digest;
  for (const uint32_t word : state) {
    for (int shift = 24; shift >= 0; shift -= 8) digest.push_back(static_cast<char>(word >> shift));
  }
  return HexOf(digest);
}

// Every length around the block edges, by every path and every entry.
TEST(Sha256, AllPathsAgree) {
  Random random(9);
  for (size_t size = 0; size < 400; ++size) {
    const std::string bytes = RandomBytes(random, size);
    const std::string expected = DigestBy(internal::PortableSha256(), bytes);
    ASSERT_EQ(HexOf(Sha256(bytes)), expected) << size;
    if (const internal::Sha256Path* path = internal::ShaNiSha256()) {
      ASSERT_EQ(DigestBy(*path, bytes), expected);
    }

    const std::string other = RandomBytes(random, random.Below(400));
    std::vector<uint8_t> first(bytes.begin(), bytes.end());
    std::vector<uint8_t> second(other.begin(), other.end());
    first.resize(bytes.size() + kSha256TailBytes);
    second.resize(other.size() + kSha256TailBytes);
    Sha256Digest digests[3];
    Sha256InPlacePair({first.data(), bytes.size(), digests[0].data()}, {second.data(), other.size(), digests[1].data()});
    Sha256InPlace(first.data(), bytes.size(), digests[2].data());
    ASSERT_EQ(HexOf(digests[0]), expected) << size;
    ASSERT_EQ(digests[1], Sha256(other)) << size;
    ASSERT_EQ(digests[2], digests[0]);

    Sha256Stream stream;
    for (size_t at = 0; at < size;) {
      const size_t piece = random.Below(100);
      stream.Update(std::string_view(bytes).substr(at, piece));
      at += piece;
      if (random.Below(8) == 0) (void)stream.Finish();  // more may follow
    }
    ASSERT_EQ(HexOf(stream.Finish()), expected) << size;
  }
}

}  // namespace
}  // namespace weir
