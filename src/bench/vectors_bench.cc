// Like vectors, as an embedding model gives them: some themes, and vectors at several distances around each; and vectors
// without themes, any direction in a space of 32 dimensions within the 384. Recall is measured against comparing all.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "reader_latency.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/reuse/vector_index.h"

namespace weir {

namespace {

constexpr uint32_t kDimensions = 384;
constexpr uint32_t kThemes = 200;
constexpr uint32_t kLatent = 32;
constexpr uint32_t kQueries = 500;
constexpr uint32_t kFirst = 10;

struct Corpus {
  std::vector<float> vectors;
  std::vector<float> queries;
  std::span<const float> Vector(size_t i) const { return std::span(vectors).subspan(i * kDimensions, kDimensions); }
  std::span<const float> Query(size_t i) const { return std::span(queries).subspan(i * kDimensions, kDimensions); }
  size_t size() const { return vectors.size() / kDimensions; }
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

float Gaussian(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.Unit()));
  return static_cast<float>(radius * std::cos(6.283185307179586 * random.Unit()));
}

// `themes`: centres. `latent`: directions to add up, instead. Of length one.
void AppendVector(Random& random, std::span<const float> themes, std::span<const float> latent,
                  std::vector<float>& vectors) {
  const size_t at = vectors.size();
  vectors.resize(at + kDimensions);
  const auto add = [&](std::span<const float> direction, float factor) {
    for (uint32_t i = 0; i < kDimensions; ++i) vectors[at + i] += factor * direction[i];
  };
  if (!themes.empty()) {
    add(themes.subspan(random.Below(kThemes) * kDimensions, kDimensions), 1);
    const auto spread = static_cast<float>(0.3 + 0.9 * random.Unit());
    for (uint32_t i = 0; i < kDimensions; ++i) vectors[at + i] += spread * Gaussian(random);
  }
  for (size_t i = 0; i < latent.size(); i += kDimensions) add(latent.subspan(i, kDimensions), Gaussian(random));
  double square = 0;
  for (size_t i = at; i < vectors.size(); ++i) square += static_cast<double>(vectors[i]) * static_cast<double>(vectors[i]);
  const auto scale = static_cast<float>(1 / std::sqrt(square));
  for (size_t i = at; i < vectors.size(); ++i) vectors[i] *= scale;
}

Corpus MakeCorpus(uint32_t count, bool themed) {
  Random random(5);
  std::vector<float> directions(size_t{themed ? kThemes : kLatent} * kDimensions);
  for (float& component : directions) component = Gaussian(random);
  const std::span<const float> themes = themed ? directions : std::span<const float>();
  const std::span<const float> latent = themed ? std::span<const float>() : directions;
  Corpus corpus;
  corpus.vectors.reserve(size_t{count} * kDimensions);
  for (uint32_t i = 0; i < count; ++i) AppendVector(random, themes, latent, corpus.vectors);
  for (uint32_t i = 0; i < kQueries; ++i) AppendVector(random, themes, latent, corpus.queries);
  return corpus;
}

Status Write(const std::string& file, const Corpus& corpus) {
  std::ofstream stream(file, std::ios::binary);
  const uint32_t header[] = {kDimensions, static_cast<uint32_t>(corpus.size()), kQueries};
  stream.write(reinterpret_cast<const char*>(header), sizeof(header));
  stream.write(reinterpret_cast<const char*>(corpus.vectors.data()),
               static_cast<std::streamsize>(corpus.vectors.size() * sizeof(float)));
  stream.write(reinterpret_cast<const char*>(corpus.queries.data()),
               static_cast<std::streamsize>(corpus.queries.size() * sizeof(float)));
  if (!stream.flush()) return Unavailable(fmt::format("{} cannot be written", file));
  return {};
}

// The similarity that belongs to the first k of each query: whatever is as similar is right.
Result<std::vector<float>> LeastRight(const Corpus& corpus, double& scan) {
  VectorIndex all({.dimensions = kDimensions, .flat_max = kVectorsMax});
  for (uint32_t i = 0; i < corpus.size(); ++i) WEIR_TRY(all.Add(i, corpus.Vector(i)));
  std::vector<float> least;
  std::vector<double> seconds;
  VectorMatches matches;
  for (uint32_t i = 0; i < kQueries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    WEIR_TRY(all.Find(corpus.Query(i), {.k = kFirst}, matches));
    seconds.push_back(SecondsSince(start));
    least.push_back(matches.hits.back().similarity - 1e-6f);
  }
  std::sort(seconds.begin(), seconds.end());
  scan = seconds[seconds.size() / 2];
  return least;
}

Status MeasureFinds(const std::string& name, const VectorIndex& index, const Corpus& corpus, const BenchSink& sink) {
  double scan = 0;
  WEIR_ASSIGN(const std::vector<float> least, LeastRight(corpus, scan));
  std::vector<double> seconds;
  uint64_t right = 0;
  uint64_t compared = 0;
  VectorMatches matches;
  for (uint32_t round = 0; round < 2; ++round) {  // the first one warms up
    seconds.clear();
    right = 0;
    compared = 0;
    for (uint32_t i = 0; i < kQueries; ++i) {
      const auto start = std::chrono::steady_clock::now();
      WEIR_TRY(index.Find(corpus.Query(i), {.k = kFirst}, matches));
      seconds.push_back(SecondsSince(start));
      compared += matches.compared;
      for (const VectorHit& hit : matches.hits) right += hit.similarity >= least[i] ? 1 : 0;
    }
  }
  std::sort(seconds.begin(), seconds.end());
  sink({"vectors", name, "find_p50", seconds[kQueries / 2] * 1e6, "us", {}});
  sink({"vectors", name, "find_p99", seconds[kQueries * 99 / 100] * 1e6, "us", {}});
  sink({"vectors", name, "compared", static_cast<double>(compared) / kQueries, "vectors/find", {}});
  sink({"vectors", name, "recall@10", static_cast<double>(right) / (kQueries * kFirst), "", {}});
  sink({"vectors", name, "scan_p50", scan * 1e6, "us", {}});
  return {};
}

Status Measure(uint32_t count, bool themed, const std::string& file, const BenchSink& sink) {
  const Corpus corpus = MakeCorpus(count, themed);
  const std::string name = fmt::format("{} {}", count, themed ? "themed" : "without themes");
  if (!file.empty() && themed) WEIR_TRY(Write(file, corpus));
  VectorIndex index({.dimensions = kDimensions});
  const auto start = std::chrono::steady_clock::now();
  for (uint32_t i = 0; i < count; ++i) WEIR_TRY(index.Add(i, corpus.Vector(i)));
  sink({"vectors", name, "add", SecondsSince(start) / count * 1e6, "us/vector", {}});
  const double beyond = static_cast<double>(index.bytes()) / count - kDimensions * sizeof(float);
  sink({"vectors", name, "bytes_beside_components", beyond, "bytes/vector", {}});
  WEIR_TRY(MeasureFinds(name, index, corpus, sink));
  if (!themed) return {};
  Status status;
  VectorMatches matches;
  uint32_t query = 0;
  uint32_t replaced = 0;
  std::vector<float> fresh;
  MeasureReaders(
      "vectors", name, [&] { static_cast<void>(index.Find(corpus.Query(query++ % kQueries), {}, matches).has_value()); },
      [&] {
        const uint32_t owner = replaced++ % count;
        const std::span<const float> model = corpus.Query(replaced % kQueries);
        fresh.assign(model.begin(), model.end());
        fresh[replaced % kDimensions] += 0.1f;
        index.Remove(owner);
        if (status) status = index.Add(owner, fresh);
      },
      sink);
  return status;
}

}  // namespace

Status BenchVectors(const BenchOptions& options, const BenchSink& sink) {
  uint32_t count = 20'000;
  if (!options.arguments.empty()) {
    const std::string& said = options.arguments[0];
    count = static_cast<uint32_t>(std::strtoul(said.c_str(), nullptr, 10));
    if (count < 100 || count > 10'000'000) {
      return InvalidArgument(fmt::format("{} vectors", said), "say a number from 100 to 10000000");
    }
  }
  const std::string file = options.arguments.size() > 1 ? options.arguments[1] : "";
  WEIR_TRY(Measure(count, true, file, sink));
  return file.empty() ? Measure(count, false, file, sink) : Status{};
}

}  // namespace weir
