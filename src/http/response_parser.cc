#include "response_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <fmt/format.h>

#include <utility>

namespace weir::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr size_t kChunkLineBytesMax = 8 * 1024;
constexpr size_t kFieldsMax = 1000;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class ResponseParser::Syntax final : public beast_http::basic_parser<false> {
 public:
  explicit Syntax(ResponseParser& parser) : parser_(parser) {
    body_limit(boost::none);
    header_limit(UINT32_MAX);
    skip(parser.is_head_request_);
  }
  bool is_stopped() const { return is_stopped_; }

 private:
  using Code = boost::beast::error_code;
  using Text = boost::beast::string_view;

  void on_request_impl(beast_http::verb, Text, Text, int, Code&) override {}
  void on_response_impl(int status, Text, int version, Code&) override {
    parser_.head_.status = status;
    version_ = version;
  }
  void on_field_impl(beast_http::field field, Text name, Text value, Code& ec) override {
    if (is_header_seen_) return;  // a trailer
    const bool is_plain = field != beast_http::field::transfer_encoding || EqualsIgnoringCase(View(value), "chunked");
    if (++fields_ > kFieldsMax || !is_plain) ec = beast_http::error::bad_value;
    parser_.head_.headers.Add(std::string(View(name)), std::string(View(value)));
  }
  void on_header_impl(Code&) override { is_header_seen_ = true; }
  void on_body_init_impl(boost::optional<uint64_t> const&, Code&) override {}
  size_t on_body_impl(Text body, Code& ec) override { return Take(body, ec); }
  void on_chunk_header_impl(uint64_t, Text, Code&) override {}
  size_t on_chunk_body_impl(uint64_t, Text body, Code& ec) override { return Take(body, ec); }
  void on_finish_impl(Code&) override {}

  size_t Take(Text body, Code& ec) {
    if (!body.empty() && !parser_.on_piece_(View(body))) {
      is_stopped_ = true;
      ec = beast_http::error::end_of_stream;
    }
    return body.size();
  }

  ResponseParser& parser_;
  size_t fields_ = 0;
  int version_ = 11;
  bool is_header_seen_ = false;
  bool is_stopped_ = false;
};

ResponseParser::ResponseParser(uint32_t header_bytes_max, bool is_head_request,
                               std::function<bool(std::string_view)> on_piece)
    : header_bytes_max_(header_bytes_max), is_head_request_(is_head_request), on_piece_(std::move(on_piece)) {}
ResponseParser::~ResponseParser() = default;

void ResponseParser::Fail(std::string message) {
  state_ = State::kFailed;
  error_ = Corrupt(std::move(message));
}

bool ResponseParser::keep_alive() const { return syntax_->keep_alive(); }

size_t ResponseParser::Feed(std::string_view bytes) {
  switch (state_) {
    case State::kHead: return FeedHead(bytes);
    case State::kHeadDone:
      if (syntax_->is_done()) {
        state_ = State::kDone;
        return 0;
      }
      state_ = State::kBody;
      return FeedBody(bytes);
    case State::kBody: return FeedBody(bytes);
    default: return 0;
  }
}

size_t ResponseParser::FeedHead(std::string_view bytes) {
  size_t used = 0;
  while (true) {
    const std::string_view rest = bytes.substr(used);
    const size_t end = rest.find("\r\n\r\n");
    if (end == std::string_view::npos || end + 4 > header_bytes_max_) {
      const size_t size = end == std::string_view::npos ? rest.size() : end + 4;
      if (size > header_bytes_max_) Fail(fmt::format("the head of the answer is larger than {} bytes", header_bytes_max_));
      return used;
    }
    syntax_ = std::make_unique<Syntax>(*this);
    head_ = {};
    boost::beast::error_code ec;
    used += syntax_->put(boost::asio::const_buffer(rest.data(), end + 4), ec);
    if (ec || !syntax_->is_header_done()) {
      Fail(fmt::format("the answer is no HTTP: {}", ec.message()));
      return used;
    }
    if (head_.status >= 200) {
      state_ = State::kHeadDone;
      return used;
    }
    if (head_.status == 101) {
      Fail("the server switched to a protocol that nobody asked for");
      return used;
    }
  }
}

size_t ResponseParser::FeedBody(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && !syntax_->is_done()) {
    boost::beast::error_code ec;
    const std::string_view rest = bytes.substr(used);
    used += syntax_->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
    if (syntax_->is_stopped()) {
      state_ = State::kStopped;
      return used;
    }
    if (ec == beast_http::error::need_more && bytes.size() - used <= kChunkLineBytesMax) return used;
    if (ec) {
      Fail(fmt::format("the body of the answer is malformed: {}", ec.message()));
      return used;
    }
  }
  if (syntax_->is_done()) state_ = State::kDone;
  return used;
}

void ResponseParser::End() {
  boost::beast::error_code ec;
  if (state_ == State::kHead) return Fail("the server closed the connection before it answered");
  if (state_ != State::kHeadDone && state_ != State::kBody) return;
  if (!syntax_->is_done()) syntax_->put_eof(ec);
  if (ec) return Fail("the server closed the connection in the middle of its answer");
  state_ = State::kDone;
}

}  // namespace weir::http
