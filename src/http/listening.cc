#include "listening.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace weir::http {
namespace {

constexpr int kBacklog = 4096;

Error SystemError(std::string_view action, const std::string& where, int number) {
  const std::string message = fmt::format("cannot {} {}: {}", action, where, std::strerror(number));
  if (number == EADDRINUSE) return {ErrorCode::kAlreadyExists, message, "stop what listens there, or choose another port"};
  if (number == EADDRNOTAVAIL) return InvalidArgument(message, "use an address of this machine");
  return Unavailable(message);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<Address> ParseAddress(const std::string& text, uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof(sockaddr_in);
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  return InvalidArgument(fmt::format("'{}' is no numeric address", text), "use 127.0.0.1, ::1, 0.0.0.0 or the like");
}

void ReadAddress(const sockaddr_storage& storage, std::string& address, uint16_t& port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  }
  address = text;
}

// True: a process takes connections there.
bool IsAnswered(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;
  const int outcome = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool is_answered = outcome == 0 || errno == EAGAIN;  // EAGAIN: its backlog is full
  ::close(fd);
  return is_answered;
}

}  // namespace

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      endpoint_(std::move(other.endpoint_)),
      owns_path_(std::exchange(other.owns_path_, false)) {}

ListeningSocket::~ListeningSocket() {
  if (owns_path_) ::unlink(endpoint_.socket_path.c_str());
  if (fd_ >= 0) ::close(fd_);
}

Result<ListeningSocket> ListeningSocket::Open(const HttpListener& listener) {
  return listener.socket_path.empty() ? OpenTcp(listener) : OpenUnix(listener);
}

Result<ListeningSocket> ListeningSocket::OpenTcp(const HttpListener& listener) {
  WEIR_ASSIGN(Address address, ParseAddress(listener.address, listener.port));
  const std::string where = fmt::format("{} port {}", listener.address, listener.port);
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError("open a socket for", where, errno);
  ListeningSocket socket(fd, {.tls = listener.tls});
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, kBacklog) != 0) {
    return SystemError("listen on", where, errno);
  }
  if (::getsockname(fd, address.get(), &address.size) != 0) return SystemError("listen on", where, errno);
  ReadAddress(address.storage, socket.endpoint_.address, socket.endpoint_.port);
  return socket;
}

Result<ListeningSocket> ListeningSocket::OpenUnix(const HttpListener& listener) {
  const std::string path = listener.socket_path.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return InvalidArgument(fmt::format("the socket path {} is longer than {} bytes", path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0) {
    if (!S_ISSOCK(old.st_mode)) {
      return Error{ErrorCode::kAlreadyExists, fmt::format("{} is there and no socket", path), "choose another path"};
    }
    if (IsAnswered(address)) {
      return Error{ErrorCode::kAlreadyExists, fmt::format("somebody answers on {} already", path), "stop it first"};
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError("replace", path, errno);
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError("open a socket for", path, errno);
  ListeningSocket socket(fd, {.socket_path = listener.socket_path, .tls = listener.tls});
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return SystemError("bind", path, errno);
  socket.owns_path_ = true;
  // Nobody can connect before listen(), so the mode holds from the first client on.
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(fd, kBacklog) != 0) return SystemError("listen on", path, errno);
  return socket;
}

Accepted AcceptOne(const ListeningSocket& socket) {
  Accepted accepted;
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  accepted.fd = ::accept4(socket.fd(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted.fd < 0) {
    accepted.error = errno;
    return accepted;
  }
  accepted.family = from.ss_family;
  accepted.peer.is_tls = socket.endpoint().tls;
  if (from.ss_family == AF_UNIX) {
    accepted.peer.is_unix = true;
    ucred who{};
    socklen_t who_size = sizeof who;
    if (::getsockopt(accepted.fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0) {
      accepted.peer.uid = who.uid;
      accepted.peer.pid = who.pid;
    }
  } else {
    ReadAddress(from, accepted.peer.address, accepted.peer.port);
  }
  return accepted;
}

}  // namespace weir::http

namespace weir {

std::string HttpEndpoint::ToString() const {
  if (!socket_path.empty()) return "unix:" + socket_path.string();
  const std::string_view scheme = tls ? "https" : "http";
  return address.find(':') == std::string::npos ? fmt::format("{}://{}:{}", scheme, address, port)
                                                : fmt::format("{}://[{}]:{}", scheme, address, port);
}

}  // namespace weir
