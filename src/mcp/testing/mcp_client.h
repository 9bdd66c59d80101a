#pragma once
// A client of an McpServer in this process: a connection, and the messages that came back in order.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/mcp/connection.h"

namespace weir {

inline McpTool EchoTool() {
  McpTool tool;
  tool.name = "echo";
  tool.input_schema = *Json::Parse(
      R"({"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false})");
  tool.handler = [](McpCall& call) -> Result<McpToolResult> {
    return McpToolResult::Text(call.arguments().Find("text")->as_string());
  };
  return tool;
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
    Json message = *Json::Parse(messages_.front());
    messages_.pop_front();
    return message;
  }
  Json Ask(std::string_view message) {
    Tell(message);
    return Next();
  }
  bool Quiet() {
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
