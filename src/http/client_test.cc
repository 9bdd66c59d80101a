// The client against the real server.

#include "weir/http/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "test_server.h"

namespace weir {
namespace {

void Echo(const HttpRequest& request, HttpReply reply) {
  reply.Send({.status = 201, .headers = {{"X-Method", request.method}}, .body = request.body + "!"});
}

TEST(HttpClient, SendsAndReusesConnections) {
  const auto server = StartTestServer(Echo);
  const auto client = *HttpClient::Create();
  for (int i = 0; i < 20; ++i) {
    const auto response = client->Send(TargetOf(*server), {.method = "POST", .path = "/x", .body = std::to_string(i)});
    ASSERT_TRUE(response.has_value()) << response.error().ToString();
    EXPECT_EQ(response->status, 201);
    EXPECT_EQ(response->body, std::to_string(i) + "!");
  }
  EXPECT_EQ(client->stats().connections_opened, 1u);
  EXPECT_EQ(client->stats().connections_reused, 19u);
  EXPECT_EQ(server->stats().connections_total, 1u);
}

}  // namespace
}  // namespace weir
