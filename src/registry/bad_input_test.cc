// Input that nobody should give: a typed error that says what is wrong, and nothing half done.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "byte_tokenizer.h"
#include "registry_cases.h"
#include "registry_view.h"
#include "temporary_folder.h"
#include "weir/registry/context_record.h"

namespace weir {
namespace {

using testing::ByteTokenizer;
using testing::RegistryCase;
using testing::TextInput;
using testing::ViewOf;
using testing::Words;

class BadInput : public ::testing::Test {
 protected:
  BadInput() {
    case_.options.tokenizers.push_back({"others", std::make_shared<ByteTokenizer>(std::vector<std::string>{"<|end|>"})});
    case_.options.vector_dimensions = 3;
    case_.options.context_text_bytes_max = 10'000;
    case_.options.context_tokens_max = 5'000;
    case_.Open();
    EXPECT_TRUE(registry().Register(TextInput("here", Words(1, 500))));
    before_ = ViewOf(registry());
  }
  Registry& registry() { return *case_.registry; }

  // The change is refused with that code, and nothing is other than before.
  void ExpectRefused(const std::string& what, ContextInput input, ErrorCode code) {
    SCOPED_TRACE(what);
    const uint64_t refused = registry().stats().refused;
    const auto done = registry().Put(input);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, code) << done.error().ToString();
    EXPECT_FALSE(done.error().message.empty());
    EXPECT_EQ(registry().stats().refused, refused + 1);
    ExpectNothingChanged();
  }
  void ExpectNothingChanged() {
    registry().CheckInvariants();
    EXPECT_EQ(ViewOf(registry()), before_);
    EXPECT_EQ(testing::ViewAfterRestart(case_.options, *case_.store), before_);
  }

