#include "weir/mcp/connection.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "mcp_client.h"

namespace weir {
namespace {

TEST(McpConnection, LegacyHandshakeAndCall) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  const Json hello = pair.Ask(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",
      "capabilities":{},"clientInfo":{"name":"t","version":"1"}}})");
  EXPECT_EQ(hello.Find("result")->Find("protocolVersion")->as_string(), "2025-06-18");
  pair.Tell(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  const Json called =
      pair.Ask(R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}})");
  EXPECT_EQ(called.Dump(), R"({"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"hi"}]}})");
}

}  // namespace
}  // namespace weir
