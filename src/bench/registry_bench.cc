// The context registry: agents with 2,000-token contexts that begin with the same 1,000 tokens, in a store on disk.
//
// `N` agents (10,000 by default), everything on one CPU but for the readers beside a writer. `scale [MAX]`: what a question
// costs among 1,000 to MAX agents (100,000 by default) whose contexts have 256 tokens, 128 of them shared, without a store.
// `churn [CYCLES]`: contexts that come and go, and what stays behind.
// Over 400 lines because all cases ask the same questions of the same fixture.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "reader_latency.h"
#include "registry_contexts.h"
#include "registry_fixture.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"

namespace weir {
namespace {

using SharedTokenizer = std::shared_ptr<const Tokenizer>;

constexpr size_t kSamples = 1000;
constexpr double kSecondsMax = 2;  // of one kind of question
constexpr uint32_t kBlock = 16;
constexpr uint64_t kAgentsMax = 1'000'000;
constexpr size_t kClients = 8;

double Sum(const std::vector<double>& seconds) { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Status StatusOf(const Result<Registered>& done) { return done ? Status() : done.error(); }

ContextInput InputOf(uint64_t agent, const std::string& head) {
  return InputFromPrompts(RegistryAgent(agent), head, RegistryRole(agent));
}

Result<CallTimes> RegisterAll(Registry& registry, uint64_t agents) {
  const std::string head = RegistryHead();
  CallTimes times;
  for (uint64_t agent = 0; agent < agents; ++agent) {
    const ContextInput input = InputOf(agent, head);
    Result<Registered> done = InvalidArgument("not asked");
    times.Time([&] { done = registry.Register(input); });
    if (!done) return done.error();
    if (done->tokens != kRegistryContextTokens) {
      return InvalidArgument(fmt::format("a context has {} tokens with this tokenizer", done->tokens),
                             "bench registry needs Qwen3's: --tokenizer qwen3");
    }
  }
  return times;
}

// What loads on first use is loaded, and the words that all contexts are made of are known.
Status WarmUp(Registry& registry) {
  WEIR_TRY(StatusOf(registry.Register(InputFromPrompts("warm-up", RegistryHead(), RegistryRole(kAgentsMax)))));
  return registry.Remove("warm-up");
}

void AddMemory(const RegistryRows& rows, uint64_t grown, const RegistryStats& stats) {
  const auto raw = static_cast<double>(stats.text_bytes + 4 * stats.tokens);
  const auto agents = static_cast<double>(stats.contexts);
  const uint64_t counted = stats.held_bytes + stats.index_bytes() + stats.directory_bytes;
  rows.Add("memory", static_cast<double>(grown) / agents, "bytes/agent");
  rows.Add("memory/raw", static_cast<double>(grown) / raw, "x");
  rows.Add("counted/raw", static_cast<double>(counted) / raw, "x",
           {{"records", Json(stats.held_bytes)},
            {"directory", Json(stats.directory_bytes)},
            {"blocks", Json(stats.block_index_bytes)},
            {"spans", Json(stats.span_index_bytes)},
            {"near", Json(stats.near_index_bytes)}});
}

Status MeasureRegistration(Registry& registry, uint64_t agents, uint64_t before, const RegistryRows& rows) {
  const double cpu = ProcessCpuSeconds();
  WEIR_ASSIGN(CallTimes times, RegisterAll(registry, agents));
  const double used = ProcessCpuSeconds() - cpu;
  rows.Add("register_rate", static_cast<double>(agents) / Sum(times.seconds), "agents/s");
  rows.Add("register_cpu", used / static_cast<double>(agents) * 1e3, "ms/agent");
  rows.AddTimes("register", std::move(times), 1e3, "ms", {{"digest", Json(RegistryDigest(agents))}});
  AddMemory(rows, ResidentBytes() - before, registry.stats());
  return {};
}

// Several clients that wait for the store together, all on one CPU, the making of their texts included.
Status MeasureClients(const SharedTokenizer& tokenizer, uint64_t agents, const BenchSink& sink) {
  WEIR_ASSIGN(const DiskFolder folder, DiskFolder::Create());
  const OneCpu one;
  WEIR_ASSIGN(const BenchRegistry opened, BenchRegistry::Open(tokenizer, folder.path()));
  Registry& registry = *opened.registry;
  const std::string head = RegistryHead();
  std::atomic<uint64_t> next{0};
  std::vector<Status> ended(kClients);
  const double cpu = ProcessCpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> clients;
    for (Status& end : ended) {
      clients.emplace_back([&registry, &next, &head, &end, agents] {
        for (uint64_t agent = next.fetch_add(1); agent < agents && end; agent = next.fetch_add(1)) {
          end = StatusOf(registry.Register(InputOf(agent, head)));
        }
      });
    }
  }
  const double elapsed = SecondsSince(start);
  const double used = ProcessCpuSeconds() - cpu;
  for (Status& end : ended) WEIR_TRY(std::move(end));
  const StoreStats stored = opened.store->stats();
  const RegistryRows rows(sink, fmt::format("{} agents, {} clients", agents, kClients));
  rows.Add("register_rate", static_cast<double>(agents) / elapsed, "agents/s",
           {{"applies", Json(stored.applies)}, {"syncs", Json(stored.syncs)}});
  rows.Add("register_cpu", used / static_cast<double>(agents) * 1e3, "ms/agent");
  return {};
}

Status MeasureWithoutStore(const SharedTokenizer& tokenizer, uint64_t agents, const BenchSink& sink) {
  const OneCpu one;
  const uint64_t before = ResidentBytes();
  WEIR_ASSIGN(const BenchRegistry opened, BenchRegistry::Open(tokenizer, {}));
  const RegistryRows rows(sink, fmt::format("{} agents, no store", agents));
  return MeasureRegistration(*opened.registry, agents, before, rows);
}

struct Asked {
  Registry& registry;
  uint64_t agents;
  Random random{3};

