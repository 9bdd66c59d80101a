#include "weir/codec/base64.h"

#include <gtest/gtest.h>

#include "weir/base/random.h"

namespace weir {
namespace {

TEST(Base64, TestVectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\xfb\xff", "+/8="}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(Base64Of(bytes), text);
    const Result<std::string> back = ParseBase64(text);
    ASSERT_TRUE(back.has_value()) << text;
    EXPECT_EQ(*back, bytes);
  }
  EXPECT_EQ(Base64UrlOf("\xfb\xff"), "-_8");
}

TEST(Base64, RefusesEverythingElse) {
  for (const std::string_view text :
       {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-_", "=Zg=", "Zg==Zg=="}) {
    EXPECT_FALSE(ParseBase64(text).has_value()) << text;
  }
  for (const std::string_view text : {"Zg==", "Z", "Zh", "+/8"}) EXPECT_FALSE(ParseBase64Url(text).has_value()) << text;
}

TEST(Base64, RandomBytesComeBack) {
  Random random(64);
  for (size_t size = 0; size < 200; ++size) {
    std::string bytes(size, 0);
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    EXPECT_EQ(ParseBase64(Base64Of(bytes)).value(), bytes);
    EXPECT_EQ(ParseBase64Url(Base64UrlOf(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace weir
