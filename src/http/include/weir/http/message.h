#pragma once
// HTTP messages as values: header fields, a request as the server hands it on, a response, and the parts of a target.
//
// Plain values, safe to read from many threads. Bytes are as they came: nothing is decoded unless a function says so.
// Syntax by RFC 9110, 9112 and 3986.

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir {

// Header fields in the order in which they came or go; duplicates stay visible. Names compare without case.
class HttpHeaders {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields) : fields_(fields) {}

  void Add(std::string name, std::string value) { fields_.push_back({std::move(name), std::move(value)}); }
  // One field of this name, whatever there was.
  void Set(std::string_view name, std::string value);
  void Remove(std::string_view name);

  bool Has(std::string_view name) const { return Find(name).has_value(); }
  // The first value; valid until the fields change.
  std::optional<std::string_view> Find(std::string_view name) const;
  // Every value of this name in order, not split at commas.
  std::vector<std::string_view> FindAll(std::string_view name) const;
  // True if one of the comma-separated members of the fields of this name is `token`, without case.
  bool HasToken(std::string_view name, std::string_view token) const;

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

// Whom a request came from.
struct HttpPeer {
  std::string address{};  // numeric; empty over a unix socket
  uint16_t port = 0;
  bool is_unix = false;
  bool is_tls = false;
  // Who connected to the unix socket, as the kernel says.
  std::optional<uint32_t> uid{};
  std::optional<int32_t> pid{};

  // "127.0.0.1:4711", "[::1]:4711", "unix:uid=1000".
  std::string ToString() const;
};

// Tells whoever works on a request that nobody waits for the answer any more. Thread-safe.
class HttpCancellation {
 public:
  HttpCancellation() = default;
  HttpCancellation(const HttpCancellation&) = delete;
  HttpCancellation& operator=(const HttpCancellation&) = delete;

  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  // Calls back once, on a thread of the server, when the client is gone before it has its answer; at once, on this thread,
  // if it is gone already. Never after the request was answered. Keep it short; it must not throw.
  void OnCancelled(std::function<void()> callback);

  // The server's side. Runs the callbacks on this thread; false if it was cancelled or answered before.
  bool Cancel();
  // Drops the callbacks: there is an answer.
  void Settle();

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> callbacks_;  // under mutex_
  bool settled_ = false;                          // under mutex_
  std::atomic<bool> cancelled_{false};
};

struct HttpRequest {
  std::string method{};
  std::string target{};   // as sent
  std::string path{};     // of the target, still percent-encoded; "*" for OPTIONS *
  std::string query{};    // after the first '?', still percent-encoded
  std::string host{};     // authority of an absolute target, else the Host field
  int version_minor = 1;  // of HTTP/1.x
  HttpHeaders headers{};
  std::string body{};                                // whole; chunks are joined, trailers dropped
  std::shared_ptr<const HttpPeer> peer{};            // never null in a handler
  TimePoint arrived{};                               // when its first byte was read
  std::shared_ptr<HttpCancellation> cancellation{};  // never null in a handler

  // True once the client has closed its side: nobody will read the answer. A client that only shut down its sending side
  // looks the same, so an answer is still sent if there is one.
  bool cancelled() const { return cancellation && cancellation->cancelled(); }
  void OnCancelled(std::function<void()> callback) const { cancellation->OnCancelled(std::move(callback)); }
};

struct HttpResponse {
  int status = 200;
  // Content-Length, Transfer-Encoding, Connection and Date are the server's business and ignored if set here.
  HttpHeaders headers{};
  std::string body{};
};

// The method of RFC 9110 or 5789 that this is, in storage that lasts; none: a text that somebody made up.
std::optional<std::string_view> KnownHttpMethod(std::string_view method);

// "OK", "Not Found"; empty for an unknown status.
std::string_view HttpStatusText(int status);

// Decodes %XX; '+' becomes a space if asked. invalid_argument for a truncated or wrong escape. Any byte may come out.
Result<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
// Encodes all but the unreserved characters of RFC 3986.
std::string PercentEncode(std::string_view text);

using HttpParameters = std::vector<std::pair<std::string, std::string>>;
// "a=1&b=%20" decoded, in order; a name without '=' has an empty value; empty members are skipped. invalid_argument for a
// wrong escape.
Result<HttpParameters> ParseQuery(std::string_view query);

// The segments of a path between slashes, each decoded on its own: "/v1/a%2Fb" is {"v1", "a/b"}; a final slash gives an
// empty last segment; "/" is {""}. invalid_argument for a wrong escape or no leading slash.
Result<std::vector<std::string>> PathSegments(std::string_view path);

// ASCII only.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace weir
