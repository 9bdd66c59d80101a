#include "weir/http/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "client_connection.h"
#include "counters.h"
#include "response_head.h"
#include "response_parser.h"

namespace weir {
namespace http {
namespace {

constexpr size_t kSliceBytes = 64 * 1024;

TimePoint Now() { return std::chrono::steady_clock::now(); }

bool IsIdempotent(std::string_view method) {
  constexpr std::array<std::string_view, 6> kIdempotent = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  return std::find(kIdempotent.begin(), kIdempotent.end(), method) != kIdempotent.end();
}

std::string KeyOf(const HttpTarget& target) {
  return fmt::format("{}|{}|{}|{}", target.tls, target.socket_path.string(), target.host, target.port);
}

// The bytes before a request's body.
Result<std::string> RequestHead(const HttpTarget& target, const HttpCall& call) {
  const auto is_plain = [](char c) { return static_cast<uint8_t>(c) > 0x20 && static_cast<uint8_t>(c) < 0x7f; };
  const bool is_sane = !call.method.empty() && !call.path.empty() &&
                       std::all_of(call.method.begin(), call.method.end(), is_plain) &&
                       std::all_of(call.path.begin(), call.path.end(), is_plain);
  if (!is_sane) return InvalidArgument("the method or the path of a request cannot be sent as it is", "percent-encode it");
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", call.method, call.path, target.Authority());
  for (const HttpHeaders::Field& field : call.headers) {
    if (!IsSendable(field)) return InvalidArgument(fmt::format("the header field '{}' cannot be sent as it is", field.name));
    const bool is_ours = EqualsIgnoringCase(field.name, "Host") || EqualsIgnoringCase(field.name, "Content-Length") ||
                         EqualsIgnoringCase(field.name, "Connection") || EqualsIgnoringCase(field.name, "Transfer-Encoding");
    if (!is_ours) head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  const bool has_length = !call.body.empty() || call.method == "POST" || call.method == "PUT" || call.method == "PATCH";
  if (has_length) head.append(fmt::format("Content-Length: {}\r\n", call.body.size()));
  return head.append("\r\n");
}

}  // namespace

// The connections of a client, and the calls over them.
class ClientPool {
 public:
  ClientPool(HttpClientOptions options, std::unique_ptr<SSL_CTX, SslDeleter> tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}

  const HttpClientOptions& options() const { return options_; }
  Result<HttpResponse> Run(const HttpTarget& target, const HttpCall& call, const HttpClient::OnHead& on_head,
                           const HttpClient::OnPiece& on_piece, std::stop_token stop);
  HttpClientStats stats() const;
  void CloseIdle();

 private:
  // One request over one connection, and how far it got.
  struct Attempt {
    bool has_written = false;
    bool has_answer = false;
    std::string rest{};  // input not yet parsed
  };
  Result<HttpResponse> Try(ClientConnection& connection, std::string_view head, const HttpCall& call,
                           const HttpClient::OnHead& on_head, const HttpClient::OnPiece& on_piece, const Stopper& stopper,
                           Attempt& attempt, bool& may_keep) const;
  Status SendAll(ClientConnection& connection, std::string_view bytes, const Stopper& stopper, Attempt& attempt,
                 bool& is_whole) const;
  std::unique_ptr<ClientConnection> TakeIdle(const std::string& key);
  void Keep(const std::string& key, std::unique_ptr<ClientConnection> connection);

