#include "weir/api/access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "temporary_folder.h"
#include "weir/base/file.h"

namespace weir {
namespace {

class AccessFileTest : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "tokens.json"; }
  ErrorCode CodeOf(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(file(), text, 0600));
    const Result<std::vector<AccessToken>> read = ReadAccessTokens(file());
    EXPECT_FALSE(read) << text;
    return read ? ErrorCode::kInternal : read.error().code;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(AccessFileTest, AMissingOneHoldsNone) { EXPECT_TRUE(ReadAccessTokens(file())->empty()); }

TEST_F(AccessFileTest, GivesBackWhatWasWritten) {
  FreshToken fresh = *MakeAccessToken("team", kAllScopes, "for the \"panel\"");
  fresh.token.requests_per_second = 7;
  const FreshToken other = *MakeAccessToken("default", static_cast<uint8_t>(Scope::kRead));
  ASSERT_TRUE(WriteAccessTokens(file(), {fresh.token, other.token}));
  const std::vector<AccessToken> read = *ReadAccessTokens(file());
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].id, fresh.token.id);
  EXPECT_EQ(read[0].note, fresh.token.note);
  EXPECT_EQ(read[0].secret_sha256, Sha256(fresh.secret));
  EXPECT_EQ(read[0].workspace, "team");
  EXPECT_EQ(read[0].scopes, kAllScopes);
  EXPECT_EQ(read[0].requests_per_second, 7u);
  EXPECT_EQ(read[0].created_ms, fresh.token.created_ms);
  EXPECT_EQ(read[1].scopes, static_cast<uint8_t>(Scope::kRead));
  EXPECT_EQ(ReadFile(file(), 1 << 20)->find(fresh.secret), std::string::npos) << "the secret is nowhere";
}

TEST_F(AccessFileTest, IsItsOwnersAlone) {
  ASSERT_TRUE(WriteAccessTokens(file(), {MakeAccessToken("team", kAllScopes)->token}));
  struct stat status {};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  for (const mode_t mode : {0640, 0604, 0620, 0601}) {
    ASSERT_EQ(::chmod(file().c_str(), mode), 0);
    const Result<std::vector<AccessToken>> read = ReadAccessTokens(file());
    ASSERT_FALSE(read) << mode;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(AccessFileTest, SaysWhatIsWrongWithIt) {
  const std::string sha(64, 'a');
  const auto token = [&](const std::string& id, const std::string& hash, const std::string& rest) {
    return R"({"tokens":[{"id":")" + id + R"(","sha256":")" + hash + R"(",)" + rest + "}]}";
  };
  const std::string fine = R"("workspace":"team","scopes":["read"])";
  for (const std::string& text : std::vector<std::string>{
           "", "{", "[]", "{}", R"({"tokens":{}})", R"({"tokens":[1]})", R"({"tokens":[{}]})", token("", sha, fine),
           token("t", sha + "a", fine), token("t", "zz", fine), token("t", "", fine),
           token("t", sha, R"("workspace":"../x","scopes":["read"])"), token("t", sha, R"("workspace":"team")"),
           token("t", sha, R"("workspace":"team","scopes":["root"])"),
           token("t", sha, fine + R"(,"requests_per_second":-1)")}) {
    EXPECT_EQ(CodeOf(text), ErrorCode::kCorrupt) << text;
  }
  ASSERT_TRUE(WriteFileAtomically(file(), token("t", sha, fine), 0600));
  EXPECT_TRUE(ReadAccessTokens(file()));
}

TEST(AccessTokenTest, SecretsAreLongAndEachIsAnother) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const FreshToken fresh = *MakeAccessToken("default", kAllScopes);
    EXPECT_EQ(fresh.secret.size(), 48u);
    EXPECT_TRUE(fresh.secret.starts_with("weir_"));
    EXPECT_EQ(fresh.token.id.size(), 14u);
    EXPECT_TRUE(seen.insert(fresh.secret).second);
    EXPECT_TRUE(seen.insert(fresh.token.id).second);
  }
}

TEST(AccessTest, NamesEachWorkspaceOnce) {
  Access access({MakeAccessToken("b", 1)->token, MakeAccessToken("a", 1)->token, MakeAccessToken("b", 1)->token});
  EXPECT_EQ(access.workspaces(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(access.open());
  access.Replace({});
  EXPECT_TRUE(access.open());
}

}  // namespace
}  // namespace weir
