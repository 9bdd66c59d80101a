// Answers as the client reads them, and the server-sent events in them: the same in whatever pieces they come.

#include <string>

#include "fuzz_input.h"
#include "response_parser.h"
#include "weir/http/sse.h"

namespace {

using weir::http::ResponseParser;

struct Outcome {
  ResponseParser::State state{};
  std::string events{};
  std::string body{};
  int status = 0;
};

Outcome Read(std::string_view input, size_t piece_size) {
  Outcome outcome;
  weir::SseParser events(256);
  bool has_events = true;
  const auto on_piece = [&](std::string_view bytes) {
    outcome.body.append(bytes);
    has_events =
        has_events &&
        events.Feed(bytes, [&](const weir::SseEvent& event) { outcome.events += weir::FormatSse(event); }).has_value();
    return true;
  };
  ResponseParser parser(600, false, on_piece);
  std::string pending;
  while (true) {
    const auto before = parser.state();
    const size_t used = parser.Feed(pending);
    WEIR_FUZZ_CHECK(used <= pending.size());
    pending.erase(0, used);
    if (parser.state() == ResponseParser::State::kDone || parser.state() == ResponseParser::State::kFailed) break;
    if (used > 0 || parser.state() != before) continue;
    if (input.empty()) {
      parser.End();
      break;
    }
    pending.append(input.substr(0, piece_size));
    input.remove_prefix(std::min(piece_size, input.size()));
  }
  outcome.state = parser.state();
  outcome.status = parser.head().status;
  return outcome;
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  const Outcome whole = Read(input, std::string_view::npos);
  const Outcome bytes = Read(input, 1);
  if (whole.state == ResponseParser::State::kDone) {
    WEIR_FUZZ_CHECK(bytes.state == whole.state && bytes.status == whole.status && bytes.body == whole.body);
    WEIR_FUZZ_CHECK(whole.status >= 200 && whole.status <= 999);
  }
}
