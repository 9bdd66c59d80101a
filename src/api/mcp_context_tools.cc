// Tools over contexts: registering, and what they share.

#include <fmt/format.h>

#include <utility>

#include "context_body.h"
#include "mcp_tool.h"
#include "weir/report/registry_view.h"

namespace weir::api {
namespace {

constexpr uint64_t kAgentsMost = 4096;
constexpr uint64_t kCacheTokensMost = 1'000'000'000'000;
// A model reads the answer: the longest few spans say enough.
constexpr uint32_t kSpansListed = 8;
constexpr uint32_t kSharedListed = 20;

Result<Json> AppendContext(const Question& question, const std::string& agent) {
  for (const Json::Member& member : question.body.as_object()) {
    const std::string_view name = member.first;
    if (name != "agent" && name != "mode" && name != "text" && name != "kind" && name != "name") {
      return InvalidArgument(fmt::format("/{}: not with mode append", name), "append takes text, and kind and name of it");
    }
  }
  if (question.body.Find("text") == nullptr) return InvalidArgument("/text: required with mode append, but missing");
  WEIR_ASSIGN(const Registered registered, question.workspace.registry().Append(agent, AppendInputOf(question.body)));
  return RegisteredJson(registered);
}

Result<Json> RegisterContext(const Question& question, McpCall& call) {
  static_cast<void>(call);
  const std::string agent = TextOf(question.body, "agent");
  const std::string mode = TextOf(question.body, "mode", "register");
  if (mode == "append") return AppendContext(question, agent);
  for (const char* name : {"kind", "name"}) {
    if (question.body.Find(name) != nullptr) return InvalidArgument(fmt::format("/{}: only with mode append", name));
  }
  WEIR_ASSIGN(const ContextInput input, ContextInputOf(question.service, question.body, agent));
  Registry& registry = question.workspace.registry();
  Result<Registered> registered = mode == "replace" ? registry.Put(input) : registry.Register(input);
  if (!registered && registered.error().code == ErrorCode::kAlreadyExists) {
    return Error{ErrorCode::kAlreadyExists, registered.error().message,
                 "call again with mode replace, or with mode append and only the new text"};
  }
  if (!registered) return registered.error();
  return RegisteredJson(*registered);
}

Result<Json> GetOptimized(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerOptimized(question, TextOf(question.body, "agent"));
}

Result<Json> GetShared(const Question& question, McpCall& call) {
  static_cast<void>(call);
  FindSharedOptions options;
  options.results_max = kSharedListed;
  options.spans_max = kSpansListed;
  options.near_max = kSpansListed;
  return AnswerMatch(question, options);
}

Result<Json> FindSimilar(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerSimilar(question);
}

Result<Json> ExplainPrefix(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerExplain(question);
}

Result<Json> SuggestLayout(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerLayout(question);
}

Result<Json> ListAgents(const Question& question, McpCall& call) {
  static_cast<void>(call);
  return AnswerContexts(question);
}

Result<Json> ClearAgent(const Question& question, McpCall& call) {
  static_cast<void>(call);
  Registry& registry = question.workspace.registry();
  const std::string agent = TextOf(question.body, "agent");
  const std::string group = TextOf(question.body, "group");
  if (agent.empty() == group.empty()) {
    return InvalidArgument("one of agent and group says which contexts go", "this removes them for good");
  }
  uint64_t removed = 1;
  if (group.empty()) {
    WEIR_TRY(registry.Remove(agent));
  } else {
    WEIR_ASSIGN(removed, registry.Clear(group));
  }
  return Json(Json::Object{{"removed", removed}, {"left", registry.stats().contexts}});
}

Json AgentSchema(std::string_view description) { return TextSchema(description, 1); }
Json AgentsSchema(std::string_view description) { return ListSchema(TextSchema("", 1), description, 0, kAgentsMost); }

ToolLine RegisterTool() {
  std::vector<Member> input = ContextMembers();
  input.insert(
      input.begin(),
      {Member{"agent", AgentSchema("Your name, or the name of the agent whose prompt it is: up to 256 bytes."), true},
       Member{"mode", WithDefault(ChoiceSchema("register: only when the agent has no context yet. replace: whatever it had "
                                               "is dropped. append: text is added at the end of what it has.",
                                               {"register", "replace", "append"}),
                                  "register")}});
  input.push_back({"kind", ChoiceSchema("With append: what the new text is.",
                                        {"text", "system", "tools", "user", "assistant", "tool"})});
  input.push_back({"name", TextSchema("With append: a name for the new segment.", 1)});
  return {.name = "register_context",
          .title = "Register, replace or grow a context",
          .description =
              "Tells Weir the prompt that an agent holds now, so that what it shares with others is found and kept. Give "
              "exactly one of text, segments and messages; segments (or messages) let Weir propose a better order. The "
              "answer says how many tokens it has, how many whole blocks of its beginning another agent has already "
              "(shared_blocks, shared_with), and where its system prompt leaves the one of its group. Use mode append with "
              "only the new text when a conversation grows: that is much cheaper than sending all of it again.",
          .scope = Scope::kWrite,
          .effect = ToolEffect::kChanges,
          .idempotent = false,
          .input = std::move(input),
          .output = ComponentSchema("Registered"),
          .handler = RegisterContext};
}

ToolLine OptimizedTool() {
  return {.name = "get_optimized_context",
          .title = "A prompt laid out for reuse",
          .description =
              "Gives a registered agent's prompt in the order of segments, with lossless changes, that lets an engine reuse "
              "most of it beside the other agents of its group, and the numbers: tokens and reusable_tokens before and "
              "after, from simulating the engine's block cache. Send `text` in place of the prompt when `changed` is true. "
              "Nothing that is registered changes.",
          .input = {{"agent", AgentSchema("A registered agent."), true},
                    {"cache_tokens", CountSchema("Tokens that the simulated cache holds; the daemon's setting without it.",
                                                 1, kCacheTokensMost)}},
          .output = ComponentSchema("OptimizedContext"),
          .handler = GetOptimized};
}

ToolLine SharedTool() {
  std::vector<Member> input = PromptMembers();
  input.insert(input.begin(), {Member{"agent", AgentSchema("A registered agent, in place of a prompt.")},
                               Member{"agents", AgentsSchema("With agent: whom it is compared with; all without it.")}});
  std::vector<Member> kinds = {
      {"moved", BoolSchema("Look for moved spans; true without it.")},
      {"near", BoolSchema("Look for near copies of blocks; true without it.")},
      {"semantic",
       BoolSchema("Look for what is alike in meaning; without it: with agent yes, with a prompt, which would have "
                  "to be embedded, no.")},
      {"reload_cold", BoolSchema("Read contexts back that left memory.")},
      {"limit", CountSchema("Most results; 20 without it.", 1, 1000)},
      {"exclude", TextSchema("With a prompt: an agent that does not count, as yourself.")}};
  for (Member& member : kinds) input.push_back(std::move(member));
  return {
      .name = "get_shared_context",
      .title = "What others have in common with an agent or a prompt",
      .description =
          "Compares an agent's context (or a prompt that is not registered: text, segments or messages) with the others, "
          "best first. exact: the same tokens from the very beginning, all that an engine's prefix cache can reuse. "
          "moved: the same text elsewhere; it becomes reusable only when it is moved to the same place. near: blocks "
          "that differ in a few tokens, often a date or an id. similarity: alike in meaning only. The kinds stand apart "
          "and must not be added up.",
      .input = std::move(input),
      .output = ComponentSchema("SharedReport"),
      .handler = GetShared};
}

ToolLine SimilarTool() {
  std::vector<Member> input = PromptMembers();
  input.insert(input.begin(),
               Member{"by", WithDefault(ChoiceSchema("tokens: the share of equal and nearly equal blocks. meaning: the "
                                                     "cosine of vectors of an embedding model.",
                                                     {"tokens", "meaning"}),
                                        "tokens")});
  input.push_back({"k", CountSchema("Most results; 10 without it.", 1, 1000)});
  input.push_back({"threshold", NumberSchema("Least similarity; 0.85 without it. Lower it when nothing is found.", 0, 1)});
  input.push_back({"exclude", TextSchema("An agent that does not count, as yourself.")});
  return {.name = "find_similar",
          .title = "Contexts like a text",
          .description =
              "Finds registered contexts that are like a text (or segments, or messages), most similar first: by their "
              "tokens, or by meaning. Use it to see whether another agent works on the same thing already. `note` says why "
              "there is no answer by meaning.",
          .input = std::move(input),
          .output = ComponentSchema("SimilarReport"),
          .handler = FindSimilar};
}

ToolLine ExplainTool() {
  const Json object = Json::Object{{"type", "object"}};
  return {
      .name = "explain_prefix",
      .title = "Where a shared beginning breaks, and why",
      .description =
          "With a and b: the first token at which the two prompts differ, the text there on both sides, the likely cause "
          "(a timestamp, a counter, the order of JSON keys or tools, whitespace, ...), the tokens that are lost by it, "
          "and the fix with what it would gain; divergence is null when one is the beginning of the other. Without a "
          "and b: every break among the agents, the costliest first.",
      .input = {{"a", AgentSchema("The agent whose prompt came first.")},
                {"b", AgentSchema("The other one.")},
                {"agents", AgentsSchema("Without a and b: among whom; all agents without it.")}},
      .output = OpenObjectSchema({{"divergence", OrNull(object)},
                                  {"lost_tokens", CountSchema("With a and b.")},
                                  {"fix", OrNull(object)},
                                  {"breaks", ListSchema(object, "Without a and b.")}}),
      .handler = ExplainPrefix};
}

ToolLine LayoutTool() {
  return {.name = "suggest_layout",
          .title = "An order of segments that shares more",
          .description =
              "Proposes one order of segments, and lossless changes, for the prompts of several agents, so that the "
              "engine's cache hits more often; reusable_tokens before and after come from simulating that cache over all of "
              "them. Nothing changes; get_optimized_context gives one agent's prompt in that order.",
          .input = {{"agents", AgentsSchema("Two at least; all agents without it.")},
                    {"cache_tokens", CountSchema("Tokens that the simulated cache holds; the daemon's setting without it.",
                                                 1, kCacheTokensMost)}},
          .output = ComponentSchema("Layout"),
          .handler = SuggestLayout};
}

ToolLine ListTool() {
  return {.name = "list_agents",
          .title = "Registered agents by name",
          .description =
              "Lists agents with group, role, size in tokens and whole blocks, and whether their context is in memory "
              "(cold: it has to be read back). In pages: pass next_cursor as cursor until it is null. The text is in the "
              "resource weir://contexts/{agent}.",
          .input = {{"group", TextSchema("Only of this group.", 1)},
                    {"limit", CountSchema("Most of a page; 100 without it.", 1, 1000)},
                    {"cursor", TextSchema("next_cursor of the page before.")}},
          .output = OpenObjectSchema(
              {{"contexts", ListSchema(Ref("ContextSummary")), true}, {"next_cursor", OrNull(TextSchema("")), true}}),
          .handler = ListAgents};
}

ToolLine ClearTool() {
  return {
      .name = "clear_agent",
      .title = "Forget an agent's context, or a group's",
      .description =
          "Removes the context of one agent, or of every agent of a group, for good: memory, indexes and disk forget it. "
          "Give exactly one of agent and group. Use it when an agent has ended.",
      .scope = Scope::kWrite,
      .effect = ToolEffect::kChanges,
      .input = {{"agent", AgentSchema("The agent to forget.")},
                {"group", TextSchema("Every agent of this group is forgotten.", 1)}},
      .output = OpenObjectSchema({{"removed", CountSchema("Contexts."), true}, {"left", CountSchema("Contexts."), true}}),
      .handler = ClearAgent};
}

}  // namespace

std::vector<ToolLine> ContextTools() {
  std::vector<ToolLine> lines;
  lines.push_back(RegisterTool());
  lines.push_back(OptimizedTool());
  lines.push_back(SharedTool());
  lines.push_back(SimilarTool());
  lines.push_back(ExplainTool());
  lines.push_back(LayoutTool());
  lines.push_back(ListTool());
  lines.push_back(ClearTool());
  return lines;
}

}  // namespace weir::api
