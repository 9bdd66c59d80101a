// The protocol of a connection: reading requests, having them answered, sending answers. connection.cc has the transport.

#include <boost/asio/buffer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "connection.h"

namespace weir::http {
namespace {

using Kind = ResponseFraming::Kind;

// A body's time is for this much.
constexpr uint64_t kBodySliceBytes = 64 * 1024;
// An idle connection keeps no more than this of what its input needed.
constexpr size_t kPendingBytesKept = 512;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";
constexpr Duration kRefusalTime = std::chrono::seconds(2);

TimePoint Now() { return std::chrono::steady_clock::now(); }

asio::const_buffer Bytes(std::string_view text) { return {text.data(), text.size()}; }

bool HasNoBody(int status) { return status == 204 || status == 304 || status / 100 == 1; }

// The length that the owner of a stream promises.
std::optional<uint64_t> PromisedLength(const HttpHeaders& headers) {
  const auto text = headers.Find("Content-Length");
  if (!text) return std::nullopt;
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), length);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return length;
}

}  // namespace

Awaitable<void> Connection::Serve() {
  if (ended()) co_return;
  if (tls_) {
    const bool is_secure = co_await Handshake();
    if (!is_secure) co_return;
  }
  if (is_refused_) {
    co_await RefuseConnection();
    co_return;
  }
  while (true) {
    const bool has_input = co_await WaitForRequest();
    if (!has_input) co_return;
    const bool is_read = co_await ReadRequest();
    bool goes_on = false;
    if (is_read) {
      goes_on = co_await Answer();
    } else if (refusal_ && !ended()) {
      is_keep_alive_ = false;
      goes_on = co_await SendRefusal(*refusal_);
    }
    const bool is_heard = (is_body_unread_ || !is_read) && !is_input_ended_;
    EndExchange();
    if (goes_on) continue;
    if (!ended() && (is_heard || tls_ || !pending_.empty())) co_await Linger();
    co_return;
  }
}

void Connection::EndExchange() {
  if (stream_) std::exchange(stream_, nullptr)->Close();
  if (exchange_ && !exchange_->ready() && exchange_->request.cancellation->Cancel()) {
    shared_.counters->requests_cancelled.Add();
  }
  parser_.reset();
  exchange_.reset();
  refusal_.reset();
  shared_.counters->body_bytes_held.Sub(std::exchange(body_charged_, 0));
  is_body_unread_ = false;
  is_keep_alive_ = true;
  is_head_sent_ = false;
}

// Too many connections: says so to whoever sends a request soon.
Awaitable<void> Connection::RefuseConnection() {
  SetDeadline(Phase::kLinger, Now() + kRefusalTime);
  while (pending_.empty() && !is_timed_out_ && !is_input_ended_ && !ended()) {
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
  }
  if (is_input_ended_ || ended()) co_return;
  is_keep_alive_ = false;
  const Refusal refusal{503, "overloaded", "too many connections"};
  const bool is_kept = co_await SendRefusal(refusal);
  if (!is_kept && !ended()) co_await Linger();
}

// Between requests. False: the connection ends.
Awaitable<bool> Connection::WaitForRequest() {
  if (pending_.empty() && pending_.capacity() > kPendingBytesKept) pending_ = {};
  if (pending_.empty()) SetDeadline(Phase::kIdle, Now() + shared_.options.idle_timeout);
  bool is_last_look = false;
  while (pending_.empty()) {
    if (is_timed_out_) shared_.counters->timeouts_idle.Add();
    if (is_timed_out_ || is_input_ended_ || ended()) co_return false;
    if (shared_.is_draining.load(std::memory_order_relaxed)) {
      if (tls_ || std::exchange(is_last_look, true)) co_return false;
      OnReadable({});  // what has come already is still served
      continue;
    }
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
  }
  co_return !ended();
}

