#pragma once
// HttpClient: blocking HTTP/1.1 calls from any thread, over TCP, unix sockets and TLS, with kept connections per target.
//
// Thread-safe; owns its connections. Redirects are not followed, no proxy and no environment variable is heard. A call goes
// out again, on another connection, only if a kept connection turned out to be dead before any byte of an answer came and
// the method is idempotent (RFC 9110 section 9.2.2) or nothing was written.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/http/message.h"
#include "weir/http/sse.h"

namespace weir {

namespace http {
class ClientPool;
}

// Where a server listens.
struct HttpTarget {
  std::string host{};  // a name or a numeric address without brackets; not used for a unix socket but in the Host field
  uint16_t port = 0;
  std::filesystem::path socket_path{};
  bool tls = false;

  // "host", "host:8080", "[::1]:8080": what the Host field says; the port is left out if the scheme implies it.
  std::string Authority() const;
};

struct HttpUrl {
  HttpTarget target{};
  std::string path = "/";  // and query, as a request sends them
};

// "http://host[:port][/path][?query]", "https://...", "unix:/run/weir.sock". invalid_argument for anything else; user names
// and fragments are refused.
Result<HttpUrl> ParseHttpUrl(std::string_view url);

struct HttpCall {
  std::string method = "GET";
  std::string path = "/";  // and query
  // Host, Content-Length and Connection are the client's business and ignored if set here.
  HttpHeaders headers{};
  std::string body{};
  // From the request written to the head of the answer; unset: the client's own.
  std::optional<Duration> answer_timeout{};
};

struct HttpClientOptions {
  Duration connect_timeout = std::chrono::seconds(5);  // for each address of a name, TLS included; name look-up has no limit
  Duration write_timeout = std::chrono::seconds(30);   // for each 64 KiB that the server takes
  Duration answer_timeout = std::chrono::seconds(60);
  Duration read_timeout = std::chrono::seconds(60);  // between pieces of a body; for streams of events too: they keep alive
  uint32_t header_bytes_max = 64 * 1024;
  uint64_t body_bytes_max = uint64_t{64} << 20;       // of an answer that is collected; streams are not counted
  uint32_t idle_connections_max = 16;                 // kept, over all targets
  Duration idle_time_max = std::chrono::seconds(50);  // kept connections older than this are not used again
  // TLS: which certificates are believed. Empty: the system's.
  std::filesystem::path certificate_authorities{};  // PEM
  bool verify_certificates = true;                  // false: for tests alone
};

struct HttpClientStats {
  uint64_t calls_total = 0;
  uint64_t calls_failed = 0;  // no whole answer; a status such as 500 is an answer
  uint64_t calls_again = 0;   // after a dead connection
  uint64_t connections_opened = 0;
  uint64_t connections_reused = 0;
  uint64_t connections_idle = 0;  // now
};

class HttpClient {
 public:
  // invalid_argument or not_found: the certificate authorities cannot be read.
  static Result<std::unique_ptr<HttpClient>> Create(HttpClientOptions options = {});
  ~HttpClient();  // REQUIRES: no call under way.
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Errors of all calls: invalid_argument (a field that cannot be sent), not_found (no such host, no such socket),
  // unavailable (nobody listens, the connection broke, a certificate that is not believed, stopped by `stop`), deadline,
  // corrupt (no HTTP), exhausted (the answer is larger than allowed).
  Result<HttpResponse> Send(const HttpTarget& target, const HttpCall& call, std::stop_token stop = {});

  // Called once, with an empty body, before any piece. False: stop.
  using OnHead = std::function<bool(const HttpResponse& head)>;
  // Called with each piece of the body, on the calling thread. False: stop.
  using OnPiece = std::function<bool(std::string_view bytes)>;
  // Returns the head when the body has ended or a callback said stop. An error after the head means that the body is not
  // whole.
  Result<HttpResponse> Stream(const HttpTarget& target, const HttpCall& call, const OnHead& on_head, const OnPiece& on_piece,
                              std::stop_token stop = {});
  // False: stop.
  using OnEvent = std::function<bool(const SseEvent& event)>;
  // Asks for server-sent events. An answer that is none (another status than 200, another content type) comes back whole,
  // and `on_event` is not called.
  Result<HttpResponse> StreamEvents(const HttpTarget& target, HttpCall call, const OnEvent& on_event,
                                    std::stop_token stop = {});

  HttpClientStats stats() const;
  void CloseIdleConnections();

 private:
  explicit HttpClient(std::unique_ptr<http::ClientPool> pool);
  const std::unique_ptr<http::ClientPool> pool_;
};

}  // namespace weir
