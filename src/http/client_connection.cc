#include "client_connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weir::http {
namespace {

TimePoint Now() { return std::chrono::steady_clock::now(); }

Error SystemError(std::string_view action, const std::string& where, int number) {
  const std::string message = fmt::format("cannot {} {}: {}", action, where, std::strerror(number));
  if (number == ENOENT) return NotFound(message, "is the server running?");
  if (number == ECONNREFUSED) return Unavailable(message, "is the server running?");
  return Unavailable(message);
}

std::string TlsReason() {
  char text[256] = "the connection broke";
  if (const unsigned long code = ::ERR_peek_last_error(); code != 0) ::ERR_error_string_n(code, text, sizeof text);
  ::ERR_clear_error();
  return text;
}

// A BIO over a socket that never raises SIGPIPE, which the library's own does.
int FdOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(::BIO_get_data(bio))); }
int WriteQuietly(BIO* bio, const char* bytes, int size) {
  ::BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(FdOf(bio), bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}
int ReadQuietly(BIO* bio, char* bytes, int size) {
  ::BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(FdOf(bio), bytes, static_cast<size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_read(bio);
  return static_cast<int>(got);
}
long ControlQuietly(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* QuietSocket() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quiet socket");
    if (method != nullptr) {
      ::BIO_meth_set_write(method, WriteQuietly);
      ::BIO_meth_set_read(method, ReadQuietly);
      ::BIO_meth_set_ctrl(method, ControlQuietly);
    }
    return method;
  }();
  return kMethod;
}

bool IsNumericAddress(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

void SslDeleter::operator()(SSL* ssl) const { ::SSL_free(ssl); }
void SslDeleter::operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }

void Stopper::Ring::operator()() const {
  const uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

Stopper::Stopper(std::stop_token stop)
    : stop_(std::move(stop)), fd_(stop_.stop_possible() ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1) {
  if (fd_ >= 0) callback_.emplace(stop_, Ring{fd_});
}

Stopper::~Stopper() {
  callback_.reset();
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<SSL_CTX, SslDeleter>> MakeClientTls(const HttpClientOptions& options) {
  std::unique_ptr<SSL_CTX, SslDeleter> context(::SSL_CTX_new(::TLS_client_method()));
  if (context == nullptr) return Unavailable(fmt::format("cannot set up TLS: {}", TlsReason()));
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  ::SSL_CTX_set_verify(context.get(), options.verify_certificates ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.certificate_authorities.empty()) {
    ::SSL_CTX_set_default_verify_paths(context.get());
  } else {
    const std::string path = options.certificate_authorities.string();
    if (::access(path.c_str(), R_OK) != 0) return NotFound(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    if (::SSL_CTX_load_verify_file(context.get(), path.c_str()) != 1) {
      return InvalidArgument(fmt::format("{} holds no certificates in PEM: {}", path, TlsReason()));
    }
  }
  return context;
}

ClientConnection::~ClientConnection() {
  if (ssl_) ::SSL_shutdown(ssl_.get());  // says good-bye if there is room; waits for nothing
  ssl_.reset();
  ::close(fd_);
}

Result<short> ClientConnection::Await(short events, TimePoint deadline, const Stopper& stopper) const {
  while (true) {
    if (stopper.is_stopped()) return Unavailable("the call was stopped");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Now()).count() + 1;
    pollfd waits[2] = {{fd_, events, 0}, {stopper.fd(), POLLIN, 0}};
    const int ready = ::poll(waits, 2, static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000)));
    if (ready < 0 && errno != EINTR) return Unavailable(fmt::format("cannot wait: {}", std::strerror(errno)));
    if (ready > 0 && waits[0].revents != 0) return waits[0].revents;
    if (ready == 0 && Now() >= deadline) return Error{ErrorCode::kDeadline, "the server did not go on in time", {}};
  }
}

Status ClientConnection::Connect(const sockaddr* address, socklen_t size, TimePoint deadline, const Stopper& stopper) {
  if (::connect(fd_, address, size) == 0) return {};
  if (errno != EINPROGRESS) return SystemError("connect to", "it", errno);
  const auto came = Await(POLLOUT, deadline, stopper);
  if (!came) return came.error();
  int error = 0;
  socklen_t error_size = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &error_size);
  if (error != 0) return SystemError("connect to", "it", error);
  return {};
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::OpenUnix(const HttpTarget& target) {
  const std::string path = target.socket_path.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return InvalidArgument(fmt::format("the socket path {} is longer than {} bytes", path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  // A unix socket connects at once or not at all; only its full backlog would make it wait.
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError("open a socket for", path, errno);
  std::unique_ptr<ClientConnection> connection(new ClientConnection(fd));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return SystemError("connect to", path, errno);
  }
  return connection;
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::OpenTcp(const HttpTarget& target, TimePoint deadline,
                                                                    const Stopper& stopper) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(target.host.c_str(), fmt::format("{}", target.port).c_str(), &hints, &found);
  if (failure != 0) return NotFound(fmt::format("no address for {}: {}", target.host, ::gai_strerror(failure)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  const Duration time = deadline - Now();
  Error last = Unavailable(fmt::format("no address for {}", target.host));
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int fd = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return SystemError("open a socket for", target.Authority(), errno);
    std::unique_ptr<ClientConnection> connection(new ClientConnection(fd));
    const Status status = connection->Connect(each->ai_addr, each->ai_addrlen, Now() + time, stopper);
    if (status) {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return connection;
    }
    last = status.error();
    last.message = fmt::format("{}: {}", target.Authority(), last.message);
    if (stopper.is_stopped()) break;
  }
  return last;
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::Open(const HttpTarget& target, const HttpClientOptions& options,
                                                                 SSL_CTX* tls, const Stopper& stopper) {
  auto connection =
      target.socket_path.empty() ? OpenTcp(target, Now() + options.connect_timeout, stopper) : OpenUnix(target);
  if (connection && target.tls) {
    WEIR_TRY((*connection)->StartTls(target, options.verify_certificates, tls, Now() + options.connect_timeout, stopper));
  }
  return connection;
}

Status ClientConnection::StartTls(const HttpTarget& target, bool verify, SSL_CTX* tls, TimePoint deadline,
                                  const Stopper& stopper) {
  ssl_.reset(::SSL_new(tls));
  BIO* bio = QuietSocket() != nullptr ? ::BIO_new(QuietSocket()) : nullptr;
  if (ssl_ == nullptr || bio == nullptr) {
    ::BIO_free(bio);
    return Unavailable("cannot set up TLS: no memory");
  }
  ::BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd_)));
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_.get(), bio, bio);
  ::SSL_set_connect_state(ssl_.get());
  if (IsNumericAddress(target.host)) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), target.host.c_str());
  } else {
    ::SSL_set_tlsext_host_name(ssl_.get(), target.host.c_str());
    ::SSL_set1_host(ssl_.get(), target.host.c_str());
  }
  while (true) {
    ::ERR_clear_error();
    const int outcome = ::SSL_do_handshake(ssl_.get());
    if (outcome == 1) return {};
    const long verdict = ::SSL_get_verify_result(ssl_.get());
    if (verify && verdict != X509_V_OK) {
      ::ERR_clear_error();
      return Unavailable(fmt::format("{}: its certificate is not believed: {}", target.Authority(),
                                     ::X509_verify_cert_error_string(verdict)));
    }
    const auto goes_on = AwaitTls(outcome, deadline, stopper);
    if (!goes_on) return goes_on.error();
    if (!*goes_on) return Unavailable(fmt::format("{} closed the connection instead of speaking TLS", target.Authority()));
  }
}

