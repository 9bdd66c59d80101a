#include "http_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "weir/codec/base64.h"

namespace weir::mcp {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "localhost:80" without its port.
std::string_view HostName(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return has_port ? authority.substr(0, colon) : authority;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return EqualsIgnoringCase(one, name); });
}

// The host of "http://host:port", or nothing for anything else ("null" among it).
std::optional<std::string_view> OriginHost(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.size() > scheme.size() && EqualsIgnoringCase(origin.substr(0, scheme.size()), scheme)) {
      return HostName(origin.substr(scheme.size()));
    }
  }
  return std::nullopt;
}

RpcError Mismatch(std::string_view header, std::string_view what) {
  return {kHeaderMismatch, fmt::format("Header mismatch: {} {}", header, what), std::nullopt};
}

// The field of that name says the same as the body; a missing one is a mismatch too.
std::optional<RpcError> CompareField(const HttpHeaders& headers, std::string_view name, const std::string& body) {
  const std::vector<std::string_view> fields = headers.FindAll(name);
  if (fields.empty()) return Mismatch(name, "is required, but missing");
  if (fields.size() > 1) return Mismatch(name, "appears more than once");
  const std::optional<std::string> value = DecodedField(fields.front());
  if (!value) return Mismatch(name, "has invalid characters or invalid base64");
  if (*value != body) return Mismatch(name, "does not match the body");
  return std::nullopt;
}

const Json* AtPath(const Json& arguments, const std::vector<std::string>& path) {
  const Json* at = &arguments;
  for (const std::string& name : path) {
    at = at->Find(name);
    if (at == nullptr) return nullptr;
  }
  return at->is_null() ? nullptr : at;
}

// Numbers compare by value: 42.0 is 42.
bool SameArgument(const Json& value, const std::string& text) {
  if (value.is_string()) return value.as_string() == text;
  if (value.is_bool()) return text == (value.as_bool() ? "true" : "false");
  if (!value.is_number()) return false;
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size() && number == value.as_double();
}

std::optional<RpcError> CompareArguments(const HttpHeaders& headers, const Json& params, const ToolEntry& entry) {
  const Json* arguments = params.Find("arguments");
  for (const HeaderArgument& wanted : entry.headers) {
    const Json* value = arguments == nullptr ? nullptr : AtPath(*arguments, wanted.path);
    const std::vector<std::string_view> fields = headers.FindAll(wanted.header);
    if (value == nullptr && fields.empty()) continue;
    if (value == nullptr) return Mismatch(wanted.header, "has no argument in the body");
    if (fields.empty()) return Mismatch(wanted.header, "is required, but missing");
    if (fields.size() > 1) return Mismatch(wanted.header, "appears more than once");
    const std::optional<std::string> text = DecodedField(fields.front());
    if (!text) return Mismatch(wanted.header, "has invalid characters or invalid base64");
    if (!SameArgument(*value, *text)) return Mismatch(wanted.header, "does not match the body");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ForeignOrigin(const HttpRequest& request, const McpHttpOptions& options) {
  const bool any_host = options.hosts.empty();
  const bool is_unix = request.peer != nullptr && request.peer->is_unix;
  if (!any_host && !is_unix && !Contains(options.hosts, HostName(request.host))) return "this Host is not served here";
  for (const std::string_view origin : request.headers.FindAll("Origin")) {
    if (Contains(options.origins, "*") || Contains(options.origins, origin)) continue;
    const std::optional<std::string_view> host = OriginHost(origin);
    if (host && Contains(options.hosts, *host)) continue;
    if (host && any_host && EqualsIgnoringCase(*host, HostName(request.host))) continue;
    return "this Origin is not allowed";
  }
  return std::nullopt;
}

Accepts ReadAccept(const HttpHeaders& headers) {
  const std::vector<std::string_view> fields = headers.FindAll("Accept");
  if (fields.empty()) return {true, true};
  Accepts accepts;
  for (std::string_view field : fields) {
    while (!field.empty()) {
      const size_t comma = std::min(field.find(','), field.size());
      const std::string_view member = field.substr(0, comma);
      const std::string_view type = Trimmed(member.substr(0, member.find(';')));
      const bool any = type == "*/*";
      if (any || EqualsIgnoringCase(type, "application/json") || type == "application/*") accepts.json = true;
      if (any || EqualsIgnoringCase(type, "text/event-stream") || type == "text/*") accepts.events = true;
      field.remove_prefix(std::min(comma + 1, field.size()));
    }
  }
  return accepts;
}

bool IsJsonBody(const HttpHeaders& headers) {
  const std::optional<std::string_view> type = headers.Find("Content-Type");
  return type && EqualsIgnoringCase(Trimmed(type->substr(0, type->find(';'))), "application/json");
}

std::optional<std::string> DecodedField(std::string_view value) {
  value = Trimmed(value);
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || static_cast<unsigned char>(c) >= 0x7f) return std::nullopt;
  }
  constexpr std::string_view kStart = "=?base64?";
  constexpr std::string_view kEnd = "?=";
  if (value.size() < kStart.size() + kEnd.size() || !value.starts_with(kStart) || !value.ends_with(kEnd))
    return std::string(value);
  Result<std::string> bytes = ParseBase64(value.substr(kStart.size(), value.size() - kStart.size() - kEnd.size()));
  if (!bytes) return std::nullopt;
  return *std::move(bytes);
}

std::optional<RpcError> HeaderMismatch(const HttpHeaders& headers, const std::string& method, const Json& params,
                                       const ToolEntry* entry) {
  if (auto error = CompareField(headers, "Mcp-Method", method)) return error;
  const bool by_uri = method == "resources/read";
  if (!by_uri && method != "tools/call" && method != "prompts/get") return std::nullopt;
  // Without a name the body is at fault, and the method says so.
  const std::string* name = StringMember(params, by_uri ? "uri" : "name");
  if (name == nullptr) return std::nullopt;
  if (auto error = CompareField(headers, "Mcp-Name", *name)) return error;
  return entry == nullptr ? std::nullopt : CompareArguments(headers, params, *entry);
}

HttpResponse JsonResponse(int status, const Json& body) {
  HttpResponse response;
  response.status = status;
  response.headers.Add("Content-Type", "application/json");
  response.headers.Add("Cache-Control", "no-store");
  response.body = body.Dump();
  return response;
}

HttpResponse FaultResponse(int status, int code, std::string_view message) {
  return JsonResponse(status, ErrorMessage(nullptr, {code, std::string(message), std::nullopt}, true));
}

int SpecialStatus(const Outcome& outcome, HttpHeaders& headers) {
  if (outcome.overloaded) {
    headers.Add("Retry-After", "1");
    return 503;
  }
  if (outcome.missing_scope.empty()) return 0;
  headers.Add("WWW-Authenticate", fmt::format(R"(Bearer error="insufficient_scope", scope="{}")", outcome.missing_scope));
  return 403;
}

}  // namespace weir::mcp
