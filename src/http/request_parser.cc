#include "request_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::http {
namespace {

namespace beast_http = boost::beast::http;

// A line of a chunked body: its size and extensions, or a trailer section as a whole.
constexpr size_t kChunkLineBytesMax = 8 * 1024;
// Grown to by what a client announces, before any of it has come.
constexpr uint64_t kBodyReserveBytes = 256 * 1024;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// tchar of RFC 9110 section 5.6.2.
bool IsTokenChar(char c) {
  return IsAlphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// host and port of RFC 3986, loosely: nothing that could be taken for another part of a URL.
bool IsAuthority(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlphanumeric(c) || std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

// Splits the target of a request. False: none of the forms of RFC 9112 section 3.2 that a server takes.
bool SplitTarget(HttpRequest& request, bool& is_absolute) {
  std::string_view rest = request.target;
  is_absolute = false;
  const bool is_plain =
      std::none_of(rest.begin(), rest.end(), [](char c) { return c == '#' || static_cast<uint8_t>(c) >= 0x7f; });
  if (!is_plain) return false;
  if (rest == "*") {
    request.path = rest;
    return request.method == "OPTIONS";
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!EqualsIgnoringCase(rest.substr(0, scheme.size()), scheme)) continue;
    rest.remove_prefix(scheme.size());
    const size_t end = std::min(rest.find_first_of("/?"), rest.size());
    request.host = rest.substr(0, end);
    if (request.host.empty() || !IsAuthority(request.host)) return false;
    rest.remove_prefix(end);
    is_absolute = true;
    break;
  }
  if (!is_absolute && !rest.starts_with('/')) return false;
  const size_t question = rest.find('?');
  request.path = rest.substr(0, question);
  if (request.path.empty()) request.path = "/";
  if (question != std::string_view::npos) request.query = rest.substr(question + 1);
  return true;
}

}  // namespace

// Beast's callbacks. A refusal of ours is kept in the parser; the error code only stops Beast.
class RequestParser::Syntax final : public beast_http::basic_parser<true> {
 public:
  explicit Syntax(RequestParser& parser) : parser_(parser), request_(parser.request_) {
    body_limit(boost::none);  // ours is checked here, with the bytes that are there
    header_limit(UINT32_MAX);
  }

 private:
  using Code = boost::beast::error_code;
  using Text = boost::beast::string_view;

  void Stop(Code& ec, int status, std::string_view code, std::string message) {
    parser_.Refuse(status, code, std::move(message));
    ec = beast_http::error::bad_value;
  }

  void on_request_impl(beast_http::verb, Text method, Text target, int version, Code&) override {
    request_.method = View(method);
    request_.target = View(target);
    request_.version_minor = version - 10;
  }
  void on_response_impl(int, Text, int, Code&) override {}

  void on_field_impl(beast_http::field field, Text name, Text value, Code& ec) override {
    if (is_header_seen_) return;  // a trailer
    if (++fields_ > parser_.limits_.headers_max) {
      return Stop(ec, 431, "headers_too_large", fmt::format("more than {} header fields", parser_.limits_.headers_max));
    }
    switch (field) {
      case beast_http::field::transfer_encoding:
        if (request_.version_minor == 0) return Stop(ec, 400, "bad_request", "Transfer-Encoding in a request of HTTP/1.0");
        if (!EqualsIgnoringCase(View(value), "chunked")) {
          return Stop(ec, 501, "unsupported", "the only transfer coding taken is chunked");
        }
        break;
      case beast_http::field::content_length:
        if (has_length_ || !IsDigits(View(value))) return Stop(ec, 400, "bad_request", "Content-Length is not one number");
        has_length_ = true;
        break;
      case beast_http::field::host:
        if (std::exchange(has_host_, true) || !IsAuthority(View(value))) {
          return Stop(ec, 400, "bad_request", "Host is not one host");
        }
        host_ = View(value);
        break;
      case beast_http::field::expect:
        if (!EqualsIgnoringCase(View(value), "100-continue")) {
          return Stop(ec, 417, "expectation_failed", "the only expectation met is 100-continue");
        }
        parser_.expects_continue_ = request_.version_minor > 0;
        break;
      default: break;
    }
    request_.headers.Add(std::string(View(name)), std::string(View(value)));
  }

  void on_header_impl(Code& ec) override {
    is_header_seen_ = true;
    if (request_.method == "CONNECT") return Stop(ec, 501, "unsupported", "CONNECT is not supported");
    bool is_absolute = false;
    if (!SplitTarget(request_, is_absolute)) return Stop(ec, 400, "bad_request", "the request's target is malformed");
    if (!has_host_ && request_.version_minor > 0) return Stop(ec, 400, "bad_request", "a request of HTTP/1.1 needs Host");
    if (!is_absolute) request_.host = std::move(host_);
  }

