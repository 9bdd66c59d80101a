#pragma once
// ResponseParser: bytes to the head and the body of one response. Pure; owned by one thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "weir/base/result.h"
#include "weir/http/message.h"

namespace weir::http {

class ResponseParser {
 public:
  enum class State { kHead, kHeadDone, kBody, kDone, kStopped, kFailed };

  // `is_head_request`: no body follows, whatever the head says. `on_piece` gets the body; false: kStopped.
  ResponseParser(uint32_t header_bytes_max, bool is_head_request, std::function<bool(std::string_view)> on_piece);
  ~ResponseParser();

  // Takes a prefix of the bytes and returns its length; what is left is to be handed in again with what follows. Stops
  // after the head. Interim responses (1xx) are skipped.
  size_t Feed(std::string_view bytes);
  // The server closed. Done if the body is one that ends so, else failed.
  void End();

  State state() const { return state_; }
  const HttpResponse& head() const { return head_; }
  bool keep_alive() const;
  // REQUIRES: kFailed.
  const Error& error() const { return error_; }

 private:
  class Syntax;
  size_t FeedHead(std::string_view bytes);
  size_t FeedBody(std::string_view bytes);
  void Fail(std::string message);

  const uint32_t header_bytes_max_;
  const bool is_head_request_;
  const std::function<bool(std::string_view)> on_piece_;
  std::unique_ptr<Syntax> syntax_;
  HttpResponse head_;
  State state_ = State::kHead;
  Error error_{};
};

}  // namespace weir::http
