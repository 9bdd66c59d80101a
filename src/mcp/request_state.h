#pragma once
// RequestStates: what a modern client carries from one round of a call to the next, sealed so that it cannot be changed.
//
// The text is payload and HMAC-SHA256 (RFC 2104) in base64url. The payload names whom and which request it is for and until
// when, so that it serves nobody else. Immutable; thread-safe. Private to the room.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/codec/sha256.h"

namespace weir::mcp {

Sha256Digest HmacSha256(std::string_view key, std::string_view message);

// 32 bytes of the system's randomness. unavailable: there are none.
Result<std::string> RandomBytes32();

class RequestStates {
 public:
  RequestStates(std::string key, const Clock& clock, Duration lifetime)
      : key_(std::move(key)), clock_(clock), lifetime_(lifetime) {}

  // `purpose` is everything that the state is bound to: caller, method and parameters.
  std::string Seal(std::string_view purpose, const Json& answers) const;
  // The answers, or invalid_argument: changed, too old, or made for something else.
  Result<Json> Open(std::string_view purpose, std::string_view text) const;

 private:
  std::string key_;
  const Clock& clock_;
  const Duration lifetime_;
};

}  // namespace weir::mcp
