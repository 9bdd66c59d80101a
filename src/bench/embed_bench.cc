// Vectors of texts that nobody asked for before, as sentences and tokens a second: all-MiniLM-L6-v2 in each form, on one
// worker and on two. Arguments: the folder of models, and a file with one JSON list of token ids a line.

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "weir/base/file.h"
#include "weir/bench/bench.h"
#include "weir/model/load_embedder.h"
#include "weir/model/named_model.h"

namespace weir {
namespace {

constexpr int kRounds = 3;

Result<std::vector<std::vector<TokenId>>> ReadIds(const std::string& file) {
  WEIR_ASSIGN(const std::string lines, ReadFile(file));
  std::vector<std::vector<TokenId>> texts;
  for (size_t begin = 0, end = 0; (end = lines.find('\n', begin)) != std::string::npos; begin = end + 1) {
    WEIR_ASSIGN(const Json row, Json::Parse(std::string_view(lines).substr(begin, end - begin)));
    if (!row.is_array()) return InvalidArgument(fmt::format("{}: a line is no list of token ids", file));
    std::vector<TokenId>& ids = texts.emplace_back();
    for (const Json& id : row.as_array()) {
      if (!id.is_integer() || id.as_int() < 0) return InvalidArgument(fmt::format("{}: what is no token id", file));
      ids.push_back(static_cast<TokenId>(id.as_int()));
    }
  }
  if (texts.empty()) return InvalidArgument(fmt::format("{} holds no texts", file));
  return texts;
}

Status Measure(Embedder& embedder, const std::vector<std::vector<TokenId>>& ids, const std::string& bench_case,
               const BenchSink& sink) {
  const std::vector<std::span<const TokenId>> texts(ids.begin(), ids.end());
  size_t tokens = 0;
  for (const auto& text : texts) tokens += text.size();
  Embeddings out;
  double cpu = 1e9;
  Status status;
  const std::vector<double> wall = TimeRounds(kRounds, [&] {
    const std::clock_t start = std::clock();
    if (status) status = embedder.Embed(texts, {.dimensions = 0, .truncate = true}, out);
    cpu = std::min(cpu, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  });
  WEIR_TRY(status);
  for (const Status& item : out.items) WEIR_TRY(item);
  const Json::Object extra = {{"texts", Json(static_cast<int64_t>(texts.size()))},
                              {"tokens", Json(static_cast<int64_t>(tokens))},
                              {"cpu_level", Json(std::string(CpuLevelName()))}};
  const auto add = [&](const char* metric, double value, const char* unit) {
    sink({"embed", bench_case, metric, value, unit, extra});
  };
  add("cold", static_cast<double>(texts.size()) / wall.front(), "texts/s");
  add("cold_tokens", static_cast<double>(tokens) / wall.front(), "tokens/s");
  add("cold_tokens_cpu", static_cast<double>(tokens) / cpu, "tokens/cpu-s");
  add("memory", static_cast<double>(embedder.memory_bytes()) / 1e6, "MB");
  return {};
}

}  // namespace

Status BenchEmbed(const BenchOptions& options, const BenchSink& sink) {
  if (options.arguments.size() < 2) {
    return InvalidArgument("weir bench embed needs the folder of models and a file of token ids",
                           "bench/peers/embed/run makes both");
  }
  WEIR_ASSIGN(const auto ids, ReadIds(options.arguments[1]));
  WEIR_ASSIGN(const ModelEntry* entry, FindModel("all-minilm-l6-v2"));
  for (uint32_t threads : {1u, 2u}) {
    for (const ModelFile& file : entry->files) {
      WEIR_ASSIGN(const auto embedder, LoadNamedEmbedder(*entry, file.type, options.arguments[0], threads));
      WEIR_TRY(Measure(*embedder, ids, fmt::format("{}, {} threads", WeightTypeName(file.type), threads), sink));
    }
  }
  return {};
}

}  // namespace weir
