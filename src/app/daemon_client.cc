#include "daemon_client.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <utility>

#include "data_choice.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSocketPathMost = 107;
// A long context with a vector of its meaning takes a while on a busy machine.
constexpr Duration kAnswerTime = std::chrono::minutes(10);

constexpr std::array kCodes = {ErrorCode::kInvalidArgument, ErrorCode::kNotFound,    ErrorCode::kAlreadyExists,
                               ErrorCode::kExhausted,       ErrorCode::kUnavailable, ErrorCode::kDeadline,
                               ErrorCode::kCorrupt,         ErrorCode::kUnsupported, ErrorCode::kInternal};

std::string TextIn(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_string() ? member->as_string() : std::string();
}

// {"error":{"code","message","hint"}}
Error ErrorOf(const HttpResponse& response, const Result<Json>& body) {
  const Json* const told = body && body->is_object() ? body->Find("error") : nullptr;
  if (told == nullptr || !told->is_object()) {
    return Corrupt(fmt::format("the daemon answered with status {} and no reason", response.status));
  }
  Error error{ErrorCode::kUnavailable, TextIn(*told, "message"), TextIn(*told, "hint")};
  const std::string name = TextIn(*told, "code");
  for (const ErrorCode code : kCodes) {
    if (ErrorCodeName(code) == name) error.code = code;
  }
  return error;
}

}  // namespace

DaemonClient::DaemonClient(fs::path socket, std::unique_ptr<HttpClient> http) : http_(std::move(http)) {
  target_.host = "localhost";
  target_.socket_path = std::move(socket);
}

Result<std::unique_ptr<DaemonClient>> DaemonClient::Find(const fs::path& socket) {
  std::unique_ptr<DaemonClient> none;
  std::error_code error;
  if (socket.string().size() > kSocketPathMost || !fs::is_socket(socket, error)) return none;
  HttpClientOptions options;
  options.answer_timeout = kAnswerTime;
  WEIR_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::Create(std::move(options)));
  std::unique_ptr<DaemonClient> client(new DaemonClient(socket, std::move(http)));
  HttpCall health;
  health.path = "/healthz";
  health.answer_timeout = std::chrono::seconds(10);
  const Result<HttpResponse> answer = client->http_->Send(client->target_, health);
  if (answer) return client;
  if (answer.error().code == ErrorCode::kDeadline) {
    return Unavailable(fmt::format("the daemon at {} does not answer", socket.string()), "look at its log, or restart it");
  }
  return none;
}

Result<std::unique_ptr<DaemonClient>> DaemonClient::OfFolder(const Session& session, const fs::path& folder) {
  std::error_code error;
  const fs::path absolute = fs::absolute(folder, error);
  if (error) return std::unique_ptr<DaemonClient>();
  WEIR_ASSIGN(std::unique_ptr<DaemonClient> client, Find(absolute / "weir.sock"));
  const std::string& set = session.settings().Text("socket");
  if (client != nullptr || set.empty() || set == "none" || IsGiven(session.settings().Get("data"))) return client;
  return Find(set);
}

Result<Json> DaemonClient::Ask(const std::string& method, const std::string& path, const Json& body) {
  HttpCall call;
  call.method = method;
  call.path = path;
  if (!body.is_null()) {
    call.headers.Add("Content-Type", "application/json");
    call.body = body.Dump();
  }
  Result<HttpResponse> response = http_->Send(target_, call);
  if (!response) {
    Error error = std::move(response).error();
    error.message = fmt::format("the daemon at {}: {}", target_.socket_path.string(), error.message);
    return error;
  }
  if (response->status == 204) return Json();
  Result<Json> answer = Json::Parse(response->body);
  if (response->status < 200 || response->status >= 300) return ErrorOf(*response, answer);
  if (!answer) return Corrupt(fmt::format("the daemon's answer is no JSON: {}", answer.error().message));
  return answer;
}

}  // namespace weir
