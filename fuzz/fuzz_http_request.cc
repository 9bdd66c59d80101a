// Requests as the server reads them: whatever the bytes and in whatever pieces they come, the same request or the same
// refusal, within the limits, and nothing taken that belongs to what follows.

#include <string>

#include "fuzz_input.h"
#include "request_parser.h"
#include "weir/http/message.h"

namespace {

using weir::http::RequestParser;

constexpr weir::http::RequestLimits kLimits{.header_bytes_max = 600, .headers_max = 12, .body_bytes_max = 200};

struct Outcome {
  RequestParser::State state{};
  int status = 0;
  size_t rest = 0;
  weir::HttpRequest request{};
};

// Reads one request as a connection does, in pieces of this size.
Outcome Read(std::string_view input, size_t piece_size) {
  Outcome outcome;
  RequestParser parser(kLimits, outcome.request);
  std::string pending;
  while (true) {
    const auto before = parser.state();
    const size_t used = parser.Feed(pending);
    WEIR_FUZZ_CHECK(used <= pending.size());
    pending.erase(0, used);
    if (parser.state() == RequestParser::State::kDone || parser.state() == RequestParser::State::kRefused) break;
    if (used > 0 || parser.state() != before) continue;
    if (input.empty()) break;
    pending.append(input.substr(0, piece_size));
    input.remove_prefix(std::min(piece_size, input.size()));
  }
  outcome.state = parser.state();
  outcome.rest = pending.size() + input.size();
  if (outcome.state == RequestParser::State::kRefused) {
    outcome.status = parser.refusal().status;
    WEIR_FUZZ_CHECK(outcome.status >= 400 && outcome.status <= 599);
    WEIR_FUZZ_CHECK(!parser.refusal().code.empty() && !parser.refusal().message.empty());
  }
  return outcome;
}

void CheckRequest(const weir::HttpRequest& request) {
  WEIR_FUZZ_CHECK(request.body.size() <= kLimits.body_bytes_max);
  WEIR_FUZZ_CHECK(request.headers.size() <= kLimits.headers_max);
  WEIR_FUZZ_CHECK(!request.method.empty());
  WEIR_FUZZ_CHECK(request.path.starts_with('/') || request.path == "*");
  WEIR_FUZZ_CHECK(request.version_minor == 0 || request.headers.FindAll("Host").size() == 1);
  WEIR_FUZZ_CHECK(!(request.headers.Has("Content-Length") && request.headers.Has("Transfer-Encoding")));
  for (const auto& field : request.headers) WEIR_FUZZ_CHECK(field.value.find_first_of("\r\n") == std::string::npos);
  if (const auto parameters = weir::ParseQuery(request.query)) WEIR_FUZZ_CHECK(parameters->size() <= request.query.size());
  if (const auto segments = weir::PathSegments(request.path)) WEIR_FUZZ_CHECK(!segments->empty());
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  const Outcome whole = Read(input, std::string_view::npos);
  const Outcome bytes = Read(input, 1);
  const Outcome pieces = Read(input, 1 + input.size() % 7);
  for (const Outcome* other : {&bytes, &pieces}) {
    WEIR_FUZZ_CHECK(whole.state == other->state && whole.status == other->status);
    if (whole.state == RequestParser::State::kRefused) continue;
    WEIR_FUZZ_CHECK(whole.request.target == other->request.target && whole.request.body == other->request.body);
    WEIR_FUZZ_CHECK(whole.request.headers.size() == other->request.headers.size());
    WEIR_FUZZ_CHECK(whole.state != RequestParser::State::kDone || whole.rest == other->rest);
  }
  if (whole.state == RequestParser::State::kDone) CheckRequest(whole.request);
}