Awaitable<bool> Connection::ReadRequest() {
  exchange_ = std::make_shared<Exchange>(shared_.counters, Waker(loop_, weak_from_this()));
  exchange_->request.peer = peer_;
  exchange_->request.arrived = Now();
  const HttpServerOptions& options = shared_.options;
  parser_ = std::make_unique<RequestParser>(
      RequestLimits{options.header_bytes_max, options.headers_max, options.body_bytes_max}, exchange_->request);
  Phase phase = Phase::kHead;
  TimePoint deadline = exchange_->request.arrived + options.header_timeout;
  uint64_t mark = 0;
  while (true) {
    const size_t used = parser_->Feed(pending_);
    used == pending_.size() ? pending_.clear() : static_cast<void>(pending_.erase(0, used));
    switch (parser_->state()) {
      case RequestParser::State::kDone: ClearDeadline(Phase::kWork); co_return ChargeBody();
      case RequestParser::State::kRefused:
        refusal_ = parser_->refusal();
        if (refusal_->status == 400) shared_.counters->requests_malformed.Add();
        co_return false;
      case RequestParser::State::kHeadDone: {
        if (!TakeHead()) co_return !refusal_;
        phase = Phase::kBody;
        deadline = Now() + options.body_timeout;
        static_cast<void>(parser_->Feed({}));  // refuses a body that is announced too large
        if (parser_->state() == RequestParser::State::kBody && parser_->expects_continue() && pending_.empty()) {
          const Buffers go_on{Bytes(kContinue)};
          const bool is_sent = co_await Write(go_on);
          if (!is_sent) co_return false;
          shared_.counters->responses[1].Add();
        }
        continue;
      }
      case RequestParser::State::kBody:
        if (!ChargeBody()) co_return false;
        break;
      case RequestParser::State::kHead: break;
    }
    const bool has_more = co_await ReadMore(phase, deadline, mark);
    if (!has_more) co_return false;
  }
}

// Waits for input within the phase's time; each slice of a body gets the time anew. False: no more, or refused.
Awaitable<bool> Connection::ReadMore(Phase phase, TimePoint& deadline, uint64_t& mark) {
  if (phase == Phase::kBody && exchange_->request.body.size() >= mark + kBodySliceBytes) {
    mark = exchange_->request.body.size();
    deadline = Now() + shared_.options.body_timeout;
  }
  SetDeadline(phase, deadline);
  const size_t size_before = pending_.size();
  while (pending_.size() == size_before) {
    if (is_input_ended_ || ended()) co_return false;
    if (is_timed_out_) {
      (phase == Phase::kHead ? shared_.counters->timeouts_header : shared_.counters->timeouts_body).Add();
      refusal_ = {408, "timeout", phase == Phase::kHead ? "the head did not come in time" : "the body did not come in time"};
      co_return false;
    }
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
  }
  co_return true;
}

// The head is there. False: the request is answered or refused without its body.
bool Connection::TakeHead() {
  shared_.counters->requests_total.Add();
  is_keep_alive_ = parser_->keep_alive();
  is_body_unread_ = parser_->has_body();
  if (!shared_.options.on_head) return true;
  uint64_t body_bytes_max = shared_.options.body_bytes_max;
  std::optional<HttpResponse> response;
  try {
    response = shared_.options.on_head(exchange_->request, body_bytes_max);
  } catch (const std::exception&) {
    response = HttpResponse{.status = 0};
  }
  parser_->set_body_bytes_max(body_bytes_max);
  if (!response) return true;
  exchange_->Answer(*std::move(response));
  return false;
}

// Accounts for the memory of the body so far. False: refused, since all bodies together take too much.
bool Connection::ChargeBody() {
  const uint64_t held = exchange_->request.body.capacity();
  is_body_unread_ = parser_->state() != RequestParser::State::kDone;
  if (held <= body_charged_ || held < kPendingBytesKept) return true;
  const uint64_t more = held - body_charged_;
  body_charged_ = held;
  if (shared_.counters->body_bytes_held.Add(more) + more <= shared_.options.bodies_bytes_max) return true;
  refusal_ = {503, "overloaded", "the bodies of other requests take all the memory there is for them"};
  return false;
}

