#include "answers.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "context_body.h"
#include "schema.h"
#include "status.h"
#include "weir/codec/base64.h"
#include "weir/inspect/broker_json.h"
#include "weir/report/explain_view.h"
#include "weir/report/layout_view.h"
#include "weir/report/registry_view.h"

namespace weir::api {
namespace {

FindSharedOptions FindOptionsOf(const Json& body, FindSharedOptions options) {
  options.moved = BoolOf(body, "moved", options.moved);
  options.near = BoolOf(body, "near", options.near);
  options.semantic = BoolOf(body, "semantic", options.semantic);
  options.reload_cold = BoolOf(body, "reload_cold", options.reload_cold);
  options.results_max = static_cast<uint32_t>(CountOf(body, "limit", options.results_max));
  return options;
}

Result<const Tokenizer*> TokenizerOf(const Service& service) {
  const Tokenizer* const tokenizer = service.tokenizer();
  if (tokenizer == nullptr) return Unsupported("this daemon has no tokenizer", "set tokenizer in its configuration");
  return tokenizer;
}

// A pool of another workspace is nobody's business here.
bool IsVisible(const Json& pool, std::string_view workspace) {
  const std::string name = TextOf(pool, "name");
  const size_t slash = name.find('/');
  const std::string_view owner = slash == std::string::npos ? kDefaultWorkspace : std::string_view(name).substr(slash + 1);
  return name == "embeddings" || owner == workspace;
}

}  // namespace

Result<Json> AnswerMatch(const Question& question, const FindSharedOptions& otherwise) {
  const Json& body = question.body;
  Registry& registry = question.workspace.registry();
  const std::string agent = TextOf(body, "agent");
  const std::vector<std::string> agents = TextsOf(body, "agents");
  if (!agent.empty()) {
    for (const char* other : {"text", "segments", "messages"}) {
      if (body.Find(other) != nullptr) return InvalidArgument("either agent, or a prompt, says what is matched");
    }
    WEIR_ASSIGN(const SharedReport report, registry.FindShared(agents, agent, FindOptionsOf(body, otherwise)));
    return SharedReportJson(report);
  }
  if (!agents.empty()) return InvalidArgument("agents goes with agent", "a prompt is matched against all contexts");
  if (body.Find("text") == nullptr && body.Find("segments") == nullptr && body.Find("messages") == nullptr) {
    return InvalidArgument("agent, or a prompt, says what is matched", "a prompt is one of text, segments and messages");
  }
  MatchOptions options;
  WEIR_ASSIGN(const std::string prompt, PromptOf(question.service, body));
  options.tokenizer = TextOf(body, "tokenizer");
  options.model = TextOf(body, "model");
  options.lora = TextOf(body, "lora");
  options.salt = TextOf(body, "salt");
  options.add_special_tokens = BoolOf(body, "add_special_tokens", false);
  if (body.Find("exclude") != nullptr) options.exclude = TextOf(body, "exclude");
  options.find = FindOptionsOf(body, otherwise);
  // To embed a whole prompt takes a model's time: only for who asks.
  options.find.semantic = BoolOf(body, "semantic", false);
  WEIR_ASSIGN(const SharedReport report, registry.Match(prompt, options));
  return SharedReportJson(report);
}

Result<Json> AnswerSimilar(const Question& question) {
  const Json& body = question.body;
  SimilarOptions options;
  options.k = static_cast<uint32_t>(CountOf(body, "k", 10));
  options.threshold = static_cast<float>(NumberOf(body, "threshold", options.threshold));
  options.tokenizer = TextOf(body, "tokenizer");
  options.model = TextOf(body, "model");
  options.lora = TextOf(body, "lora");
  options.salt = TextOf(body, "salt");
  if (body.Find("exclude") != nullptr) options.exclude = TextOf(body, "exclude");
  WEIR_ASSIGN(const std::string prompt, PromptOf(question.service, body));
  if (TextOf(body, "by") == "meaning") options.by = SimilarBy::kMeaning;
  WEIR_ASSIGN(const SimilarReport report, question.workspace.registry().FindSimilar(prompt, options));
  return SimilarReportJson(report);
}

Result<Json> AnswerExplain(const Question& question) {
  const std::string a = TextOf(question.body, "a");
  const std::string b = TextOf(question.body, "b");
  if (a.empty() != b.empty()) return InvalidArgument("a and b go together", "without both, every break is explained");
  const Tokenizer* const tokenizer = question.service.tokenizer();
  if (!a.empty()) {
    WEIR_ASSIGN(const Explanation explanation, question.workspace.Explain(a, b, tokenizer));
    return ExplanationJson(explanation, a, b);
  }
  WEIR_ASSIGN(const BrokenPrefixes broken, question.workspace.ExplainAll(TextsOf(question.body, "agents"), tokenizer));
  return Json(Json::Object{{"breaks", BreaksJson(broken.breaks, broken.names)}});
}

Result<Json> AnswerLayout(const Question& question) {
  WEIR_ASSIGN(const Tokenizer* const tokenizer, TokenizerOf(question.service));
  const uint64_t cache = CountOf(question.body, "cache_tokens", question.service.options().cache_tokens);
  WEIR_ASSIGN(const LayoutReport report, question.workspace.Layout(TextsOf(question.body, "agents"), *tokenizer, cache));
  return LayoutJson(report, cache);
}

Result<Json> AnswerOptimized(const Question& question, const std::string& agent) {
  WEIR_ASSIGN(const Tokenizer* const tokenizer, TokenizerOf(question.service));
  const uint64_t cache = CountOf(question.body, "cache_tokens", question.service.options().cache_tokens);
  WEIR_ASSIGN(const OptimizedContext optimized, question.workspace.Optimize(agent, *tokenizer, cache));
  return OptimizedJson(optimized);
}

Result<Json> AnswerSearch(const Question& question) {
  SearchOptions options;
  options.k = static_cast<uint32_t>(CountOf(question.body, "k", 10));
  options.threshold = static_cast<float>(NumberOf(question.body, "threshold", -1));
  options.root = TextOf(question.body, "root");
  WEIR_ASSIGN(const SearchAnswer found, question.service.Search(question.workspace, TextOf(question.body, "model"),
                                                                TextOf(question.body, "query"), options));
  return SearchJson(found);
}

// A cursor is the last name of the page before, so that names that come and go meanwhile move nothing.
Result<Json> AnswerContexts(const Question& question) {
  const uint64_t limit = CountOf(question.body, "limit", 100);
  const std::string group = TextOf(question.body, "group");
  std::optional<std::string> after;
  if (const std::string cursor = TextOf(question.body, "cursor"); !cursor.empty()) {
    Result<std::string> name = ParseBase64Url(cursor);
    if (!name || !name->starts_with("c:")) return InvalidArgument("cursor: not one of this daemon", "leave it out to begin");
    after = name->substr(2);
  }
  Json contexts = Json::MakeArray();
  Json next;
  const std::vector<ContextSummary> all = question.workspace.registry().List();
  auto line = all.begin();
  if (after) {
    line = std::ranges::upper_bound(all, *after, {}, [](const ContextSummary& one) { return one.terms.agent; });
  }
  std::string last;
  for (; line != all.end(); ++line) {
    if (!group.empty() && line->terms.group != group) continue;
    if (contexts.as_array().size() == limit) {
      next = Base64UrlOf("c:" + last);
      break;
    }
    contexts.Append(SummaryJson(*line));
    last = line->terms.agent;
  }
  return Json(Json::Object{{"contexts", std::move(contexts)}, {"next_cursor", std::move(next)}});
}

Json AnswerPools(Service& service, std::string_view workspace, bool is_admin) {
  const Json all = BrokerJson(service.broker().Snapshot());
  Json pools = Json::MakeArray();
  for (const Json& pool : all.Find("pools")->as_array()) {
    if (is_admin || IsVisible(pool, workspace)) pools.Append(pool);
  }
  return Json::Object{{"pools", std::move(pools)}};
}

Json ContextJson(const HeldContext& held) {
  const ContextView& view = *held;
  const ContextTerms terms = held.Terms();
  Json json = ContextTermsJson(terms);
  json.Set("fingerprint", terms.space.tokenizer_fingerprint);
  json.Set("block_size", uint64_t{terms.block_size});
  json.Set("tokens", uint64_t{view.tokens().size()});
  json.Set("blocks", uint64_t{view.tokens().size() / terms.block_size});
  json.Set("text_bytes", uint64_t{view.text().size()});
  json.Set("segments", SegmentsJson(view.Segments()));
  return json;
}

AppendInput AppendInputOf(const Json& body) {
  AppendInput input;
  input.text = TextOf(body, "text");
  input.name = TextOf(body, "name");
  input.kind = ParseSegmentKind(TextOf(body, "kind")).value_or(SegmentKind::kText);
  return input;
}

Result<IndexRequest> IndexRequestOf(const Service& service, const Json& body) {
  IndexRequest request;
  request.root = TextOf(body, "path");
  request.model = TextOf(body, "model");
  request.file_bytes_max = CountOf(body, "file_bytes_max", request.file_bytes_max);
  request.chunk_tokens = static_cast<uint32_t>(CountOf(body, "chunk_tokens", request.chunk_tokens));
  WEIR_TRY(service.FindModel(request.model));
  if (!request.root.is_absolute()) {
    return InvalidArgument("/path: not an absolute path", "the path of a folder on the daemon's machine");
  }
  return request;
}

}  // namespace weir::api
