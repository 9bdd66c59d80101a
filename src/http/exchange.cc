#include "exchange.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

#include "weir/base/log.h"

namespace weir {
namespace http {

bool StreamState::HasRoomFor(size_t size) const {
  const uint64_t used = queued_.size() + being_sent_;
  return used == 0 || used + size <= options_.buffer_bytes_max;
}

bool StreamState::Queue(std::string& bytes) {
  if (queued_.empty()) {
    queued_ = std::move(bytes);
  } else {
    queued_.append(bytes);
  }
  return !std::exchange(is_woken_, true);
}

Status StreamState::Send(std::string bytes) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_ || ending_ != Ending::kOpen) return Closed();
    if (bytes.empty()) return {};
    if (!HasRoomFor(bytes.size())) {
      return Exhausted(fmt::format("{} bytes wait for a slow reader", queued_.size() + being_sent_));
    }
    wake = Queue(bytes);
  }
  if (wake) waker_.Wake();
  return {};
}

Status StreamState::SendWaiting(std::string bytes, Duration timeout) {
  const bool may_wait = !waker_.OnLoopThread();
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    const auto may_go = [&] { return is_closed_ || ending_ != Ending::kOpen || HasRoomFor(bytes.size()); };
    if (!may_go()) {
      if (!may_wait) return Unavailable("an I/O thread cannot wait for a slow reader");
      if (!room_.wait_until(lock, std::chrono::steady_clock::now() + timeout, may_go)) {
        return Error{ErrorCode::kDeadline, fmt::format("{} bytes wait for a slow reader", queued_.size() + being_sent_), {}};
      }
    }
    if (is_closed_ || ending_ != Ending::kOpen) return Closed();
    if (bytes.empty()) return {};
    wake = Queue(bytes);
  }
  if (wake) waker_.Wake();
  return {};
}

void StreamState::End(Ending ending) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_ || ending_ != Ending::kOpen) return;
    ending_ = ending;
    is_woken_ = true;
  }
  room_.notify_all();
  waker_.Wake();
}

bool StreamState::closed() const {
  const std::lock_guard lock(mutex_);
  return is_closed_;
}

uint64_t StreamState::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_.size() + being_sent_;
}

void StreamState::OnClosed(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_closed_) {
      on_closed_.swap(callback);
      return;
    }
  }
  callback();
}

void StreamState::OnDrain(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;
    if (!is_draining_) {
      on_drain_.swap(callback);
      return;
    }
  }
  callback();
}

StreamState::Taken StreamState::Take() {
  const std::lock_guard lock(mutex_);
  is_woken_ = false;
  if (ending_ == Ending::kAbandoned) return {{}, Ending::kAbandoned};
  if (queued_.empty()) return {{}, ending_};
  being_sent_ = queued_.size();
  return {std::exchange(queued_, {}), Ending::kOpen};
}

void StreamState::Settle() {
  {
    const std::lock_guard lock(mutex_);
    being_sent_ = 0;
  }
  room_.notify_all();
}

void StreamState::Close() {
  std::function<void()> callback;
  std::function<void()> dropped;  // destroyed outside the lock
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_closed_, true)) return;
    queued_ = {};
    being_sent_ = 0;
    callback.swap(on_closed_);
    dropped.swap(on_drain_);
  }
  room_.notify_all();
  if (callback) callback();
}

void StreamState::Drain() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    is_draining_ = true;
    callback.swap(on_drain_);
  }
  if (callback) callback();
}

bool Exchange::EnterFlight(uint64_t in_flight_max) {
  if (counters_->requests_in_flight.Add() >= in_flight_max) {
    counters_->requests_in_flight.Sub();
    return false;
  }
  in_flight_.store(true, std::memory_order_relaxed);
  return true;
}

void Exchange::LeaveFlight() {
  if (in_flight_.exchange(false, std::memory_order_relaxed)) counters_->requests_in_flight.Sub();
}

bool Exchange::PollReady() {
  State expected = State::kPending;
  state_.compare_exchange_strong(expected, State::kWaiting, std::memory_order_acq_rel);  // pairs with Publish()
  return expected == State::kReady;
}

void Exchange::Publish() {
  LeaveFlight();
  request.cancellation->Settle();
  if (state_.exchange(State::kReady, std::memory_order_acq_rel) == State::kWaiting) waker_.Wake();
}

void Exchange::Answer(HttpResponse response) {
  response_ = std::move(response);
  Publish();
}

std::shared_ptr<StreamState> Exchange::AnswerWithStream(HttpStreamOptions options) {
  auto stream = std::make_shared<StreamState>(std::move(options), waker_);
  stream_ = stream;
  Publish();
  return stream;
}

void RunHandler(const HttpHandler& handler, const std::shared_ptr<Exchange>& exchange) {
  try {
    handler(exchange->request, HttpReply(exchange));
  } catch (const std::exception& error) {
    Log(LogLevel::kError, fmt::format("a request handler threw: {}", error.what()));
  } catch (...) {
    Log(LogLevel::kError, "a request handler threw something that is no exception");
  }
}

}  // namespace http

HttpStream::HttpStream(std::shared_ptr<http::StreamState> state) : state_(std::move(state)) {}
HttpStream::~HttpStream() { state_->Abandon(); }
Status HttpStream::Send(std::string bytes) { return state_->Send(std::move(bytes)); }
Status HttpStream::SendWaiting(std::string bytes, Duration timeout) {
  return state_->SendWaiting(std::move(bytes), timeout);
}
void HttpStream::Finish() { state_->Finish(); }
bool HttpStream::closed() const { return state_->closed(); }
uint64_t HttpStream::queued_bytes() const { return state_->queued_bytes(); }
void HttpStream::OnClosed(std::function<void()> callback) { state_->OnClosed(std::move(callback)); }
void HttpStream::OnDrain(std::function<void()> callback) { state_->OnDrain(std::move(callback)); }

HttpStreamOptions SseStreamOptions(Duration keep_alive) {
  return {.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
          .keep_alive = keep_alive,
          .keep_alive_bytes = ":\n\n"};
}

HttpReply::HttpReply(std::shared_ptr<http::Exchange> exchange) : exchange_(std::move(exchange)) {}
HttpReply::~HttpReply() {
  // No response is the sign for the server's own 500.
  if (exchange_) exchange_->Answer({.status = 0});
}
HttpReply& HttpReply::operator=(HttpReply&& other) noexcept {
  HttpReply old(std::move(*this));
  exchange_ = std::move(other.exchange_);
  return *this;
}

void HttpReply::Send(HttpResponse response) {
  WEIR_CHECK(exchange_ != nullptr, "a request is answered once");
  std::exchange(exchange_, nullptr)->Answer(std::move(response));
}

std::shared_ptr<HttpStream> HttpReply::OpenStream(HttpStreamOptions options) {
  WEIR_CHECK(exchange_ != nullptr, "a request is answered once");
  return std::make_shared<HttpStream>(std::exchange(exchange_, nullptr)->AnswerWithStream(std::move(options)));
}

const HttpRequest& HttpReply::request() const {
  WEIR_CHECK(exchange_ != nullptr, "the request went with its answer");
  return exchange_->request;
}

}  // namespace weir
