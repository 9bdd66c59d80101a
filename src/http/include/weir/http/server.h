#pragma once
// HttpServer: HTTP/1.1 over TCP, unix sockets and TLS, with a limit on everything a peer can take.
//
// A few I/O threads read and write; handlers run on a bounded pool of workers, where they may block. A handler answers
// with one HttpResponse, or opens an HttpStream that lives on after the handler has returned and holds no thread. An idle
// connection holds no buffer (2 to 3 KB in all); over TLS it holds some 50 KB. Whatever peers send, the server neither
// aborts nor grows beyond its limits: it answers 4xx, or 503 with Retry-After, or closes.
//
// Every public function is thread-safe unless it says otherwise. Syntax and semantics by RFC 9110 and 9112; where those
// leave a choice the stricter one is taken: bare line feeds, folded fields, both Content-Length and Transfer-Encoding,
// a transfer coding other than chunked, and a missing or double Host are refused.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/http/message.h"

namespace weir {

namespace http {
class Exchange;
class ServerCore;
class StreamState;
}  // namespace http

// An answer that is sent piece by piece. The owner may keep it as long as it likes, on any thread; it needs no thread of its
// own. Pieces are sent in chunks; if the head names a Content-Length they are sent plain, up to that many bytes. A stream
// that is destroyed before Finish() is cut off, so that the client sees that something is missing.
class HttpStream {
 public:
  explicit HttpStream(std::shared_ptr<http::StreamState> state);
  ~HttpStream();
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // Queues bytes and returns. exhausted: the reader is too slow, the buffer has no room for these bytes now (a piece larger
  // than the whole buffer is taken when the buffer is empty); unavailable: the stream is closed. Nothing is queued then.
  Status Send(std::string bytes);
  // Waits until there is room. deadline: there was none in time. Never call it on an I/O thread (a quick handler, a callback
  // of this server): unavailable then, if there is no room.
  Status SendWaiting(std::string bytes, Duration timeout);
  // Sends what is queued and ends the answer. Nothing can be sent afterwards.
  void Finish();

  // True once the client is gone or the answer is ended and sent.
  bool closed() const;
  uint64_t queued_bytes() const;
  // Calls back once, on an I/O thread, when the stream closes; at once, on this thread, if it is closed already. One
  // callback at most; keep it short; it must not throw.
  void OnClosed(std::function<void()> callback);
  // Calls back once, on an I/O thread, when the server begins to drain: the owner should say good-bye and Finish(). At once,
  // on this thread, if it drains already. One callback at most; keep it short; it must not throw.
  void OnDrain(std::function<void()> callback);

 private:
  const std::shared_ptr<http::StreamState> state_;
};

struct HttpStreamOptions {
  int status = 200;
  HttpHeaders headers{};
  uint64_t buffer_bytes_max = 256 * 1024;
  // If set, these bytes are sent whenever nothing else was for that long.
  Duration keep_alive{};
  std::string keep_alive_bytes{};
};

// For server-sent events (sse.h writes them): the content type, no caching, X-Accel-Buffering: no, and comments in between.
HttpStreamOptions SseStreamOptions(Duration keep_alive = std::chrono::seconds(15));

// The right and the duty to answer one request. Move-only; may leave the handler and answer later from any thread. Destroyed
// without an answer, it answers 500.
class HttpReply {
 public:
  explicit HttpReply(std::shared_ptr<http::Exchange> exchange);
  HttpReply(HttpReply&& other) noexcept = default;
  HttpReply& operator=(HttpReply&& other) noexcept;
  ~HttpReply();

  // REQUIRES of all below: no answer yet.
  void Send(HttpResponse response);
  // Sends the head at once. HTTP/1.0 clients get the pieces plain and a closed connection. For HEAD the stream is closed
  // from the start.
  std::shared_ptr<HttpStream> OpenStream(HttpStreamOptions options);
  // Valid while this object is not answered.
  const HttpRequest& request() const;
  bool answered() const { return exchange_ == nullptr; }

 private:
  std::shared_ptr<http::Exchange> exchange_;
};

// Called once for each request, from many threads at once. `request` lives until the handler has returned and the reply is
// answered. An exception counts as 500.
using HttpHandler = std::function<void(const HttpRequest& request, HttpReply reply)>;

struct HttpListener {
  // Numeric address and port (0: any free one), or the path of a unix socket. The socket is made with mode 0600; a socket
  // file that nobody answers on is replaced.
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  std::filesystem::path socket_path{};
  bool tls = false;
};

struct HttpTlsFiles {
  std::filesystem::path certificate_chain{};  // PEM, the server's own first
  std::filesystem::path private_key{};        // PEM
};

struct HttpServerOptions {
  std::vector<HttpListener> listeners{};
  std::optional<HttpTlsFiles> tls{};  // needed by listeners with tls; TLS 1.2 at least

