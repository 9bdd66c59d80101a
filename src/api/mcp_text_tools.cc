// Tools by meaning, and what memory holds.

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "embedding_answers.h"
#include "mcp_tool.h"
#include "status.h"
#include "weir/embed/vector_operations.h"

namespace weir::api {
namespace {

constexpr uint64_t kTextsMost = 2048;
constexpr uint64_t kVectorsMost = 64;  // numbers that a model has to read

// {"hits","computed","coalesced"}
Json CacheJson(const EmbedAnswer& embedded) {
  uint64_t hits = 0;
  uint64_t computed = 0;
  uint64_t coalesced = 0;
  for (const EmbedItem& item : embedded.items) {
    hits += item.source == EmbedSource::kHit || item.source == EmbedSource::kStored;
    computed += item.source == EmbedSource::kComputed;
    coalesced += item.source == EmbedSource::kCoalesced;
  }
  return Json::Object{{"hits", hits}, {"computed", computed}, {"coalesced", coalesced}};
}

// The pairs of texts that are most alike.
Result<Json> PairsOf(const Json& body, const EmbedAnswer& embedded) {
  const size_t texts = embedded.items.size();
  const auto threshold = static_cast<float>(NumberOf(body, "threshold", -1));
  WEIR_ASSIGN(const std::vector<float> matrix, SimilarityMatrix({embedded.vectors, embedded.dimensions}));
  std::vector<std::tuple<float, size_t, size_t>> pairs;
  for (size_t a = 0; a < texts; ++a) {
    for (size_t b = a + 1; b < texts; ++b) {
      const float similarity = matrix[a * texts + b];
      if (similarity >= threshold) pairs.emplace_back(-similarity, a, b);
    }
  }
  const size_t count = std::min<size_t>(pairs.size(), CountOf(body, "k", 10));
  std::ranges::partial_sort(pairs, pairs.begin() + static_cast<ptrdiff_t>(count));
  Json out = Json::MakeArray();
  for (size_t i = 0; i < count; ++i) {
    const auto& [negative, a, b] = pairs[i];
    out.Append(Json::Object{{"a", uint64_t{a}}, {"b", uint64_t{b}}, {"similarity", ShortNumber(-negative)}});
  }
  return out;
}

Json VectorsOf(const EmbedAnswer& embedded) {
  Json rows = Json::MakeArray();
  for (size_t i = 0; i < embedded.items.size(); ++i) {
    Json::Array row;
    row.reserve(embedded.dimensions);
    for (const float value : embedded.vector(i)) row.emplace_back(ShortNumber(value));
    rows.Append(std::move(row));
  }
  return rows;
}

Json SourcesOf(const EmbedAnswer& embedded) {
  Json words = Json::MakeArray();
  for (const EmbedItem& item : embedded.items) words.Append(EmbedSourceName(item.source));
  return words;
}

Result<Json> EmbedTool(const Question& question, McpCall& call) {
  static_cast<void>(call);
  const Json& body = question.body;
  const bool has_query = body.Find("query") != nullptr;
  const std::string want = TextOf(body, "want", has_query ? "nearest" : "pairs");
  if ((want == "nearest") != has_query) {
    return InvalidArgument(has_query ? "/query: only with want nearest" : "/query: required with want nearest, but missing");
  }
  const std::vector<std::string> texts = TextsOf(body, "texts");
  if (want == "vectors" && texts.size() > kVectorsMost) {
    return InvalidArgument(fmt::format("/want: vectors of {} texts, more than {}", texts.size(), kVectorsMost),
                           "ask for nearest, pairs or clusters, or for fewer texts");
  }
  WEIR_ASSIGN(const ServiceModel* const model, question.service.FindModel(TextOf(body, "model")));
  EmbedAnswer embedded;
  Json part;
  if (want == "nearest") {
    WEIR_ASSIGN(part, NearestTexts(question, texts, embedded));
  } else {
    WEIR_ASSIGN(embedded, EmbedTexts(question, texts, "texts", InputTypeOf(body)));
    if (want == "pairs") {
      WEIR_ASSIGN(part, PairsOf(body, embedded));
    } else if (want == "clusters") {
      WEIR_ASSIGN(part, ClustersOf(body, embedded));
    } else {
      part = want == "vectors" ? VectorsOf(embedded) : SourcesOf(embedded);
    }
  }
  Json answer = Json::Object{{"model", model->model.name},
                             {"dimensions", uint64_t{embedded.dimensions}},
                             {"texts", uint64_t{texts.size()}},
                             {"cache", CacheJson(embedded)}};
  answer.Set(want == "cache" ? "sources" : want, std::move(part));
  return answer;
}

Result<Json> IndexTool(const Question& question, McpCall& call) {
  WEIR_ASSIGN(const IndexRequest request, IndexRequestOf(question.service, question.body));
  const auto progress = [&call](const IndexProgress& now) {
    call.Progress(static_cast<double>(now.files_done), static_cast<double>(now.files),
                  fmt::format("{} of {} files, {} chunks", now.files_done, now.files, now.chunks_done));
  };
  WEIR_ASSIGN(const IndexReport report,
              question.service.Index(question.workspace, request, progress, [&call] { return call.cancelled(); }));
  return IndexReportJson(report);
}

Result<Json> SearchTool(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerSearch(question);
}

Result<Json> MemoryTool(const Question& question, McpCall& call) {
  Json answer = StatusJson(question.service, question.workspace);
  const McpCaller& caller = call.caller();
  Json pools = AnswerPools(question.service, caller.workspace, caller.Has(ScopeName(Scope::kAdmin)));
  answer.Set("pools", std::move(*pools.Find("pools")));
  return answer;
}

Json Counts(std::initializer_list<std::string_view> names, std::vector<Member> more) {
  std::vector<Member> members;
  for (const std::string_view name : names) members.push_back({name, CountSchema(""), true});
  for (Member& member : more) members.push_back(std::move(member));
  return OpenObjectSchema(std::move(members));
}

ToolLine EmbedTextsTool() {
  const Json index = CountSchema("Into texts, from 0.");
  const Json cosine = NumberSchema("Cosine.");
  return {
      .name = "embed_texts",
      .title = "Texts by meaning: nearest, alike, clusters",
      .description =
          "Embeds texts with a local model, through a cache, and answers the question behind it instead of sending numbers: "
          "nearest: which texts are most like `query` (the default with a query). pairs: which texts are most like each "
          "other, as to find duplicates (the default without). clusters: which belong together. cache: only what was known "
          "already, as to warm the cache. vectors: the numbers themselves, of 64 texts at most.",
      .input = {{"texts", ListSchema(TextSchema("", 1), "The texts.", 1, kTextsMost), true},
                {"query", TextSchema("With nearest: what the texts are compared with.", 1)},
                {"want", ChoiceSchema("What the answer holds.", {"nearest", "pairs", "clusters", "cache", "vectors"})},
                {"k", CountSchema("With nearest and pairs: most results; 10 without it.", 1, kTextsMost)},
                {"threshold", NumberSchema("Least cosine; all without it, 0.7 for clusters.", -1, 1)},
                {"size_min", CountSchema("With clusters: smaller ones are left out; 2 without it.", 1, kTextsMost)},
                {"input_type",
                 ChoiceSchema("What the texts are for; nearest knows by itself.", {"plain", "query", "passage"})},
                {"dimensions", CountSchema("A smaller size that the model allows.", 1, 65'536)},
                {"truncate", BoolSchema("Cut over-long texts instead of refusing them.")},
                {"model", TextSchema("An embedding model; the daemon's default without it.")}},
      .output = OpenObjectSchema(
          {{"model", TextSchema(""), true},
           {"dimensions", CountSchema(""), true},
           {"texts", CountSchema("How many."), true},
           {"cache", Counts({"hits", "computed", "coalesced"}, {}), true},
           {"nearest", ListSchema(OpenObjectSchema({{"index", index, true}, {"similarity", cosine, true}}))},
           {"pairs", ListSchema(OpenObjectSchema({{"a", index, true}, {"b", index, true}, {"similarity", cosine, true}}))},
           {"clusters", ListSchema(Ref("Cluster"))},
           {"sources", ListSchema(ChoiceSchema("", {"hit", "stored", "computed", "coalesced"}), "One for each text.")},
           {"vectors", ListSchema(ListSchema(NumberSchema("")), "Rounded to six decimals.")}}),
      .handler = EmbedTool};
}

ToolLine IndexFolderTool() {
  return {
      .name = "index_folder",
      .title = "Make a folder searchable by meaning",
      .description =
          "Reads the text files of a folder on the daemon's machine, cuts them into chunks and embeds what is new; then "
          "`search` finds them. It takes a while at first, with progress, and little when few files have changed since. "
          "It may be cancelled: what is done stays. Folders outside the daemon's index_roots are refused.",
      .scope = Scope::kAdmin,
      .effect = ToolEffect::kAdds,
      .input = {{"path", TextSchema("Absolute, on the daemon's machine.", 1), true},
                {"model", TextSchema("An embedding model; the daemon's default without it.")},
                {"file_bytes_max", CountSchema("Larger files are skipped; 1 MiB without it.", 1, (1u << 30) - 1)},
                {"chunk_tokens", CountSchema("Most tokens of a chunk; 256 without it.", 16, 1u << 20)}},
      .output = Counts({"total", "processed", "skipped", "failed", "hits", "computed", "coalesced", "elapsed_ms", "chunks",
                        "unchanged", "not_text", "too_large", "ignored", "removed"},
                       {{"hit_rate", OrNull(NumberSchema("")), true},
                        {"problems", ListSchema(Json::Object{{"type", "object"}}, "Files that failed, and why."), true}}),
      .handler = IndexTool};
}

ToolLine SearchFilesTool() {
  return {.name = "search",
          .title = "Find passages in indexed folders by meaning",
          .description =
              "Finds the chunks of indexed files that are most like a question or a description, best first, with path and "
              "lines. text is read from the file as it is now; it is null where the file has changed since or is gone "
              "(state), and index_folder brings it up to date.",
          .input = {{"query", TextSchema("What you look for, in words.", 1), true},
                    {"k", CountSchema("Most hits; 10 without it.", 1, 1000)},
                    {"threshold", NumberSchema("Least cosine; all without it.", -1, 1)},
                    {"root", TextSchema("Only in this indexed folder.")},
                    {"model", TextSchema("An embedding model; the daemon's default without it.")}},
          .output = ComponentSchema("SearchAnswer"),
          .handler = SearchTool};
}

ToolLine MemoryStatusTool() {
  Json output = ComponentSchema("Status");
  output.Find("properties")->Set("pools", ListSchema(Ref("Pool")));
  output.Find("required")->Append("pools");
  return {
      .name = "memory_status",
      .title = "What is kept, and how full memory is",
      .description =
          "Says what this workspace holds (contexts, tokens, bytes), how the embedding cache does, and how full each pool "
          "of memory is against its budget, fullest first. accepts_new is false when memory is in an emergency: then "
          "registering is refused until something is given up.",
      .input = {},
      .output = std::move(output),
      .handler = MemoryTool};
}

}  // namespace

std::vector<ToolLine> TextTools() {
  std::vector<ToolLine> lines;
  lines.push_back(EmbedTextsTool());
  lines.push_back(IndexFolderTool());
  lines.push_back(SearchFilesTool());
  lines.push_back(MemoryStatusTool());
  return lines;
}

}  // namespace weir::api
