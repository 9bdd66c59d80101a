#pragma once
// McpToolsTest: the tools and resources on a real Service, for clients of either era, beside its REST API.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "mcp_tools_client.h"
#include "weir/api/mcp_tools.h"

namespace weir::testing {

inline Json Of(std::string_view text) { return ParsedJson(text); }

inline std::vector<std::string> Names(const Json& list, std::string_view member) {
  std::vector<std::string> names;
  for (const Json& one : list.as_array()) names.push_back(one.Find(member)->as_string());
  return names;
}

inline const std::string kStable =
    "You are one of five who answer questions about the weir.\n" + std::string(120, 'x') + "\n";

class McpToolsTest : public ApiTest, public ::testing::WithParamInterface<McpEra> {
 protected:
  void Start(ServiceOptions options, bool open = true) {
    Create(std::move(options));
    if (open) {
      ASSERT_TRUE(service_->Open());
    }
    server_ = *McpServer::Make(WeirMcpOptions("1.2.3"), clock_);
    const Status added = AddWeirTools(*server_, *service_);
    ASSERT_TRUE(added) << added.error().ToString();
  }
  void Start() { Start(Options()); }
  // Everything that uses the service goes before it.
  void TearDown() override {
    news_.reset();
    server_.reset();
  }
  void TellNews(McpNewsOptions options = {std::chrono::milliseconds(1), std::chrono::milliseconds(1)}) {
    news_ = std::make_unique<McpNews>(*server_, *service_, options);
  }

  ToolsClient Client(std::string_view workspace = "default") { return {*server_, McpCallerOf(workspace), GetParam()}; }
  ToolsClient Client(std::string workspace, uint8_t scopes) {
    return {*server_, McpCallerOf(Caller{std::move(workspace), scopes, "t-1"}), GetParam()};
  }
  void AwaitIdle() const {
    while (server_->stats().calls_running + server_->stats().calls_waiting > 0) std::this_thread::yield();
  }

  std::unique_ptr<McpServer> server_;
  std::unique_ptr<McpNews> news_;
};

inline const auto kEras = ::testing::Values(McpEra::kLegacy, McpEra::kModern);
inline std::string EraName(const ::testing::TestParamInfo<McpEra>& tested) {
  return tested.param == McpEra::kModern ? "Modern" : "Legacy";
}

}  // namespace weir::testing
