// /v1/models: the embedding models of this daemon, as OpenAI's API lists models.

#include <algorithm>
#include <utility>

#include "route.h"
#include "schema.h"

namespace weir::api {
namespace {

Json ModelJson(const Service& service, const ServiceModel& model, std::span<const EmbedModelState> states) {
  const auto state = std::ranges::find(states, model.model.name, &EmbedModelState::name);
  const bool is_loaded = state != states.end() && state->loaded;
  Json aliases = Json::MakeArray();
  for (const std::string& alias : model.model.aliases) aliases.Append(alias);
  Json sizes = Json::MakeArray();
  for (const uint32_t size : model.model.matryoshka) sizes.Append(uint64_t{size});
  return Json::Object{{"id", model.model.name},
                      {"object", "model"},
                      {"created", 0},
                      {"owned_by", "weir"},
                      {"kind", "embedding"},
                      {"default", &model == service.default_model()},
                      {"aliases", std::move(aliases)},
                      {"dimensions", uint64_t{model.model.dimensions}},
                      {"smaller_dimensions", std::move(sizes)},
                      {"tokens_max", uint64_t{model.tokens_max}},
                      {"fingerprint", model.model.fingerprint},
                      {"loaded", is_loaded},
                      {"memory_bytes", is_loaded ? Json(state->memory_bytes) : Json()}};
}

Result<RouteAnswer> List(RouteCall& call) {
  Json data = Json::MakeArray();
  const std::vector<EmbedModelState> states = call.service.embeddings().Models();
  for (const ServiceModel& model : call.service.options().models) data.Append(ModelJson(call.service, model, states));
  RouteAnswer answer;
  answer.json = Json::Object{{"object", "list"}, {"data", std::move(data)}};
  return answer;
}

Result<RouteAnswer> AnswerOf(RouteCall& call, const ServiceModel& model) {
  RouteAnswer answer;
  answer.json = ModelJson(call.service, model, call.service.embeddings().Models());
  return answer;
}

// A daemon without any model knows none of this name.
Result<const ServiceModel*> Named(RouteCall& call) {
  if (!call.service.has_embeddings()) return NotFound("no model of this name", "this daemon has no model");
  return call.service.FindModel(call.Path("model"));
}

Result<RouteAnswer> Get(RouteCall& call) {
  WEIR_ASSIGN(const ServiceModel* const model, Named(call));
  return AnswerOf(call, *model);
}

Result<RouteAnswer> Load(RouteCall& call) {
  WEIR_ASSIGN(const ServiceModel* const model, Named(call));
  WEIR_TRY(call.service.embeddings().Load(model->model.name));
  return AnswerOf(call, *model);
}

Result<RouteAnswer> Unload(RouteCall& call) {
  WEIR_ASSIGN(const ServiceModel* const model, Named(call));
  WEIR_TRY(call.service.embeddings().Unload(model->model.name));
  return AnswerOf(call, *model);
}

Parameter ModelParameter() { return {"model", ParameterPlace::kPath, TextSchema("A name or alias, percent-encoded.", 1)}; }

}  // namespace

std::vector<Route> ModelRoutes() {
  std::vector<Route> routes;
  routes.push_back({.method = "GET",
                    .path = "/v1/models",
                    .id = "list_models",
                    .tag = "models",
                    .summary = "The models of this daemon",
                    .description = "",
                    .parameters = {},
                    .responses = {{200, "The default first.",
                                   OpenObjectSchema({{"object", ChoiceSchema("", {"list"}), true},
                                                     {"data", ListSchema(Ref("Model")), true}})}},
                    .handler = List,
                    .errors = ErrorShape::kOpenAi});
  routes.push_back({.method = "GET",
                    .path = "/v1/models/{model}",
                    .id = "get_model",
                    .tag = "models",
                    .summary = "One model",
                    .description = "",
                    .parameters = {ModelParameter()},
                    .responses = {{200, "The model.", Ref("Model")}},
                    .handler = Get,
                    .errors = ErrorShape::kOpenAi});
  routes.push_back({.method = "POST",
                    .path = "/v1/models/{model}/load",
                    .id = "load_model",
                    .tag = "models",
                    .summary = "Load a model now",
                    .description = "Otherwise it is loaded when a text is missing.",
                    .scope = Scope::kAdmin,
                    .parameters = {ModelParameter()},
                    .responses = {{200, "Loaded.", Ref("Model")}},
                    .handler = Load});
  routes.push_back({.method = "POST",
                    .path = "/v1/models/{model}/unload",
                    .id = "unload_model",
                    .tag = "models",
                    .summary = "Free a model's memory",
                    .description = "Vectors stay. The next missing text loads it again.",
                    .scope = Scope::kAdmin,
                    .parameters = {ModelParameter()},
                    .responses = {{200, "Unloaded.", Ref("Model")}},
                    .handler = Unload});
  return routes;
}

}  // namespace weir::api