  RegistryCase case_;
  std::string before_;
};

ContextInput With(const std::function<void(ContextInput&)>& change) {
  ContextInput input = TextInput("new", Words(2, 300));
  change(input);
  return input;
}

Segment Part(std::string name, uint32_t begin, uint32_t end) {
  Segment segment;
  segment.name = std::move(name);
  segment.bytes = {begin, end};
  return segment;
}

TEST_F(BadInput, UnknownAgent) {
  EXPECT_EQ(registry().Get("nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().Replace(TextInput("nobody", "text")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().Append("nobody", {"text"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().SetPinned("nobody", true).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().Remove("nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().FindShared({}, "nobody").error().code, ErrorCode::kNotFound);
  const std::vector<std::string> agents = {"here", "nobody"};
  EXPECT_EQ(registry().FindShared(agents, "here").error().code, ErrorCode::kNotFound);
  EXPECT_NE(registry().Get("nobody").error().message.find("nobody"), std::string::npos);
  ExpectNothingChanged();
}

TEST_F(BadInput, DuplicateAgent) {
  EXPECT_EQ(registry().Register(TextInput("here", "text")).error().code, ErrorCode::kAlreadyExists);
  ExpectNothingChanged();
}

TEST_F(BadInput, Names) {
  const std::string long_name(257, 'x');
  for (const std::string& name : {std::string(), long_name, std::string("a\nb"), std::string("a\0b", 3),
                                  std::string("\xff\xfe"), std::string("a\x7f"), std::string("\xed\xa0\x80")}) {
    ExpectRefused("agent", With([&](ContextInput& input) { input.agent = name; }), ErrorCode::kInvalidArgument);
    ExpectRefused("group", With([&](ContextInput& input) { input.group = name; }), ErrorCode::kInvalidArgument);
    ExpectRefused("segment", With([&](ContextInput& input) { input.segments = {Part(name, 0, 300)}; }),
                  ErrorCode::kInvalidArgument);
    if (name.empty()) continue;
    ExpectRefused("role", With([&](ContextInput& input) { input.role = name; }), ErrorCode::kInvalidArgument);
    ExpectRefused("model", With([&](ContextInput& input) { input.model = name; }), ErrorCode::kInvalidArgument);
    ExpectRefused("LoRA", With([&](ContextInput& input) { input.lora = name; }), ErrorCode::kInvalidArgument);
    ExpectRefused("salt", With([&](ContextInput& input) { input.salt = name; }), ErrorCode::kInvalidArgument);
    AppendInput append{"more"};
    append.name = name;
    EXPECT_EQ(registry().Append("here", append).error().code, ErrorCode::kInvalidArgument);
    ExpectNothingChanged();
  }
  EXPECT_TRUE(registry().Register(TextInput("Zo\xc3\xab " + std::string(250, 'x'), "text")));
}

TEST_F(BadInput, EmptyAndOverLongPrompts) {
  ExpectRefused("empty", With([](ContextInput& input) { input.text.clear(); }), ErrorCode::kInvalidArgument);
  ExpectRefused("bytes", With([](ContextInput& input) { input.text = Words(1, 10'001); }), ErrorCode::kInvalidArgument);
  ExpectRefused("tokens", With([](ContextInput& input) { input.text = Words(1, 5'001); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Append("here", {""}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Append("here", {Words(1, 9'501)}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Append("here", {Words(1, 4'501)}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Match("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Match(Words(1, 10'001)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilar("").error().code, ErrorCode::kInvalidArgument);
  ExpectNothingChanged();
  EXPECT_TRUE(registry().Append("here", {Words(1, 4'500)}));
}

TEST_F(BadInput, TextThatIsNotUtf8) {
  for (const char* bytes : {"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"}) {
    ExpectRefused("text", With([&](ContextInput& input) { input.text = std::string("good until ") + bytes; }),
                  ErrorCode::kInvalidArgument);
    const auto appended = registry().Append("here", {std::string("good until ") + bytes});
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(appended.error().message.find("511"), std::string::npos) << appended.error().message;
    EXPECT_FALSE(registry().Replace(TextInput("here", Words(1, 500) + bytes)));
    EXPECT_EQ(registry().Match(bytes).error().code, ErrorCode::kInvalidArgument);
    ExpectNothingChanged();
  }
}

TEST_F(BadInput, SegmentsThatDoNotTileTheText) {
  const std::vector<std::vector<Segment>> bad = {
      {Part("a", 0, 299)},                                            // too short
      {Part("a", 0, 301)},                                            // too long
      {Part("a", 1, 300)},                                            // begins late
      {Part("b", 100, 300), Part("a", 0, 100)},                       // out of order
      {Part("a", 0, 200), Part("b", 100, 300)},                       // overlapping
      {Part("a", 0, 100), Part("b", 200, 300)},                       // with a hole
      {Part("a", 0, 100), Part("a", 100, 300)},                       // one name twice
      {Part("a", 0, 200), Part("b", 200, 100), Part("c", 100, 300)},  // backwards
  };
  for (const auto& segments : bad) {
    ExpectRefused("segments", With([&](ContextInput& input) { input.segments = segments; }), ErrorCode::kInvalidArgument);
  }
}

TEST_F(BadInput, Tokenizers) {
  ExpectRefused("unknown", With([](ContextInput& input) { input.tokenizer = "no such"; }), ErrorCode::kNotFound);
  ExpectRefused("another than the group's", With([](ContextInput& input) { input.tokenizer = "others"; }),
                ErrorCode::kInvalidArgument);
  MatchOptions match;
  match.tokenizer = "no such";
  EXPECT_EQ(registry().Match("text", match).error().code, ErrorCode::kNotFound);
  SimilarOptions similar;
  similar.tokenizer = "no such";
  EXPECT_EQ(registry().FindSimilar("text", similar).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(registry().Register(With([](ContextInput& input) { input.tokenizer = "others", input.group = "theirs"; })));
}

TEST_F(BadInput, Vectors) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& vector :
       std::vector<std::vector<float>>{{1, 2}, {1, 2, 3, 4}, {0, 0, 0}, {1, nan, 0}, {infinity, 1, 1}, {-infinity, 1, 1}}) {
    ExpectRefused("vector", With([&](ContextInput& input) { input.vector = vector; }), ErrorCode::kInvalidArgument);
    AppendInput append{"more"};
    append.vector = vector;
    EXPECT_EQ(registry().Append("here", append).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry().FindSimilarVector(vector).error().code, ErrorCode::kInvalidArgument);
    MatchOptions match;
    match.vector = vector;
    EXPECT_EQ(registry().Match("text", match).error().code, ErrorCode::kInvalidArgument);
    ExpectNothingChanged();
  }
}

TEST_F(BadInput, Numbers) {
  ExpectRefused("ttl", With([](ContextInput& input) { input.ttl = Duration(-1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindShared({}, "here", {.results_max = 0}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindShared({}, "here", {.results_max = 100'001}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindShared({}, std::nullopt).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilar("text", {.k = 0}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilar("text", {.k = 10'001}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilar("text", {.threshold = 1.5f}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilar("text", {.threshold = std::nanf("")}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().MatchTokens({}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().FindSimilarTokens({}).error().code, ErrorCode::kInvalidArgument);
  ExpectNothingChanged();
}

// As long as the clock can say, and beyond.
TEST_F(BadInput, TimesToLiveWithoutEnd) {
  ContextInput input = TextInput("old", "text");
  input.ttl = Duration::max();
  ASSERT_TRUE(registry().Register(input));
  case_.now_ms += int64_t{1} << 40;
  EXPECT_TRUE(registry().Contains("old"));
  case_.Open();
  EXPECT_TRUE(registry().Contains("old"));
  EXPECT_EQ(registry().stats().set_aside, 0u);
  registry().CheckInvariants();
}

TEST_F(BadInput, Workflows) {
  EXPECT_FALSE(Workflow::Create("cycle", {{"a", {"b"}}, {"b", {"a"}}}));
  const auto clean = Workflow::Create("flow", {{"a", {}}, {"b", {"a"}}});
  ASSERT_TRUE(clean);
  ASSERT_TRUE(registry().DeclareWorkflow(*clean));
  const std::string before = ViewOf(registry());
  for (const char* name : {"\xff", "a\nb", "\xed\xa0\x80"}) {
    const auto named = Workflow::Create(name, {{"a", {}}});
    if (named) {
      EXPECT_EQ(registry().DeclareWorkflow(*named).error().code, ErrorCode::kInvalidArgument);
    }
    const auto agent = Workflow::Create("other", {{name, {}}});
    if (agent) {
      EXPECT_EQ(registry().DeclareWorkflow(*agent).error().code, ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_EQ(registry().Advance("none", "a", Registry::Step::kStart).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().Advance("flow", "nobody", Registry::Step::kStart).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().Advance("flow", "b", Registry::Step::kStart).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Advance("flow", "a", Registry::Step::kFinish).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().Advance("flow", "a", Registry::Step::kSkip).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry().GetWorkflow("none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry().RemoveWorkflow("none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ViewOf(registry()), before);
  EXPECT_EQ(testing::ViewAfterRestart(case_.options, *case_.store), before);
}

TEST(BadOptions, AreRefused) {
  const auto refused = [](const std::function<void(RegistryOptions&)>& change) {
    RegistryCase setup;
    change(setup.options);
    return !Registry::Open(setup.options);
  };
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.tokenizers.clear(); }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.tokenizers.push_back({"nothing", nullptr}); }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.tokenizers.push_back(options.tokenizers[0]); }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.block_size = 1; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.block_size = 1025; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.contexts_bytes = 0; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.index_bytes = 0; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.contexts_max = 0; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.context_text_bytes_max = UINT64_MAX; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.context_tokens_max = UINT32_MAX; }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.ttl = Duration(-1); }));
  EXPECT_TRUE(refused([](RegistryOptions& options) { options.vector_dimensions = 1 << 20; }));
  EXPECT_FALSE(refused([](RegistryOptions&) {}));
}

// An encoder that fails on a word.
class FailingTokenizer final : public Tokenizer {
 public:
  const std::string& fingerprint() const override { return bytes_.fingerprint(); }
  uint32_t vocab_size() const override { return bytes_.vocab_size(); }
  Result<std::string> Decode(std::span<const TokenId> ids) const override { return bytes_.Decode(ids); }
  std::optional<TokenId> IdOf(std::string_view token) const override { return bytes_.IdOf(token); }
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<FailingEncoder>(bytes_.NewEncoder()); }

 private:
  class FailingEncoder final : public Encoder {
   public:
    explicit FailingEncoder(std::unique_ptr<Encoder> encoder) : encoder_(std::move(encoder)) {}
    Status Encode(std::string_view text, const EncodeOptions& options, Encoding& out) override {
      if (text.find("unencodable") != std::string_view::npos) return InvalidArgument("no tokens for that");
      return encoder_->Encode(text, options, out);
    }

   private:
    std::unique_ptr<Encoder> encoder_;
  };
  ByteTokenizer bytes_;
};

TEST(BadTokenizer, AnEncoderThatFailsLeavesNothing) {
  RegistryCase setup;
  setup.options.tokenizers = {{"fails", std::make_shared<FailingTokenizer>()}};
  Registry& registry = setup.Open();
  ASSERT_TRUE(registry.Register(TextInput("a", Words(1, 300))));
  const std::string before = ViewOf(registry);
  EXPECT_EQ(registry.Register(TextInput("e", "an unencodable text")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry.Replace(TextInput("a", "an unencodable text")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry.Append("a", {"an unencodable text"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry.Match("an unencodable text").error().code, ErrorCode::kInvalidArgument);
  registry.CheckInvariants();
  EXPECT_EQ(ViewOf(registry), before);
  EXPECT_EQ(testing::ViewAfterRestart(setup.options, *setup.store), before);
  EXPECT_TRUE(registry.Append("a", {"a text"}));
}

}  // namespace
}  // namespace weir
