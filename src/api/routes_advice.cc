// /v1/match, /v1/similar, /v1/share, /v1/explain, /v1/layout: what contexts have in common, and what to do about it.

#include <algorithm>
#include <utility>

#include "context_body.h"
#include "weir/report/explain_view.h"
#include "weir/report/layout_view.h"
#include "weir/report/registry_view.h"
#include "weir/report/share_view.h"

namespace weir::api {
namespace {

constexpr uint64_t kAgentsMost = 4096;
constexpr uint64_t kCacheTokensMost = 1'000'000'000'000;

Json AgentsSchema(std::string_view description) { return ListSchema(TextSchema("", 1), description, 0, kAgentsMost); }

FindSharedOptions FindOptionsOf(const Json& body) {
  FindSharedOptions options;
  options.moved = BoolOf(body, "moved", true);
  options.near = BoolOf(body, "near", true);
  options.semantic = BoolOf(body, "semantic", true);
  options.reload_cold = BoolOf(body, "reload_cold", false);
  options.results_max = static_cast<uint32_t>(CountOf(body, "limit", 100));
  return options;
}

Result<RouteAnswer> Match(RouteCall& call) {
  Registry& registry = call.workspace.registry();
  const std::string agent = TextOf(call.body, "agent");
  const std::vector<std::string> agents = TextsOf(call.body, "agents");
  RouteAnswer answer;
  if (!agent.empty()) {
    for (const char* other : {"text", "segments", "messages"}) {
      if (call.body.Find(other) != nullptr) return InvalidArgument("either agent, or a prompt, says what is matched");
    }
    WEIR_ASSIGN(const SharedReport report, registry.FindShared(agents, agent, FindOptionsOf(call.body)));
    answer.json = SharedReportJson(report);
    return answer;
  }
  if (!agents.empty()) return InvalidArgument("agents goes with agent", "a prompt is matched against all contexts");
  MatchOptions options;
  WEIR_ASSIGN(const std::string prompt, PromptOf(call));
  options.tokenizer = TextOf(call.body, "tokenizer");
  options.model = TextOf(call.body, "model");
  options.lora = TextOf(call.body, "lora");
  options.salt = TextOf(call.body, "salt");
  options.add_special_tokens = BoolOf(call.body, "add_special_tokens", false);
  if (call.body.Find("exclude") != nullptr) options.exclude = TextOf(call.body, "exclude");
  options.find = FindOptionsOf(call.body);
  WEIR_ASSIGN(const SharedReport report, registry.Match(prompt, options));
  answer.json = SharedReportJson(report);
  return answer;
}

Result<RouteAnswer> Similar(RouteCall& call) {
  SimilarOptions options;
  options.k = static_cast<uint32_t>(CountOf(call.body, "k", 10));
  options.threshold = static_cast<float>(NumberOf(call.body, "threshold", options.threshold));
  options.tokenizer = TextOf(call.body, "tokenizer");
  options.model = TextOf(call.body, "model");
  options.lora = TextOf(call.body, "lora");
  options.salt = TextOf(call.body, "salt");
  if (call.body.Find("exclude") != nullptr) options.exclude = TextOf(call.body, "exclude");
  RouteAnswer answer;
  WEIR_ASSIGN(const std::string prompt, PromptOf(call));
  if (TextOf(call.body, "by") == "meaning") options.by = SimilarBy::kMeaning;
  WEIR_ASSIGN(const SimilarReport report, call.workspace.registry().FindSimilar(prompt, options));
  answer.json = SimilarReportJson(report);
  return answer;
}

Result<RouteAnswer> Share(RouteCall& call) {
  ShareOptions options;
  const std::vector<std::string> agents = TextsOf(call.body, "agents");
  WEIR_ASSIGN(const SharedPrompts shared, call.workspace.Share(agents, options));
  const std::vector<const Context*> contexts = shared.prompts.pointers();
  const ShareView view{shared.report, contexts, call.workspace.settings().tokenizer, call.workspace.settings().block_size};
  RouteAnswer answer;
  WriteShareJson(view, "", [&](std::string_view piece) { answer.text += piece; });
  return answer;
}

Result<RouteAnswer> Explain(RouteCall& call) {
  const std::string a = TextOf(call.body, "a");
  const std::string b = TextOf(call.body, "b");
  if (a.empty() != b.empty()) return InvalidArgument("a and b go together", "without both, every break is explained");
  const Tokenizer* const tokenizer = call.service.tokenizer();
  RouteAnswer answer;
  if (!a.empty()) {
    WEIR_ASSIGN(const Explanation explanation, call.workspace.Explain(a, b, tokenizer));
    answer.json = ExplanationJson(explanation, a, b);
    return answer;
  }
  const std::vector<std::string> agents = TextsOf(call.body, "agents");
  WEIR_ASSIGN(const BrokenPrefixes broken, call.workspace.ExplainAll(agents, tokenizer));
  answer.json = Json::Object{{"breaks", BreaksJson(broken.breaks, broken.names)}};
  return answer;
}

Result<RouteAnswer> Layout(RouteCall& call) {
  const Tokenizer* const tokenizer = call.service.tokenizer();
  if (tokenizer == nullptr) return Unsupported("this daemon has no tokenizer", "set tokenizer in its configuration");
  const uint64_t cache = CountOf(call.body, "cache_tokens", call.service.options().cache_tokens);
  const std::vector<std::string> agents = TextsOf(call.body, "agents");
  WEIR_ASSIGN(const LayoutReport report, call.workspace.Layout(agents, *tokenizer, cache));
  RouteAnswer answer;
  answer.json = LayoutJson(report, cache);
  return answer;
}

std::vector<Member> KindMembers() {
  return {{"moved", BoolSchema("Look for moved spans; true without it.")},
          {"near", BoolSchema("Look for near blocks; true without it.")},
          {"semantic", BoolSchema("Look for what is alike in meaning; true without it.")},
          {"reload_cold", BoolSchema("Read contexts back that left memory.")},
          {"limit", CountSchema("Most results; 100 without it.", 1, 100'000)},
          {"exclude", TextSchema("An agent that does not count, as the one who asks.")}};
}

}  // namespace

std::vector<Route> AdviceRoutes() {
  std::vector<Member> match = PromptMembers();
  match.insert(match.begin(), Member{"agent", TextSchema("A registered agent, in place of a prompt.", 1)});
  match.push_back({"agents", AgentsSchema("With agent: whom it is compared with; all without it.")});
  for (Member& member : KindMembers()) match.push_back(std::move(member));
  std::vector<Member> similar = PromptMembers();
  similar.push_back({"by", ChoiceSchema("tokens: the share of equal and near blocks; meaning: the cosine of vectors.",
                                        {"tokens", "meaning"})});
  similar.push_back({"k", CountSchema("Most results; 10 without it.", 1, 10'000)});
  similar.push_back({"threshold", NumberSchema("Least similarity; 0.85 without it.", 0, 1)});
  similar.push_back({"exclude", TextSchema("An agent that does not count.")});

  std::vector<Route> routes;
  routes.push_back({.method = "POST",
                    .path = "/v1/match",
                    .id = "match",
                    .tag = "advice",
                    .summary = "What others have in common with a prompt, or with an agent",
                    .description = "Exact prefix, moved spans, near blocks and meaning, side by side and never added up.",
                    .parameters = {},
                    .body = ObjectSchema(std::move(match)),
                    .responses = {{200, "By what is certain.", Ref("SharedReport")}},
                    .handler = Match});
  routes.push_back({.method = "POST",
                    .path = "/v1/similar",
                    .id = "find_similar",
                    .tag = "advice",
                    .summary = "Contexts like a text",
                    .description = "Token for token, or by meaning.",
                    .parameters = {},
                    .body = ObjectSchema(std::move(similar)),
                    .responses = {{200, "Most similar first.", Ref("SimilarReport")}},
                    .handler = Similar});
  routes.push_back({.method = "POST",
                    .path = "/v1/share",
                    .id = "share",
                    .tag = "advice",
                    .summary = "What contexts have in common, pair by pair",
                    .description = "As the command `weir share` with --json.",
                    .parameters = {},
                    .body = ObjectSchema({{"agents", AgentsSchema("Two at least; all without it.")}}),
                    .body_optional = true,
                    .responses = {{200, "The matrix.", Ref("ShareReport")}},
                    .handler = Share});
  routes.push_back({.method = "POST",
                    .path = "/v1/explain",
                    .id = "explain",
                    .tag = "advice",
                    .summary = "Where a shared prefix breaks, why, what it costs, what mends it",
                    .description = "With a and b: that pair. Without: every break among the agents, the costliest first.",
                    .parameters = {},
                    .body = ObjectSchema({{"a", TextSchema("The agent whose prompt came first.", 1)},
                                          {"b", TextSchema("The other one.", 1)},
                                          {"agents", AgentsSchema("Without a and b: among whom; all without it.")}}),
                    .body_optional = true,
                    .responses = {{200, "The explanation, or the list of breaks.",
                                   EitherSchema("", {Ref("Explanation"), Ref("Breaks")})}},
                    .handler = Explain});
  routes.push_back(
      {.method = "POST",
       .path = "/v1/layout",
       .id = "layout",
       .tag = "advice",
       .summary = "An order of segments, and lossless changes, that make the cache hit",
       .description = "Both numbers come from simulating the engine's block cache.",
       .parameters = {},
       .body = ObjectSchema({{"agents", AgentsSchema("Whose contexts; all without it.")},
                             {"cache_tokens", CountSchema("Tokens that the simulated cache holds.", 1, kCacheTokensMost)}}),
       .body_optional = true,
       .responses = {{200, "The proposal.", Ref("Layout")}},
       .handler = Layout});
  return routes;
}

}  // namespace weir::api
