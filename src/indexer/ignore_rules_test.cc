#include "weir/indexer/ignore_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

using Decision = std::optional<bool>;

Decision Decide(std::string_view rules, std::string_view path, bool is_folder = false) {
  return IgnoreRules(rules).Decide(path, is_folder);
}

TEST(IgnoreRules, NamesMatchInAnyFolderUnlessASlashAnchorsThem) {
  EXPECT_EQ(Decide("build", "build"), true);
  EXPECT_EQ(Decide("build", "a/b/build"), true);
  EXPECT_EQ(Decide("/build", "a/build"), std::nullopt);
  EXPECT_EQ(Decide("/build", "build"), true);
  EXPECT_EQ(Decide("a/build", "a/build"), true);
  EXPECT_EQ(Decide("a/build", "b/a/build"), std::nullopt);
  EXPECT_EQ(Decide("build/", "build"), std::nullopt);
  EXPECT_EQ(Decide("build/", "x/build", true), true);
}

TEST(IgnoreRules, TheLastMatchDecides) {
  EXPECT_EQ(Decide("*.log\n!keep.log\n", "keep.log"), false);
  EXPECT_EQ(Decide("*.log\n!keep.log\n", "other.log"), true);
  EXPECT_EQ(Decide("!keep.log\n*.log\n", "keep.log"), true);
}

TEST(IgnoreRules, CommentsBlanksAndEscapes) {
  EXPECT_EQ(Decide("#a", "#a"), std::nullopt);
  EXPECT_EQ(Decide("\\#a", "#a"), true);
  EXPECT_EQ(Decide("\\!a", "!a"), true);
  EXPECT_EQ(Decide("a   ", "a"), true);
  EXPECT_EQ(Decide("a\\ ", "a "), true);
  EXPECT_EQ(Decide("a\\   ", "a "), true);
  EXPECT_EQ(Decide("a\r\nb\r\n", "a"), true);
  EXPECT_EQ(Decide("\xef\xbb\xbf"
                   "a\n",
                   "a"),
            true);
  EXPECT_EQ(Decide("a\\", "a"), std::nullopt);
  EXPECT_TRUE(IgnoreRules("\n\n# only\n!\n/\n").empty());
}

TEST(IgnoreRules, Wildcards) {
  EXPECT_EQ(Decide("a*c", "abbbc"), true);
  EXPECT_EQ(Decide("/a*c", "ab/c"), std::nullopt);
  EXPECT_EQ(Decide("x/a?c", "x/abc"), true);
  EXPECT_EQ(Decide("x?c", "x/c"), std::nullopt);
  EXPECT_EQ(Decide("[a-c]x", "bx"), true);
  EXPECT_EQ(Decide("[!a-c]x", "bx"), std::nullopt);
  EXPECT_EQ(Decide("[^a-c]x", "dx"), true);
  EXPECT_EQ(Decide("[]-]x", "]x"), true);
  EXPECT_EQ(Decide("[[:digit:]]x", "7x"), true);
  EXPECT_EQ(Decide("[[:nothing:]]x", "7x"), std::nullopt);
  EXPECT_EQ(Decide("[abc", "a"), std::nullopt);
}

TEST(IgnoreRules, TwoStarsStandForFolders) {
  EXPECT_EQ(Decide("**/foo", "foo"), true);
  EXPECT_EQ(Decide("**/foo", "a/b/foo"), true);
  EXPECT_EQ(Decide("a/**/b", "a/b"), true);
  EXPECT_EQ(Decide("a/**/b", "a/x/y/b"), true);
  EXPECT_EQ(Decide("a/**/b", "a/xb"), std::nullopt);
  EXPECT_EQ(Decide("a/**", "a/x/y"), true);
  EXPECT_EQ(Decide("a/**", "a", true), std::nullopt);
  EXPECT_EQ(Decide("a/x**y/b", "a/x1/y/b"), std::nullopt);
}

TEST(IgnoreRules, ManyStarsTakeNoLonger) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_EQ(Decide(pattern + "b", std::string(2000, 'a')), std::nullopt);
  EXPECT_EQ(Decide(pattern, std::string(2000, 'a')), true);
}

}  // namespace
}  // namespace weir
