// Hit ratios of the pool's policies on a published trace, beside plain LRU, ARC and S3-FIFO on the same keys.

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "cache_simulators.h"
#include "key_trace.h"
#include "weir/bench/bench.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

constexpr uint64_t kValueBytes = 16;
constexpr uint64_t kEntryBytesMax = 1024;  // more than a pool charges for one, so that the budget never binds
constexpr uint64_t kEntriesMax = 16'000'000;

// What the published tables use.
std::vector<uint32_t> UsualSizes(const std::string& file, const KeyTrace& trace) {
  const auto is = [&](std::string_view prefix) { return file.compare(0, prefix.size(), prefix) == 0; };
  if (is("arc_oltp") || is("OLTP")) return {1000, 5000, 10000};
  if (is("arc_p3") || is("P3")) return {1u << 14, 1u << 16, 1u << 18};
  if (is("mooncake")) return {1000, 5000, 20000, 50000};
  if (is("lirs_loop") || is("loop")) return {512};
  return {std::max(2u, trace.distinct / 100), std::max(2u, trace.distinct / 20), std::max(2u, trace.distinct / 5)};
}

Result<std::vector<uint32_t>> ReadSizes(std::span<const std::string> words) {
  std::vector<uint32_t> sizes;
  for (const std::string& word : words) {
    uint32_t size = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
    if (error != std::errc() || end != word.data() + word.size() || size < 2 || size > kEntriesMax) {
      return InvalidArgument(fmt::format("'{}' is no cache size", word),
                             fmt::format("give a number of entries, 2 to {}", kEntriesMax));
    }
    sizes.push_back(size);
  }
  return sizes;
}

struct Outcome {
  uint64_t hits = 0;
  PoolStats stats;
};

Result<Outcome> RunPool(const KeyTrace& trace, uint32_t entries, EvictionPolicy policy, bool adaptive) {
  PoolOptions options;
  options.name = "trace";
  options.budget_bytes = std::max<uint64_t>(64ull << 20, entries * kEntryBytesMax);
  options.entries_max = entries;
  options.policy = policy;
  options.adaptive = adaptive;
  WEIR_ASSIGN(const auto pool, Pool::Create(std::move(options)));
  const std::byte value[kValueBytes] = {};
  Outcome outcome;
  for (const uint32_t key : trace.keys) {
    if (pool->Get({0, key})) {
      ++outcome.hits;
    } else if (const InsertOutcome inserted = pool->Insert({0, key}, value); !inserted.stored()) {
      return Error{ErrorCode::kInternal, fmt::format("the pool refused an entry: {}", StatusName(inserted.status)), ""};
    }
  }
  outcome.stats = pool->Stats();
  return outcome;
}

class Rows {
 public:
  Rows(std::string trace, const KeyTrace& keys, const BenchSink& sink)
      : trace_(std::move(trace)), keys_(keys), sink_(sink) {}

  void Add(uint32_t entries, const std::string& policy, uint64_t hits, Json::Object more = {}) const {
    Json::Object extra = {{"trace", Json(trace_)},
                          {"size", Json(uint64_t{entries})},
                          {"policy", Json(policy)},
                          {"requests", Json(uint64_t{keys_.keys.size()})},
                          {"distinct", Json(uint64_t{keys_.distinct})}};
    extra.insert(extra.end(), more.begin(), more.end());
    const double ratio = 100.0 * static_cast<double>(hits) / static_cast<double>(keys_.keys.size());
    sink_({"pool-hit-ratio", fmt::format("{} @{}", trace_, entries), policy, ratio, "%", std::move(extra)});
  }

 private:
  const std::string trace_;
  const KeyTrace& keys_;
  const BenchSink& sink_;
};

Status RunSize(const KeyTrace& trace, uint32_t entries, const Rows& rows) {
  rows.Add(entries, "plain LRU", HitsOfLru(trace, entries));
  rows.Add(entries, "plain ARC", HitsOfArc(trace, entries));
  rows.Add(entries, "plain S3-FIFO", HitsOfS3Fifo(trace, entries));
  struct Setting {
    std::string name;
    EvictionPolicy policy;
    bool adaptive;
  };
  std::vector<Setting> settings;
  for (const EvictionPolicy policy :
       {EvictionPolicy::kS3Fifo, EvictionPolicy::kClock, EvictionPolicy::kCar, EvictionPolicy::kDuel}) {
    settings.push_back({fmt::format("pool {}", PolicyName(policy)), policy, false});
  }
  settings.push_back({"pool adaptive", EvictionPolicy::kS3Fifo, true});
  for (const Setting& setting : settings) {
    WEIR_ASSIGN(const Outcome outcome, RunPool(trace, entries, setting.policy, setting.adaptive));
    rows.Add(entries, setting.name, outcome.hits,
             {{"entries", Json(outcome.stats.entries)},
              {"ends_with", Json(PolicyName(outcome.stats.policy))},
              {"policy_switches", Json(outcome.stats.policy_switches)}});
  }
  return {};
}

}  // namespace

// Arguments: a trace (see key_trace.h), then cache sizes in entries; without sizes, those of the published tables.
Status BenchPoolHitRatio(const BenchOptions& options, const BenchSink& sink) {
  if (options.arguments.empty()) {
    return InvalidArgument("pool-hit-ratio needs a trace",
                           "weir bench pool-hit-ratio TRACE [SIZE]...; .lis, .txt or .jsonl, compressed or not");
  }
  const std::filesystem::path path = options.arguments.front();
  WEIR_ASSIGN(std::vector<uint32_t> sizes, ReadSizes(std::span(options.arguments).subspan(1)));
  WEIR_ASSIGN(const KeyTrace trace, ReadKeyTrace(path));
  const std::string file = path.filename().string();
  if (sizes.empty()) sizes = UsualSizes(file, trace);
  const Rows rows(file.substr(0, file.find('.')), trace, sink);
  for (const uint32_t entries : sizes) WEIR_TRY(RunSize(trace, entries, rows));
  return {};
}

}  // namespace weir
