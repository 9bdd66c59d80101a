// /v1/match, /v1/similar, /v1/share, /v1/explain, /v1/layout: what contexts have in common, and what to do about it.

#include <algorithm>
#include <utility>

#include "answers.h"
#include "context_body.h"
#include "route.h"
#include "weir/report/share_view.h"

namespace weir::api {
namespace {

constexpr uint64_t kAgentsMost = 4096;
constexpr uint64_t kCacheTokensMost = 1'000'000'000'000;

Json AgentsSchema(std::string_view description) { return ListSchema(TextSchema("", 1), description, 0, kAgentsMost); }

Result<RouteAnswer> Match(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerMatch({call.service, call.workspace, call.body}));
  return answer;
}

Result<RouteAnswer> Similar(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerSimilar({call.service, call.workspace, call.body}));
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
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerExplain({call.service, call.workspace, call.body}));
  return answer;
}

Result<RouteAnswer> Layout(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerLayout({call.service, call.workspace, call.body}));
  return answer;
}

std::vector<Member> KindMembers() {
  return {{"moved", BoolSchema("Look for moved spans; true without it.")},
          {"near", BoolSchema("Look for near blocks; true without it.")},
          {"semantic",
           BoolSchema("Look for what is alike in meaning; without it: with agent yes, with a prompt, which would have "
                      "to be embedded, no.")},
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
