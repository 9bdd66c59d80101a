// /v1/embeddings: vectors of texts, as OpenAI's API has them, and what people do with them.

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "embedding_answers.h"
#include "route.h"
#include "schema.h"
#include "status.h"
#include "weir/codec/base64.h"
#include "weir/embed/vector_operations.h"

namespace weir::api {
namespace {

static_assert(std::endian::native == std::endian::little, "vectors go out as little-endian floats");

constexpr uint64_t kInputsMost = 2048;
constexpr uint64_t kTextsMost = 16'384;

// Of one request: texts, or ids of tokens.
struct Inputs {
  std::vector<std::string_view> texts{};
  std::vector<std::vector<TokenId>> ids{};
  bool are_ids = false;

  size_t size() const { return are_ids ? ids.size() : texts.size(); }
};

Result<std::vector<TokenId>> IdsOf(const Json& list) {
  std::vector<TokenId> ids;
  ids.reserve(list.as_array().size());
  for (const Json& one : list.as_array()) {
    // A whole number may be written as 3.0.
    const double id = one.is_number() ? one.as_double() : -1;
    if (id < 0 || id > UINT32_MAX || id != std::floor(id)) {
      return InvalidArgument("/input: ids of tokens are whole numbers from 0 on");
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

Result<Inputs> InputsOf(const Json& input) {
  Inputs inputs;
  if (input.is_string()) {
    inputs.texts.push_back(input.as_string());
    return inputs;
  }
  const Json::Array& list = input.as_array();
  inputs.are_ids = !list.front().is_string();
  if (list.front().is_number()) {
    WEIR_ASSIGN(std::vector<TokenId> ids, IdsOf(input));
    inputs.ids.push_back(std::move(ids));
    return inputs;
  }
  for (const Json& one : list) {
    if (inputs.are_ids) {
      WEIR_ASSIGN(std::vector<TokenId> ids, IdsOf(one));
      inputs.ids.push_back(std::move(ids));
    } else {
      inputs.texts.push_back(one.as_string());
    }
  }
  return inputs;
}

// "hit; hits=3; computed=0; coalesced=0"
std::string CacheHeader(const EmbedAnswer& answer) {
  size_t hits = 0;
  size_t computed = 0;
  size_t coalesced = 0;
  for (const EmbedItem& item : answer.items) {
    hits += item.source == EmbedSource::kHit || item.source == EmbedSource::kStored;
    computed += item.source == EmbedSource::kComputed;
    coalesced += item.source == EmbedSource::kCoalesced;
  }
  const size_t all = answer.items.size();
  const std::string_view word = hits == all ? "hit" : computed == all ? "miss" : coalesced == all ? "coalesced" : "mixed";
  return fmt::format("{}; hits={}; computed={}; coalesced={}", word, hits, computed, coalesced);
}

void AppendVector(std::span<const float> vector, bool as_base64, std::string& out) {
  if (as_base64) {
    out += '"';
    out += Base64Of({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
    out += '"';
    return;
  }
  // The shortest text that reads back the same; written in place, since it is most of an answer's time.
  constexpr size_t kNumberBytesMax = 16;
  const size_t begin = out.size();
  out.resize(begin + vector.size() * (kNumberBytesMax + 1) + 2);
  char* at = out.data() + begin;
  *at++ = '[';
  for (const float value : vector) {
    at = std::to_chars(at, at + kNumberBytesMax, value).ptr;
    *at++ = ',';
  }
  if (!vector.empty()) --at;
  *at++ = ']';
  out.resize(static_cast<size_t>(at - out.data()));
}

std::string ListText(const EmbedAnswer& answer, const std::string& model, bool as_base64, uint64_t tokens) {
  std::string out;
  out.reserve(answer.items.size() * (answer.dimensions * (as_base64 ? 6u : 13u) + 64) + 128);
  out += R"({"object":"list","data":[)";
  for (size_t i = 0; i < answer.items.size(); ++i) {
    fmt::format_to(std::back_inserter(out), R"({}{{"object":"embedding","index":{},"embedding":)", i == 0 ? "" : ",", i);
    AppendVector(answer.vector(i), as_base64, out);
    out += '}';
  }
  fmt::format_to(std::back_inserter(out), R"(],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                 JsonQuote(model), tokens, tokens);
  return out;
}

double MsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The model that a body names; the error says which member that is.
Result<const ServiceModel*> ModelOf(const RouteCall& call) {
  Result<const ServiceModel*> model = call.service.FindModel(TextOf(call.body, "model"));
  if (model) return model;
  Error error = std::move(model).error();
  error.message = "/model: " + error.message;
  return error;
}

Result<RouteAnswer> Embed(RouteCall& call) {
  EmbedCache& cache = call.service.embeddings();
  WEIR_ASSIGN(const ServiceModel* const model, ModelOf(call));
  const Json& input = *call.body.Find("input");
  WEIR_ASSIGN(const Inputs inputs, InputsOf(input));
  const EmbedCall options = EmbedCallOf({call.service, call.workspace, call.body});
  const auto start = std::chrono::steady_clock::now();
  EmbedAnswer embedded;
  uint64_t tokens = 0;
  if (inputs.are_ids) {
    std::vector<std::span<const TokenId>> ids(inputs.ids.begin(), inputs.ids.end());
    WEIR_ASSIGN(embedded, cache.EmbedIds(model->model.name, ids, options));
    for (const auto& one : ids) tokens += one.size();
  } else {
    WEIR_ASSIGN(embedded, cache.Embed(model->model.name, inputs.texts, options));
  }
  const bool is_list = input.is_array() && !input.as_array().front().is_number();
  WEIR_TRY(AllThere(embedded, "input", is_list));
  const double embed_ms = MsSince(start);
  if (!inputs.are_ids) {
    WEIR_ASSIGN(tokens, cache.CountTokens(model->model.name, inputs.texts, options));
  }
  RouteAnswer answer;
  answer.text = ListText(embedded, model->model.name, TextOf(call.body, "encoding_format", "float") == "base64", tokens);
  answer.headers.push_back({"x-weir-cache", CacheHeader(embedded)});
  answer.headers.push_back({"Server-Timing", fmt::format("embed;dur={:.3f}", embed_ms)});
  return answer;
}

RouteAnswer WithCache(Json json, const EmbedAnswer& embedded) {
  RouteAnswer answer;
  answer.json = std::move(json);
  answer.headers.push_back({"x-weir-cache", CacheHeader(embedded)});
  return answer;
}

Result<RouteAnswer> Similarities(RouteCall& call) {
  const std::vector<std::string> texts = TextsOf(call.body, "texts");
  WEIR_ASSIGN(const EmbedAnswer embedded,
              EmbedTexts({call.service, call.workspace, call.body}, texts, "texts", InputTypeOf(call.body)));
  WEIR_ASSIGN(const std::vector<float> matrix, SimilarityMatrix({embedded.vectors, embedded.dimensions}));
  // As text at once: a value for each of millions of numbers would take many times its bytes.
  RouteAnswer answer = WithCache(Json(), embedded);
  answer.text.reserve(matrix.size() * 10 + 32);
  answer.text = R"({"similarities":[)";
  for (size_t a = 0; a < texts.size(); ++a) {
    answer.text += a == 0 ? "[" : ",[";
    for (size_t b = 0; b < texts.size(); ++b) {
      fmt::format_to(std::back_inserter(answer.text), "{}{}", b == 0 ? "" : ",", RoundedScore(matrix[a * texts.size() + b]));
    }
    answer.text += ']';
  }
  answer.text += "]}";
  return answer;
}

Result<RouteAnswer> Nearest(RouteCall& call) {
  const std::vector<std::string> texts = TextsOf(call.body, "texts");
  EmbedAnswer embedded;
  WEIR_ASSIGN(Json results, NearestTexts({call.service, call.workspace, call.body}, texts, embedded));
  return WithCache(Json::Object{{"results", std::move(results)}}, embedded);
}

Result<RouteAnswer> Clusters(RouteCall& call) {
  const std::vector<std::string> texts = TextsOf(call.body, "texts");
  WEIR_ASSIGN(const EmbedAnswer embedded,
              EmbedTexts({call.service, call.workspace, call.body}, texts, "texts", InputTypeOf(call.body)));
  WEIR_ASSIGN(Json clusters, ClustersOf(call.body, embedded));
  return WithCache(Json::Object{{"clusters", std::move(clusters)}}, embedded);
}

Result<RouteAnswer> CacheStats(RouteCall& call) {
  RouteAnswer answer;
  answer.json = EmbeddingsJson(call.service);
  return answer;
}

Result<RouteAnswer> ClearCache(RouteCall& call) {
  WEIR_ASSIGN(const uint64_t cleared, call.service.embeddings().Clear(BoolOf(call.query, "stored", false)));
  RouteAnswer answer;
  answer.json = Json::Object{{"cleared", cleared}};
  return answer;
}

std::vector<Member> TextMembers() {
  return {{"texts", ListSchema(TextSchema(""), "The texts.", 1, kTextsMost), true},
          {"model", TextSchema("An embedding model; the default without it.")},
          {"dimensions", CountSchema("A smaller size that the model allows.", 1, 65'536)},
          {"truncate", BoolSchema("Cut over-long texts instead of refusing them.")}};
}

Json KindSchema() {
  return ChoiceSchema("What the text is for; some models put a prefix in front.", {"plain", "query", "passage"});
}

Json OpenAiBody() {
  const Json token = CountSchema("", 0, UINT32_MAX);
  Json input =
      EitherSchema("A text, texts, the ids of a text's tokens, or of several texts'.",
                   {TextSchema("", 1), ListSchema(TextSchema("", 1), "", 1, kInputsMost), ListSchema(token, "", 1, 1u << 20),
                    ListSchema(ListSchema(token, "", 1, 1u << 20), "", 1, kInputsMost)});
  return ObjectSchema({{"input", std::move(input), true},
                       {"model", TextSchema("An embedding model by name or alias.", 1), true},
                       {"encoding_format", ChoiceSchema("float without it.", {"float", "base64"})},
                       {"dimensions", CountSchema("A smaller size that the model allows.", 1, 65'536)},
                       {"user", TextSchema("Not used.")},
                       {"input_type", KindSchema()},
                       {"truncate", BoolSchema("Cut over-long texts instead of refusing them.")}});
}

}  // namespace

std::vector<Route> EmbeddingRoutes() {
  std::vector<Member> top_k = TextMembers();
  top_k.push_back({"query", TextSchema("What the texts are compared with.", 1), true});
  top_k.push_back({"k", CountSchema("Most results; 10 without it.", 1, kTextsMost)});
  top_k.push_back({"threshold", NumberSchema("Least cosine; all without it.", -1, 1)});
  std::vector<Member> matrix = TextMembers();
  matrix.front().schema.Set("maxItems", uint64_t{2048});
  matrix.push_back({"input_type", KindSchema()});
  std::vector<Member> cluster = TextMembers();
  cluster.push_back({"input_type", KindSchema()});
  cluster.push_back({"threshold", NumberSchema("Texts at least so alike belong together; 0.7 without it.", -1, 1)});
  cluster.push_back({"size_min", CountSchema("Smaller clusters are left out; 2 without it.", 1, kTextsMost)});

  std::vector<Route> routes;
  routes.push_back({.method = "POST",
                    .path = "/v1/embeddings",
                    .id = "create_embeddings",
                    .tag = "embeddings",
                    .summary = "Vectors of texts, as OpenAI's API has them",
                    .description = "A text that is known is not embedded again, whoever asks in this workspace. The header "
                                   "x-weir-cache says what was known.",
                    .parameters = {},
                    .body = OpenAiBody(),
                    .responses = {{200, "One vector for each input, in order.", Ref("EmbeddingList")}},
                    .handler = Embed,
                    .errors = ErrorShape::kOpenAi});
  routes.push_back({.method = "POST",
                    .path = "/v1/embeddings/similarity",
                    .id = "similarity",
                    .tag = "embeddings",
                    .summary = "How alike texts are, each with each",
                    .description = "",
                    .parameters = {},
                    .body = ObjectSchema(std::move(matrix)),
                    .responses = {{200, "Cosines, row by row.",
                                   OpenObjectSchema({{"similarities", ListSchema(ListSchema(NumberSchema(""))), true}})}},
                    .handler = Similarities});
  routes.push_back(
      {.method = "POST",
       .path = "/v1/embeddings/top-k",
       .id = "top_k",
       .tag = "embeddings",
       .summary = "The texts most like a query",
       .description = "Every text is compared.",
       .parameters = {},
       .body = ObjectSchema(std::move(top_k)),
       .responses = {{200, "Most alike first.",
                      OpenObjectSchema({{"results",
                                         ListSchema(OpenObjectSchema({{"index", CountSchema("Into texts."), true},
                                                                      {"similarity", NumberSchema("Cosine."), true}})),
                                         true}})}},
       .handler = Nearest});
  routes.push_back(
      {.method = "POST",
       .path = "/v1/embeddings/cluster",
       .id = "cluster",
       .tag = "embeddings",
       .summary = "Texts that belong together",
       .description = "Connected components over pairs at least so alike.",
       .parameters = {},
       .body = ObjectSchema(std::move(cluster)),
       .responses = {{200, "The largest first.", OpenObjectSchema({{"clusters", ListSchema(Ref("Cluster")), true}})}},
       .handler = Clusters});
  routes.push_back({.method = "GET",
                    .path = "/v1/embeddings/cache",
                    .id = "get_embedding_cache",
                    .tag = "embeddings",
                    .summary = "The embedding cache in figures",
                    .description = "",
                    .parameters = {},
                    .responses = {{200, "Counters since the start.", Ref("EmbeddingCache")}},
                    .handler = CacheStats});
  routes.push_back({.method = "DELETE",
                    .path = "/v1/embeddings/cache",
                    .id = "clear_embedding_cache",
                    .tag = "embeddings",
                    .summary = "Forget vectors, of all workspaces",
                    .description = "",
                    .scope = Scope::kAdmin,
                    .parameters = {{"stored", ParameterPlace::kQuery, BoolSchema("Those on disk as well.")}},
                    .responses = {{200, "Forgotten.", OpenObjectSchema({{"cleared", CountSchema("In memory."), true}})}},
                    .handler = ClearCache});
  return routes;
}

}  // namespace weir::api
