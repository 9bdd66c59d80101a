// /v1/contexts: what agents hold.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "answers.h"
#include "context_body.h"
#include "route.h"
#include "weir/report/registry_view.h"

namespace weir::api {
namespace {

constexpr uint64_t kPageMost = 1000;
constexpr uint64_t kNameLengthMost = 256;

const Parameter& AgentParameter() {
  static const Parameter kAgent{"agent", ParameterPlace::kPath,
                                TextSchema("The agent's name, percent-encoded.", 1, kNameLengthMost)};
  return kAgent;
}
const Parameter& IfMatchParameter() {
  static const Parameter kIfMatch{"If-Match", ParameterPlace::kHeader,
                                  TextSchema("An entity tag: the change happens only to that very revision; else 412.")};
  return kIfMatch;
}

// What an If-Match header allows: nothing said, any revision, or one of these.
struct Condition {
  bool is_given = false;
  std::optional<ContextVersion> version{};
};

std::optional<ContextVersion> VersionOf(std::string_view tag) {
  if (tag.size() < 5 || !tag.starts_with('"') || !tag.ends_with('"')) return std::nullopt;
  tag = tag.substr(1, tag.size() - 2);
  ContextVersion version;
  const char* const end = tag.data() + tag.size();
  const auto first = std::from_chars(tag.data(), end, version.revision);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, version.created_ms, 16);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return version;
}

Result<Condition> ConditionOf(const HttpRequest& request) {
  Condition condition;
  const auto header = request.headers.Find("if-match");
  if (!header) return condition;
  condition.is_given = true;
  if (*header == "*") return condition;
  condition.version = VersionOf(*header);
  if (!condition.version) {
    return InvalidArgument("If-Match: not an entity tag of this daemon", "one tag as ETag gave it, with its quotes, or *");
  }
  return condition;
}

// Whether If-None-Match names this revision; as RFC 9110 has it: any of a list, weak or not, or *.
bool IsKnownAlready(const HttpRequest& request, const std::string& tag) {
  if (request.headers.HasToken("if-none-match", "*") || request.headers.HasToken("if-none-match", tag)) return true;
  return request.headers.HasToken("if-none-match", "W/" + tag);
}

// PUT's If-None-Match: only "*" says something there.
Result<bool> OnlyWhenAbsent(const HttpRequest& request, const Condition& condition) {
  const auto header = request.headers.Find("if-none-match");
  if (!header) return false;
  if (*header != "*") return InvalidArgument("If-None-Match: here it takes *", "If-Match takes an entity tag");
  if (condition.is_given) return InvalidArgument("If-Match and If-None-Match: * never hold together", "send one of them");
  return true;
}

RouteAnswer Changed(int status, const Registered& registered) {
  RouteAnswer answer;
  answer.status = status;
  answer.json = RegisteredJson(registered);
  answer.headers.push_back({"ETag", TagOf(registered.revision, registered.created_ms)});
  if (status == 201) answer.headers.push_back({"Location", "/v1/contexts/" + PercentEncode(registered.agent)});
  return answer;
}

Result<RouteAnswer> CreateContext(RouteCall& call) {
  WEIR_ASSIGN(const ContextInput input, ContextInputOf(call.service, call.body, TextOf(call.body, "agent")));
  WEIR_ASSIGN(const Registered registered, call.workspace.registry().Register(input));
  return Changed(201, registered);
}

Result<RouteAnswer> PutContext(RouteCall& call) {
  Registry& registry = call.workspace.registry();
  WEIR_ASSIGN(ContextInput input, ContextInputOf(call.service, call.body, call.Path("agent")));
  WEIR_ASSIGN(const Condition condition, ConditionOf(call.request));
  input.only_if = condition.version;
  WEIR_ASSIGN(const bool only_when_absent, OnlyWhenAbsent(call.request, condition));
  if (only_when_absent) {
    WEIR_ASSIGN(const Registered registered, registry.Register(input));
    return Changed(201, registered);
  }
  if (condition.is_given) {
    WEIR_ASSIGN(const Registered registered, registry.Replace(input));
    return Changed(200, registered);
  }
  WEIR_ASSIGN(const Registered registered, registry.Put(input));
  return Changed(registered.revision == 1 ? 201 : 200, registered);
}

Result<RouteAnswer> PatchContext(RouteCall& call) {
  Registry& registry = call.workspace.registry();
  const std::string agent = call.Path("agent");
  WEIR_ASSIGN(const Condition condition, ConditionOf(call.request));
  const Json* const append = call.body.Find("append");
  const Json* const pinned = call.body.Find("pinned");
  if ((append != nullptr) == (pinned != nullptr)) {
    return InvalidArgument("one of append and pinned says what changes");
  }
  if (append != nullptr) {
    AppendInput input = AppendInputOf(*append);
    input.only_if = condition.version;
    WEIR_ASSIGN(const Registered registered, registry.Append(agent, input));
    return Changed(200, registered);
  }
  WEIR_TRY(registry.SetPinned(agent, pinned->as_bool(), condition.version));
  WEIR_ASSIGN(const HeldContext held, registry.Get(agent));
  const ContextTerms terms = held.Terms();
  RouteAnswer answer;
  answer.json = ContextTermsJson(terms);
  answer.headers.push_back({"ETag", TagOf(terms.revision, terms.created_ms)});
  return answer;
}

Result<RouteAnswer> DeleteContext(RouteCall& call) {
  WEIR_ASSIGN(const Condition condition, ConditionOf(call.request));
  WEIR_TRY(call.workspace.registry().Remove(call.Path("agent"), condition.version));
  RouteAnswer answer;
  answer.status = 204;
  return answer;
}

Result<RouteAnswer> GetContext(RouteCall& call) {
  WEIR_ASSIGN(const HeldContext held, call.workspace.registry().Get(call.Path("agent")));
  const ContextTerms terms = held.Terms();
  RouteAnswer answer;
  const std::string tag = TagOf(terms.revision, terms.created_ms);
  answer.headers.push_back({"ETag", tag});
  if (IsKnownAlready(call.request, tag)) {
    answer.status = 304;
    return answer;
  }
  Json json = ContextJson(held);
  if (BoolOf(call.query, "text", true)) json.Set("text", held->text());
  if (BoolOf(call.query, "ids", false)) {
    Json::Array ids;
    ids.reserve(held->tokens().size());
    for (const TokenId id : held->tokens()) ids.emplace_back(uint64_t{id});
    json.Set("ids", std::move(ids));
  }
  answer.json = std::move(json);
  return answer;
}

Result<RouteAnswer> ListContexts(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerContexts({call.service, call.workspace, call.query}));
  return answer;
}

