#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "command.h"
#include "embed_answers.h"
#include "embed_setup.h"
#include "embed_texts.h"

namespace weir {
namespace {

struct Options {
  TextFlags texts;
  EmbedFlags model;
  std::string input;
  std::optional<uint64_t> dimensions;
  bool truncate = false;
  bool similarity = false;
  std::string nearest;
  bool cluster = false;
  std::optional<uint64_t> k;
  std::string threshold;
  std::optional<uint64_t> min_size;
  std::string cache;
};

Error Usage(Session& session, std::string message, std::string hint = {}) {
  return session.As(ExitCode::kUsage, InvalidArgument(std::move(message), std::move(hint)));
}

Status CheckFlags(Session& session, const Options& options) {
  const int questions =
      int{options.similarity} + int{!options.nearest.empty()} + int{options.cluster} + int{!options.cache.empty()};
  if (questions > 1) return Usage(session, "--similarity, --nearest, --cluster and --cache are asked one at a time");
  if (options.k && options.nearest.empty()) return Usage(session, "--k goes with --nearest");
  if (options.min_size && !options.cluster) return Usage(session, "--min-size goes with --cluster");
  if (!options.threshold.empty() && !options.cluster && options.nearest.empty()) {
    return Usage(session, "--threshold goes with --nearest and --cluster");
  }
  if (!options.cache.empty() && (!options.texts.words.empty() || !options.texts.file.empty())) {
    return Usage(session, "--cache takes no texts");
  }
  const uint64_t size_max = UINT32_MAX;
  if (options.dimensions && (*options.dimensions == 0 || *options.dimensions > size_max)) {
    return Usage(session, fmt::format("--dimensions {}: a number from 1 on", *options.dimensions));
  }
  if (options.k && (*options.k == 0 || *options.k > size_max)) {
    return Usage(session, fmt::format("--k {}: a number from 1 on", *options.k));
  }
  if (options.min_size && (*options.min_size < 2 || *options.min_size > size_max)) {
    return Usage(session, fmt::format("--min-size {}: a number from 2 on", *options.min_size));
  }
  return {};
}

Result<float> ParseThreshold(Session& session, const std::string& text, float otherwise) {
  if (text.empty()) return otherwise;
  float number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || !(number >= -1 && number <= 1)) {
    return Usage(session, fmt::format("--threshold '{}'", text), "a number from -1 to 1");
  }
  return number;
}

EmbedInput InputOf(const Options& options) {
  if (options.input == "query") return EmbedInput::kQuery;
  // Texts that a query is compared with are passages unless something else was said.
  const bool is_searched = options.input.empty() && !options.nearest.empty();
  return options.input == "passage" || is_searched ? EmbedInput::kPassage : EmbedInput::kPlain;
}

EmbedCall CallOf(const Options& options) {
  return {InputOf(options), static_cast<uint32_t>(options.dimensions.value_or(0)), options.truncate};
}

Result<ExitCode> EmbedTexts(const Options& options, Session& session) {
  const float usual = options.cluster ? ClusterOptions{}.threshold : -1.0f;
  WEIR_ASSIGN(const float threshold, ParseThreshold(session, options.threshold, usual));
  WEIR_ASSIGN(ReadTexts read, ReadTextInput(session, options.texts));
  WEIR_ASSIGN(EmbedSetup setup, OpenEmbedding(session, options.model));
  // The query comes first: when it is no text, nothing else is embedded.
  EmbeddedTexts query;
  if (!options.nearest.empty()) {
    EmbedCall call = CallOf(options);
    call.input = EmbedInput::kQuery;
    WEIR_ASSIGN(query, EmbedAll(session, setup, {{options.nearest}, std::vector<Status>(1)}, call));
    if (const Error* const fault = query.FirstFault()) {
      return Error{fault->code, fmt::format("the query: {}", fault->message), fault->hint};
    }
  }
  WEIR_ASSIGN(const EmbeddedTexts embedded, EmbedAll(session, setup, std::move(read), CallOf(options)));
  NoteFaults(session, embedded);
  if (options.similarity) {
    WEIR_TRY(PrintSimilarity(session, setup, embedded));
  } else if (options.cluster) {
    WEIR_TRY(PrintClusters(session, setup, embedded, {threshold, static_cast<uint32_t>(options.min_size.value_or(2))}));
  } else if (!options.nearest.empty()) {
    const NearestQuestion question{options.nearest, query.rows().row(0), static_cast<uint32_t>(options.k.value_or(10)),
                                   threshold};
    WEIR_TRY(PrintNearest(session, setup, embedded, question));
  } else {
    PrintVectors(session, setup, embedded);
  }
  return ExitCodeOf(embedded);
}

Result<std::string> DataFolderOf(Session& session) {
  const std::string& data = session.settings().Text("data");
  if (data.empty()) return Usage(session, "no data folder given", "--data DIR, or WEIR_DATA=DIR");
  std::error_code ignored;
  if (!std::filesystem::exists(VectorFolder(data), ignored)) {
    return NotFound(fmt::format("{} holds no vectors", data), "'weir embed --data' keeps them there");
  }
  return data;
}

Result<ExitCode> ShowCache(Session& session) {
  WEIR_ASSIGN(const std::string data, DataFolderOf(session));
  WEIR_ASSIGN(const std::unique_ptr<Store> store, OpenVectors(session, data, VectorAccess::kReadOnly));
  const StoreStats stats = store->stats();
  const StoreTableStats& vectors = stats.of(StoreTable::kEmbedding);
  if (session.json()) {
    session.WriteJson(Json::Object{{"data", data},
                                   {"vectors", vectors.records},
                                   {"bytes", vectors.bytes},
                                   {"disk_bytes", stats.disk_bytes},
                                   {"set_aside", stats.set_aside},
                                   {"missing", stats.missing}});
    return ExitCode::kOk;
  }
  session.out().Line(fmt::format("{}: {}, {} bytes; {} bytes on disk", Visible(data), Counted(vectors.records, "vector"),
                                 Grouped(vectors.bytes), Grouped(stats.disk_bytes)));
  if (stats.set_aside + stats.missing > 0) {
    session.Note(fmt::format("{} damaged and {} missing: they are computed anew when they are wanted",
                             Grouped(stats.set_aside), Grouped(stats.missing)));
  }
  return ExitCode::kOk;
}

Result<ExitCode> ClearCache(Session& session) {
  WEIR_ASSIGN(const std::string data, DataFolderOf(session));
  Result<std::unique_ptr<Store>> store = OpenVectors(session, data, VectorAccess::kReadWrite);
  if (!store) {
    const bool is_disk = store.error().code == ErrorCode::kUnavailable;
    return is_disk ? session.As(ExitCode::kCannotCreate, std::move(store).error()) : std::move(store).error();
  }
  const uint64_t vectors = (*store)->stats().of(StoreTable::kEmbedding).records;
  EmbedCacheOptions options;
  options.store = store->get();
  WEIR_ASSIGN(const std::unique_ptr<EmbedCache> cache, EmbedCache::Create(std::move(options)));
  WEIR_ASSIGN(const uint64_t in_memory, cache->Clear(true));
  static_cast<void>(in_memory);
  if (session.json()) {
    session.WriteJson(Json::Object{{"data", data}, {"removed", vectors}});
  } else {
    session.out().Line(fmt::format("{} removed", Counted(vectors, "vector")));
  }
  return ExitCode::kOk;
}

Result<ExitCode> Run(const Options& options, Session& session) {
  WEIR_TRY(CheckFlags(session, options));
  if (options.cache == "stats") return ShowCache(session);
  if (options.cache == "clear") return ClearCache(session);
  return EmbedTexts(options, session);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Arguments("TEXT", options->texts.words, "Each argument is one text", false, ValueKind::kText);
  flags.Text("--file", options->texts.file, "F", "Texts out of a file, one a line; - is standard input", ValueKind::kFile);
  flags.Switch("--jsonl", options->texts.jsonl, "Lines of --file are {\"text\"}: texts may hold line ends");
  DeclareEmbedFlags(flags, options->model);
  flags.Choice("--input", options->input, "KIND", {"query", "passage"},
               "What the texts are for: some models put a prefix before a question or before what is searched");
  flags.Count("--dimensions", options->dimensions, "Fewer numbers a vector, where the model was trained for it");
  flags.Switch("--truncate", options->truncate, "Cut texts that are too long for the model instead of refusing them");
  flags.Switch("--similarity", options->similarity, "Compare all texts with one another instead of printing vectors");
  flags.Text("--nearest", options->nearest, "QUERY", "The texts nearest to this one");
  flags.Count("--k", options->k, "--nearest: how many, 10 without it");
  flags.Text("--threshold", options->threshold, "X",
             "--nearest: only texts at least so similar, from -1 to 1. --cluster: how alike texts must be to belong "
             "together, 0.7 without it");
  flags.Switch("--cluster", options->cluster, "Groups of texts that are alike, directly or through others");
  flags.Count("--min-size", options->min_size, "--cluster: texts in a group, 2 without it");
  flags.Choice("--cache", options->cache, "ACTION", {"stats", "clear"},
               "Without texts: what vectors the data folder keeps, or forget them");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command EmbedCommand() {
  return {
      .name = "embed",
      .summary = "vectors of meaning, each text embedded once; and what is alike",
      .description =
          "Embeds texts with a model on this machine, without a network. With --data DIR, or WEIR_DATA, vectors are kept in "
          "DIR/embeddings, and a text that was embedded before is read back: when all were, the model is not even loaded. "
          "Without it nothing outlives the command, but a text that stands twice is still embedded once. The key is the "
          "model's file, its pooling and tokenizer, the dimensions, the prefix for the kind of input, and the exact text. A "
          "bad text gives null and an error of its own; the others are done, and the exit code is 3. "
          "docs/embeddings.md is the guide.",
      .examples = {{"weir embed 'a cat sat' 'a kitten was sitting' --json",
                    "{\"model\",\"dimensions\",\"embeddings\",\"cache\"}"},
                   {"weir embed --file notes.txt --data vectors", "one text a line; a second run computes nothing"},
                   {"weir embed --similarity 'a cat' 'a kitten' 'a tax form'", "all pairs"},
                   {"weir embed --nearest 'how do I pay less tax' --file notes.txt --k 3", "the three nearest lines"},
                   {"weir embed --cluster --file notes.txt --threshold 0.6", "groups of like lines"},
                   {"weir embed --model model.gguf --tokenizer tokenizer.json 'a text'",
                    "any embedding model in a GGUF file"},
                   {"weir embed --cache stats --data vectors", "what is kept"}},
      .declare = Declare};
}

}  // namespace weir
