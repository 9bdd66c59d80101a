// Writers, readers, an evictor and upkeep at the same time.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "registry_cases.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

constexpr uint64_t kAgents = 24;
constexpr uint64_t kHeads = 3;

std::string AgentOf(uint64_t number) { return "agent " + std::to_string(number); }

// Every text of an agent begins with its name and a head that it shares with others, and tells how it goes on, so that a
// reader can tell a true text from a mixed one.
std::string TextOf(uint64_t agent, uint64_t version) {
  return Words(agent % kHeads, 160) + "|" + std::to_string(agent) + "|" + std::to_string(version) + "|" +
         Words(1000 * agent + version % 7, 200 + 40 * (version % 7));
}
constexpr std::string_view kAppended = "|and a turn more|";

bool IsTextOf(uint64_t agent, std::string_view text) {
  while (text.ends_with(kAppended)) text.remove_suffix(kAppended.size());
  const std::string begin = Words(agent % kHeads, 160) + "|" + std::to_string(agent) + "|";
  if (!text.starts_with(begin)) return false;
  return text == TextOf(agent, std::strtoull(std::string(text.substr(begin.size(), 20)).c_str(), nullptr, 10));
}

class Crowd {
 public:
  explicit Crowd(bool with_store) {
    case_.options.vector_dimensions = 3;
    case_.options.contexts_bytes = 1 << 20;
    case_.options.ttl = std::chrono::seconds(50);
    if (!with_store) case_.options.store = nullptr;
    case_.Open();
  }

  void Run(uint32_t rounds) {
    std::vector<std::thread> threads;
    const auto start = [&](uint64_t seed, uint32_t times, auto work) {
      threads.emplace_back([this, seed, times, work] {
        Random random(seed);
        for (uint32_t i = 0; i < times; ++i) (this->*work)(random);
      });
    };
    for (uint64_t seed = 1; seed <= 3; ++seed) start(seed, rounds, &Crowd::Write);
    for (uint64_t seed = 11; seed <= 13; ++seed) start(seed, rounds, &Crowd::Ask);
    start(21, rounds, &Crowd::Evict);
    start(22, rounds, &Crowd::Upkeep);
    for (std::thread& thread : threads) thread.join();
    registry().CheckInvariants();
    EXPECT_GT(written_, rounds);
    EXPECT_GT(answered_, rounds / 2);
    for (const ContextSummary& line : registry().List()) CheckText(line.terms.agent);
    ASSERT_TRUE(registry().Clear());
    registry().Tend();
    registry().CheckInvariants();
    EXPECT_EQ(registry().stats().contexts, 0u);
    EXPECT_EQ(registry().stats().held_bytes, 0u);
    EXPECT_EQ(registry().stats().tokens, 0u);
  }

 private:
  Registry& registry() { return *case_.registry; }

  void Expect(bool holds, const std::string& what) {
    if (holds) return;
    const std::lock_guard lock(failures_mutex_);
    ADD_FAILURE() << what;
  }
  void ExpectPlain(const Error& error) {
    Expect(
        error.code == ErrorCode::kNotFound || error.code == ErrorCode::kAlreadyExists || error.code == ErrorCode::kExhausted,
        error.ToString());
  }

  void Write(Random& random) {
    const uint64_t agent = random.Below(kAgents);
    const std::string name = AgentOf(agent);
    ContextInput input = TextInput(name, TextOf(agent, random.Next() % 1000));
    if (random.Below(2) == 0) input.vector = {1, static_cast<float>(random.Unit()), 2};
    const uint64_t kind = random.Below(8);
    Result<Registered> done = kind < 2   ? registry().Register(input)
                              : kind < 4 ? registry().Replace(input)
                              : kind < 6 ? registry().Put(input)
                                         : registry().Append(name, {std::string(kAppended), SegmentKind::kUser});
    if (!done) ExpectPlain(done.error());
    if (done) ++written_;
    if (random.Below(4) == 0) {
      if (const Status removed = registry().Remove(name); !removed) ExpectPlain(removed.error());
    }
    if (random.Below(8) == 0) {
      if (const Status pinned = registry().SetPinned(name, random.Below(4) == 0); !pinned) ExpectPlain(pinned.error());
    }
  }

