#include "request.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "weir/mcp/server.h"

namespace weir::mcp {
namespace {

constexpr std::string_view kLevels[] = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};

}  // namespace

std::string_view LogLevelName(McpLogLevel level) { return kLevels[static_cast<size_t>(level)]; }

std::optional<McpLogLevel> ParseLogLevel(std::string_view name) {
  const auto found = std::find(std::begin(kLevels), std::end(kLevels), name);
  if (found == std::end(kLevels)) return std::nullopt;
  return static_cast<McpLogLevel>(found - std::begin(kLevels));
}

std::string MetaKey(std::string_view name) { return fmt::format("{}{}", kMetaPrefix, name); }

bool LooksModern(const Json& params) {
  const Json* meta = params.Find("_meta");
  if (meta == nullptr || !meta->is_object()) return false;
  for (const std::string_view name : {"protocolVersion", "clientCapabilities", "clientInfo", "logLevel"}) {
    if (meta->Find(MetaKey(name)) != nullptr) return true;
  }
  return false;
}

std::variant<ModernMeta, RpcError> ReadModernMeta(const Json& params) {
  const auto fault = [](std::string message) { return RpcError{kInvalidParams, std::move(message), std::nullopt}; };
  const Json* meta = params.Find("_meta");
  if (meta == nullptr || !meta->is_object()) return fault("params._meta is required: an object");
  ModernMeta out;
  const std::string* version = StringMember(*meta, MetaKey("protocolVersion"));
  if (version == nullptr)
    return fault(fmt::format("params._meta[\"{}\"] is required: a string", MetaKey("protocolVersion")));
  out.version = *version;
  const Json* capabilities = meta->Find(MetaKey("clientCapabilities"));
  if (capabilities == nullptr || !capabilities->is_object()) {
    return fault(fmt::format("params._meta[\"{}\"] is required: an object", MetaKey("clientCapabilities")));
  }
  out.capabilities = *capabilities;
  if (const Json* client = meta->Find(MetaKey("clientInfo"))) {
    if (!client->is_object()) return fault(fmt::format("params._meta[\"{}\"] must be an object", MetaKey("clientInfo")));
    out.client = *client;
  }
  if (const Json* level = meta->Find(MetaKey("logLevel"))) {
    if (level->is_string()) out.log_level = ParseLogLevel(level->as_string());
    if (!out.log_level) return fault(fmt::format("params._meta[\"{}\"] is no level of logging", MetaKey("logLevel")));
  }
  return out;
}

RpcError UnsupportedVersion(std::string_view requested) {
  Json data = Json::MakeObject();
  data.Set("supported", Json::Array{Json(kMcpModernVersion)});
  data.Set("requested", requested);
  return {kUnsupportedVersion, "Unsupported protocol version", std::move(data)};
}

}  // namespace weir::mcp
