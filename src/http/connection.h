#pragma once
// Connection: one client. Reads requests in order, has them answered, writes the answers; one coroutine, one timer.
//
// Thread rule: everything runs on its loop's thread. It owns itself: the coroutine, the timer and what it waits for hold
// references, and it is gone when they have ended. Shared (the server) outlives it.
//
// Input is pumped: at most one wait or read is under way, also while a handler works, so that a client that leaves is
// noticed. What has come lies in pending_ until the parser takes it; an idle connection over plain sockets holds no buffer.

#include <array>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "asio_types.h"
#include "counters.h"
#include "exchange.h"
#include "io_loop.h"
#include "request_parser.h"
#include "response_head.h"
#include "worker_pool.h"

namespace weir::http {

// What the connections of one server share. Thread-safe as its members are.
struct Shared {
  HttpServerOptions options{};
  HttpHandler handler{};
  std::shared_ptr<Counters> counters = std::make_shared<Counters>();
  std::unique_ptr<WorkerPool> workers{};
  std::atomic<bool> is_draining{false};
  std::function<void()> on_connection_end{};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `tls` is null for a plain connection. `is_refused`: there are too many; it is told so and closed.
  Connection(Shared& shared, std::shared_ptr<IoLoop> loop, Socket socket, std::shared_ptr<const HttpPeer> peer,
             std::shared_ptr<asio::ssl::context> tls, bool is_refused);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Something happened: an answer, bytes of a stream.
  void Wake() { signal_.Notify(); }
  // Finishes what it does and closes.
  void BeginDrain();
  // Closes now.
  void Cut();

 private:
  using TlsStream = asio::ssl::stream<Socket&>;
  enum class Phase { kHandshake, kIdle, kHead, kBody, kWork, kWrite, kStream, kLinger };
  using Buffers = std::array<asio::const_buffer, 3>;

  // The protocol (connection_serve.cc).
  Awaitable<void> Serve();
  Awaitable<bool> WaitForRequest();
  // False: there is none, or it is refused (then refusal_ is set).
  Awaitable<bool> ReadRequest();
  Awaitable<bool> ReadMore(Phase phase, TimePoint& body_deadline, uint64_t& body_mark);
  bool TakeHead();
  bool ChargeBody();
  Awaitable<bool> Answer();
  void Dispatch();
  Awaitable<void> WaitForAnswer();
  Awaitable<bool> SendResponse(HttpResponse& response);
  Awaitable<bool> SendRefusal(const Refusal& refusal);
  Awaitable<bool> SendStream(StreamState& stream);
  Awaitable<bool> PumpStream(StreamState& stream, ResponseFraming framing);
  Awaitable<void> RefuseConnection();
  HttpResponse RefusalResponse(const Refusal& refusal) const;
  void EndExchange();

  // The transport (connection.cc).
  void End(const std::exception_ptr& failure);
  Awaitable<bool> Handshake();
  // Lets the client read what was sent before the connection is gone.
  Awaitable<void> Linger();
  Awaitable<void> StopInput();
  void StartInput();
  void OnReadable(const ErrorOf& error);
  void OnTlsRead(const ErrorOf& error, size_t size);
  void TakeInput(const char* bytes, size_t size);
  // True: all was sent. The buffers stay the caller's.
  Awaitable<bool> Write(Buffers buffers);
  size_t WriteNow(const Buffers& buffers);
  void SetDeadline(Phase phase, TimePoint deadline);
  void ClearDeadline(Phase phase) { SetDeadline(phase, TimePoint::max()); }
  void ArmTimer();
  void OnTimer(const ErrorOf& error);
  bool ended() const { return is_cut_ || is_broken_; }

  Shared& shared_;
  const std::shared_ptr<IoLoop> loop_;
  Socket socket_;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<std::array<char, 16 * 1024>> tls_buffer_;
  const std::shared_ptr<const HttpPeer> peer_;
  Signal signal_;
  Timer timer_;
  TimePoint deadline_ = TimePoint::max();
  TimePoint armed_for_ = TimePoint::max();
  Phase phase_ = Phase::kIdle;
  const bool is_refused_;
  bool is_timed_out_ = false;
  bool is_input_pending_ = false;
  bool is_input_ended_ = false;  // the client closed its side
  bool is_broken_ = false;       // a write failed
  bool is_cut_ = false;
  bool is_keep_alive_ = true;
  bool is_body_unread_ = false;
  bool is_head_sent_ = false;  // of the answer
  std::string pending_;        // input not yet parsed
  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<StreamState> stream_;
  std::unique_ptr<RequestParser> parser_;
  std::optional<Refusal> refusal_;
  uint64_t body_charged_ = 0;
};

}  // namespace weir::http
