#pragma once
// RequestParser: bytes to one HttpRequest, strictly, with limits. The only place that trusts what a peer sends to be syntax.
//
// Thread rule: owned by one thread. Pure: no I/O, so the fuzz target feeds it as the server does.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "weir/http/message.h"

namespace weir::http {

// Why the server itself answers a request.
struct Refusal {
  int status = 400;
  std::string_view code{};  // a literal
  std::string message{};    // never bytes of the peer
};

struct RequestLimits {
  uint32_t header_bytes_max = 16 * 1024;
  uint32_t headers_max = 100;
  uint64_t body_bytes_max = uint64_t{32} << 20;
};

class RequestParser {
 public:
  enum class State {
    kHead,      // the head is not complete
    kHeadDone,  // the request is filled but for its body; Feed again, with what is left or nothing
    kBody,
    kDone,
    kRefused,
  };

  // Fills `request`, which must outlive this object.
  RequestParser(const RequestLimits& limits, HttpRequest& request);
  ~RequestParser();

  // Takes a prefix of the bytes and returns its length. What is left belongs to the caller, who hands it in again together
  // with what follows. Stops after the head and after the body.
  size_t Feed(std::string_view bytes);

  State state() const { return state_; }
  // REQUIRES: kRefused.
  const Refusal& refusal() const { return refusal_; }
  // From kHeadDone on: what the client asked for.
  bool keep_alive() const;
  bool has_body() const;
  // The client waits for 100 before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  // For this request, from kHeadDone on until the next Feed.
  void set_body_bytes_max(uint64_t bytes_max) { limits_.body_bytes_max = bytes_max; }

 private:
  class Syntax;

  size_t FeedHead(std::string_view bytes);
  size_t FeedBody(std::string_view bytes);
  void TakeHead(std::string_view head);
  // Whether the lines that came so far are ended by CRLF and not folded; the offset after the empty line, or 0.
  size_t ScreenHead(std::string_view bytes);
  void RefuseBody();
  void Refuse(int status, std::string_view code, std::string message);

  RequestLimits limits_;
  HttpRequest& request_;
  std::unique_ptr<Syntax> syntax_;
  State state_ = State::kHead;
  Refusal refusal_;
  size_t screened_ = 0;    // bytes of the head that were looked at
  size_t line_start_ = 0;  // of the line that is not ended
  bool expects_continue_ = false;
};

}  // namespace weir::http
