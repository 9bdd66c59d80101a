// Random operations on a registry beside a plain map; what it answers is compared with all pairs compared by hand.
// (over 400 lines because one player makes the moves and knows everything that the answers are held against)

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "registry_cases.h"
#include "registry_model.h"

namespace weir {
namespace {

using testing::ByteTokenizer;
using testing::ModelContext;
using testing::RegistryCase;
using testing::Words;

uint64_t SeedOf(uint64_t given) {
  const char* set = std::getenv("WEIR_SEED");
  return set == nullptr ? given : std::strtoull(set, nullptr, 10);
}

struct ModelTerms {
  uint64_t seed = 1;
  bool with_store = true;
  uint32_t agents = 12;
  uint32_t steps = 400;
  uint64_t contexts_bytes = 64 << 20;
  size_t text_bytes = 400;
  uint32_t compare_every = 4;
};

class Play {
 public:
  explicit Play(const ModelTerms& terms) : terms_(terms), random_(terms.seed) {
    tokenizer_ = std::make_shared<ByteTokenizer>(std::vector<std::string>{"<|end|>", "<|agent|>"});
    case_.options.tokenizers = {{"bytes", tokenizer_}};
    case_.options.vector_dimensions = 3;
    case_.options.contexts_bytes = terms.contexts_bytes;
    case_.options.ttl = std::chrono::seconds(100);
    if (!terms.with_store) case_.options.store = nullptr;
    case_.Open();
  }

