// /v1/pools, /v1/pressure, /v1/status: what memory holds, and what is done about it.

#include <utility>

#include "answers.h"
#include "route.h"
#include "schema.h"
#include "status.h"
#include "weir/inspect/broker_json.h"

namespace weir::api {
namespace {

Result<RouteAnswer> Pools(RouteCall& call) {
  RouteAnswer answer;
  answer.json = AnswerPools(call.service, call.caller.workspace, call.caller.may(Scope::kAdmin));
  return answer;
}

Result<RouteAnswer> Pressure(RouteCall& call) {
  RouteAnswer answer;
  answer.json = BrokerJson(call.service.broker().Snapshot());
  return answer;
}

Result<RouteAnswer> PlanRelief(RouteCall& call) {
  std::optional<uint64_t> bytes;
  if (call.body.Find("bytes") != nullptr) bytes = CountOf(call.body, "bytes", 0);
  RouteAnswer answer;
  answer.json = PlanJson(call.service.broker().PlanNow(bytes));
  return answer;
}

Result<RouteAnswer> Relieve(RouteCall& call) {
  RouteAnswer answer;
  answer.json = ReliefJson(call.service.broker().Relieve(CountOf(call.body, "bytes", 0)));
  return answer;
}

Result<RouteAnswer> Status(RouteCall& call) {
  RouteAnswer answer;
  answer.json = StatusJson(call.service, call.workspace);
  return answer;
}

}  // namespace

std::vector<Route> MemoryRoutes() {
  const Json bytes = ObjectSchema(
      {{"bytes", CountSchema("How many to give back; as much as the fill rule says without it.", 0, INT64_MAX)}});
  std::vector<Route> routes;
  routes.push_back({.method = "GET",
                    .path = "/v1/status",
                    .id = "get_status",
                    .tag = "memory",
                    .summary = "What the workspace holds, in figures",
                    .description = "",
                    .parameters = {},
                    .responses = {{200, "Contexts, indexes, embeddings.", Ref("Status")}},
                    .handler = Status});
  routes.push_back({.method = "GET",
                    .path = "/v1/pools",
                    .id = "list_pools",
                    .tag = "memory",
                    .summary = "The pools: budgets, bytes, hits, evictions",
                    .description = "",
                    .parameters = {},
                    .responses = {{200, "Fullest first.", OpenObjectSchema({{"pools", ListSchema(Ref("Pool")), true}})}},
                    .handler = Pools});
  routes.push_back({.method = "GET",
                    .path = "/v1/pressure",
                    .id = "get_pressure",
                    .tag = "memory",
                    .summary = "The broker's whole view",
                    .description = "Figures that cannot be read are null.",
                    .scope = Scope::kAdmin,
                    .parameters = {},
                    .responses = {{200, "Budgets, devices, pools, events.", Ref("Pressure")}},
                    .handler = Pressure});
  routes.push_back({.method = "POST",
                    .path = "/v1/pressure/plan",
                    .id = "plan_relief",
                    .tag = "memory",
                    .summary = "What giving memory back would do",
                    .description = "Changes nothing.",
                    .scope = Scope::kAdmin,
                    .parameters = {},
                    .body = bytes,
                    .body_optional = true,
                    .responses = {{200, "The plan.", Ref("ReliefPlan")}},
                    .handler = PlanRelief});
  routes.push_back({.method = "POST",
                    .path = "/v1/pressure/relieve",
                    .id = "relieve",
                    .tag = "memory",
                    .summary = "Give memory back now",
                    .description = "",
                    .scope = Scope::kAdmin,
                    .parameters = {},
                    .body = bytes,
                    .body_optional = true,
                    .responses = {{200, "What came of it.", Ref("Relief")}},
                    .handler = Relieve});
  return routes;
}

}  // namespace weir::api