Result<RouteAnswer> ClearContexts(RouteCall& call) {
  const std::string group = TextOf(call.query, "group");
  const bool all = BoolOf(call.query, "all", false);
  if (all == !group.empty()) {
    return InvalidArgument("one of group and all=true says which contexts go", "this removes contexts for good");
  }
  WEIR_ASSIGN(const uint64_t removed,
              call.workspace.registry().Clear(all ? std::nullopt : std::optional<std::string>(group)));
  RouteAnswer answer;
  answer.json = Json::Object{{"removed", removed}, {"left", call.workspace.registry().stats().contexts}};
  return answer;
}

Result<RouteAnswer> OptimizedOf(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerOptimized({call.service, call.workspace, call.query}, call.Path("agent")));
  return answer;
}

}  // namespace

std::vector<Route> ContextRoutes() {
  std::vector<Member> create = ContextMembers();
  create.insert(create.begin(), Member{"agent", TextSchema("The agent's name: up to 256 bytes.", 1, kNameLengthMost), true});
  const Json patch = ObjectSchema(
      {{"append", ObjectSchema({{"text", TextSchema("What the context grows by, at its end.", 1), true},
                                {"kind", ChoiceSchema("Of the new segment.",
                                                      {"text", "system", "tools", "user", "assistant", "tool"})},
                                {"name", TextSchema("Of the new segment; after the kind without it.", 1)}})},
       {"pinned", BoolSchema("Whether it may be evicted and expire.")}},
      "One of the two.");
  std::vector<Route> routes;
  routes.push_back({.method = "POST",
                    .path = "/v1/contexts",
                    .id = "create_context",
                    .tag = "contexts",
                    .summary = "Register an agent's context",
                    .description = "Tokenizes it once, enters it into every index and keeps it. The answer says what it "
                                   "shares already. 409 when the agent is here: PUT replaces, PATCH appends.",
                    .scope = Scope::kWrite,
                    .parameters = {},
                    .body = ObjectSchema(std::move(create)),
                    .responses = {{201, "Registered.", Ref("Registered")}},
                    .handler = CreateContext,
                    .idempotency = true});
  routes.push_back(
      {.method = "GET",
       .path = "/v1/contexts",
       .id = "list_contexts",
       .tag = "contexts",
       .summary = "List contexts by name",
       .description = "In pages: next_cursor is null on the last one.",
       .scope = Scope::kRead,
       .parameters = {{"group", ParameterPlace::kQuery, TextSchema("Only of this group.")},
                      {"limit", ParameterPlace::kQuery, CountSchema("Most of a page; 100 without it.", 1, kPageMost)},
                      {"cursor", ParameterPlace::kQuery, TextSchema("next_cursor of the page before.")}},
       .responses = {{200, "A page.",
                      OpenObjectSchema({{"contexts", ListSchema(Ref("ContextSummary")), true},
                                        {"next_cursor", OrNull(TextSchema("")), true}})}},
       .handler = ListContexts});
  routes.push_back({.method = "DELETE",
                    .path = "/v1/contexts",
                    .id = "clear_contexts",
                    .tag = "contexts",
                    .summary = "Remove a group's contexts, or all",
                    .description = "",
                    .scope = Scope::kWrite,
                    .parameters = {{"group", ParameterPlace::kQuery, TextSchema("All contexts of this group.")},
                                   {"all", ParameterPlace::kQuery, BoolSchema("true: every context of the workspace.")}},
                    .responses = {{200, "Removed.",
                                   OpenObjectSchema({{"removed", CountSchema(""), true}, {"left", CountSchema(""), true}})}},
                    .handler = ClearContexts});
  routes.push_back(
      {.method = "GET",
       .path = "/v1/contexts/{agent}",
       .id = "get_context",
       .tag = "contexts",
       .summary = "One context: terms, segments, text",
       .description = "Reads a cold one back. ETag names the revision; If-None-Match gives 304.",
       .scope = Scope::kRead,
       .parameters = {AgentParameter(),
                      {"text", ParameterPlace::kQuery, BoolSchema("Whether the text comes along; true without it.")},
                      {"ids", ParameterPlace::kQuery, BoolSchema("Whether the token ids come along.")},
                      {"If-None-Match", ParameterPlace::kHeader, TextSchema("An entity tag.")}},
       .responses = {{200, "The context.", Ref("Context")}, {304, "It is still that revision."}},
       .handler = GetContext});
  routes.push_back(
      {.method = "PUT",
       .path = "/v1/contexts/{agent}",
       .id = "put_context",
       .tag = "contexts",
       .summary = "Register or replace a context",
       .description = "What is the same from the start of the text is not tokenized again. If-None-Match: * only "
                      "registers; If-Match only replaces.",
       .scope = Scope::kWrite,
       .parameters = {AgentParameter(),
                      IfMatchParameter(),
                      {"If-None-Match", ParameterPlace::kHeader, TextSchema("*: only when the agent is not here.")}},
       .body = ObjectSchema(ContextMembers()),
       .responses = {{200, "Replaced.", Ref("Registered")}, {201, "Registered.", Ref("Registered")}},
       .handler = PutContext});
  routes.push_back({.method = "PATCH",
                    .path = "/v1/contexts/{agent}",
                    .id = "patch_context",
                    .tag = "contexts",
                    .summary = "Append to a context, or pin it",
                    .description = "Appending tokenizes from the last stable boundary on.",
                    .scope = Scope::kWrite,
                    .parameters = {AgentParameter(), IfMatchParameter()},
                    .body = patch,
                    .responses = {{200, "Changed.",
                                   EitherSchema("After an append, or a pin.", {Ref("Registered"), Ref("ContextTerms")})}},
                    .handler = PatchContext});
  routes.push_back({.method = "DELETE",
                    .path = "/v1/contexts/{agent}",
                    .id = "delete_context",
                    .tag = "contexts",
                    .summary = "Remove a context",
                    .description = "Every index forgets it.",
                    .scope = Scope::kWrite,
                    .parameters = {AgentParameter(), IfMatchParameter()},
                    .responses = {{204, "Removed."}},
                    .handler = DeleteContext});
  routes.push_back({.method = "GET",
                    .path = "/v1/contexts/{agent}/optimized",
                    .id = "get_optimized_context",
                    .tag = "contexts",
                    .summary = "This agent's prompt, laid out for reuse beside its group",
                    .description =
                        "The order and the lossless changes that let an engine's cache reuse more, found and measured "
                        "by simulating that cache over the contexts of the group.",
                    .scope = Scope::kRead,
                    .parameters = {AgentParameter(),
                                   {"cache_tokens", ParameterPlace::kQuery,
                                    CountSchema("Tokens that the simulated cache holds.", 1, 1'000'000'000'000)}},
                    .responses = {{200, "The prompt and the numbers.", Ref("OptimizedContext")}},
                    .handler = OptimizedOf});
  return routes;
}

}  // namespace weir::api