  void Run() {
    for (uint32_t step = 0; step < terms_.steps && !::testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      Step();
      registry().CheckInvariants();
      CompareList();
      if (::testing::Test::HasFailure()) return;
      if (step % terms_.compare_every == 0) {
        CompareContents();
        CompareShared();
        CompareMatch();
        CompareSimilar();
        CompareVectors();
      }
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(done_, terms_.steps / 4) << "hardly anything worked";
  }

 private:
  Registry& registry() { return *case_.registry; }
  std::string AnyAgent() { return "agent " + std::to_string(random_.Below(terms_.agents)); }
  std::optional<std::string> AnyKnown() {
    const std::vector<std::string> known = Visible();
    if (known.empty()) return std::nullopt;
    return known[random_.Below(known.size())];
  }
  bool IsExpired(const ModelContext& context) const {
    return !context.pinned && context.expires_ms != 0 && context.expires_ms <= case_.now_ms;
  }
  std::vector<std::string> Visible() const {
    std::vector<std::string> agents;
    for (const auto& [agent, context] : model_) {
      if (!IsExpired(context)) agents.push_back(agent);
    }
    return agents;
  }

  // Heads and pieces that many share, copies with a letter changed, special tokens cut anywhere.
  std::string AnyText() {
    std::string text;
    if (random_.Below(4) != 0) text += Words(random_.Below(3), 40 + random_.Below(200));
    if (random_.Below(3) == 0) {
      if (const auto other = AnyKnown()) {
        std::string copy = model_[*other].text;
        for (uint64_t i = random_.Below(3); i > 0 && !copy.empty(); --i) {
          char& letter = copy[random_.Below(copy.size())];
          if (letter >= 'a' && letter <= 'z') letter = static_cast<char>('a' + random_.Below(26));
        }
        text = random_.Below(2) == 0 ? copy : text + copy;
      }
    }
    if (random_.Below(3) == 0) text += Words(1000 + random_.Below(3), 32 + random_.Below(100));
    text += Words(random_.Next(), random_.Below(terms_.text_bytes));
    text.resize(std::min(text.size(), 2 * terms_.text_bytes));
    if (random_.Below(2) == 0) text += "<|end|>";
    if (random_.Below(4) == 0) text += std::string("<|age").substr(0, 1 + random_.Below(5));
    return text.empty() ? "x" : text;
  }

  std::vector<float> AnyVector() {
    if (random_.Below(2) == 0) return {};
    return {static_cast<float>(random_.Unit()), static_cast<float>(random_.Unit()), 0.1f};
  }

  void Step() {
    switch (random_.Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: return Write();
      case 6:
      case 7: return Append();
      case 8: return Pin();
      case 9:
      case 10: return Remove();
      case 11: return Reclaim();
      case 12: {
        case_.now_ms += static_cast<int64_t>(random_.Below(30'000));
        return;
      }
      case 13: return Tend();
      case 14: return random_.Below(6) == 0 ? Clear() : Reclaim();
      default: return random_.Below(3) == 0 ? Restart() : Write();
    }
  }

  void Write() {
    ContextInput input;
    input.agent = AnyAgent();
    input.text = AnyText();
    input.group = random_.Below(3) == 0 ? "others" : "default";
    input.salt = random_.Below(5) == 0 ? "salt" : "";
    input.role = random_.Below(8) == 0 ? "Judge" : "writer";
    input.pinned = random_.Below(8) == 0;
    input.vector = AnyVector();
    if (random_.Below(3) == 0) input.ttl = std::chrono::milliseconds(random_.Below(60'000));
    const uint64_t kind = random_.Below(3);
    const auto found = model_.find(input.agent);
    const bool is_here = found != model_.end() && !IsExpired(found->second);
    const Result<Registered> done = kind == 0   ? registry().Register(input)
                                    : kind == 1 ? registry().Replace(input)
                                                : registry().Put(input);
    if (kind != 2 && is_here == (kind == 0)) {
      ASSERT_FALSE(done);
      ASSERT_EQ(done.error().code, kind == 0 ? ErrorCode::kAlreadyExists : ErrorCode::kNotFound);
      if (!is_here) model_.erase(input.agent);
      return;
    }
    if (!done) {
      // What had expired is gone all the same.
      ASSERT_EQ(done.error().code, ErrorCode::kExhausted) << done.error().ToString();
      if (!is_here) model_.erase(input.agent);
      return;
    }
    ++done_;
    ModelContext context;
    context.text = input.text;
    context.tokens = testing::EncodeWith(*tokenizer_, input.text);
    context.group = input.group;
    context.salt = input.salt;
    context.revision = is_here ? found->second.revision + 1 : 1;
    context.ttl_ms = input.ttl ? std::chrono::duration_cast<std::chrono::milliseconds>(*input.ttl).count() : 100'000;
    context.expires_ms = context.ttl_ms == 0 ? 0 : case_.now_ms + context.ttl_ms;
    context.pinned = input.pinned;
    context.dense = input.role == "Judge";
    context.vector = input.vector;
    ASSERT_EQ(done->revision, context.revision);
    ASSERT_EQ(done->tokens, context.tokens.size());
    CheckSharedBlocks(input.agent, context, *done);
    model_[input.agent] = std::move(context);
  }

  // Before the model takes it in.
  void CheckSharedBlocks(const std::string& agent, const ModelContext& context, const Registered& answer) {
    uint32_t most = 0;
    for (const auto& [name, other] : model_) {
      if (name == agent || IsExpired(other) || other.salt != context.salt || !registry().Contains(name)) continue;
      const auto [own, its] = std::ranges::mismatch(context.tokens, other.tokens);
      most = std::max(most, static_cast<uint32_t>(own - context.tokens.begin()) / testing::kModelBlock);
    }
    ASSERT_GE(answer.shared_blocks, most);
    if (terms_.with_store) {
      ASSERT_EQ(answer.shared_blocks, most);
    }
    ASSERT_EQ(answer.shared_with.has_value(), answer.shared_blocks > 0);
  }

  void Append() {
    const std::string agent = AnyAgent();
    const auto found = model_.find(agent);
    const bool is_here = found != model_.end() && !IsExpired(found->second);
    AppendInput input;
    input.text = random_.Below(3) == 0 ? "nt|>" : AnyText();
    input.kind = SegmentKind::kUser;
    input.vector = AnyVector();
    const Result<Registered> done = registry().Append(agent, input);
    if (!done) {
      if (is_here && terms_.with_store) {
        ASSERT_EQ(done.error().code, ErrorCode::kExhausted) << done.error().ToString();
      }
      if (!is_here) {
        ASSERT_EQ(done.error().code, ErrorCode::kNotFound) << done.error().ToString();
      }
      return;
    }
    ASSERT_TRUE(is_here);
    ++done_;
    ModelContext& context = found->second;
    context.text += input.text;
    context.tokens = testing::EncodeWith(*tokenizer_, context.text);
    context.expires_ms = context.ttl_ms == 0 ? 0 : case_.now_ms + context.ttl_ms;
    ++context.revision;
    context.vector = input.vector;
    ASSERT_EQ(done->tokens, context.tokens.size());
    ASSERT_LE(done->tokens_encoded, input.text.size() + 9);
  }

  void Pin() {
    const std::string agent = AnyAgent();
    const auto found = model_.find(agent);
    const bool is_here = found != model_.end() && !IsExpired(found->second);
    const bool pinned = random_.Below(3) == 0;
    const Status done = registry().SetPinned(agent, pinned);
    if (!is_here) {
      ASSERT_FALSE(done);
      return;
    }
    if (!done) {
      ASSERT_TRUE(done.error().code == ErrorCode::kExhausted || (!terms_.with_store && !registry().Contains(agent)));
      return;
    }
    ++done_;
    found->second.pinned = pinned;
  }

  void Remove() {
    const std::string agent = AnyAgent();
    const auto found = model_.find(agent);
    const bool is_here = found != model_.end() && !IsExpired(found->second);
    const Status done = registry().Remove(agent);
    ASSERT_EQ(done.has_value(), is_here) << agent;
    if (done) model_.erase(found);
  }

  void Clear() {
    const std::string group = random_.Below(2) == 0 ? "others" : "default";
    const auto done = registry().Clear(group);
    ASSERT_TRUE(done);
    ASSERT_EQ(*done, std::erase_if(model_, [&](const auto& entry) { return entry.second.group == group; }));
  }

  void Reclaim() { registry().contexts_pool().Reclaim(1 + random_.Below(60'000), TimePoint::max()); }

  void Tend() {
    const uint64_t expired = std::erase_if(model_, [&](const auto& entry) { return IsExpired(entry.second); });
    ASSERT_EQ(registry().Tend().expired, expired);
  }

  void Restart() {
    case_.Open();
    if (!terms_.with_store) model_.clear();
  }

  void CompareList() {
    std::set<std::string> here;
    for (const ContextSummary& line : registry().List()) {
      const auto found = model_.find(line.terms.agent);
      ASSERT_TRUE(found != model_.end()) << line.terms.agent << " is a phantom";
      const ModelContext& context = found->second;
      ASSERT_FALSE(IsExpired(context)) << line.terms.agent;
      EXPECT_EQ(line.terms.revision, context.revision);
      EXPECT_EQ(line.terms.expires_ms, context.expires_ms);
      EXPECT_EQ(line.terms.pinned, context.pinned);
      EXPECT_EQ(line.terms.dense, context.dense);
      EXPECT_EQ(line.terms.group, context.group);
      EXPECT_EQ(line.terms.space.salt, context.salt);
      EXPECT_EQ(line.tokens, context.tokens.size());
      EXPECT_EQ(line.text_bytes, context.text.size());
      cold_[line.terms.agent] = line.cold;
      here.insert(line.terms.agent);
    }
    if (terms_.with_store) {
      for (const std::string& agent : Visible()) ASSERT_TRUE(here.contains(agent)) << agent << " is lost";
      ASSERT_EQ(registry().stats().forgotten, 0u);
      return;
    }
    // Whoever is missing was evicted, and pinned contexts are not.
    uint64_t expired = 0;
    for (const auto& [agent, context] : model_) {
      expired += IsExpired(context) ? 1 : 0;
      if (!here.contains(agent) && !IsExpired(context)) {
        ASSERT_FALSE(context.pinned) << agent << " was pinned";
      }
    }
    std::erase_if(model_, [&](const auto& entry) { return !here.contains(entry.first) && !IsExpired(entry.second); });
    ASSERT_LE(registry().stats().contexts, here.size() + expired);
    ASSERT_GE(registry().stats().contexts, here.size());
    if (registry().stats().contexts == here.size()) {
      std::erase_if(model_, [&](const auto& entry) { return IsExpired(entry.second); });
    }
    // Some of those that had expired were evicted: let go of all, so that the two agree again.
    registry().Tend();
    std::erase_if(model_, [&](const auto& entry) { return IsExpired(entry.second); });
  }

  void CompareContents() {
    for (int i = 0; i < 2; ++i) {
      const auto agent = AnyKnown();
      if (!agent) return;
      const auto held = registry().Get(*agent);
      ASSERT_TRUE(held) << held.error().ToString();
      const ModelContext& context = model_[*agent];
      ASSERT_EQ((*held)->text(), context.text);
      ASSERT_TRUE(std::ranges::equal((*held)->tokens(), context.tokens));
      ASSERT_TRUE(std::ranges::equal((*held)->vector(), context.vector));
    }
    CompareList();
  }

  void CompareResult(const std::vector<TokenId>& target, bool dense, const SharedContext& result) {
    SCOPED_TRACE("with " + result.agent);
    const auto found = model_.find(result.agent);
    ASSERT_TRUE(found != model_.end() && !IsExpired(found->second)) << "a phantom";
    const ModelContext& other = found->second;
    const testing::ModelSharing expected = testing::ShareOf(target, other.tokens);
    EXPECT_EQ(result.revision, other.revision);
    EXPECT_EQ(result.exact.blocks, expected.exact_blocks);
    EXPECT_EQ(result.exact.tokens, result.cold ? expected.exact_blocks * testing::kModelBlock : expected.exact_tokens);
    EXPECT_EQ(result.tokens_saved, expected.exact_blocks * testing::kModelBlock);
    EXPECT_DOUBLE_EQ(result.confidence, static_cast<double>(result.tokens_saved) / static_cast<double>(target.size()));
    if (result.cold || dense || other.dense) {
      EXPECT_FALSE(result.moved_tokens);
      EXPECT_FALSE(result.near_blocks);
      EXPECT_TRUE(result.moved.empty() && result.near.empty());
      return;
    }
    ASSERT_TRUE(result.moved_tokens && result.near_blocks);
    if (result.moved_truncated) return;
    EXPECT_EQ(*result.moved_tokens, expected.moved.a_tokens);
    if (expected.moved.spans.size() <= 64) {
      ASSERT_EQ(result.moved.size(), expected.moved.spans.size());
      for (size_t i = 0; i < result.moved.size(); ++i) {
        EXPECT_EQ(result.moved[i].target_token, expected.moved.spans[i].a_begin);
        EXPECT_EQ(result.moved[i].agent_token, expected.moved.spans[i].b_begin);
        EXPECT_EQ(result.moved[i].tokens, expected.moved.spans[i].length);
      }
    }
    EXPECT_EQ(*result.near_blocks, expected.near.size());
    for (size_t i = 0; i < std::min(result.near.size(), expected.near.size()); ++i) {
      EXPECT_EQ(result.near[i].target_block, expected.near[i].target_block);
      EXPECT_EQ(result.near[i].distance, expected.near[i].distance);
      EXPECT_LE(result.near[i].distance, 8u);
    }
  }

  void CompareReport(const std::vector<TokenId>& target, bool dense, const std::string& salt, const std::string& exclude,
                     const SharedReport& report, bool all_listed) {
    std::set<std::string> listed;
    uint32_t most = 0;
    for (size_t i = 0; i < report.results.size(); ++i) {
      const SharedContext& result = report.results[i];
      ASSERT_TRUE(listed.insert(result.agent).second) << result.agent << " stands twice";
      ASSERT_NE(result.agent, exclude);
      if (i > 0) {
        EXPECT_LE(result.confidence, report.results[i - 1].confidence);
      }
      most = std::max(most, result.tokens_saved);
      ASSERT_NO_FATAL_FAILURE(CompareResult(target, dense, result));
    }
    if (report.compared > 0) {
      EXPECT_EQ(report.tokens_saved, most);
    }
    for (const std::string& agent : Visible()) {
      const ModelContext& other = model_[agent];
      if (agent == exclude || other.salt != salt || listed.contains(agent)) continue;
      EXPECT_FALSE(all_listed) << agent << " is not listed";
      const testing::ModelSharing sharing = testing::ShareOf(target, other.tokens);
      EXPECT_EQ(sharing.exact_blocks, 0u) << agent << " is not listed";
      if (dense || other.dense || cold_[agent]) continue;
      EXPECT_TRUE(sharing.moved.spans.empty()) << agent << " is not listed";
      EXPECT_TRUE(sharing.near.empty()) << agent << " is not listed";
    }
  }

  void CompareShared() {
    const auto target = AnyKnown();
    if (!target) return;
    std::vector<std::string> agents;
    if (random_.Below(2) == 0) {
      for (const std::string& agent : Visible()) {
        if (random_.Below(2) == 0) agents.push_back(agent);
      }
    }
    const auto report = registry().FindShared(agents, *target);
    ASSERT_TRUE(report) << report.error().ToString();
    CompareList();  // reading the target back may have evicted others
    const ModelContext& context = model_[*target];
    ASSERT_EQ(report->target_tokens, context.tokens.size());
    if (agents.empty()) {
      CompareReport(context.tokens, context.dense, context.salt, *target, *report, false);
      return;
    }
    for (const SharedContext& result : report->results) {
      EXPECT_TRUE(std::ranges::find(agents, result.agent) != agents.end());
      CompareResult(context.tokens, context.dense, result);
    }
  }

  void CompareMatch() {
    const std::string prompt = AnyText();
    MatchOptions options;
    options.salt = random_.Below(5) == 0 ? "salt" : "";
    const auto report = registry().Match(prompt, options);
    ASSERT_TRUE(report) << report.error().ToString();
    CompareReport(testing::EncodeWith(*tokenizer_, prompt), false, options.salt, "", *report, false);
  }

  void CompareSimilar() {
    const std::string text = AnyText();
    const std::vector<TokenId> query = testing::EncodeWith(*tokenizer_, text);
    SimilarOptions options;
    options.k = 10'000;
    options.threshold = 0.25f;
    const auto report = registry().FindSimilar(text, options);
    ASSERT_TRUE(report) << report.error().ToString();
    const size_t blocks = query.size() / testing::kModelBlock;
    if (blocks == 0) {
      EXPECT_TRUE(report->results.empty());
      return;
    }
    std::map<std::string, testing::ModelLikeness> expected;
    for (const std::string& agent : Visible()) {
      const ModelContext& other = model_[agent];
      if (!other.salt.empty() || other.dense || cold_[agent]) continue;
      const testing::ModelLikeness likeness = testing::LikenessOf(query, other.tokens);
      if (static_cast<float>(likeness.equal + likeness.near) / static_cast<float>(blocks) >= options.threshold)
        expected[agent] = likeness;
    }
    EXPECT_EQ(report->results.size(), expected.size());
    for (const SimilarContext& result : report->results) {
      ASSERT_TRUE(expected.contains(result.agent)) << result.agent;
      EXPECT_EQ(result.equal_blocks, expected[result.agent].equal) << result.agent;
      EXPECT_EQ(result.near_blocks, expected[result.agent].near) << result.agent;
    }
  }

  void CompareVectors() {
    const std::vector<float> query = {static_cast<float>(random_.Unit()), 0.5f, static_cast<float>(random_.Unit())};
    SimilarOptions options;
    options.k = 10'000;
    options.threshold = -1;
    const auto report = registry().FindSimilarVector(query, options);
    ASSERT_TRUE(report) << report.error().ToString();
    std::set<std::string> expected;
    for (const std::string& agent : Visible()) {
      const ModelContext& context = model_[agent];
      if (context.salt.empty() && !context.dense && !context.vector.empty()) expected.insert(agent);
    }
    EXPECT_EQ(report->results.size(), expected.size());
    for (size_t i = 0; i < report->results.size(); ++i) {
      const SimilarContext& result = report->results[i];
      ASSERT_TRUE(expected.contains(result.agent)) << result.agent;
      EXPECT_NEAR(result.similarity, testing::CosineOf(query, model_[result.agent].vector), 1e-4);
      if (i > 0) {
        EXPECT_LE(result.similarity, report->results[i - 1].similarity);
      }
    }
  }

  const ModelTerms terms_;
  Random random_;
  std::shared_ptr<ByteTokenizer> tokenizer_;
  RegistryCase case_;
  std::map<std::string, ModelContext> model_;
  std::map<std::string, bool> cold_;
  uint64_t done_ = 0;
};

void PlayAll(ModelTerms terms, uint64_t rounds) {
  for (uint64_t round = 0; round < rounds; ++round) {
    terms.seed = SeedOf(terms.seed + round);
    SCOPED_TRACE("WEIR_SEED=" + std::to_string(terms.seed));
    Play(terms).Run();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RegistryModel, WithAStore) { PlayAll({.seed = 100}, 3); }

TEST(RegistryModel, WithoutAStore) { PlayAll({.seed = 200, .with_store = false}, 3); }

TEST(RegistryModel, WithLittleMemoryAndAStore) {
  PlayAll({.seed = 300, .agents = 150, .steps = 1000, .contexts_bytes = 1 << 20, .text_bytes = 1500, .compare_every = 100},
          1);
}

TEST(RegistryModel, WithLittleMemoryAndNoStore) {
  PlayAll({.seed = 400,
           .with_store = false,
           .agents = 150,
           .steps = 1000,
           .contexts_bytes = 1 << 20,
           .text_bytes = 1500,
           .compare_every = 100},
          1);
}

}  // namespace
}  // namespace weir
