// The transport of a connection: input, output, time, TLS, life. connection_serve.cc has the protocol.

#include "connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "weir/base/log.h"

namespace weir::http {
namespace {

constexpr auto kAwaitTuple = asio::as_tuple_t<asio::use_awaitable_t<Executor>>(kAwait);
// What a client may send ahead while its request is worked on.
constexpr size_t kPendingBytesMax = 64 * 1024;
// A write's time is for this much.
constexpr size_t kSliceBytes = 64 * 1024;
// What is read and thrown away, and for how long, so that a client gets to read its answer.
constexpr uint64_t kLingerBytesMax = 1024 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(1);

TimePoint Now() { return std::chrono::steady_clock::now(); }

// The first bytes of the buffers, `size` at most; the rest stays.
std::array<asio::const_buffer, 3> TakeSlice(std::array<asio::const_buffer, 3>& buffers, size_t size) {
  std::array<asio::const_buffer, 3> slice;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const size_t taken = std::min(size, buffers[i].size());
    slice[i] = asio::const_buffer(buffers[i].data(), taken);
    buffers[i] += taken;
    size -= taken;
  }
  return slice;
}

}  // namespace

void Waker::Wake() const {
  try {
    loop_->Post([connection = connection_] {
      if (const auto alive = connection.lock()) alive->Wake();
    });
  } catch (const std::exception& error) {
    Log(LogLevel::kError, fmt::format("http: an answer is lost: {}", error.what()));
  }
}

bool Waker::OnLoopThread() const { return loop_->OnThread(); }

Connection::Connection(Shared& shared, std::shared_ptr<IoLoop> loop, Socket socket, std::shared_ptr<const HttpPeer> peer,
                       std::shared_ptr<asio::ssl::context> tls, bool is_refused)
    : shared_(shared),
      loop_(std::move(loop)),
      socket_(std::move(socket)),
      tls_context_(std::move(tls)),
      peer_(std::move(peer)),
      timer_(loop_->context()),
      is_refused_(is_refused) {
  if (tls_context_) {
    tls_ = std::make_unique<TlsStream>(socket_, *tls_context_);
    tls_buffer_ = std::make_unique<std::array<char, 16 * 1024>>();
  }
  loop_->connections().insert(this);
  shared_.counters->connections_open.Add();
}

Connection::~Connection() {
  loop_->connections().erase(this);
  shared_.counters->connections_open.Sub();
  shared_.on_connection_end();
}

void Connection::Start() {
  asio::co_spawn(loop_->context(), Serve(),
                 [self = shared_from_this()](const std::exception_ptr& failure) { self->End(failure); });
}

// Whatever was thrown, no memory above all, costs this connection and no other.
void Connection::End(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    Log(LogLevel::kError, fmt::format("http: a connection failed: {}", error.what()));
    constexpr std::string_view kSorry =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!tls_ && !ended() && !is_head_sent_) {
      WriteNow({asio::const_buffer(kSorry.data(), kSorry.size())});
    }
  }
  EndExchange();
  is_cut_ = true;
  timer_.cancel();
  ErrorOf ignored;
  socket_.close(ignored);
}

void Connection::BeginDrain() {
  if (stream_) {
    const auto stream = stream_;
    stream->Drain();
  }
  signal_.Notify();
}

void Connection::Cut() {
  is_cut_ = true;
  timer_.cancel();
  ErrorOf ignored;
  socket_.cancel(ignored);
  signal_.Notify();
}

void Connection::StartInput() {
  if (is_input_pending_ || is_input_ended_ || ended() ||
      pending_.size() >= kPendingBytesMax + shared_.options.header_bytes_max)
    return;
  is_input_pending_ = true;
  if (tls_) {
    tls_->async_read_some(asio::buffer(*tls_buffer_), [self = shared_from_this()](const ErrorOf& error, size_t size) {
      self->is_input_pending_ = false;
      self->OnTlsRead(error, size);
    });
  } else {
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorOf& error) {
      self->is_input_pending_ = false;
      self->OnReadable(error);
    });
  }
}