Result<bool> ClientConnection::AwaitTls(int outcome, TimePoint deadline, const Stopper& stopper) {
  const int reason = ::SSL_get_error(ssl_.get(), outcome);
  if (reason == SSL_ERROR_ZERO_RETURN) return false;
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
    if (reason == SSL_ERROR_SYSCALL && outcome == 0) return false;
    return Unavailable(fmt::format("TLS: {}", TlsReason()));
  }
  const auto came = Await(reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, stopper);
  if (!came) return came.error();
  return true;
}

Result<size_t> ClientConnection::Write(std::string_view bytes, TimePoint deadline, const Stopper& stopper) {
  while (true) {
    if (ssl_) {
      ::ERR_clear_error();
      const int written = ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
      if (written > 0) return static_cast<size_t>(written);
      const auto goes_on = AwaitTls(written, deadline, stopper);
      if (!goes_on) return goes_on.error();
      if (!*goes_on) return 0;
      continue;
    }
    const ssize_t written = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written > 0) return static_cast<size_t>(written);
    if (errno != EAGAIN && errno != EINTR) return Unavailable(fmt::format("cannot send: {}", std::strerror(errno)));
    const auto came = Await(POLLIN | POLLOUT, deadline, stopper);
    if (!came) return came.error();
    if ((*came & (POLLIN | POLLHUP)) != 0) return 0;
  }
}

Result<size_t> ClientConnection::Read(char* out, size_t size, TimePoint deadline, const Stopper& stopper) {
  while (true) {
    if (ssl_) {
      ::ERR_clear_error();
      const int got = ::SSL_read(ssl_.get(), out, static_cast<int>(std::min<size_t>(size, 1 << 20)));
      if (got > 0) return static_cast<size_t>(got);
      const auto goes_on = AwaitTls(got, deadline, stopper);
      if (!goes_on) return goes_on.error();
      if (!*goes_on) return 0;
      continue;
    }
    const ssize_t got = ::recv(fd_, out, size, 0);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EAGAIN && errno != EINTR) return Unavailable(fmt::format("cannot receive: {}", std::strerror(errno)));
    const auto came = Await(POLLIN, deadline, stopper);
    if (!came) return came.error();
  }
}

// TLS 1.3 servers send session tickets after the handshake, so a TLS connection with bytes to read may be fine.
bool ClientConnection::IsQuiet() const {
  char byte = 0;
  const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return (got < 0 && errno == EAGAIN) || (got > 0 && ssl_ != nullptr);
}

}  // namespace weir::http