  void on_body_init_impl(boost::optional<uint64_t> const& length, Code&) override {
    if (!length) return;
    request_.body.reserve(static_cast<size_t>(std::min(*length, kBodyReserveBytes)));
  }
  size_t on_body_impl(Text body, Code&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t size, Text extensions, Code& ec) override {
    const bool is_clean = std::none_of(extensions.begin(), extensions.end(),
                                       [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f; });
    if (!is_clean) return Stop(ec, 400, "bad_request", "a chunk of the body is malformed");
    if (size > parser_.limits_.body_bytes_max - std::min<uint64_t>(request_.body.size(), parser_.limits_.body_bytes_max)) {
      parser_.RefuseBody();
      ec = beast_http::error::body_limit;
    }
  }
  size_t on_chunk_body_impl(uint64_t, Text body, Code&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(Code&) override {}

  RequestParser& parser_;
  HttpRequest& request_;
  std::string host_;
  uint32_t fields_ = 0;
  bool has_length_ = false;
  bool has_host_ = false;
  bool is_header_seen_ = false;
};

RequestParser::RequestParser(const RequestLimits& limits, HttpRequest& request) : limits_(limits), request_(request) {}
RequestParser::~RequestParser() = default;

void RequestParser::Refuse(int status, std::string_view code, std::string message) {
  if (state_ == State::kRefused) return;
  state_ = State::kRefused;
  refusal_ = {status, code, std::move(message)};
}

void RequestParser::RefuseBody() {
  Refuse(413, "body_too_large", fmt::format("the body is larger than {} bytes", limits_.body_bytes_max));
}

bool RequestParser::keep_alive() const { return syntax_->keep_alive(); }

bool RequestParser::has_body() const { return syntax_->chunked() || syntax_->content_length().value_or(0) > 0; }

size_t RequestParser::Feed(std::string_view bytes) {
  switch (state_) {
    case State::kHead: return FeedHead(bytes);
    case State::kHeadDone:
      if (syntax_->is_done()) {
        state_ = State::kDone;
        return 0;
      }
      if (syntax_->content_length().value_or(0) > limits_.body_bytes_max) {
        RefuseBody();
        return 0;
      }
      state_ = State::kBody;
      return FeedBody(bytes);
    case State::kBody: return FeedBody(bytes);
    case State::kDone:
    case State::kRefused: return 0;
  }
  return 0;
}

size_t RequestParser::ScreenHead(std::string_view bytes) {
  while (true) {
    const size_t feed = bytes.find('\n', screened_);
    if (feed == std::string_view::npos) {
      screened_ = bytes.size();
      return 0;
    }
    if (feed == 0 || bytes[feed - 1] != '\r') {
      Refuse(400, "bad_request", "a line of the head does not end in CR LF");
      return 0;
    }
    if (feed - 1 == line_start_) return feed + 1;
    if (line_start_ > 0 && (bytes[line_start_] == ' ' || bytes[line_start_] == '\t')) {
      Refuse(400, "bad_request", "a header field is folded over lines");
      return 0;
    }
    line_start_ = feed + 1;
    screened_ = feed + 1;
  }
}

size_t RequestParser::FeedHead(std::string_view bytes) {
  size_t skipped = 0;
  if (screened_ == 0) {  // empty lines before a request: RFC 9112 section 2.2
    while (bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
    bytes.remove_prefix(skipped);
    if (bytes.empty() || bytes == "\r") return skipped;
    if (!IsTokenChar(bytes.front())) {
      Refuse(400, "bad_request", "this is no HTTP request");
      return skipped;
    }
  }
  // Nothing beyond the limit is looked at, so that the verdict does not depend on how much came at once.
  const size_t size = ScreenHead(bytes.substr(0, limits_.header_bytes_max));
  if (state_ == State::kRefused) return skipped;
  if (size == 0 && bytes.size() > limits_.header_bytes_max) {
    const std::string message = fmt::format("the head is larger than {} bytes", limits_.header_bytes_max);
    line_start_ == 0 ? Refuse(414, "target_too_long", message) : Refuse(431, "headers_too_large", message);
    return skipped;
  }
  if (size == 0) return skipped;
  TakeHead(bytes.substr(0, size));
  return skipped + size;
}

void RequestParser::TakeHead(std::string_view head) {
  syntax_ = std::make_unique<Syntax>(*this);
  boost::beast::error_code ec;
  const size_t used = syntax_->put(boost::asio::const_buffer(head.data(), head.size()), ec);
  if (state_ == State::kRefused) return;
  if (ec == beast_http::error::bad_version) {
    const std::string_view line = head.substr(0, head.find('\r'));
    const std::string_view version = line.substr(line.rfind(' ') + 1);
    const bool is_version = std::count(line.begin(), line.end(), ' ') == 2 && version.size() == 8 &&
                            version.starts_with("HTTP/") && IsDigits(version.substr(5, 1)) && version[6] == '.' &&
                            IsDigits(version.substr(7, 1));
    if (is_version) return Refuse(505, "unsupported", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (ec) return Refuse(400, "bad_request", fmt::format("malformed request: {}", ec.message()));
  if (used != head.size() || !syntax_->is_header_done()) return Refuse(400, "bad_request", "malformed request");
  state_ = State::kHeadDone;
}

size_t RequestParser::FeedBody(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && !syntax_->is_done()) {
    boost::beast::error_code ec;
    const std::string_view rest = bytes.substr(used);
    used += syntax_->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
    if (state_ == State::kRefused) return used;
    if (ec == beast_http::error::need_more) {
      if (bytes.size() - used > kChunkLineBytesMax) Refuse(400, "bad_request", "a chunk of the body is malformed");
      return used;
    }
    if (ec) {
      Refuse(400, "bad_request", fmt::format("malformed body: {}", ec.message()));
      return used;
    }
  }
  if (syntax_->is_done()) state_ = State::kDone;
  return used;
}

}  // namespace weir::http
