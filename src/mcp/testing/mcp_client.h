#pragma once
// A client of an McpServer in this process: a connection, and the messages that came back in order; and a few tools.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/mcp/connection.h"

namespace weir {

inline Json ParsedJson(std::string_view text) {
  Result<Json> value = Json::Parse(text);
  WEIR_CHECK(value.has_value(), "{}", text);
  return *std::move(value);
}

// Takes {"text": string} and gives it back.
inline McpTool EchoTool() {
  McpTool tool;
  tool.name = "echo";
  tool.input_schema = ParsedJson(
      R"({"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false})");
  tool.handler = [](McpCall& call) -> Result<McpToolResult> {
    return McpToolResult::Text(call.arguments().Find("text")->as_string());
  };
  return tool;
}

inline McpTool SimpleTool(std::string_view name, McpToolHandler handler) {
  McpTool tool;
  tool.name = name;
  tool.handler = std::move(handler);
  return tool;
}

inline McpResource TextResource(std::string_view uri, std::string_view text) {
  McpResource resource;
  resource.uri = uri;
  resource.handler = [text = std::string(text)](McpCall& call) -> Result<McpResourceContents> {
    return McpResourceContents{{McpTextContents(call.name(), "text/plain", text)}};
  };
  return resource;
}

// A request as each era writes it; `params` is the inside of an object.
inline std::string LegacyRequest(int id, std::string_view method, std::string_view params = {}) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")" + std::string(method) + R"(","params":{)" +
         std::string(params) + "}}";
}
inline std::string ModernRequest(int id, std::string_view method, std::string_view params = {},
                                 std::string_view capabilities = "{}", std::string_view more_meta = {}) {
  return LegacyRequest(id, method,
                       R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                       R"("io.modelcontextprotocol/clientCapabilities":)" +
                           std::string(capabilities) + std::string(more_meta) + "}" + (params.empty() ? "" : ",") +
                           std::string(params));
}
inline std::string InitializeRequest(std::string_view version, std::string_view capabilities = "{}") {
  return LegacyRequest(0, "initialize",
                       R"("protocolVersion":")" + std::string(version) + R"(","capabilities":)" + std::string(capabilities) +
                           R"(,"clientInfo":{"name":"test","version":"1"})");
}

// The element that a JSON pointer names, as text; "none" when there is none.
inline std::string At(const Json& value, std::string_view pointer) {
  const Json* at = &value;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::string_view name = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(name.size());
    if (at->is_array()) {
      const auto index = static_cast<size_t>(std::stoul(std::string(name)));
      if (index >= at->as_array().size()) return "none";
      at = &at->as_array()[index];
    } else if ((at = at->Find(name)) == nullptr) {
      return "none";
    }
  }
  return at->is_string() ? at->as_string() : at->Dump();
}

class McpPair {
 public:
  explicit McpPair(McpOptions options = {}, McpCaller caller = {})
      : server(*McpServer::Make(std::move(options), clock)), connection(MakeConnection(std::move(caller))) {}
  ~McpPair() { connection.reset(); }

  void Tell(std::string_view message) { connection->Receive(message); }
  // The next message that came back; waits for it.
  Json Next() {
    std::unique_lock lock(mutex_);
    const bool came = came_.wait_for(lock, std::chrono::seconds(30), [this] { return !messages_.empty(); });
    WEIR_CHECK(came, "no message came");
    Json message = ParsedJson(messages_.front());
    messages_.pop_front();
    return message;
  }
  Json Ask(std::string_view message) {
    Tell(message);
    return Next();
  }
  Json Initialize(std::string_view version = "2025-11-25", std::string_view capabilities = "{}") {
    Json answer = Ask(InitializeRequest(version, capabilities));
    Tell(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    return answer;
  }
  bool IsQuiet() {
    const std::lock_guard lock(mutex_);
    return messages_.empty();
  }
  std::unique_ptr<McpConnection> MakeConnection(McpCaller caller) {
    return std::make_unique<McpConnection>(*server, std::move(caller), [this](std::string message) {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
      came_.notify_all();
      return true;
    });
  }

  ManualClock clock;
  std::unique_ptr<McpServer> server;
  std::unique_ptr<McpConnection> connection;

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::string> messages_;  // under mutex_
};

}  // namespace weir
