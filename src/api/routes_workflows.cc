// /v1/workflows: which agents run, and in what order.

#include <array>
#include <utility>

#include "route.h"
#include "schema.h"

namespace weir::api {
namespace {

constexpr std::array<std::pair<std::string_view, Registry::Step>, 4> kMoves = {{{"start", Registry::Step::kStart},
                                                                                {"finish", Registry::Step::kFinish},
                                                                                {"skip", Registry::Step::kSkip},
                                                                                {"fail", Registry::Step::kFail}}};

Json WorkflowJson(const WorkflowRun& run) {
  Json steps = Json::MakeArray();
  for (const WorkflowStep& step : run.workflow().steps()) {
    Json depends = Json::MakeArray();
    for (const std::string& agent : step.depends_on) depends.Append(agent);
    const std::optional<uint32_t> distance = run.StepsToExecution(step.agent);
    steps.Append(Json::Object{{"agent", step.agent},
                              {"depends_on", std::move(depends)},
                              {"optional", step.optional},
                              {"state", StepStateName(run.StateOf(step.agent).value_or(StepState::kPending))},
                              {"steps_to_execution", distance ? Json(uint64_t{*distance}) : Json()}});
  }
  const std::optional<std::string_view> next = run.NextByOrder();
  return Json::Object{{"name", run.workflow().name()},
                      {"outcome", WorkflowOutcomeName(run.outcome())},
                      {"next", next ? Json(*next) : Json()},
                      {"steps", std::move(steps)}};
}

Result<RouteAnswer> AnswerOf(RouteCall& call, const std::string& name, int status = 200) {
  WEIR_ASSIGN(const WorkflowRun run, call.workspace.registry().GetWorkflow(name));
  RouteAnswer answer;
  answer.status = status;
  answer.json = WorkflowJson(run);
  return answer;
}

Result<RouteAnswer> Declare(RouteCall& call) {
  std::vector<WorkflowStep> steps;
  for (const Json& one : call.body.Find("steps")->as_array()) {
    steps.push_back({TextOf(one, "agent"), TextsOf(one, "depends_on"), BoolOf(one, "optional", false)});
  }
  const std::string name = TextOf(call.body, "name");
  WEIR_ASSIGN(Workflow workflow, Workflow::Create(name, std::move(steps)));
  WEIR_TRY(call.workspace.registry().DeclareWorkflow(std::move(workflow)));
  Result<RouteAnswer> answer = AnswerOf(call, name, 201);
  if (answer) answer->headers.push_back({"Location", "/v1/workflows/" + PercentEncode(name)});
  return answer;
}

Result<RouteAnswer> List(RouteCall& call) {
  Json workflows = Json::MakeArray();
  for (const std::string& name : call.workspace.registry().WorkflowNames()) {
    const Result<WorkflowRun> run = call.workspace.registry().GetWorkflow(name);
    if (run) workflows.Append(WorkflowJson(*run));
  }
  RouteAnswer answer;
  answer.json = Json::Object{{"workflows", std::move(workflows)}};
  return answer;
}

Result<RouteAnswer> Get(RouteCall& call) { return AnswerOf(call, call.Path("workflow")); }

Result<RouteAnswer> Remove(RouteCall& call) {
  WEIR_TRY(call.workspace.registry().RemoveWorkflow(call.Path("workflow")));
  RouteAnswer answer;
  answer.status = 204;
  return answer;
}

Result<RouteAnswer> Advance(RouteCall& call) {
  const std::string move = TextOf(call.body, "move");
  const std::string workflow = call.Path("workflow");
  const std::string agent = TextOf(call.body, "agent");
  WEIR_ASSIGN(const WorkflowRun run, call.workspace.registry().GetWorkflow(workflow));
  // The workflow is there: what is wrong is the body.
  if (!run.StateOf(agent)) return InvalidArgument("/agent: not part of the workflow", "its steps name the agents that are");
  for (const auto& [name, step] : kMoves) {
    if (name != move) continue;
    WEIR_TRY(call.workspace.registry().Advance(workflow, agent, step));
    return AnswerOf(call, workflow);
  }
  return InvalidArgument("/move: start, finish, skip or fail");
}

Result<RouteAnswer> Predict(RouteCall& call) {
  const NextAgents next = call.workspace.registry().PredictNext(CountOf(call.query, "n", 5));
  Json agents = Json::MakeArray();
  for (const AgentProbability& one : next.agents) {
    agents.Append(Json::Object{{"agent", one.agent}, {"probability", one.probability}});
  }
  RouteAnswer answer;
  answer.json = Json::Object{{"enabled", next.enabled}, {"agents", std::move(agents)}};
  return answer;
}

Parameter NameParameter() {
  return {"workflow", ParameterPlace::kPath, TextSchema("The workflow's name, percent-encoded.", 1)};
}

}  // namespace

std::vector<Route> WorkflowRoutes() {
  const Json step = ObjectSchema({{"agent", TextSchema("Who runs.", 1), true},
                                  {"depends_on", ListSchema(TextSchema("", 1), "Agents that must be done before.")},
                                  {"optional", BoolSchema("The workflow is complete without it.")}});
  const Json declare = ObjectSchema({{"name", TextSchema("Of the workflow.", 1), true},
                                     {"steps", ListSchema(step, "One for each agent.", 1, Workflow::kStepsMax), true}});
  std::vector<Route> routes;
  routes.push_back({.method = "POST",
                    .path = "/v1/workflows",
                    .id = "declare_workflow",
                    .tag = "workflows",
                    .summary = "Declare a workflow",
                    .description =
                        "Contexts of agents that run soon stay in memory and are read back ahead of their turn. A "
                        "workflow of that name begins anew.",
                    .scope = Scope::kWrite,
                    .parameters = {},
                    .body = declare,
                    .responses = {{201, "Declared.", Ref("Workflow")}},
                    .handler = Declare,
                    .idempotency = true});
  routes.push_back({.method = "GET",
                    .path = "/v1/workflows",
                    .id = "list_workflows",
                    .tag = "workflows",
                    .summary = "All workflows as they stand",
                    .description = "",
                    .parameters = {},
                    .responses = {{200, "By name.", OpenObjectSchema({{"workflows", ListSchema(Ref("Workflow")), true}})}},
                    .handler = List});
  routes.push_back({.method = "GET",
                    .path = "/v1/workflows/{workflow}",
                    .id = "get_workflow",
                    .tag = "workflows",
                    .summary = "One workflow as it stands",
                    .description = "",
                    .parameters = {NameParameter()},
                    .responses = {{200, "The workflow.", Ref("Workflow")}},
                    .handler = Get});
  routes.push_back({.method = "DELETE",
                    .path = "/v1/workflows/{workflow}",
                    .id = "remove_workflow",
                    .tag = "workflows",
                    .summary = "Forget a workflow",
                    .description = "",
                    .scope = Scope::kWrite,
                    .parameters = {NameParameter()},
                    .responses = {{204, "Gone."}},
                    .handler = Remove});
  routes.push_back(
      {.method = "POST",
       .path = "/v1/workflows/{workflow}/advance",
       .id = "advance_workflow",
       .tag = "workflows",
       .summary = "Move an agent's step on",
       .description = "",
       .scope = Scope::kWrite,
       .parameters = {NameParameter()},
       .body = ObjectSchema({{"agent", TextSchema("Whose step.", 1), true},
                             {"move", ChoiceSchema("What happened.", {"start", "finish", "skip", "fail"}), true}}),
       .responses = {{200, "The workflow.", Ref("Workflow")}},
       .handler = Advance});
  routes.push_back(
      {.method = "GET",
       .path = "/v1/predictions",
       .id = "predict_next",
       .tag = "workflows",
       .summary = "Who is likely to run next",
       .description = "From who ran after whom; `enabled` says whether that beats the order of steps so far.",
       .parameters = {{"n", ParameterPlace::kQuery, CountSchema("Most agents; 5 without it.", 1, 1000)}},
       .responses = {{200, "Likeliest first.",
                      OpenObjectSchema({{"enabled", BoolSchema(""), true},
                                        {"agents",
                                         ListSchema(OpenObjectSchema(
                                             {{"agent", TextSchema(""), true}, {"probability", NumberSchema(""), true}})),
                                         true}})}},
       .handler = Predict});
  return routes;
}

}  // namespace weir::api
