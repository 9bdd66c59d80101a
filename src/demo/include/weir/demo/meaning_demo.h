#pragma once
// The demo's part on meaning: the documents embedded twice, and a match that no comparison of tokens finds.

#include <cstdint>
#include <string>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/embed/embed_cache.h"
#include "weir/registry/registry.h"
#include "weir/report/text.h"

namespace weir {

struct MeaningDemo {
  // Why the rest is empty, and what to do; empty otherwise.
  std::string note{};
  std::string model{};
  uint32_t dimensions = 0;
  double load_ms = 0;
  size_t documents = 0;  // sections of this project's documentation
  uint64_t document_bytes = 0;

  struct Pass {
    double ms = 0;
    uint64_t windows = 0;  // that the cache was asked for
    uint64_t hits = 0;
    uint64_t computed = 0;
    double hit_rate() const { return windows == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(windows); }
  };
  Pass first, second;

  // Of all pairs from two files that have no token in common by any measure, the one with the most similar vectors.
  struct Passage {
    std::string file, title, text;
  };
  Passage passage, twin, stranger;
  ExactPrefix exact;  // of passage and twin, as are the next
  uint32_t moved_tokens = 0;
  uint32_t near_blocks = 0;
  float twin_similarity = 0;
  float stranger_similarity = 0;  // the least of all
};

// REQUIRES: the model is in the cache. Nothing is kept but in the cache's memory.
Result<MeaningDemo> RunMeaningDemo(EmbedCache& cache, const std::string& model, const NamedTokenizer& tokenizer,
                                   size_t block_size);

// {"note"}, or {"model","documents","first":{...},"second":{...},"match":{...}}
Json MeaningDemoJson(const MeaningDemo& demo);
std::string DrawMeaningDemo(const MeaningDemo& demo, const TextStyle& style);

}  // namespace weir
