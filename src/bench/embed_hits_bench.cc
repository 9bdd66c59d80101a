// What the embedding cache costs when it knows the texts: 100,000 of them, vectors of 384 numbers, on one core.
//
// The vectors come from a stand-in that makes numbers of the ids: only the fill asks it, and nothing about a model is
// measured here (`weir bench embed` does that).

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/embed/embed_cache.h"

namespace weir {
namespace {

constexpr uint32_t kDimensions = 384;
constexpr size_t kTexts = 100'000;
constexpr size_t kBatch = 256;
constexpr size_t kCallers = 64;

class StandIn final : public Embedder {
 public:
  explicit StandIn(std::atomic<uint64_t>& texts) : texts_(texts) {}
  uint32_t dimensions() const override { return kDimensions; }
  bool allows_dimensions(uint32_t dimensions) const override { return dimensions == 0 || dimensions == kDimensions; }
  uint32_t tokens_max() const override { return UINT32_MAX; }
  uint32_t vocab_size() const override { return UINT32_MAX; }
  Pooling pooling() const override { return Pooling::kMean; }
  const std::string& fingerprint() const override { return fingerprint_; }
  uint64_t memory_bytes() const override { return 0; }
  Status Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions&, Embeddings& out) override {
    texts_.fetch_add(texts.size());
    out.dimensions = kDimensions;
    out.vectors.resize(texts.size() * kDimensions);
    out.items.assign(texts.size(), Status());
    for (size_t i = 0; i < texts.size(); ++i) {
      Random random(texts[i].empty() ? 0 : texts[i].front() + texts[i].size() * 1000);
      for (uint32_t d = 0; d < kDimensions; ++d) out.vectors[i * kDimensions + d] = static_cast<float>(random.Unit());
    }
    return {};
  }

 private:
  std::atomic<uint64_t>& texts_;
  const std::string fingerprint_ = "stand-in";
};

double At(std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

// Seconds of each call, ascending; `prepare` is not among them.
template <typename Prepare, typename Call>
Result<std::vector<double>> TimeCalls(size_t count, Prepare&& prepare, Call&& call) {
  std::vector<double> seconds;
  seconds.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    WEIR_TRY(call());
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::sort(seconds);
  return seconds;
}

Status ExpectHits(const EmbedAnswer& answer) {
  for (const EmbedItem& item : answer.items) {
    if (item.source != EmbedSource::kHit) return Error{ErrorCode::kInternal, "a text that should be known was missing", ""};
  }
  KeepResult(answer.vectors.front());
  return {};
}

}  // namespace

Status BenchEmbedHits(const BenchOptions& options, const BenchSink& sink) {
  if (options.tokenizer.empty())
    return NotFound("this benchmark needs a tokenizer", "weir bench embed-hits --tokenizer NAME");
  WEIR_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(options.tokenizer, {}));
  std::atomic<uint64_t> embedded{0};
  EmbedModel model;
  model.name = "stand-in";
  model.fingerprint = "stand-in";
  model.dimensions = kDimensions;
  model.tokenizer = std::move(tokenizer);
  model.load = [&embedded]() -> Result<std::unique_ptr<Embedder>> {
    return std::unique_ptr<Embedder>(std::make_unique<StandIn>(embedded));
  };
  WEIR_ASSIGN(const std::unique_ptr<EmbedCache> cache, EmbedCache::Create({}));
  WEIR_TRY(cache->AddModel(std::move(model)));

  std::vector<std::string> texts;
  Random random(1);
  for (size_t i = 0; i < kTexts; ++i) {
    std::string& text = texts.emplace_back(fmt::format("sentence {} ", i));
    while (text.size() < 150) text += fmt::format("{} ", random.Below(100'000));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const PoolStats empty = cache->stats().pool;
  for (size_t begin = 0; begin < kTexts; begin += 1000) {
    WEIR_ASSIGN(const EmbedAnswer filled, cache->Embed("stand-in", std::span(views).subspan(begin, 1000)));
    KeepResult(filled.vectors.front());
  }
  const PoolStats full = cache->stats().pool;
  const Json::Object extra = {{"texts", Json(static_cast<int64_t>(kTexts))},
                              {"dimensions", Json(static_cast<int64_t>(kDimensions))}};
  const auto add = [&](const char* metric, double value, const char* unit) {
    sink({"embed-hits", "384 dimensions", metric, value, unit, extra});
  };
  add("memory", static_cast<double>(full.mapped_bytes - empty.mapped_bytes) / static_cast<double>(full.entries),
      "bytes/vector");

  // One text a call, in no order; the caller has just made it, the vector is wherever it is.
  std::string text;
  WEIR_ASSIGN(std::vector<double> one, TimeCalls(
                                           kTexts, [&] { text = texts[random.Below(kTexts)]; },
                                           [&]() -> Status {
                                             const std::string_view view = text;
                                             WEIR_ASSIGN(const EmbedAnswer answer,
                                                         cache->Embed("stand-in", std::span(&view, 1)));
                                             return ExpectHits(answer);
                                           }));
  double sum = 0;
  for (const double seconds : one) sum += seconds;
  add("hit", static_cast<double>(kTexts) / sum, "lookups/s");
  add("hit_p50", At(one, 0.5) * 1e6, "us");
  add("hit_p99", At(one, 0.99) * 1e6, "us");

  std::vector<std::string_view> batch(kBatch);
  const auto pick = [&] {
    for (std::string_view& one_of : batch) one_of = views[random.Below(kTexts)];
  };
  WEIR_ASSIGN(std::vector<double> many, TimeCalls(1000, pick, [&]() -> Status {
                WEIR_ASSIGN(const EmbedAnswer answer, cache->Embed("stand-in", batch));
                return ExpectHits(answer);
              }));
  add("batch_256_p50", At(many, 0.5) * 1e6, "us");
  add("batch_256_p99", At(many, 0.99) * 1e6, "us");
  double batch_sum = 0;
  for (const double seconds : many) batch_sum += seconds;
  add("batch_256_lookups", static_cast<double>(many.size() * kBatch) / batch_sum, "lookups/s");

  // Many callers of one text that is missing.
  const uint64_t before = embedded.load();
  std::atomic<uint32_t> failed{0};
  std::vector<std::thread> callers;
  for (size_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      const std::string_view missing = "a text that nobody asked for before";
      const auto answer = cache->Embed("stand-in", std::span(&missing, 1));
      failed += !answer || !answer->items[0].status;
    });
  }
  for (std::thread& caller : callers) caller.join();
  if (failed != 0) return Error{ErrorCode::kInternal, "a caller got no vector", ""};
  add("embedded_for_64_callers", static_cast<double>(embedded.load() - before), "texts");
  return {};
}

}  // namespace weir
