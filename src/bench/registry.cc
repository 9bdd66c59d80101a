#include <algorithm>
#include <array>

#include "weir/bench/bench.h"

namespace weir {

std::span<const Bench> AllBenches() {
  static constexpr std::array kBenches = {
      Bench{"block-keys", "chained block keys of every engine, ns per token", BenchBlockKeys},
      Bench{"blocks", "exact block index: a long prompt against 1M blocks, or a Mooncake trace over 64 holders",
            BenchBlocks},
      Bench{"embed", "vectors of new texts: MODELS IDS, each form of the model, one worker and two", BenchEmbed},
      Bench{"embed-hits", "what the embedding cache costs for texts that it knows", BenchEmbedHits},
      Bench{"http", "a running daemon under load: URL, throughput and latency at a rate", BenchHttp},
      Bench{"near", "near blocks: look-ups in up to 1M blocks against a scan of all hashes, and beside a writer", BenchNear},
      Bench{"pool", "the pool under a skewed load: reads, overhead, giving memory back, single flight", BenchPool},
      Bench{"pool-hit-ratio", "hit ratios of the pool's policies on a cache trace, beside LRU, ARC and S3-FIFO",
            BenchPoolHitRatio},
      Bench{"prompts", "reading 1,000 prompt files into contexts, and rendering chat requests", BenchPrompts},
      Bench{"registry", "the context registry: N agents in a store on disk, asked, restarted; or scale, or churn",
            BenchRegistryRoom},
      Bench{"share", "the whole of weir share over 1,000 files of about 2,000 tokens", BenchShare},
      Bench{"spans", "common spans of all pairs: 50 documents of 20k tokens, and repetitive texts", BenchSpans},
      Bench{"tokenize", "tokenizing a folder of text files, MB/s on one thread, cold, warm and unseen", BenchTokenize},
      Bench{"vectors", "like vectors: look-ups among 20,000 (or as many as said), recall, and beside a writer",
            BenchVectors},
  };
  return kBenches;
}

Json ToJson(const BenchRow& row) {
  Json::Object object = {{"bench", Json(row.bench)},
                         {"case", Json(row.bench_case)},
                         {"metric", Json(row.metric)},
                         {"value", Json(row.value)},
                         {"unit", Json(row.unit)}};
  object.insert(object.end(), row.extra.begin(), row.extra.end());
  return Json(std::move(object));
}

std::vector<double> TimeRounds(int rounds, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace weir
