#pragma once
// The bytes before a response's body. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/http/message.h"

namespace weir::http {

struct ResponseFraming {
  enum class Kind { kLength, kChunked, kUntilClose, kNone };
  Kind kind = Kind::kNone;
  uint64_t length = 0;  // kLength
  bool keep_alive = true;
  int version_minor = 1;  // of the request
};

// Status line, fields and the empty line. Nothing if a field's name is no token or a value holds a control character: such
// a response must not be sent.
std::optional<std::string> ResponseHead(int status, const HttpHeaders& headers, const ResponseFraming& framing,
                                        std::string_view date);

// Whether a field may be sent as it is.
bool IsSendable(const HttpHeaders::Field& field);

}  // namespace weir::http
