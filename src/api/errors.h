#pragma once
// How an Error becomes an answer. Internal to `api`. Pure functions.

#include <string>
#include <string_view>

#include "route.h"
#include "weir/base/result.h"
#include "weir/http/message.h"

namespace weir::api {

// 400, 404, 409, 429, 503, 504, 500 or 422.
int StatusOf(ErrorCode code);

// {"error":{"code","message","hint"}}, or OpenAI's {"error":{"message","type","param","code"}}.
Json ErrorJson(const Error& error, int status, ErrorShape shape);

HttpResponse ErrorAnswer(const Error& error, int status, ErrorShape shape);
inline HttpResponse ErrorAnswer(const Error& error, ErrorShape shape) {
  return ErrorAnswer(error, StatusOf(error.code), shape);
}

}  // namespace weir::api
