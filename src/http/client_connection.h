#pragma once
// ClientConnection: one connected socket, plain or TLS, with a time limit and a stop on every wait.
//
// Owned by one call at a time.

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/http/client.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace weir::http {

struct SslDeleter {
  void operator()(SSL* ssl) const;
  void operator()(SSL_CTX* context) const;
};

// What stops a call from another thread: readable once it is stopped.
class Stopper {
 public:
  explicit Stopper(std::stop_token stop);
  ~Stopper();
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;
  int fd() const { return fd_; }  // -1: it cannot be stopped
  bool is_stopped() const { return stop_.stop_requested(); }

 private:
  struct Ring {
    int fd;
    void operator()() const;
  };
  const std::stop_token stop_;
  const int fd_;
  std::optional<std::stop_callback<Ring>> callback_;
};

// Contexts for outgoing TLS: not_found or invalid_argument if the authorities cannot be read.
Result<std::unique_ptr<SSL_CTX, SslDeleter>> MakeClientTls(const HttpClientOptions& options);

class ClientConnection {
 public:
  static Result<std::unique_ptr<ClientConnection>> Open(const HttpTarget& target, const HttpClientOptions& options,
                                                        SSL_CTX* tls, const Stopper& stopper);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Bytes taken, at least one. Stops early, with 0, if the server says something instead of reading on.
  Result<size_t> Write(std::string_view bytes, TimePoint deadline, const Stopper& stopper);
  // Bytes read; 0: the server closed.
  Result<size_t> Read(char* out, size_t size, TimePoint deadline, const Stopper& stopper);
  // Neither closed nor with anything to read.
  bool IsQuiet() const;

  TimePoint idle_since{};

 private:
  explicit ClientConnection(int fd) : fd_(fd) {}
  static Result<std::unique_ptr<ClientConnection>> OpenUnix(const HttpTarget& target);
  static Result<std::unique_ptr<ClientConnection>> OpenTcp(const HttpTarget& target, TimePoint deadline,
                                                           const Stopper& stopper);
  Status Connect(const sockaddr* address, socklen_t size, TimePoint deadline, const Stopper& stopper);
  Status StartTls(const HttpTarget& target, bool verify, SSL_CTX* tls, TimePoint deadline, const Stopper& stopper);
  // What a TLS call that did not succeed needs: waits for it, or says what failed. 0 bytes: the server closed.
  Result<bool> AwaitTls(int outcome, TimePoint deadline, const Stopper& stopper);
  // The events that came.
  Result<short> Await(short events, TimePoint deadline, const Stopper& stopper) const;

  const int fd_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
};

}  // namespace weir::http
