#include "weir/http/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <future>
#include <mutex>
#include <utility>

#include "connection.h"
#include "listening.h"
#include "tls.h"
#include "weir/base/log.h"

namespace weir {

Status HttpServerOptions::Validate() const {
  if (listeners.empty()) return InvalidArgument("listeners: there is nothing to listen on");
  for (const HttpListener& listener : listeners) {
    if (listener.tls && !tls) return InvalidArgument("tls: a listener wants TLS, and there is no certificate");
  }
  if (io_threads < 1 || io_threads > 256) return InvalidArgument("io_threads is between 1 and 256");
  if (worker_threads > 4096) return InvalidArgument("worker_threads is at most 4096");
  if (header_bytes_max < 256 || header_bytes_max > (1u << 20)) {
    return InvalidArgument("header_bytes_max is between 256 bytes and 1 MiB");
  }
  if (headers_max < 1) return InvalidArgument("headers_max is at least 1");
  if (connections_max < 1) return InvalidArgument("connections_max is at least 1");
  if (in_flight_max < 1) return InvalidArgument("in_flight_max is at least 1");
  for (const Duration time : {header_timeout, body_timeout, idle_timeout, write_timeout}) {
    if (time <= Duration::zero() || time > std::chrono::hours(24 * 365)) {
      return InvalidArgument("timeouts are longer than nothing and at most a year");
    }
  }
  return {};
}

namespace http {
namespace {

constexpr Duration kAcceptPause = std::chrono::milliseconds(50);
constexpr int kAcceptBatch = 64;
// Beyond connections_max, this many are told so at a time; the rest are closed without a word.
constexpr uint64_t kRefusedConnectionsMax = 128;

}  // namespace

// Everything that a server has. Start and Stop are called by one thread at a time.
class ServerCore {
 public:
  ServerCore(HttpServerOptions options, HttpHandler handler);
  ~ServerCore() { Stop(); }

  Status Start();
  Status ReloadTls();
  bool Drain(Duration timeout);
  void Stop();
  const std::vector<HttpEndpoint>& endpoints() const { return endpoints_; }
  HttpServerStats stats() const;

 private:
  using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
  // One listening socket; lives on the first loop's thread.
  struct Acceptor {
    Acceptor(ListeningSocket listening, asio::io_context& context)
        : socket(std::move(listening)), waiter(context, ::dup(socket.fd())), pause(context) {}
    ListeningSocket socket;
    Descriptor waiter;
    Timer pause;
  };

  Awaitable<void> AcceptLoop(std::shared_ptr<Acceptor> acceptor);
  // Takes what waits. False: the system has no room for more.
  bool AcceptBatch(const Acceptor& acceptor);
  void Adopt(Accepted accepted, bool is_tls);
  void CloseAcceptors();
  std::shared_ptr<asio::ssl::context> tls() const;
  // Runs `action` on each connection, on its thread, and waits until that is done.
  template <typename Action>
  void OnEachConnection(const Action& action);

