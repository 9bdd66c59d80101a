#include "errors.h"

#include <utility>

namespace weir::api {
namespace {

constexpr std::string_view kRetryAfterS = "1";

// The words of OpenAI's API for what went wrong.
std::string_view TypeOf(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

// "/input/3: expected string, got number" names "input".
Json ParamOf(std::string_view message) {
  if (!message.starts_with('/')) return {};
  const size_t end = message.find_first_of("/:", 1);
  return std::string(message.substr(1, end == std::string_view::npos ? end : end - 1));
}

}  // namespace

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kAlreadyExists: return 409;
    case ErrorCode::kExhausted: return 429;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kDeadline: return 504;
    case ErrorCode::kUnsupported: return 422;
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

Json ErrorJson(const Error& error, int status, ErrorShape shape) {
  if (shape == ErrorShape::kOurs) {
    return Json::Object{{"error", Json::Object{{"code", ErrorCodeName(error.code)},
                                               {"message", error.message},
                                               {"hint", error.hint.empty() ? Json() : Json(error.hint)}}}};
  }
  return Json::Object{{"error", Json::Object{{"message", error.ToString()},
                                             {"type", TypeOf(status)},
                                             {"param", ParamOf(error.message)},
                                             {"code", ErrorCodeName(error.code)}}}};
}

HttpResponse ErrorAnswer(const Error& error, int status, ErrorShape shape) {
  HttpResponse response;
  response.status = status;
  response.headers.Add("Content-Type", "application/json");
  if (status == 429 || status == 503) response.headers.Add("Retry-After", std::string(kRetryAfterS));
  response.body = ErrorJson(error, status, shape).Dump();
  return response;
}

}  // namespace weir::api
