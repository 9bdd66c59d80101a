#include "weir/model/model_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir {
namespace {

TEST(ModelTable, EveryNameAndAliasLeadsToItsEntryAndToNoOther) {
  std::set<std::string_view> seen;
  for (const ModelEntry& entry : ModelTable()) {
    std::vector<std::string_view> names(entry.aliases.begin(), entry.aliases.end());
    names.push_back(entry.name);
    for (std::string_view name : names) {
      EXPECT_TRUE(seen.insert(name).second) << name << " names two models";
      const auto found = FindModel(name);
      ASSERT_TRUE(found) << found.error().ToString();
      EXPECT_EQ(*found, &entry);
    }
    EXPECT_EQ(entry.package_sha256.size(), 64u);
    EXPECT_LE(entry.tokens_max, entry.positions);
    for (uint32_t size : entry.matryoshka) EXPECT_LT(size, entry.dimensions);
  }
}

TEST(ModelTable, SpellingsOfOneNameAreOneModel) {
  const auto one = FindModel("sentence-transformers/all-MiniLM-L6-v2");
  const auto other = FindModel("all_minilm_l6_v2");
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*one, *other);
  EXPECT_EQ((*one)->name, "all-minilm-l6-v2");
}

TEST(ModelTable, UnknownNamesSuggestTheNearest) {
  const auto found = FindModel("all-minilm-l6-v3");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_NE(found.error().hint.find("all-minilm-l6-v2"), std::string::npos);
  EXPECT_EQ(FindModel("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(FindModel(std::string(100000, 'x')).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir
