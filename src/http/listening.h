#pragma once
// Sockets that listen, by plain system calls; and what the system says about who connects.

#include <memory>

#include "weir/base/result.h"
#include "weir/http/server.h"

namespace weir::http {

// Owns a file descriptor, and the path of the unix socket that goes with it.
class ListeningSocket {
 public:
  // See HttpServer::Start for the errors.
  static Result<ListeningSocket> Open(const HttpListener& listener);

  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int fd() const { return fd_; }
  const HttpEndpoint& endpoint() const { return endpoint_; }

 private:
  ListeningSocket(int fd, HttpEndpoint endpoint) : fd_(fd), endpoint_(std::move(endpoint)) {}
  static Result<ListeningSocket> OpenTcp(const HttpListener& listener);
  static Result<ListeningSocket> OpenUnix(const HttpListener& listener);

  int fd_;
  HttpEndpoint endpoint_;
  bool owns_path_ = false;
};

struct Accepted {
  int fd = -1;  // the caller's; non-blocking
  int family = 0;
  int error = 0;  // errno if fd is -1
  HttpPeer peer{};
};
Accepted AcceptOne(const ListeningSocket& socket);

}  // namespace weir::http