  std::string AnyAgent() { return RegistryAgent(random.Below(agents)); }
};

Status AskShared(Asked& asked, const RegistryRows& rows) {
  SharedReport last;
  WEIR_ASSIGN(CallTimes times, TimeCalls(kSamples, kSecondsMax, [&](size_t) -> Status {
                const uint64_t a = asked.random.Below(asked.agents);
                const uint64_t b = (a + 1 + asked.random.Below(asked.agents - 1)) % asked.agents;
                const std::vector<std::string> pair = {RegistryAgent(a), RegistryAgent(b)};
                WEIR_ASSIGN(last, asked.registry.FindShared(pair, std::nullopt));
                return {};
              }));
  rows.AddTimes("pair", std::move(times), 1e3, "ms");
  rows.Add("pair_tokens_saved", last.tokens_saved.value_or(0), "tokens",
           {{"shared", Json(uint64_t{kHeadTokens / kBlock * kBlock})}});

  WEIR_ASSIGN(times, TimeCalls(kSamples, kSecondsMax, [&](size_t) -> Status {
                WEIR_ASSIGN(last, asked.registry.FindShared({}, asked.AnyAgent()));
                return {};
              }));
  rows.AddTimes("one_to_all", std::move(times), 1e3, "ms");
  rows.Add("one_to_all_matches", static_cast<double>(last.results.size()), "matches",
           {{"compared", Json(uint64_t{last.compared})}, {"truncated", Json(last.truncated)}});

  FindSharedOptions exact;
  exact.moved = exact.near = exact.semantic = false;
  WEIR_ASSIGN(times, TimeCalls(kSamples, kSecondsMax, [&](size_t) -> Status {
                WEIR_ASSIGN(last, asked.registry.FindShared({}, asked.AnyAgent(), exact));
                return {};
              }));
  rows.AddTimes("one_to_all_exact", std::move(times), 1e3, "ms");
  return {};
}

Status AskPrompts(Asked& asked, const RegistryRows& rows) {
  WEIR_ASSIGN(CallTimes times, TimeCalls(kSamples, kSecondsMax, [&](size_t i) -> Status {
                WEIR_ASSIGN(const SharedReport found, asked.registry.Match(RegistryPrompt(i)));
                KeepResult(found.results.size());
                return {};
              }));
  rows.AddTimes("match_prompt", std::move(times), 1e3, "ms");
  MatchOptions all;
  all.find.results_max = static_cast<uint32_t>(std::min<uint64_t>(asked.agents, 100'000));
  all.find.moved = all.find.near = all.find.semantic = false;
  WEIR_ASSIGN(const SharedReport found, asked.registry.Match(RegistryPrompt(0), all));
  const auto alike = std::ranges::count_if(found.results, [](const SharedContext& one) { return one.exact.blocks > 0; });
  rows.Add("match_prompt_recall", static_cast<double>(alike) / static_cast<double>(asked.agents), "of agents");

  WEIR_ASSIGN(times, TimeCalls(kSamples, kSecondsMax, [&](size_t i) -> Status {
                constexpr uint64_t kSeed = 2'000'000'000'000;
                WEIR_ASSIGN(const SharedReport near, asked.registry.Match(RegistryText(kSeed + i, kBlock)));
                KeepResult(near.results.size());
                return {};
              }));
  rows.AddTimes("near_block", std::move(times), 1e6, "us");

  size_t similar = 0;
  WEIR_ASSIGN(times, TimeCalls(kSamples, kSecondsMax, [&](size_t i) -> Status {
                WEIR_ASSIGN(const SimilarReport likes, asked.registry.FindSimilar(RegistryPrompt(i)));
                similar = likes.results.size();
                return {};
              }));
  rows.AddTimes("find_similar", std::move(times), 1e3, "ms");
  rows.Add("find_similar_found", static_cast<double>(similar), "agents");
  return {};
}

// Readers on all CPUs while one agent after the other is replaced.
Status MeasureBesideAWriter(Registry& registry, uint64_t agents, const BenchSink& sink) {
  Status status;
  const std::string head = RegistryHead();
  uint64_t step = 0;
  const auto write = [&] {
    ContextInput input = InputOf(agents + step % 64, head);
    if (step++ / 64 % 2 == 0) {
      KeepResult(registry.Register(input).has_value());
    } else {
      KeepResult(registry.Remove(input.agent).has_value());
    }
  };
  Asked asked{registry, agents};
  const auto measure = [&](const std::string& what, const std::function<Result<SharedReport>()>& read) {
    MeasureReaders(
        "registry", fmt::format("{} agents, {}", agents, what),
        [&] {
          if (const auto found = read(); !found) status = found.error();
        },
        write, sink);
    for (uint64_t i = 0; i < 64; ++i) KeepResult(registry.Remove(RegistryAgent(agents + i)).has_value());
    step = 0;
  };
  measure("pair", [&] {
    const std::vector<std::string> other = {asked.AnyAgent()};
    return registry.FindShared(other, asked.AnyAgent());
  });
  measure("one to all", [&] { return registry.FindShared({}, asked.AnyAgent()); });
  return status;
}

Status MeasureRemoval(Registry& registry, uint64_t agents, const RegistryStats& empty, const RegistryRows& rows) {
  CallTimes times;
  for (uint64_t agent = 0; agent < agents; ++agent) {
    const std::string name = RegistryAgent(agent);
    Status removed;
    times.Time([&] { removed = registry.Remove(name); });
    WEIR_TRY(std::move(removed));
  }
  rows.AddTimes("remove", std::move(times), 1e3, "ms");
  const RegistryStats left = registry.stats();
  rows.Add("remove_bytes_left", static_cast<double>(left.held_bytes + left.directory_bytes), "bytes");
  rows.Add("remove_index_bytes_left", static_cast<double>(left.index_bytes()) - static_cast<double>(empty.index_bytes()),
           "bytes");
  return {};
}

Status MeasureAgents(const SharedTokenizer& tokenizer, uint64_t agents, const BenchSink& sink) {
  WEIR_ASSIGN(const DiskFolder folder, DiskFolder::Create());
  const RegistryRows rows(sink, fmt::format("{} agents", agents));
  BenchRegistry opened;
  RegistryStats empty;
  {
    const OneCpu one;
    const uint64_t before = ResidentBytes();
    WEIR_ASSIGN(opened, BenchRegistry::Open(tokenizer, folder.path()));
    WEIR_TRY(WarmUp(*opened.registry));
    empty = opened.registry->stats();
    WEIR_TRY(MeasureRegistration(*opened.registry, agents, before, rows));
    Asked asked{*opened.registry, agents};
    WEIR_TRY(AskShared(asked, rows));
    WEIR_TRY(AskPrompts(asked, rows));
  }
  const auto closing = std::chrono::steady_clock::now();
  opened = BenchRegistry();
  rows.Add("close", SecondsSince(closing), "s");
  const double cpu = ProcessCpuSeconds();
  WEIR_ASSIGN(opened, BenchRegistry::Open(tokenizer, folder.path()));
  rows.Add("restart_cpu", ProcessCpuSeconds() - cpu, "s");
  const RegistryStats restored = opened.registry->stats();
  rows.Add("restart", opened.open_s, "s",
           {{"restored", Json(restored.restored)}, {"open_store_s", Json(opened.open_store_s)}});
  WEIR_TRY(MeasureBesideAWriter(*opened.registry, agents, sink));
  const OneCpu one;
  return MeasureRemoval(*opened.registry, agents, empty, rows);
}

// Short contexts ----------------------------------------------------------------------------------------------------------

constexpr uint32_t kShortHead = 128;
constexpr uint32_t kShortRole = 127;

std::string ShortContext(uint64_t agent) {
  return RegistryText(1, kShortHead) + "\n\n" + RegistryText(1000 + agent, kShortRole);
}

ContextInput ShortInput(uint64_t agent) {
  ContextInput input;
  input.agent = RegistryAgent(agent);
  input.text = ShortContext(agent);
  return input;
}

// Medians of processor time.
struct ScalePoint {
  double exact_s = 0;
  double pair_s = 0;
  double near_s = 0;
  double shared_s = 0;
};

Result<ScalePoint> MeasureScalePoint(const SharedTokenizer& tokenizer, uint64_t agents, const BenchSink& sink) {
  WEIR_ASSIGN(const BenchRegistry opened, BenchRegistry::Open(tokenizer, {}));
  Registry& registry = *opened.registry;
  const RegistryRows rows(sink, fmt::format("{} agents, short", agents));
  for (uint64_t agent = 0; agent < agents; ++agent) WEIR_TRY(StatusOf(registry.Register(ShortInput(agent))));
  Asked asked{registry, agents};
  ScalePoint point;
  const auto ask = [&](const std::string& metric, double& median, const std::function<Status(size_t)>& call) -> Status {
    WEIR_ASSIGN(CallTimes times, TimeCalls(kSamples, kSecondsMax, call));
    std::ranges::sort(times.cpu_seconds);
    median = times.cpu_seconds[times.cpu_seconds.size() / 2];
    rows.AddTimes(metric, std::move(times), 1e6, "us");
    return {};
  };
  FindSharedOptions exact;
  exact.moved = exact.near = exact.semantic = false;
  const auto shared = [&](std::span<const std::string> agents_asked, const FindSharedOptions& options) -> Status {
    WEIR_ASSIGN(const SharedReport found, registry.FindShared(agents_asked, asked.AnyAgent(), options));
    KeepResult(found.results.size());
    return {};
  };
  WEIR_TRY(ask("exact_one_to_all", point.exact_s, [&](size_t) { return shared({}, exact); }));
  WEIR_TRY(ask("pair", point.pair_s, [&](size_t) -> Status {
    const std::vector<std::string> other = {asked.AnyAgent()};
    return shared(other, {});
  }));
  WEIR_TRY(ask("near", point.near_s, [&](size_t i) -> Status {
    WEIR_ASSIGN(const SimilarReport found, registry.FindSimilar(ShortContext(kAgentsMax + i)));
    KeepResult(found.results.size());
    return {};
  }));
  WEIR_TRY(ask("one_to_all", point.shared_s, [&](size_t) { return shared({}, {}); }));
  return point;
}

Status MeasureScale(const SharedTokenizer& tokenizer, uint64_t agents_max, const BenchSink& sink) {
  const OneCpu one;
  std::optional<ScalePoint> first;
  for (uint64_t agents = 1000; agents <= agents_max; agents *= 10) {
    WEIR_ASSIGN(const ScalePoint point, MeasureScalePoint(tokenizer, agents, sink));
    if (!first) first = point;
    const RegistryRows rows(sink, fmt::format("{} agents, short, over 1,000", agents));
    rows.Add("exact_one_to_all", point.exact_s / first->exact_s, "x");
    rows.Add("pair", point.pair_s / first->pair_s, "x");
    rows.Add("near", point.near_s / first->near_s, "x");
    rows.Add("one_to_all", point.shared_s / first->shared_s, "x");
  }
  return {};
}

// Contexts of which some are here at any time come and go.
Status MeasureChurn(const SharedTokenizer& tokenizer, uint64_t cycles, const BenchSink& sink) {
  constexpr uint64_t kHere = 64;
  const OneCpu one;
  WEIR_ASSIGN(const BenchRegistry opened, BenchRegistry::Open(tokenizer, {}));
  Registry& registry = *opened.registry;
  const RegistryRows rows(sink, fmt::format("{} cycles", cycles));
  const auto input = [](uint64_t cycle) {
    ContextInput made;
    made.agent = RegistryAgent(cycle);
    made.text = RegistryText(1, 32) + "\n\n" + RegistryText(1000 + cycle, 31);
    return made;
  };
  const auto round = [&](uint64_t from, uint64_t count) -> Status {
    for (uint64_t cycle = from; cycle < from + count; ++cycle) {
      WEIR_TRY(StatusOf(registry.Register(input(cycle))));
      if (cycle >= from + kHere) WEIR_TRY(registry.Remove(RegistryAgent(cycle - kHere)));
    }
    for (uint64_t cycle = from + count - std::min(count, kHere); cycle < from + count; ++cycle) {
      WEIR_TRY(registry.Remove(RegistryAgent(cycle)));
    }
    return {};
  };
  const uint64_t fresh = registry.stats().index_bytes();
  WEIR_TRY(round(0, std::max(cycles / 20, 2 * kHere)));
  const RegistryStats early = registry.stats();
  const uint64_t resident = ResidentBytes();
  const auto start = std::chrono::steady_clock::now();
  WEIR_TRY(round(kAgentsMax, cycles));
  const double elapsed = SecondsSince(start);
  const RegistryStats late = registry.stats();
  const auto grown = [](uint64_t now, uint64_t then) { return static_cast<double>(now) - static_cast<double>(then); };
  rows.Add("cycle", elapsed / static_cast<double>(cycles) * 1e6, "us");
  rows.Add("index_growth", grown(late.index_bytes(), early.index_bytes()), "bytes");
  rows.Add("index_over_fresh", grown(late.index_bytes(), fresh), "bytes");
  rows.Add("records_left", static_cast<double>(late.held_bytes + late.directory_bytes), "bytes");
  rows.Add("resident_growth", grown(ResidentBytes(), resident), "bytes");
  return {};
}

Result<uint64_t> NumberFrom(std::string_view text, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return InvalidArgument(fmt::format("'{}' is not a number from {} to {}", text, least, most),
                           "weir bench registry [N | scale [MAX] | churn [CYCLES]]");
  }
  return number;
}

}  // namespace

Status BenchRegistryRoom(const BenchOptions& options, const BenchSink& sink) {
  if (options.tokenizer.empty()) return NotFound("bench registry needs a tokenizer", "--tokenizer qwen3");
  WEIR_ASSIGN(SharedTokenizer tokenizer, LoadTokenizer(options.tokenizer, {}));
  const auto& arguments = options.arguments;
  const std::string what = arguments.empty() ? "10000" : arguments[0];
  if (what == "scale") {
    WEIR_ASSIGN(const uint64_t most, NumberFrom(arguments.size() > 1 ? arguments[1] : "100000", 1000, kAgentsMax));
    return MeasureScale(tokenizer, most, sink);
  }
  if (what == "churn") {
    WEIR_ASSIGN(const uint64_t cycles, NumberFrom(arguments.size() > 1 ? arguments[1] : "1000000", 1000, 1'000'000'000));
    return MeasureChurn(tokenizer, cycles, sink);
  }
  WEIR_ASSIGN(const uint64_t agents, NumberFrom(what, 2, kAgentsMax));
  WEIR_TRY(MeasureAgents(tokenizer, agents, sink));
  WEIR_TRY(MeasureClients(tokenizer, agents, sink));
  return MeasureWithoutStore(tokenizer, agents, sink);
}

}  // namespace weir
