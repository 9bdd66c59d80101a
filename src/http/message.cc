#include "weir/http/message.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// -1: no hexadecimal digit.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Calls `on_part` with each part of text between separators; stops when it returns false.
template <typename OnPart>
void ForEachPart(std::string_view text, char separator, const OnPart& on_part) {
  while (true) {
    const size_t end = text.find(separator);
    if (!on_part(text.substr(0, end)) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char left, char right) { return Lower(left) == Lower(right); });
}

void HttpHeaders::Set(std::string_view name, std::string value) {
  const auto is_named = [&](const Field& field) { return EqualsIgnoringCase(field.name, name); };
  const auto first = std::find_if(fields_.begin(), fields_.end(), is_named);
  if (first == fields_.end()) {
    Add(std::string(name), std::move(value));
    return;
  }
  first->value = std::move(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), is_named), fields_.end());
}

void HttpHeaders::Remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& field) { return EqualsIgnoringCase(field.name, name); });
}

std::optional<std::string_view> HttpHeaders::Find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (EqualsIgnoringCase(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> HttpHeaders::FindAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields_) {
    if (EqualsIgnoringCase(field.name, name)) values.push_back(field.value);
  }
  return values;
}

bool HttpHeaders::HasToken(std::string_view name, std::string_view token) const {
  bool found = false;
  for (const Field& field : fields_) {
    if (found || !EqualsIgnoringCase(field.name, name)) continue;
    ForEachPart(field.value, ',', [&](std::string_view part) {
      found = EqualsIgnoringCase(Trim(part), token);
      return !found;
    });
  }
  return found;
}

std::string HttpPeer::ToString() const {
  if (is_unix) return uid ? fmt::format("unix:uid={}", *uid) : "unix";
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

void HttpCancellation::OnCancelled(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!cancelled()) {
      if (!settled_) callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

bool HttpCancellation::Cancel() {
  std::vector<std::function<void()>> callbacks;
  {
    const std::lock_guard lock(mutex_);
    if (settled_ || cancelled()) return false;
    cancelled_.store(true, std::memory_order_release);  // pairs with cancelled()
    callbacks.swap(callbacks_);
  }
  for (const auto& callback : callbacks) callback();
  return true;
}

void HttpCancellation::Settle() {
  std::vector<std::function<void()>> callbacks;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  settled_ = true;
  callbacks.swap(callbacks_);
}

std::optional<std::string_view> KnownHttpMethod(std::string_view method) {
  for (const std::string_view known : {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}) {
    if (method == known) return known;
  }
  return std::nullopt;
}

std::string_view HttpStatusText(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return {};
  }
}

Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return InvalidArgument(fmt::format("byte {}: '%' needs two hexadecimal digits", i));
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      decoded.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return decoded;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (Lower(c) >= 'a' && Lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
    if (is_plain) {
      encoded.push_back(c);
    } else {
      const auto byte = static_cast<uint8_t>(c);
      encoded.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return encoded;
}

Result<HttpParameters> ParseQuery(std::string_view query) {
  HttpParameters parameters;
  std::optional<Error> error;
  ForEachPart(query, '&', [&](std::string_view part) {
    if (part.empty()) return true;
    const size_t equals = part.find('=');
    auto name = PercentDecode(part.substr(0, equals), true);
    auto value = PercentDecode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1), true);
    if (!name || !value) {
      error = InvalidArgument(fmt::format("query parameter {}: '%' needs two hexadecimal digits", parameters.size() + 1));
      return false;
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
    return true;
  });
  if (error) return *error;
  return parameters;
}

Result<std::vector<std::string>> PathSegments(std::string_view path) {
  if (!path.starts_with('/')) return InvalidArgument("a path begins with '/'");
  std::vector<std::string> segments;
  std::optional<Error> error;
  ForEachPart(path.substr(1), '/', [&](std::string_view part) {
    auto segment = PercentDecode(part);
    if (!segment) {
      error = InvalidArgument(fmt::format("path segment {}: '%' needs two hexadecimal digits", segments.size() + 1));
      return false;
    }
    segments.push_back(*std::move(segment));
    return true;
  });
  if (error) return *error;
  return segments;
}

}  // namespace weir