  uint32_t io_threads = 1;
  uint32_t worker_threads = 0;  // 0: one for each processor

  uint32_t header_bytes_max = 16 * 1024;            // request line and fields: 414 or 431 beyond
  uint32_t headers_max = 100;                       // 431 beyond
  uint64_t body_bytes_max = uint64_t{32} << 20;     // also of chunked bodies: 413 beyond
  uint64_t bodies_bytes_max = uint64_t{256} << 20;  // of all requests that are being read or worked on: 503 beyond
  uint32_t connections_max = 10'240;                // beyond: a connection is accepted, answered 503 and closed
  uint32_t in_flight_max = 1024;  // requests at work or waiting for a worker: 503 beyond; open streams do not count
  uint32_t retry_after_s = 1;     // said in each 503

  Duration header_timeout = std::chrono::seconds(10);  // from the first byte of a request to the end of its head; TLS too
  Duration body_timeout = std::chrono::seconds(30);    // for each 64 KiB of a body
  Duration idle_timeout = std::chrono::seconds(75);    // between requests
  Duration write_timeout = std::chrono::seconds(30);   // for each 64 KiB that a client takes

  // True: this request's handler is quick and never blocks, so it runs on the I/O thread without a hop. May be empty.
  std::function<bool(const HttpRequest&)> quick{};
  // Looks at a request before its body is read, on an I/O thread: may lower or raise the body limit of this request, and may
  // answer at once (authorization, say). `request` has no body yet. May be empty.
  std::function<std::optional<HttpResponse>(const HttpRequest& request, uint64_t& body_bytes_max)> on_head{};
  // Makes the answers of the server itself (400, 408, 413, 414, 431, 500, 501, 503, 505): `code` is stable and lower-case
  // ("bad_request", "overloaded", ...), `message` says what is wrong. The status stays what it is. Empty: plain text.
  std::function<HttpResponse(int status, std::string_view code, std::string_view message)> error_body{};

  // invalid_argument, with the field's name.
  Status Validate() const;
};

struct HttpEndpoint {
  std::string address{};  // empty for a unix socket
  uint16_t port = 0;      // the one that was given
  std::filesystem::path socket_path{};
  bool tls = false;

  // "http://127.0.0.1:4711", "https://[::1]:4711", "unix:/run/weir.sock": what ParseHttpUrl of client.h reads.
  std::string ToString() const;
};

// Counts since the start, or what is so now.
struct HttpServerStats {
  uint64_t connections_open = 0;  // now
  uint64_t connections_total = 0;
  uint64_t connections_refused = 0;  // beyond connections_max
  uint64_t accept_failures = 0;      // no descriptors, no memory
  uint64_t requests_total = 0;       // heads that were read
  uint64_t responses_1xx = 0;
  uint64_t responses_2xx = 0;
  uint64_t responses_3xx = 0;
  uint64_t responses_4xx = 0;
  uint64_t responses_5xx = 0;
  uint64_t requests_in_flight = 0;   // now
  uint64_t requests_overloaded = 0;  // answered 503 because of a limit
  uint64_t requests_malformed = 0;
  uint64_t requests_cancelled = 0;  // the client left before it had an answer
  uint64_t timeouts_header = 0;
  uint64_t timeouts_body = 0;
  uint64_t timeouts_idle = 0;
  uint64_t timeouts_write = 0;
  uint64_t tls_failures = 0;
  uint64_t bytes_in = 0;  // as read and written by the application: without TLS framing
  uint64_t bytes_out = 0;
  uint64_t body_bytes_held = 0;  // now
  uint64_t streams_open = 0;     // now
  uint64_t streams_total = 0;
  uint64_t worker_queue_depth = 0;  // now
  uint64_t workers_busy = 0;        // now
  uint64_t workers = 0;
};

class HttpServer {
 public:
  // Listens and serves. Errors: invalid_argument (options, an address, a certificate or key that cannot be read as such, a
  // socket path that is too long), already_exists (an address in use, a socket that somebody answers on), not_found (a
  // certificate file), unavailable (what the system says). After an error nothing listens.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, HttpHandler handler);
  // Stop().
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // In the order of the listeners.
  const std::vector<HttpEndpoint>& endpoints() const;
  HttpServerStats stats() const;
  // Reads the certificate files again; connections that come later get the new ones. On an error the old ones stay.
  Status ReloadTls();

  // Stops to listen, closes idle connections, tells streams, finishes what is in flight, each answer with Connection: close.
  // True: everything ended before the timeout; else the rest was cut off. Nothing is served afterwards. Never call it, Stop
  // or the destructor on a thread of this server.
  bool Drain(Duration timeout);
  // Cuts off everything at once and waits for handlers that are running. Idempotent.
  void Stop();

 private:
  explicit HttpServer(std::unique_ptr<http::ServerCore> core);
  const std::unique_ptr<http::ServerCore> core_;
};

}  // namespace weir
