#include "response_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace weir::http {
namespace {

bool IsTokenChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Said by the server alone.
bool IsFraming(std::string_view name) {
  switch (name.size()) {
    case 4: return EqualsIgnoringCase(name, "Date");
    case 10: return EqualsIgnoringCase(name, "Connection") || EqualsIgnoringCase(name, "Keep-Alive");
    case 14: return EqualsIgnoringCase(name, "Content-Length");
    case 17: return EqualsIgnoringCase(name, "Transfer-Encoding");
    default: return false;
  }
}

}  // namespace

bool IsSendable(const HttpHeaders::Field& field) {
  return !field.name.empty() && std::all_of(field.name.begin(), field.name.end(), IsTokenChar) &&
         std::none_of(field.value.begin(), field.value.end(),
                      [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

std::optional<std::string> ResponseHead(int status, const HttpHeaders& headers, const ResponseFraming& framing,
                                        std::string_view date) {
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", status, HttpStatusText(status), date);
  for (const HttpHeaders::Field& field : headers) {
    if (!IsSendable(field)) return std::nullopt;
    if (IsFraming(field.name)) continue;
    head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  switch (framing.kind) {
    case ResponseFraming::Kind::kLength:
      fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", framing.length);
      break;
    case ResponseFraming::Kind::kChunked: head.append("Transfer-Encoding: chunked\r\n"); break;
    case ResponseFraming::Kind::kUntilClose:
    case ResponseFraming::Kind::kNone: break;
  }
  if (!framing.keep_alive) {
    head.append("Connection: close\r\n");
  } else if (framing.version_minor == 0) {
    head.append("Connection: keep-alive\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace weir::http