void Connection::Dispatch() {
  if (exchange_->ready()) return;  // answered at its head
  const char* full = nullptr;
  if (!exchange_->EnterFlight(shared_.options.in_flight_max)) {
    full = "too many requests at once";
  } else if (shared_.options.quick && shared_.options.quick(exchange_->request)) {
    RunHandler(shared_.handler, exchange_);
  } else if (!shared_.workers->Submit(exchange_)) {
    full = "too many requests wait for a worker";
  }
  if (full != nullptr) refusal_ = {503, "overloaded", full};
}

Awaitable<bool> Connection::Answer() {
  Dispatch();
  if (refusal_) {
    const bool is_refused = co_await SendRefusal(*refusal_);
    co_return is_refused;
  }
  if (!exchange_->PollReady()) co_await WaitForAnswer();
  if (!exchange_->ready() || ended()) co_return false;
  bool goes_on = false;
  if (exchange_->stream()) {
    stream_ = exchange_->stream();
    goes_on = co_await SendStream(*stream_);
  } else if (exchange_->response()->status == 0) {
    const Refusal refusal{500, "internal", "the request could not be answered"};
    goes_on = co_await SendRefusal(refusal);
  } else {
    goes_on = co_await SendResponse(*exchange_->response());
  }
  co_return goes_on;
}

Awaitable<void> Connection::WaitForAnswer() {
  bool is_told = false;
  while (!exchange_->ready() && !ended()) {
    if (is_input_ended_ && !is_told) {
      is_told = true;
      if (exchange_->request.cancellation->Cancel()) shared_.counters->requests_cancelled.Add();
      continue;
    }
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
  }
}

HttpResponse Connection::RefusalResponse(const Refusal& refusal) const {
  HttpResponse response;
  if (shared_.options.error_body) {
    response = shared_.options.error_body(refusal.status, refusal.code, refusal.message);
  } else {
    response = {.headers = {{"Content-Type", "text/plain; charset=utf-8"}}, .body = refusal.message + "\n"};
  }
  response.status = refusal.status;
  if (refusal.status == 503) response.headers.Set("Retry-After", std::to_string(shared_.options.retry_after_s));
  return response;
}

Awaitable<bool> Connection::SendRefusal(const Refusal& refusal) {
  if (refusal.status == 503) shared_.counters->requests_overloaded.Add();
  HttpResponse response = RefusalResponse(refusal);
  const bool goes_on = co_await SendResponse(response);
  co_return goes_on;
}

// True: the connection can take another request.
Awaitable<bool> Connection::SendResponse(HttpResponse& response) {
  const HttpRequest* request = exchange_ ? &exchange_->request : nullptr;
  if (is_body_unread_ || shared_.is_draining.load(std::memory_order_relaxed)) is_keep_alive_ = false;
  ResponseFraming framing{Kind::kLength, response.body.size(), is_keep_alive_, request ? request->version_minor : 1};
  if (HasNoBody(response.status)) framing.kind = Kind::kNone;
  std::optional<std::string> head;
  if (response.status >= 200 && response.status <= 999) {
    head = ResponseHead(response.status, response.headers, framing, loop_->date());
  }
  if (!head) {
    response = {.status = 500, .body = "the response could not be sent\n"};
    framing.kind = Kind::kLength;
    framing.length = response.body.size();
    head = ResponseHead(500, {}, framing, loop_->date());
  }
  shared_.counters->responses[std::min(response.status / 100, 5)].Add();
  const bool has_body = framing.kind == Kind::kLength && !(request && request->method == "HEAD");
  is_head_sent_ = true;
  const Buffers whole{Bytes(*head), Bytes(has_body ? std::string_view(response.body) : std::string_view())};
  const bool is_sent = co_await Write(whole);
  co_return is_sent&& is_keep_alive_;
}

