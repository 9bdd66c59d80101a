#include "call_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "session.h"
#include "weir/codec/json_schema.h"

namespace weir::mcp {
namespace {

constexpr std::string_view kMustAnswer = "the client has to answer first";
constexpr std::string_view kLacks = "the client lacks a capability: elicitation, sampling or roots";

// 50 rather than 50.0.
Json Plain(double number) {
  const bool is_whole = std::trunc(number) == number && std::abs(number) < 9e15;
  return is_whole ? Json(static_cast<int64_t>(number)) : Json(number);
}

// What is wrong with an answer, or nothing.
std::optional<std::string> Misfit(const McpQuestion& question, const Json& answer) {
  if (!answer.is_object()) return "expected an object";
  if (question.method == "roots/list") {
    const Json* roots = answer.Find("roots");
    if (roots == nullptr || !roots->is_array()) return "/roots: expected an array";
    return std::nullopt;
  }
  if (question.method == "sampling/createMessage") {
    if (answer.Find("content") == nullptr) return "/content: required, but missing";
    return std::nullopt;
  }
  const std::string* action = StringMember(answer, "action");
  if (action == nullptr || (*action != "accept" && *action != "decline" && *action != "cancel")) {
    return R"(/action: expected one of "accept", "decline", "cancel")";
  }
  const Json* form = question.params.Find("requestedSchema");
  if (*action != "accept" || form == nullptr) return std::nullopt;
  const Json* content = answer.Find("content");
  if (content == nullptr || !content->is_object()) return "/content: expected an object";
  // A form may use keywords that only clients understand (enumNames); it is then the handler's to check.
  const Result<JsonSchema> schema = JsonSchema::Compile(*form);
  if (!schema) return std::nullopt;
  if (const Status fits = schema->Check(*content); !fits) return "/content" + fits.error().message;
  return std::nullopt;
}

}  // namespace

CallState::CallState(const McpOptions& options, const RequestStates& states, const Request& request, std::string name,
                     Json arguments)
    : options_(options), states_(states), request_(request), name_(std::move(name)), arguments_(std::move(arguments)) {
  if (const Json* meta = request.params.Find("_meta"); meta != nullptr && meta->is_object()) meta_ = *meta;
  if (const Json* token = meta_.Find("progressToken"); token != nullptr && (token->is_string() || token->is_integer())) {
    progress_token_ = *token;
  }
}

std::string CallState::Purpose() const {
  return fmt::format("{}\n{}\n{}\n{}", CallerKey(request_.caller), request_.method, JsonQuote(name_), arguments_.Dump());
}

std::optional<RpcError> CallState::ReadAnswers() {
  if (!request_.modern()) return std::nullopt;
  const auto fault = [](std::string message) { return RpcError{kInvalidParams, std::move(message), std::nullopt}; };
  if (const Json* text = request_.params.Find("requestState")) {
    if (!text->is_string()) return fault("requestState must be a string");
    Result<Json> answers = states_.Open(Purpose(), text->as_string());
    if (!answers) return fault(answers.error().ToString());
    answers_ = *std::move(answers);
  }
  if (const Json* responses = request_.params.Find("inputResponses")) {
    if (!responses->is_object()) return fault("inputResponses must be an object");
    for (const auto& [key, answer] : responses->as_object()) {
      if (!answer.is_object()) return fault(fmt::format("inputResponses[{}] must be an object", JsonQuote(key)));
      answers_.Set(key, answer);
    }
  }
  return std::nullopt;
}

bool CallState::ClientCan(std::string_view capability) const {
  const Json* declared = request_.capabilities.Find(capability);
  return declared != nullptr && declared->is_object();
}

// Forms and addresses are capabilities of their own; {} means forms.
void CallState::AddLacking(const McpQuestion& question, Json& lacking) const {
  const std::string_view name = question.capability();
  const Json* declared = request_.capabilities.Find(name);
  const Json* mode = question.params.Find("mode");
  const bool is_address = name == "elicitation" && mode != nullptr && *mode == Json("url");
  if (declared != nullptr && declared->is_object()) {
    if (name != "elicitation") return;
    if (is_address ? declared->Find("url") != nullptr
                   : declared->Find("form") != nullptr || declared->Find("url") == nullptr)
      return;
  }
  Json needed = Json::MakeObject();
  if (is_address) needed.Set("url", Json::MakeObject());
  lacking.Set(name, std::move(needed));
}

void CallState::Progress(double done, std::optional<double> total, std::string_view message) {
  if (progress_token_.is_null() || (progress_ && done <= *progress_) || request_.cancellation->cancelled()) return;
  progress_ = done;
  Json params = Json::MakeObject();
  params.Set("progressToken", progress_token_);
  params.Set("progress", Plain(done));
  if (total) params.Set("total", Plain(*total));
  // Messages came with 2025-03-26.
  if (!message.empty() && request_.version != kMcpLegacyVersions[0]) params.Set("message", message);
  request_.outlet->Send(NotificationMessage("notifications/progress", std::move(params)), Outlet::Weight::kDroppable);
}

void CallState::Log(McpLogLevel level, std::string_view logger, Json data) {
  if (!options_.logging || request_.cancellation->cancelled()) return;
  if (request_.modern() ? !request_.log_level || level < *request_.log_level : level < request_.session->log_level()) return;
  Json params = Json::MakeObject();
  params.Set("level", LogLevelName(level));
  if (!logger.empty()) params.Set("logger", logger);
  params.Set("data", std::move(data));
  request_.outlet->Send(NotificationMessage("notifications/message", std::move(params)), Outlet::Weight::kDroppable);
}

Result<std::vector<Json>> CallState::Ask(const std::vector<McpQuestion>& questions) {
  Json lacking = Json::MakeObject();
  for (const McpQuestion& question : questions) {
    AddLacking(question, lacking);
  }
  if (!lacking.as_object().empty()) {
    lacking_ = lacking;
    return Unsupported(std::string(kLacks));
  }
  questions_asked_ += questions.size();
  if (request_.modern()) return AskModern(questions);
  WEIR_ASSIGN(std::vector<Json> answers,
              request_.session->Ask(questions, *request_.outlet, *request_.cancellation, options_.ask_timeout));
  for (size_t i = 0; i < questions.size(); ++i) {
    if (const auto misfit = Misfit(questions[i], answers[i])) {
      return InvalidArgument(fmt::format("the client's answer to {} does not fit: {}", questions[i].method, *misfit));
    }
  }
  return answers;
}

Result<std::vector<Json>> CallState::AskModern(const std::vector<McpQuestion>& questions) {
  std::vector<Json> answers;
  open_.clear();
  for (const McpQuestion& question : questions) {
    const Json* answer = answers_.Find(question.key);
    // An answer that does not fit is asked for again.
    if (answer == nullptr || Misfit(question, *answer)) {
      open_.push_back(question);
    } else {
      used_.Set(question.key, *answer);
      answers.push_back(*answer);
    }
  }
  if (!open_.empty()) return Unavailable(std::string(kMustAnswer));
  return answers;
}

std::optional<Outcome> CallState::Interruption(const Error& error) const {
  if (!request_.modern()) return std::nullopt;
  if (!lacking_.as_object().empty() && error.code == ErrorCode::kUnsupported && error.message == kLacks) {
    Json data = Json::MakeObject();
    data.Set("requiredCapabilities", lacking_);
    return Outcome::Fault(kMissingCapability, "The client lacks a capability that this request needs", std::move(data));
  }
  if (open_.empty() || error.code != ErrorCode::kUnavailable || error.message != kMustAnswer) return std::nullopt;
  Json requests = Json::MakeObject();
  for (const McpQuestion& question : open_) {
    Json one = Json::MakeObject();
    one.Set("method", question.method);
    one.Set("params", question.params);
    requests.Set(question.key, std::move(one));
  }
  std::string state = states_.Seal(Purpose(), used_);
  if (state.size() > options_.state_bytes_max) return Outcome::Fault(kInvalidParams, "The answers so far are too large");
  Json result = Json::MakeObject();
  result.Set("resultType", "input_required");
  result.Set("inputRequests", std::move(requests));
  result.Set("requestState", std::move(state));
  return Outcome::Of(std::move(result));
}

}  // namespace weir::mcp
