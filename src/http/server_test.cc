// The server as a client sees it: ordinary requests, connections, streams, the end.

#include "weir/http/server.h"

#include <gtest/gtest.h>

#include "raw_client.h"

namespace weir {
namespace {

// Answers with what it saw.
void Echo(const HttpRequest& request, HttpReply reply) {
  HttpResponse response;
  response.headers = {{"Content-Type", "text/plain"},
                      {"X-Method", request.method},
                      {"X-Path", request.path},
                      {"X-Query", request.query},
                      {"X-Host", request.host}};
  response.body = request.body.empty() ? "nothing" : request.body;
  reply.Send(std::move(response));
}

std::unique_ptr<HttpServer> StartEcho(HttpServerOptions options = {}) {
  if (options.listeners.empty()) options.listeners = {{}};
  auto server = HttpServer::Start(std::move(options), Echo);
  WEIR_CHECK(server.has_value(), "{}", server ? "" : server.error().ToString());
  return *std::move(server);
}

TEST(HttpServer, AnswersOneRequest) {
  const auto server = StartEcho();
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("GET /a/b?c=d HTTP/1.1\r\nHost: here:1\r\n\r\n"));
  const RawResponse response = client.Receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "nothing");
  EXPECT_EQ(response.headers.Find("x-path"), "/a/b");
  EXPECT_EQ(response.headers.Find("x-query"), "c=d");
  EXPECT_EQ(response.headers.Find("x-host"), "here:1");
  EXPECT_FALSE(response.headers.Has("connection"));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = StartEcho();
  RawClient client(server->endpoints()[0]);
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n" + std::to_string(100 + i);
  }
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.Receive().body, std::to_string(100 + i));
}

}  // namespace
}  // namespace weir
