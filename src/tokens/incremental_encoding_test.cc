#include "weir/tokens/incremental_encoding.h"

#include <gtest/gtest.h>

#include "testing/bpe_samples.h"
#include "testing/real_tokenizers.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using testing::BpeSample;
using testing::EncodeText;
using testing::LoadText;
using testing::RandomText;

uint64_t Seed() { return static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()) + 30u; }

// The largest prefix of whole characters.
size_t WholeCharacters(std::string_view text) {
  const auto fault = FindInvalidUtf8(text);
  return fault ? *fault : text.size();
}

// Appends `text` in random pieces, also inside characters, and compares with encoding it whole after every piece.
void CheckAppends(Encoder& encoder, std::string_view text, Random& random, bool long_pieces) {
  IncrementalEncoding incremental;
  Encoding whole;
  Encoding extended;
  size_t extended_bytes = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min(text.size() - at, 1 + random.Below(long_pieces ? 200 : 8));
    const std::vector<TokenId> before = incremental.encoding().ids;
    const auto changed = incremental.Append(encoder, text.substr(at, size));
    ASSERT_TRUE(changed) << changed.error().ToString();
    at += size;
    const std::string_view so_far = text.substr(0, WholeCharacters(text.substr(0, at)));
    ASSERT_TRUE(encoder.Encode(so_far, {}, whole));
    ASSERT_EQ(incremental.encoding().ids, whole.ids) << "after " << at << " bytes of " << JsonQuote(so_far);
    ASSERT_EQ(incremental.encoding().begins, whole.begins) << "after " << at << " bytes of " << JsonQuote(so_far);
    ASSERT_EQ(incremental.text_bytes(), so_far.size());
    ASSERT_EQ(incremental.text_bytes() + incremental.waiting_bytes(), at);
    const auto encoded = ExtendEncoding(encoder, so_far, extended_bytes, extended);
    ASSERT_TRUE(encoded) << encoded.error().ToString();
    extended_bytes = so_far.size();
    ASSERT_EQ(extended.ids, whole.ids) << "after " << at << " bytes of " << JsonQuote(so_far);
    ASSERT_EQ(extended.begins, whole.begins);
    ASSERT_LE(*changed, before.size());
    ASSERT_TRUE(std::equal(before.begin(), before.begin() + static_cast<ptrdiff_t>(*changed), whole.ids.begin()));
  }
}

TEST(IncrementalEncoding, EqualsTheWholeOnSmallTokenizers) {
  SCOPED_TRACE(Seed());
  Random random(Seed());
  const std::vector<std::string> tokens = {"<|end|>", "<|endoftext|>", "<a>", "<ab", "b>c"};
  for (const bool nfc : {false, true}) {
    for (const std::string_view flags : {"", "normalized", "lstrip rstrip"}) {
      BpeSample sample;
      sample.AddRandomMerges(random, "theo' \n", 60);
      for (const std::string& token : tokens) sample.AddToken(token, token == tokens[2] ? flags : "");
      if (nfc) sample.normalizer = *Json::Parse(R"({"type":"NFC"})");
      const auto tokenizer = LoadText(sample.Text());
      const auto encoder = tokenizer->NewEncoder();
      for (int i = 0; i < 40; ++i) CheckAppends(*encoder, RandomText(random, tokens, 15), random, false);
    }
  }
}

TEST(IncrementalEncoding, EqualsTheWholeOnRealTokenizers) {
  const auto real = testing::RealTokenizers();
  if (real.empty()) GTEST_SKIP() << "no tokenizers in the cache folder; ./run --build fetches them";
  SCOPED_TRACE(Seed());
  const testing::ScratchFolder folder;
  for (const auto& [name, path] : real) {
    SCOPED_TRACE(name);
    Random random(Seed());
    auto tokenizer = LoadTokenizer(path, {});
    ASSERT_TRUE(tokenizer) << tokenizer.error().ToString();
    const auto encoder = (*tokenizer)->NewEncoder();
    const std::vector<std::string> tokens = {"<|im_start|>",
                                             "<|im_end|>",
                                             "<|begin_of_text|>",
                                             "</think>",
                                             "<|endoftext|>",
                                             "<\xEF\xBD\x9C"
                                             "User\xEF\xBD\x9C>"};
    for (int i = 0; i < 60; ++i) CheckAppends(*encoder, RandomText(random, tokens, 12), random, i % 4 == 0);
  }
}

TEST(IncrementalEncoding, ReEncodesOnlyTheEnd) {
  BpeSample sample;
  const auto tokenizer = LoadText(sample.Text());
  const auto encoder = tokenizer->NewEncoder();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "some words and numbers 12345, ";
  EXPECT_GT(encoder->FindStableCut(text), text.size() - 40);
}

TEST(IncrementalEncoding, RefusesBrokenTextAndStaysAsItWas) {
  const auto tokenizer = LoadText(BpeSample().Text());
  const auto encoder = tokenizer->NewEncoder();
  IncrementalEncoding incremental;
  ASSERT_TRUE(incremental.Append(*encoder, "caf\xC3"));
  EXPECT_EQ(incremental.waiting_bytes(), 1u);
  const auto refused = incremental.Append(*encoder, "x");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("byte 3"), std::string::npos) << refused.error().message;
  EXPECT_EQ(incremental.text_bytes(), 3u);
  ASSERT_TRUE(incremental.Append(*encoder, "\xA9!"));
  EXPECT_EQ(incremental.encoding().ids, EncodeText(*tokenizer, "caf\xC3\xA9!").ids);
}

}  // namespace
}  // namespace weir
