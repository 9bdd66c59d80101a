#pragma once
// A client of the tools in this process, in either era. Answers come to who asked; what the server says of itself waits.

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "mcp_client.h"
#include "weir/mcp/connection.h"

namespace weir::testing {

class ToolsClient {
 public:
  ToolsClient(McpServer& server, McpCaller caller, McpEra era) : era_(era) {
    connection_ = std::make_unique<McpConnection>(server, std::move(caller), [this](std::string message) {
      const std::lock_guard lock(mutex_);
      const Json json = ParsedJson(message);
      (json.Find("method") != nullptr ? notifications_ : answers_).push_back(json);
      came_.notify_all();
      return true;
    });
    if (era_ == McpEra::kModern) return;
    connection_->Receive(InitializeRequest("2025-11-25"));
    AnswerTo(0);
    connection_->Receive(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  }
  // Nothing may come once the queues are gone.
  ~ToolsClient() { connection_.reset(); }

  // Sends it; the id. `progress`: asks to be told of progress, under the id as the token.
  int64_t Begin(std::string_view method, Json params = Json::MakeObject(), bool progress = false) {
    const int64_t id = ++last_id_;
    Json meta = Json::MakeObject();
    if (era_ == McpEra::kModern) {
      meta.Set("io.modelcontextprotocol/protocolVersion", kMcpModernVersion);
      meta.Set("io.modelcontextprotocol/clientCapabilities", Json::MakeObject());
    }
    if (progress) meta.Set("progressToken", id);
    if (!meta.as_object().empty()) params.Set("_meta", std::move(meta));
    connection_->Receive(
        Json(Json::Object{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}).Dump());
    return id;
  }
  void Cancel(int64_t id) {
    connection_->Receive(
        Json(Json::Object{
                 {"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", Json::Object{{"requestId", id}}}})
            .Dump());
  }

  Json AnswerTo(int64_t id) {
    return Take(answers_, [id](const Json& message) { return *message.Find("id") == Json(id); });
  }
  Json Notification(std::string_view method) {
    return Take(notifications_, [method](const Json& message) { return *message.Find("method") == Json(method); });
  }
  size_t notifications_waiting() {
    const std::lock_guard lock(mutex_);
    return notifications_.size();
  }

  Json Ask(std::string_view method, Json params = Json::MakeObject()) { return AnswerTo(Begin(method, std::move(params))); }
  static Json ToolCall(std::string_view tool, Json arguments) {
    return Json::Object{{"name", tool}, {"arguments", std::move(arguments)}};
  }
  // The result of a tool, whichever it is; fails the test when there is none.
  Json Call(std::string_view tool, Json arguments = Json::MakeObject()) {
    const Json answer = Ask("tools/call", ToolCall(tool, std::move(arguments)));
    const Json* const result = answer.Find("result");
    EXPECT_NE(result, nullptr) << tool << ": " << answer.Dump();
    return result == nullptr ? Json::MakeObject() : *result;
  }
  // What a tool says when it fails; empty when it does not.
  std::string ErrorOf(std::string_view tool, Json arguments) {
    const Json result = Call(tool, std::move(arguments));
    return At(result, "/isError") == "true" ? At(result, "/content/0/text") : std::string();
  }

  // Hears of changes of this resource from now on.
  void Subscribe(std::string_view uri) {
    if (era_ == McpEra::kLegacy) {
      EXPECT_NE(Ask("resources/subscribe", Json::Object{{"uri", uri}}).Find("result"), nullptr);
      return;
    }
    Begin("subscriptions/listen",
          Json::Object{{"notifications",
                        Json::Object{{"resourcesListChanged", true}, {"resourceSubscriptions", Json::Array{Json(uri)}}}}});
    Notification("notifications/subscriptions/acknowledged");
  }

 private:
  template <typename Wanted>
  Json Take(std::deque<Json>& queue, Wanted wanted) {
    std::unique_lock lock(mutex_);
    auto place = queue.end();
    const bool came = came_.wait_for(lock, std::chrono::seconds(60), [&] {
      place = std::find_if(queue.begin(), queue.end(), wanted);
      return place != queue.end();
    });
    WEIR_CHECK(came, "no such message came");
    Json message = std::move(*place);
    queue.erase(place);
    return message;
  }

  const McpEra era_;
  int64_t last_id_ = 0;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Json> answers_;        // under mutex_
  std::deque<Json> notifications_;  // under mutex_
  std::unique_ptr<McpConnection> connection_;
};

}  // namespace weir::testing