void Connection::OnReadable(const ErrorOf& error) {
  if (error) {  // cancelled: whoever did that knows
    signal_.Notify();
    return;
  }
  auto& scratch = loop_->scratch();
  const ssize_t size = ::recv(socket_.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return StartInput();
  TakeInput(scratch.data(), size > 0 ? static_cast<size_t>(size) : 0);
}

void Connection::OnTlsRead(const ErrorOf& error, size_t size) {
  if (error == asio::error::operation_aborted) {
    signal_.Notify();
    return;
  }
  TakeInput(tls_buffer_->data(), error ? 0 : size);
}

void Connection::TakeInput(const char* bytes, size_t size) {
  if (size == 0) {
    is_input_ended_ = true;
  } else {
    shared_.counters->bytes_in.Add(size);
    pending_.append(bytes, size);
  }
  signal_.Notify();
}

size_t Connection::WriteNow(const Buffers& buffers) {
  std::array<iovec, 3> parts{};
  for (size_t i = 0; i < buffers.size(); ++i) parts[i] = {const_cast<void*>(buffers[i].data()), buffers[i].size()};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

Awaitable<bool> Connection::Write(Buffers buffers) {
  size_t left = asio::buffer_size(buffers);
  shared_.counters->bytes_out.Add(left);
  if (!tls_ && !ended()) {
    const size_t sent = WriteNow(buffers);
    TakeSlice(buffers, sent);
    left -= sent;
  }
  while (left > 0 && !ended()) {
    const Buffers slice = TakeSlice(buffers, kSliceBytes);
    const size_t slice_size = asio::buffer_size(slice);
    SetDeadline(Phase::kWrite, Now() + shared_.options.write_timeout);
    ErrorOf error;
    if (tls_) {
      const auto outcome = co_await asio::async_write(*tls_, slice, kAwaitTuple);
      error = std::get<0>(outcome);
    } else {
      const auto outcome = co_await asio::async_write(socket_, slice, kAwaitTuple);
      error = std::get<0>(outcome);
    }
    if (is_timed_out_) shared_.counters->timeouts_write.Add();
    if (error || is_timed_out_) is_broken_ = true;
    left -= slice_size;
  }
  ClearDeadline(Phase::kWork);
  co_return !ended();
}

void Connection::SetDeadline(Phase phase, TimePoint deadline) {
  phase_ = phase;
  deadline_ = deadline;
  is_timed_out_ = false;
  if (deadline < armed_for_) ArmTimer();
}

// The timer is set only for an earlier time than it is set for: most deadlines pass without a touch of it.
void Connection::ArmTimer() {
  armed_for_ = deadline_;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const ErrorOf& error) { self->OnTimer(error); });
}

void Connection::OnTimer(const ErrorOf& error) {
  if (error || ended()) return;
  armed_for_ = TimePoint::max();
  if (deadline_ == TimePoint::max()) return;
  if (Now() < deadline_) return ArmTimer();
  deadline_ = TimePoint::max();
  is_timed_out_ = true;
  if (phase_ == Phase::kWrite || phase_ == Phase::kHandshake) {
    ErrorOf ignored;
    socket_.cancel(ignored);
  } else {
    signal_.Notify();
  }
}

Awaitable<bool> Connection::Handshake() {
  SetDeadline(Phase::kHandshake, Now() + shared_.options.header_timeout);
  const auto outcome = co_await tls_->async_handshake(asio::ssl::stream_base::server, kAwaitTuple);
  if (std::get<0>(outcome) && !is_cut_) {
    is_timed_out_ ? shared_.counters->timeouts_header.Add() : shared_.counters->tls_failures.Add();
  }
  co_return !std::get<0>(outcome) && !ended();
}

Awaitable<void> Connection::StopInput() {
  if (!is_input_pending_) co_return;
  ErrorOf ignored;
  socket_.cancel(ignored);
  while (is_input_pending_) {
    if (!signal_.Consume()) co_await signal_.Wait();
  }
}

Awaitable<void> Connection::Linger() {
  if (tls_) {
    co_await StopInput();
    SetDeadline(Phase::kHandshake, Now() + kLingerTime);
    co_await tls_->async_shutdown(kAwaitTuple);
    co_return;
  }
  ErrorOf ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  SetDeadline(Phase::kLinger, Now() + kLingerTime);
  uint64_t thrown_away = pending_.size();
  while (!is_input_ended_ && !is_timed_out_ && !ended() && thrown_away < kLingerBytesMax) {
    pending_.clear();
    StartInput();
    if (!signal_.Consume()) co_await signal_.Wait();
    thrown_away += pending_.size();
  }
}

}  // namespace weir::http