  Shared shared_;
  std::vector<std::shared_ptr<IoLoop>> loops_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;  // the first loop's thread, once started
  std::vector<HttpEndpoint> endpoints_;
  size_t next_loop_ = 0;  // the first loop's thread
  std::atomic<bool> is_accepting_{true};
  bool is_started_ = false;
  mutable std::mutex tls_mutex_;
  std::shared_ptr<asio::ssl::context> tls_;  // under tls_mutex_
  std::mutex stop_mutex_;                    // held by Drain and Stop
  bool is_stopped_ = false;                  // under stop_mutex_
  std::mutex end_mutex_;
  std::condition_variable end_;  // a connection ended
};

ServerCore::ServerCore(HttpServerOptions options, HttpHandler handler) {
  shared_.options = std::move(options);
  shared_.handler = std::move(handler);
  shared_.on_connection_end = [this] {
    if (!shared_.is_draining.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(end_mutex_);
    end_.notify_all();
  };
  const auto run = [this](const std::shared_ptr<Exchange>& exchange) { RunHandler(shared_.handler, exchange); };
  shared_.workers = std::make_unique<WorkerPool>(shared_.options.worker_threads, shared_.options.in_flight_max, run);
}

Status ServerCore::Start() {
  WEIR_TRY(shared_.options.Validate());
  if (shared_.options.tls) WEIR_TRY(ReloadTls());
  std::vector<ListeningSocket> sockets;
  for (const HttpListener& listener : shared_.options.listeners) {
    WEIR_ASSIGN(ListeningSocket socket, ListeningSocket::Open(listener));
    endpoints_.push_back(socket.endpoint());
    sockets.push_back(std::move(socket));
  }
  try {
    for (uint32_t i = 0; i < shared_.options.io_threads; ++i) loops_.push_back(std::make_shared<IoLoop>());
    for (ListeningSocket& socket : sockets) {
      acceptors_.push_back(std::make_shared<Acceptor>(std::move(socket), loops_[0]->context()));
      asio::co_spawn(loops_[0]->context(), AcceptLoop(acceptors_.back()), [](const std::exception_ptr& failure) {
        if (failure) Log(LogLevel::kError, "http: a listener failed");
      });
    }
  } catch (const std::exception& failure) {
    return Unavailable(fmt::format("cannot set up I/O: {}", failure.what()));
  }
  WEIR_TRY(shared_.workers->Start());
  // The one that accepts comes last, so that a failure finds no connection.
  for (auto loop = loops_.rbegin(); loop != loops_.rend(); ++loop) WEIR_TRY((*loop)->Start());
  is_started_ = true;
  return {};
}

std::shared_ptr<asio::ssl::context> ServerCore::tls() const {
  const std::lock_guard lock(tls_mutex_);
  return tls_;
}

Status ServerCore::ReloadTls() {
  if (!shared_.options.tls) return InvalidArgument("this server has no certificate to read again");
  WEIR_ASSIGN(auto fresh, LoadTls(*shared_.options.tls));
  const std::lock_guard lock(tls_mutex_);
  tls_.swap(fresh);
  return {};
}

Awaitable<void> ServerCore::AcceptLoop(std::shared_ptr<Acceptor> acceptor) {
  constexpr auto kTuple = asio::as_tuple_t<asio::use_awaitable_t<Executor>>(kAwait);
  while (is_accepting_.load(std::memory_order_relaxed)) {
    co_await acceptor->waiter.async_wait(Descriptor::wait_read, kTuple);
    if (!is_accepting_.load(std::memory_order_relaxed)) co_return;
    if (AcceptBatch(*acceptor)) continue;
    acceptor->pause.expires_after(kAcceptPause);
    co_await acceptor->pause.async_wait(kTuple);
  }
}

bool ServerCore::AcceptBatch(const Acceptor& acceptor) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    Accepted accepted = AcceptOne(acceptor.socket);
    if (accepted.fd >= 0) {
      Adopt(std::move(accepted), acceptor.socket.endpoint().tls);
      continue;
    }
    if (accepted.error == EAGAIN) return true;
    // Those of the connection itself pass (accept(2)); the rest is about descriptors and memory.
    const bool is_about_us =
        accepted.error == EMFILE || accepted.error == ENFILE || accepted.error == ENOBUFS || accepted.error == ENOMEM;
    if (!is_about_us) continue;
    if (shared_.counters->accept_failures.Add() == 0) {
      Log(LogLevel::kWarning, fmt::format("http: cannot accept: {}; trying again", std::strerror(accepted.error)));
    }
    return false;
  }
  return true;
}

void ServerCore::Adopt(Accepted accepted, bool is_tls) {
  shared_.counters->connections_total.Add();
  const uint64_t open = shared_.counters->connections_open.get();
  const bool is_refused = open >= shared_.options.connections_max;
  if (is_refused) shared_.counters->connections_refused.Add();
  if (open >= shared_.options.connections_max + kRefusedConnectionsMax) {
    ::close(accepted.fd);
    return;
  }
  const std::shared_ptr<IoLoop>& loop = loops_[next_loop_++ % loops_.size()];
  const int fd = accepted.fd;
  auto adopt = [this, loop, fd, family = accepted.family, peer = std::move(accepted.peer), is_tls, is_refused] {
    ErrorOf error;
    Socket socket(loop->context());
    socket.assign(asio::generic::stream_protocol(family, 0), fd, error);
    if (error) {
      ::close(fd);
      return;
    }
    std::make_shared<Connection>(shared_, loop, std::move(socket), std::make_shared<HttpPeer>(peer),
                                 is_tls ? tls() : nullptr, is_refused)
        ->Start();
  };
  try {
    loop == loops_[0] ? adopt() : loop->Post(std::move(adopt));
  } catch (const std::exception& failure) {
    Log(LogLevel::kError, fmt::format("http: cannot take a connection: {}", failure.what()));
  }
}

template <typename Action>
void ServerCore::OnEachConnection(const Action& action) {
  for (const auto& loop : loops_) {
    const auto done = std::make_shared<std::promise<void>>();
    std::future<void> is_done = done->get_future();
    loop->Post([loop, action, done] {
      std::vector<std::shared_ptr<Connection>> connections;
      for (Connection* connection : loop->connections()) connections.push_back(connection->shared_from_this());
      for (const auto& connection : connections) action(*connection);
      done->set_value();
    });
    is_done.wait();
  }
}

void ServerCore::CloseAcceptors() {
  is_accepting_.store(false, std::memory_order_relaxed);
  const auto done = std::make_shared<std::promise<void>>();
  std::future<void> is_done = done->get_future();
  loops_[0]->Post([this, done] {
    for (const auto& acceptor : acceptors_) {
      ErrorOf ignored;
      acceptor->waiter.close(ignored);
      acceptor->pause.cancel();
    }
    acceptors_.clear();
    done->set_value();
  });
  is_done.wait();
}

bool ServerCore::Drain(Duration timeout) {
  const std::lock_guard stopping(stop_mutex_);
  if (is_stopped_ || !is_started_) return true;
  const TimePoint deadline = std::chrono::steady_clock::now() + timeout;
  CloseAcceptors();
  shared_.is_draining.store(true, std::memory_order_relaxed);
  OnEachConnection([](Connection& connection) { connection.BeginDrain(); });
  std::unique_lock lock(end_mutex_);
  return end_.wait_until(lock, deadline, [this] { return shared_.counters->connections_open.get() == 0; });
}

void ServerCore::Stop() {
  const std::lock_guard stopping(stop_mutex_);
  if (std::exchange(is_stopped_, true) || !is_started_) return;
  CloseAcceptors();
  shared_.is_draining.store(true, std::memory_order_relaxed);
  OnEachConnection([](Connection& connection) { connection.Cut(); });
  shared_.workers->Stop();
  for (const auto& loop : loops_) loop->Join();
}

HttpServerStats ServerCore::stats() const {
  HttpServerStats stats = shared_.counters->Read();
  stats.workers = shared_.workers->size();
  stats.worker_queue_depth = shared_.workers->queue_depth();
  stats.workers_busy = shared_.workers->busy();
  return stats;
}

}  // namespace http

HttpServer::HttpServer(std::unique_ptr<http::ServerCore> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, HttpHandler handler) {
  WEIR_CHECK(handler != nullptr, "a server needs a handler");
  auto core = std::make_unique<http::ServerCore>(std::move(options), std::move(handler));
  WEIR_TRY(core->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

const std::vector<HttpEndpoint>& HttpServer::endpoints() const { return core_->endpoints(); }
HttpServerStats HttpServer::stats() const { return core_->stats(); }
Status HttpServer::ReloadTls() { return core_->ReloadTls(); }
bool HttpServer::Drain(Duration timeout) {
  const bool is_whole = core_->Drain(timeout);
  core_->Stop();
  return is_whole;
}
void HttpServer::Stop() { core_->Stop(); }

}  // namespace weir