  void CheckText(const std::string& agent) {
    const auto held = registry().Get(agent);
    if (!held) return ExpectPlain(held.error());
    const uint64_t number = std::strtoull(agent.c_str() + 6, nullptr, 10);
    Expect((*held)->agent() == agent, agent + " is somebody else");
    Expect(IsTextOf(number, (*held)->text()), "a text that was never registered for " + agent);
    Expect((*held)->tokens().size() == (*held)->text().size(), "tokens of another text");
  }

  void CheckReport(const SharedReport& report) {
    std::set<std::string> seen;
    for (const SharedContext& result : report.results) {
      Expect(result.agent.starts_with("agent ") && result.agent != report.target, "an agent that never was");
      Expect(seen.insert(result.agent).second, result.agent + " stands twice");
      Expect(result.exact.tokens <= report.target_tokens && result.confidence <= 1, "more than there is");
      Expect(result.exact.tokens >= result.exact.blocks * 16, "blocks without tokens");
    }
  }

  void Ask(Random& random) {
    const uint64_t agent = random.Below(kAgents);
    switch (random.Below(6)) {
      case 0: return CheckText(AgentOf(agent));
      case 1: {
        const auto report = registry().FindShared({}, AgentOf(agent));
        if (!report) return ExpectPlain(report.error());
        ++answered_;
        return CheckReport(*report);
      }
      case 2: {
        const std::vector<std::string> others = {AgentOf(random.Below(kAgents)), AgentOf(random.Below(kAgents))};
        const auto report = registry().FindShared(others, AgentOf(agent), {.reload_cold = random.Below(2) == 0});
        if (!report) return ExpectPlain(report.error());
        ++answered_;
        return CheckReport(*report);
      }
      case 3: {
        const auto report = registry().Match(TextOf(agent, random.Below(1000)));
        if (!report) return ExpectPlain(report.error());
        ++answered_;
        return CheckReport(*report);
      }
      case 4: {
        const auto report = registry().FindSimilar(TextOf(agent, random.Below(1000)), {.threshold = 0.2f});
        if (!report) return ExpectPlain(report.error());
        for (const SimilarContext& result : report->results) {
          Expect(result.similarity >= 0.2f && result.similarity <= 1, "a similarity that was not asked for");
        }
        ++answered_;
        return;
      }
      default: {
        const std::vector<float> vector = {1, static_cast<float>(random.Unit()), 2};
        if (const auto report = registry().FindSimilarVector(vector); !report) ExpectPlain(report.error());
        for (const ContextSummary& line : registry().List()) Expect(line.tokens > 160, "an empty context");
        static_cast<void>(registry().stats());
        ++answered_;
      }
    }
  }

  void Evict(Random& random) {
    registry().contexts_pool().Reclaim(1 + random.Below(40'000), TimePoint::max());
    if (random.Below(20) == 0) {
      if (const auto cleared = registry().Clear("nobody's"); cleared) Expect(*cleared == 0, "cleared another group");
    }
    std::this_thread::yield();
  }

  void Upkeep(Random& random) {
    case_.now_ms += static_cast<int64_t>(random.Below(2000));
    registry().Tend();
    static_cast<void>(registry().FarthestFirst(registry().contexts_pool().name(), 10'000));
    std::this_thread::yield();
  }

  RegistryCase case_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> answered_{0};
  std::mutex failures_mutex_;
};

TEST(RegistryThreads, AllAtOnceOverAStore) { Crowd(true).Run(400); }

TEST(RegistryThreads, AllAtOnceWithoutAStore) { Crowd(false).Run(400); }

}  // namespace
}  // namespace weir
