#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "core.h"

namespace weir::mcp {
namespace {

constexpr size_t kCompletionsMax = 100;

Outcome BadParams(std::string message) { return Outcome::Fault(kInvalidParams, std::move(message)); }

Outcome ResourceNotFound(const Request& request, const std::string& uri) {
  Json data = Json::MakeObject();
  data.Set("uri", uri);
  return Outcome::Fault(request.modern() ? kInvalidParams : kResourceNotFound, "Resource not found", std::move(data));
}

Outcome ScopeMissing(const std::string& scope) {
  Outcome outcome = Outcome::Fault(kInvalidRequest, fmt::format("The caller needs the scope \"{}\"", scope));
  outcome.missing_scope = scope;
  return outcome;
}

// Of a handler that is no tool's.
Outcome HandlerFault(const Error& error) {
  if (error.code == ErrorCode::kInternal) return Outcome::Fault(kInternalError, "Internal error");
  const bool is_input = error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kNotFound;
  return Outcome::Fault(is_input ? kInvalidParams : kInternalError, error.ToString());
}

// The object of that name, taken out of params; an empty one when it is absent; nothing when it is something else.
std::optional<Json> TakeObject(Json& params, std::string_view name) {
  Json* member = params.Find(name);
  if (member == nullptr || member->is_null()) return Json::MakeObject();
  if (!member->is_object()) return std::nullopt;
  return std::exchange(*member, Json());
}

}  // namespace

template <typename Value>
Result<Value> Core::RunHandler(const std::function<Result<Value>(McpCall&)>& handler, CallState& state) {
  McpCall call(state);
  // Handlers are not to throw; one that does ends its own call alone.
  try {
    Result<Value> result = handler(call);
    counters_.questions.fetch_add(state.questions_asked(), std::memory_order_relaxed);
    return result;
  } catch (const std::exception&) {
    return Error{ErrorCode::kInternal, "the handler threw", ""};
  }
}

Outcome Core::CallTool(Request& request) {
  const std::string* name = StringMember(request.params, "name");
  if (name == nullptr) return BadParams("name must be a string");
  const auto entry = catalog_.tools.Find(*name);
  if (entry == nullptr) return BadParams("Unknown tool: " + name->substr(0, 128));
  if (!request.caller.Has(entry->tool.scope)) return ScopeMissing(entry->tool.scope);
  std::optional<Json> arguments = TakeObject(request.params, "arguments");
  if (!arguments) return BadParams("arguments must be an object");
  if (const Status fits = entry->input.Check(*arguments); !fits) {
    return ToolOutcome(*entry, request, McpToolResult::Failure("Invalid arguments: " + fits.error().ToString()));
  }
  CallState state(options_, states_, request, entry->tool.name, *std::move(arguments));
  if (std::optional<RpcError> error = state.ReadAnswers()) return Outcome::Fault(*std::move(error));
  Result<McpToolResult> result = RunHandler(entry->tool.handler, state);
  if (result) return ToolOutcome(*entry, request, *std::move(result));
  if (std::optional<Outcome> interruption = state.Interruption(result.error())) return *std::move(interruption);
  if (result.error().code == ErrorCode::kInternal) return Outcome::Fault(kInternalError, "Internal error");
  return ToolOutcome(*entry, request, McpToolResult::Failure(result.error().ToString()));
}

Outcome Core::ToolOutcome(const ToolEntry& entry, const Request& request, McpToolResult result) {
  if (result.is_error) counters_.tool_errors.fetch_add(1, std::memory_order_relaxed);
  if (entry.output && !result.is_error && options_.check_results) {
    const Status fits = result.structured ? entry.output->Check(*result.structured) : InvalidArgument("there is none");
    if (!fits) {
      return Outcome::Fault(kInternalError, fmt::format("The structured result of {} does not fit its schema: {}",
                                                        entry.tool.name, fits.error().message));
    }
  }
  Json out = Json::MakeObject();
  if (result.content.empty() && result.structured) result.content.push_back(McpText(result.structured->Dump()));
  out.Set("content", std::move(result.content));
  if (result.structured && (request.modern() || result.structured->is_object())) {
    out.Set("structuredContent", *std::move(result.structured));
  }
  if (result.is_error) out.Set("isError", true);
  return Outcome::Of(std::move(out));
}

Outcome Core::ReadResource(Request& request) {
  const std::string* uri = StringMember(request.params, "uri");
  if (uri == nullptr) return BadParams("uri must be a string");
  McpResourceHandler handler;
  std::string scope;
  Json variables = Json::MakeObject();
  if (const auto entry = catalog_.resources.Find(*uri)) {
    handler = entry->resource.handler;
    scope = entry->resource.scope;
  } else if (auto [family, found] = catalog_.FindTemplate(*uri); family != nullptr) {
    handler = family->resource_template.handler;
    scope = family->resource_template.scope;
    variables = std::move(found);
  } else {
    return ResourceNotFound(request, *uri);
  }
  if (!request.caller.Has(scope)) return ScopeMissing(scope);
  CallState state(options_, states_, request, *uri, std::move(variables));
  if (std::optional<RpcError> error = state.ReadAnswers()) return Outcome::Fault(*std::move(error));
  Result<McpResourceContents> contents = RunHandler(handler, state);
  if (!contents) {
    if (std::optional<Outcome> interruption = state.Interruption(contents.error())) return *std::move(interruption);
    return contents.error().code == ErrorCode::kNotFound ? ResourceNotFound(request, *uri) : HandlerFault(contents.error());
  }
  if (contents->contents.empty()) return ResourceNotFound(request, *uri);
  Json out = Json::MakeObject();
  out.Set("contents", std::move(contents->contents));
  if (request.modern()) {
    out.Set("ttlMs", contents->ttl_ms);
    out.Set("cacheScope", contents->scope == McpCacheScope::kPublic ? "public" : "private");
  }
  return Outcome::Of(std::move(out));
}

Outcome Core::GetPrompt(Request& request) {
  const std::string* name = StringMember(request.params, "name");
  if (name == nullptr) return BadParams("name must be a string");
  const auto entry = catalog_.prompts.Find(*name);
  if (entry == nullptr) return BadParams("Unknown prompt: " + name->substr(0, 128));
  std::optional<Json> arguments = TakeObject(request.params, "arguments");
  if (!arguments) return BadParams("arguments must be an object");
  for (const auto& [argument, value] : arguments->as_object()) {
    if (!value.is_string())
      return BadParams(fmt::format("/arguments/{}: expected string, got {}", argument, value.type_name()));
  }
  for (const McpPrompt::Argument& argument : entry->prompt.arguments) {
    if (argument.required && arguments->Find(argument.name) == nullptr) {
      return BadParams(fmt::format("/arguments/{}: required, but missing", argument.name));
    }
  }
  CallState state(options_, states_, request, entry->prompt.name, *std::move(arguments));
  if (std::optional<RpcError> error = state.ReadAnswers()) return Outcome::Fault(*std::move(error));
  Result<McpPromptResult> prompt = RunHandler(entry->prompt.handler, state);
  if (!prompt) {
    if (std::optional<Outcome> interruption = state.Interruption(prompt.error())) return *std::move(interruption);
    return HandlerFault(prompt.error());
  }
  Json out = Json::MakeObject();
  if (!prompt->description.empty()) out.Set("description", std::move(prompt->description));
  out.Set("messages", std::move(prompt->messages));
  return Outcome::Of(std::move(out));
}

Outcome Core::Complete(Request& request) {
  const Json* reference = request.params.Find("ref");
  const Json* argument = request.params.Find("argument");
  if (reference == nullptr || !reference->is_object()) return BadParams("ref must be an object");
  if (argument == nullptr || !argument->is_object()) return BadParams("argument must be an object");
  const std::string* type = StringMember(*reference, "type");
  const std::string* name = StringMember(*argument, "name");
  const std::string* value = StringMember(*argument, "value");
  if (name == nullptr || value == nullptr) return BadParams("argument needs a name and a value, both strings");
  McpCompleter completer;
  if (type != nullptr && *type == "ref/prompt") {
    const std::string* prompt = StringMember(*reference, "name");
    const auto entry = prompt == nullptr ? nullptr : catalog_.prompts.Find(*prompt);
    if (entry == nullptr) return BadParams("ref names no prompt of this server");
    completer = entry->prompt.complete;
  } else if (type != nullptr && *type == "ref/resource") {
    const std::string* uri = StringMember(*reference, "uri");
    const auto entry = uri == nullptr ? nullptr : catalog_.templates.Find(*uri);
    if (uri == nullptr || (entry == nullptr && catalog_.resources.Find(*uri) == nullptr)) {
      return BadParams("ref names no resource template of this server");
    }
    if (entry != nullptr && !request.caller.Has(entry->resource_template.scope)) {
      return ScopeMissing(entry->resource_template.scope);
    }
    if (entry != nullptr) completer = entry->resource_template.complete;
  } else {
    return BadParams("ref.type must be \"ref/prompt\" or \"ref/resource\"");
  }
  const Json* context = request.params.Find("context");
  const Json* known = context == nullptr ? nullptr : context->Find("arguments");
  static const Json kNothing = Json::MakeObject();
  std::vector<std::string> values;
  if (completer)
    values = completer(request.caller, *name, *value, known != nullptr && known->is_object() ? *known : kNothing);
  Json completion = Json::MakeObject();
  Json& list = completion.Set("values", Json::MakeArray());
  for (size_t i = 0; i < std::min(values.size(), kCompletionsMax); ++i) list.Append(std::move(values[i]));
  completion.Set("total", static_cast<uint64_t>(values.size()));
  completion.Set("hasMore", values.size() > kCompletionsMax);
  Json out = Json::MakeObject();
  out.Set("completion", std::move(completion));
  return Outcome::Of(std::move(out));
}

Outcome Core::Subscribe(Request& request) {
  const std::string* uri = StringMember(request.params, "uri");
  if (uri == nullptr) return BadParams("uri must be a string");
  if (!catalog_.Knows(*uri)) return ResourceNotFound(request, *uri);
  if (!request.session->Subscribe(*uri, options_.subscribed_uris_max)) {
    return BadParams(fmt::format("At most {} resources can be subscribed to", options_.subscribed_uris_max));
  }
  return Outcome::Of(Json::MakeObject());
}

Outcome Core::Unsubscribe(Request& request) {
  const std::string* uri = StringMember(request.params, "uri");
  if (uri == nullptr) return BadParams("uri must be a string");
  request.session->Unsubscribe(*uri);
  return Outcome::Of(Json::MakeObject());
}

}  // namespace weir::mcp