Awaitable<bool> Connection::SendStream(StreamState& stream) {
  const HttpRequest& request = exchange_->request;
  const HttpStreamOptions& options = stream.options();
  const auto length = PromisedLength(options.headers);
  ResponseFraming framing{Kind::kChunked, 0, is_keep_alive_, request.version_minor};
  if (shared_.is_draining.load(std::memory_order_relaxed)) framing.keep_alive = false;
  if (length) {
    framing.kind = Kind::kLength;
    framing.length = *length;
  } else if (HasNoBody(options.status)) {
    framing.kind = Kind::kNone;
  } else if (request.version_minor == 0) {
    framing.kind = Kind::kUntilClose;
    framing.keep_alive = false;
  }
  const auto head = options.status >= 200 && options.status <= 999
                        ? ResponseHead(options.status, options.headers, framing, loop_->date())
                        : std::nullopt;
  if (!head) {
    const Refusal refusal{500, "internal", "the response could not be sent"};
    const bool goes_on = co_await SendRefusal(refusal);
    co_return goes_on;
  }
  shared_.counters->responses[std::min(options.status / 100, 5)].Add();
  is_head_sent_ = true;
  const Buffers start{Bytes(*head)};
  const bool is_sent = co_await Write(start);
  if (!is_sent) co_return false;
  if (request.method == "HEAD" || framing.kind == Kind::kNone) co_return framing.keep_alive;
  shared_.counters->streams_total.Add();
  shared_.counters->streams_open.Add();
  const bool is_whole = co_await PumpStream(stream, framing);
  shared_.counters->streams_open.Sub();
  const bool is_draining = shared_.is_draining.load(std::memory_order_relaxed);
  co_return is_whole&& framing.keep_alive && !is_draining;
}

// True: the stream was sent to its end.
Awaitable<bool> Connection::PumpStream(StreamState& stream, ResponseFraming framing) {
  if (shared_.is_draining.load(std::memory_order_relaxed)) stream.Drain();
  const HttpStreamOptions& options = stream.options();
  const bool has_keep_alive =
      framing.kind != Kind::kLength && options.keep_alive > Duration::zero() && !options.keep_alive_bytes.empty();
  TimePoint last_sent = Now();
  while (!is_input_ended_ && !ended()) {
    StreamState::Taken taken = stream.Take();
    if (taken.bytes.empty() && taken.ending == StreamState::Ending::kAbandoned) co_return false;
    if (taken.bytes.empty() && taken.ending == StreamState::Ending::kFinished) {
      if (framing.kind == Kind::kLength) co_return framing.length == 0;
      if (framing.kind == Kind::kUntilClose) co_return true;
      const Buffers last{Bytes(kLastChunk)};
      const bool is_ended = co_await Write(last);
      co_return is_ended;
    }
    if (taken.bytes.empty() && has_keep_alive && Now() >= last_sent + options.keep_alive) {
      taken.bytes = options.keep_alive_bytes;
    }
    if (!taken.bytes.empty()) {
      if (framing.kind == Kind::kLength && taken.bytes.size() > framing.length) co_return false;
      const std::string size = framing.kind == Kind::kChunked ? fmt::format("{:x}\r\n", taken.bytes.size()) : std::string();
      const std::string_view end = framing.kind == Kind::kChunked ? "\r\n" : "";
      const Buffers piece{Bytes(size), Bytes(taken.bytes), Bytes(end)};
      const bool is_sent = co_await Write(piece);
      if (!is_sent) co_return false;
      framing.length -= framing.kind == Kind::kLength ? taken.bytes.size() : 0;
      stream.Settle();
      last_sent = Now();
      StartInput();
      continue;
    }
    SetDeadline(Phase::kStream, has_keep_alive ? last_sent + options.keep_alive : TimePoint::max());
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
  }
  co_return false;
}

}  // namespace weir::http