  struct Idle {
    std::string key;
    std::unique_ptr<ClientConnection> connection;
  };
  const HttpClientOptions options_;
  const std::unique_ptr<SSL_CTX, SslDeleter> tls_;
  mutable std::mutex mutex_;
  std::deque<Idle> idle_;  // under mutex_; the last kept is at the back
  Counter calls_total_, calls_failed_, calls_again_, connections_opened_, connections_reused_;
};

std::unique_ptr<ClientConnection> ClientPool::TakeIdle(const std::string& key) {
  std::vector<Idle> dropped;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  const TimePoint oldest = Now() - options_.idle_time_max;
  while (!idle_.empty() && idle_.front().connection->idle_since < oldest) {
    dropped.push_back(std::move(idle_.front()));
    idle_.pop_front();
  }
  for (size_t i = idle_.size(); i-- > 0;) {
    if (idle_[i].key != key) continue;
    Idle found = std::move(idle_[i]);
    idle_.erase(idle_.begin() + static_cast<ptrdiff_t>(i));
    if (found.connection->IsQuiet()) return std::move(found.connection);
    dropped.push_back(std::move(found));
  }
  return nullptr;
}

void ClientPool::Keep(const std::string& key, std::unique_ptr<ClientConnection> connection) {
  connection->idle_since = Now();
  std::optional<Idle> dropped;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  if (options_.idle_connections_max == 0) {
    dropped = Idle{key, std::move(connection)};
    return;
  }
  if (idle_.size() >= options_.idle_connections_max) {
    dropped = std::move(idle_.front());
    idle_.pop_front();
  }
  idle_.push_back({key, std::move(connection)});
}

Status ClientPool::SendAll(ClientConnection& connection, std::string_view bytes, const Stopper& stopper, Attempt& attempt,
                           bool& is_whole) const {
  while (!bytes.empty() && is_whole) {
    const auto sent = connection.Write(bytes.substr(0, kSliceBytes), Now() + options_.write_timeout, stopper);
    if (!sent) return sent.error();
    if (*sent > 0) attempt.has_written = true;
    is_whole = *sent > 0;
    bytes.remove_prefix(*sent);
  }
  return {};
}

Result<HttpResponse> ClientPool::Try(ClientConnection& connection, std::string_view head, const HttpCall& call,
                                     const HttpClient::OnHead& on_head, const HttpClient::OnPiece& on_piece,
                                     const Stopper& stopper, Attempt& attempt, bool& may_keep) const {
  bool is_whole = true;
  Status sent = SendAll(connection, head, stopper, attempt, is_whole);
  if (sent) sent = SendAll(connection, call.body, stopper, attempt, is_whole);
  // A server that refuses a body answers and stops reading: what it said counts, if it can still be read.
  if (!sent && (sent.error().code == ErrorCode::kDeadline || stopper.is_stopped())) return sent.error();
  ResponseParser parser(options_.header_bytes_max, call.method == "HEAD", on_piece);
  std::vector<char> piece(kSliceBytes);
  TimePoint deadline = Now() + call.answer_timeout.value_or(options_.answer_timeout);
  while (true) {
    const size_t used = parser.Feed(attempt.rest);
    attempt.rest.erase(0, used);
    switch (parser.state()) {
      case ResponseParser::State::kHeadDone:
        if (!on_head(parser.head())) return parser.head();
        continue;
      case ResponseParser::State::kDone:
        may_keep = sent && is_whole && attempt.rest.empty() && parser.keep_alive();
        return parser.head();
      case ResponseParser::State::kStopped: return parser.head();
      case ResponseParser::State::kFailed:
        if (!attempt.has_answer && !sent) return sent.error();
        return attempt.has_answer ? parser.error() : Unavailable(parser.error().message);
      case ResponseParser::State::kHead: break;
      case ResponseParser::State::kBody: deadline = Now() + options_.read_timeout; break;
    }
    const auto got = connection.Read(piece.data(), piece.size(), deadline, stopper);
    if (!got) return !sent && !attempt.has_answer ? sent.error() : got.error();
    if (*got == 0) {
      parser.End();
    } else {
      attempt.has_answer = true;
      attempt.rest.append(piece.data(), *got);
    }
  }
}

Result<HttpResponse> ClientPool::Run(const HttpTarget& target, const HttpCall& call, const HttpClient::OnHead& on_head,
                                     const HttpClient::OnPiece& on_piece, std::stop_token stop) {
  calls_total_.Add();
  const auto fail = [&](Error error) {
    calls_failed_.Add();
    return error;
  };
  const auto head = RequestHead(target, call);
  if (!head) return fail(head.error());
  const std::string key = KeyOf(target);
  const Stopper stopper(std::move(stop));
  while (true) {
    std::unique_ptr<ClientConnection> connection = TakeIdle(key);
    const bool is_reused = connection != nullptr;
    if (is_reused) {
      connections_reused_.Add();
    } else {
      auto opened = ClientConnection::Open(target, options_, tls_.get(), stopper);
      if (!opened) return fail(std::move(opened).error());
      connection = *std::move(opened);
      connections_opened_.Add();
    }
    Attempt attempt;
    bool may_keep = false;
    auto response = Try(*connection, *head, call, on_head, on_piece, stopper, attempt, may_keep);
    if (may_keep) Keep(key, std::move(connection));
    if (response) return response;
    const bool was_dead = is_reused && !attempt.has_answer && response.error().code == ErrorCode::kUnavailable;
    if (!was_dead || stopper.is_stopped() || (attempt.has_written && !IsIdempotent(call.method))) {
      return fail(std::move(response).error());
    }
    calls_again_.Add();
  }
}

HttpClientStats ClientPool::stats() const {
  const std::lock_guard lock(mutex_);
  return {calls_total_.get(),        calls_failed_.get(),       calls_again_.get(),
          connections_opened_.get(), connections_reused_.get(), idle_.size()};
}

void ClientPool::CloseIdle() {
  std::deque<Idle> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(idle_);
}

}  // namespace http

std::string HttpTarget::Authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
  if (!socket_path.empty()) return host.empty() ? "localhost" : name;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

Result<HttpUrl> ParseHttpUrl(std::string_view url) {
  HttpUrl parsed;
  constexpr std::string_view kUnix = "unix:", kPlain = "http://", kTls = "https://";
  if (url.starts_with(kUnix)) {
    parsed.target.socket_path = std::string(url.substr(kUnix.size()));
    if (parsed.target.socket_path.empty()) return InvalidArgument("'unix:' is followed by the path of a socket");
    return parsed;
  }
  const Error wrong =
      InvalidArgument("this is no URL that can be called", "http://host:port/path, https://... or unix:/path");
  std::string_view rest = url;
  parsed.target.tls = rest.starts_with(kTls);
  if (!parsed.target.tls && !rest.starts_with(kPlain)) return wrong;
  rest.remove_prefix(parsed.target.tls ? kTls.size() : kPlain.size());
  const bool is_plain = std::none_of(rest.begin(), rest.end(), [](char c) {
    return static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f || c == '#';
  });
  if (!is_plain) return wrong;
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, path);
  rest.remove_prefix(path);
  if (!rest.empty()) parsed.path = rest.front() == '?' ? "/" + std::string(rest) : std::string(rest);
  std::string_view port;
  const size_t bracket = authority.find(']');
  if (authority.starts_with('[') && bracket != std::string_view::npos) {
    parsed.target.host = authority.substr(1, bracket - 1);
    port = authority.substr(bracket + 1);
  } else {
    const size_t colon = authority.find(':');
    parsed.target.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  }
  if (parsed.target.host.empty() || parsed.target.host.find_first_of("@[]") != std::string::npos) return wrong;
  parsed.target.port = parsed.target.tls ? 443 : 80;
  if (!port.empty()) {
    uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (port.front() != ':' || error != std::errc() || end != port.data() + port.size() || number == 0) return wrong;
    parsed.target.port = number;
  }
  return parsed;
}

HttpClient::HttpClient(std::unique_ptr<http::ClientPool> pool) : pool_(std::move(pool)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::Create(HttpClientOptions options) {
  WEIR_ASSIGN(auto tls, http::MakeClientTls(options));
  return std::unique_ptr<HttpClient>(new HttpClient(std::make_unique<http::ClientPool>(std::move(options), std::move(tls))));
}

Result<HttpResponse> HttpClient::Send(const HttpTarget& target, const HttpCall& call, std::stop_token stop) {
  std::string body;
  bool is_full = false;
  const uint64_t bytes_max = pool_->options().body_bytes_max;
  const auto on_head = [](const HttpResponse&) { return true; };
  const auto on_piece = [&](std::string_view bytes) {
    is_full = body.size() + bytes.size() > bytes_max;
    if (!is_full) body.append(bytes);
    return !is_full;
  };
  auto response = pool_->Run(target, call, on_head, on_piece, std::move(stop));
  if (is_full) return Exhausted(fmt::format("the answer is larger than {} bytes", bytes_max));
  if (response) response->body = std::move(body);
  return response;
}

Result<HttpResponse> HttpClient::Stream(const HttpTarget& target, const HttpCall& call, const OnHead& on_head,
                                        const OnPiece& on_piece, std::stop_token stop) {
  return pool_->Run(target, call, on_head, on_piece, std::move(stop));
}

Result<HttpResponse> HttpClient::StreamEvents(const HttpTarget& target, HttpCall call, const OnEvent& on_event,
                                              std::stop_token stop) {
  call.headers.Set("Accept", "text/event-stream");
  SseParser parser;
  std::string body;
  bool has_events = false;
  Status status;
  const auto on_head = [&](const HttpResponse& head) {
    const std::string_view type = head.headers.Find("Content-Type").value_or("");
    has_events = head.status == 200 && EqualsIgnoringCase(type.substr(0, 17), "text/event-stream");
    return true;
  };
  const auto on_piece = [&](std::string_view bytes) {
    if (!has_events) {
      if (body.size() + bytes.size() > pool_->options().body_bytes_max) status = Exhausted("the answer is too large");
      if (status) body.append(bytes);
      return status.has_value();
    }
    bool goes_on = true;
    status = parser.Feed(bytes, [&](const SseEvent& event) { goes_on = goes_on && on_event(event); });
    return goes_on && status.has_value();
  };
  auto response = pool_->Run(target, call, on_head, on_piece, std::move(stop));
  if (!status) return status.error();
  if (response) response->body = std::move(body);
  return response;
}

HttpClientStats HttpClient::stats() const { return pool_->stats(); }
void HttpClient::CloseIdleConnections() { pool_->CloseIdle(); }

}  // namespace weir
