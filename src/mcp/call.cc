#include "weir/mcp/call.h"

#include <algorithm>

#include "call_state.h"

namespace weir {

bool McpCaller::Has(std::string_view scope) const {
  return scope.empty() ||
         std::any_of(scopes.begin(), scopes.end(), [&](const std::string& one) { return one == scope || one == "*"; });
}

McpQuestion McpQuestion::Form(std::string key, std::string_view message, Json schema) {
  McpQuestion question{std::move(key), "elicitation/create"};
  question.params.Set("message", message);
  question.params.Set("requestedSchema", std::move(schema));
  return question;
}

McpQuestion McpQuestion::Visit(std::string key, std::string_view message, std::string_view url,
                               std::string_view elicitation_id) {
  McpQuestion question{std::move(key), "elicitation/create"};
  question.params.Set("mode", "url");
  question.params.Set("message", message);
  question.params.Set("url", url);
  question.params.Set("elicitationId", elicitation_id);
  return question;
}

McpQuestion McpQuestion::Sample(std::string key, Json params) {
  return {std::move(key), "sampling/createMessage", std::move(params)};
}

McpQuestion McpQuestion::Roots(std::string key) { return {std::move(key), "roots/list"}; }

std::string_view McpQuestion::capability() const {
  if (method == "sampling/createMessage") return "sampling";
  return method == "roots/list" ? "roots" : "elicitation";
}

const std::string& McpCall::name() const { return state_.name(); }
const Json& McpCall::arguments() const { return state_.arguments(); }
const Json& McpCall::meta() const { return state_.meta(); }
const McpCaller& McpCall::caller() const { return state_.request().caller; }
McpEra McpCall::era() const { return state_.request().era; }
const std::string& McpCall::protocol_version() const { return state_.request().version; }
const Json& McpCall::client() const { return state_.request().client; }
bool McpCall::ClientCan(std::string_view capability) const { return state_.ClientCan(capability); }
bool McpCall::cancelled() const { return state_.request().cancellation->cancelled(); }

void McpCall::OnCancelled(std::function<void()> callback) {
  state_.request().cancellation->OnCancelled(std::move(callback));
}

void McpCall::Progress(double done, std::optional<double> total, std::string_view message) {
  state_.Progress(done, total, message);
}

void McpCall::Log(McpLogLevel level, std::string_view logger, Json data) { state_.Log(level, logger, std::move(data)); }

Result<std::vector<Json>> McpCall::Ask(const std::vector<McpQuestion>& questions) { return state_.Ask(questions); }

Result<Json> McpCall::Ask(const McpQuestion& question) {
  WEIR_ASSIGN(std::vector<Json> answers, state_.Ask({question}));
  return std::move(answers.front());
}

void McpCall::LetGo(Duration retry) { state_.request().outlet->LetGo(retry); }

}  // namespace weir
