// The server as a client sees it: requests of every shape that it takes, and how it answers.

#include "weir/http/server.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

#include "raw_client.h"
#include "test_server.h"

namespace weir {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(HttpServer, HandsOnTheRequestAsItCame) {
  HttpRequest seen;
  const auto server = StartTestServer([&](const HttpRequest& request, HttpReply reply) {
    seen = request;
    reply.Send({.status = 418, .headers = {{"X-One", "1"}, {"X-One", "2"}}, .body = "tea"});
  });
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(
      client.Send("POST /a%2Fb/?c=d&e HTTP/1.1\r\nHOST: here:1\r\nX-Two: one\r\nx-two:\t two \r\n"
                  "Content-Length: 3\r\n\r\nabc"));
  const RawResponse response = client.Receive();
  EXPECT_EQ(response.status, 418);
  EXPECT_EQ(response.body, "tea");
  EXPECT_EQ(response.headers.FindAll("x-one"), (std::vector<std::string_view>{"1", "2"}));
  EXPECT_TRUE(response.headers.Has("Date"));
  EXPECT_FALSE(response.headers.Has("Connection"));
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/a%2Fb/?c=d&e");
  EXPECT_EQ(seen.path, "/a%2Fb/");
  EXPECT_EQ(seen.query, "c=d&e");
  EXPECT_EQ(seen.host, "here:1");
  EXPECT_EQ(seen.body, "abc");
  EXPECT_EQ(seen.headers.FindAll("X-TWO"), (std::vector<std::string_view>{"one", "two"}));
  EXPECT_EQ(seen.peer->address, "127.0.0.1");
  EXPECT_NE(seen.peer->port, 0);
  EXPECT_FALSE(seen.peer->is_unix || seen.peer->is_tls || seen.peer->uid);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = StartTestServer(EchoRequest, {.worker_threads = 4});
  RawClient client(server->endpoints()[0]);
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n" + std::to_string(100 + i);
  }
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(client.Receive().body, std::to_string(100 + i));
  EXPECT_EQ(server->stats().requests_total, 500u);
  EXPECT_EQ(server->stats().responses_2xx, 500u);
}

TEST(HttpServer, TakesARequestByteByByte) {
  const auto server = StartTestServer(EchoRequest);
  RawClient client(server->endpoints()[0]);
  const std::string text =
      "\r\nPUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n4\r\ndefg\r\n0\r\nT: u\r\n\r\n";
  for (const char c : text) ASSERT_TRUE(client.Send({&c, 1}));
  const RawResponse response = client.Receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "abcdefg");
  ASSERT_TRUE(client.Send(kGet));
  EXPECT_EQ(client.Receive().body, "nothing");
}

TEST(HttpServer, KeepsAndClosesConnectionsAsAsked) {
  const auto server = StartTestServer(EchoRequest);
  struct Case {
    std::string_view request;
    bool is_kept;
  };
  const Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
  };
  for (const Case& each : cases) {
    RawClient client(server->endpoints()[0]);
    ASSERT_TRUE(client.Send(each.request));
    const RawResponse response = client.Receive();
    EXPECT_EQ(response.status, 200) << each.request;
    EXPECT_EQ(response.headers.HasToken("Connection", "close"), !each.is_kept) << each.request;
    if (each.is_kept) {
      ASSERT_TRUE(client.Send(kGet));
      EXPECT_EQ(client.Receive().status, 200) << each.request;
    } else {
      EXPECT_TRUE(client.IsClosed()) << each.request;
    }
  }
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  const auto server = StartTestServer(EchoRequest);
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + std::string(kGet)));
  const RawResponse head = client.Receive(true);
  EXPECT_EQ(head.headers.Find("Content-Length"), "7");
  EXPECT_EQ(client.Receive().body, "nothing");
}

TEST(HttpServer, SendsNoLengthWhereThereIsNoBody) {
  const auto server = StartTestServer([](const HttpRequest& request, HttpReply reply) {
    reply.Send({.status = request.path == "/204" ? 204 : 304, .body = "ignored"});
  });
  RawClient client(server->endpoints()[0]);
  for (const std::string status : {"204", "304"}) {
    ASSERT_TRUE(client.Send("GET /" + status + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    const RawResponse response = client.Receive();
    EXPECT_EQ(std::to_string(response.status), status);
    EXPECT_FALSE(response.headers.Has("Content-Length"));
  }
}

TEST(HttpServer, TellsAClientThatWaitsToGoOn) {
  const auto server = StartTestServer(EchoRequest);
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 100);
  ASSERT_TRUE(client.Send("hello"));
  EXPECT_EQ(client.Receive().body, "hello");
  // Not if the body would be refused: the answer comes at once.
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 413);
  EXPECT_TRUE(client.IsClosed());
}

TEST(HttpServer, TakesEveryFormOfATarget) {
  const auto server = StartTestServer(EchoRequest);
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("GET http://other:8/p?q HTTP/1.1\r\nHost: h\r\n\r\n"));
  RawResponse response = client.Receive();
  EXPECT_EQ(response.headers.Find("X-Path"), "/p");
  EXPECT_EQ(response.headers.Find("X-Query"), "q");
  EXPECT_EQ(response.headers.Find("X-Host"), "other:8");
  ASSERT_TRUE(client.Send("GET HTTP://other HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.Receive().headers.Find("X-Path"), "/");
  ASSERT_TRUE(client.Send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"));
  response = client.Receive();
  EXPECT_EQ(response.headers.Find("X-Path"), "*");
  EXPECT_EQ(response.headers.Find("X-Method"), "OPTIONS");
}

TEST(HttpServer, TurnsWhatAHandlerMissesInto500) {
  const auto server = StartTestServer([](const HttpRequest& request, HttpReply reply) {
    if (request.path == "/throws") throw std::runtime_error("planted");
    if (request.path == "/splits") return reply.Send({.headers = {{"X", "a\r\nY: b"}}});
    if (request.path == "/names") return reply.Send({.headers = {{"X Y", "a"}}});
    if (request.path == "/status") return reply.Send({.status = 42});
    // Otherwise the reply is dropped.
  });
  RawClient client(server->endpoints()[0]);
  for (const std::string path : {"throws", "splits", "names", "status", "drops"}) {
    ASSERT_TRUE(client.Send("GET /" + path + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    const RawResponse response = client.Receive();
    EXPECT_EQ(response.status, 500) << path;
    EXPECT_FALSE(response.headers.Has("Y")) << path;
  }
}

TEST(HttpServer, LetsAReplyLeaveTheHandler) {
  std::promise<HttpReply> taken;
  const auto server = StartTestServer([&](const HttpRequest&, HttpReply reply) { taken.set_value(std::move(reply)); },
                                      {.worker_threads = 1});
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send(kGet));
  HttpReply reply = taken.get_future().get();
  EXPECT_EQ(reply.request().path, "/");
  EXPECT_TRUE(ComesTrue([&] { return server->stats().workers_busy == 0; }));
  EXPECT_EQ(server->stats().requests_in_flight, 1u);
  reply.Send({.body = "late"});
  EXPECT_EQ(client.Receive().body, "late");
  EXPECT_EQ(server->stats().requests_in_flight, 0u);
}

TEST(HttpServer, RunsQuickHandlersOnTheIoThread) {
  std::mutex mutex;
  std::map<std::string, std::set<std::thread::id>> threads;
  HttpServerOptions options{.worker_threads = 1};
  options.quick = [](const HttpRequest& request) { return request.path == "/quick"; };
  const auto server = StartTestServer(
      [&](const HttpRequest& request, HttpReply reply) {
        const std::lock_guard lock(mutex);
        threads[request.path].insert(std::this_thread::get_id());
        reply.Send({.body = request.path});
      },
      options);
  RawClient client(server->endpoints()[0]);
  for (int i = 0; i < 10; ++i) {
    for (const std::string path : {"/quick", "/slow"}) {
      ASSERT_TRUE(client.Send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"));
      EXPECT_EQ(client.Receive().body, path);
    }
  }
  EXPECT_EQ(threads["/quick"].size(), 1u);
  EXPECT_EQ(threads["/slow"].size(), 1u);
  EXPECT_NE(threads["/quick"], threads["/slow"]);
}

TEST(HttpServer, AsksAtTheHeadBeforeTheBody) {
  HttpServerOptions options;
  options.on_head = [](const HttpRequest& request, uint64_t& body_bytes_max) -> std::optional<HttpResponse> {
    if (!request.headers.Has("Authorization")) return HttpResponse{.status = 401, .body = "who?"};
    if (request.path == "/small") body_bytes_max = 3;
    return std::nullopt;
  };
  const auto server = StartTestServer(EchoRequest, options);
  const auto ask = [&](const std::string& head, const std::string& body) {
    RawClient client(server->endpoints()[0]);
    client.Send(head + "Host: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.Receive().status;
  };
  EXPECT_EQ(ask("POST / HTTP/1.1\r\n", "abcd"), 401);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\n", ""), 401);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nAuthorization: x\r\n", "abcd"), 200);
  EXPECT_EQ(ask("POST /small HTTP/1.1\r\nAuthorization: x\r\n", "abcd"), 413);
  EXPECT_EQ(ask("POST /small HTTP/1.1\r\nAuthorization: x\r\n", "abc"), 200);
}

TEST(HttpServer, SpeaksItsOwnErrorsAsTold) {
  HttpServerOptions options;
  options.error_body = [](int status, std::string_view code, std::string_view message) {
    return HttpResponse{.status = 200,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = std::to_string(status) + "|" + std::string(code) + "|" + std::string(message)};
  };
  const auto server = StartTestServer([](const HttpRequest&, HttpReply) {}, options);
  RawClient broken(server->endpoints()[0]);
  ASSERT_TRUE(broken.Send("GET / HTTP/1.1\r\n\r\n"));
  RawResponse response = broken.Receive();
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers.Find("Content-Type"), "application/json");
  EXPECT_EQ(response.body, "400|bad_request|a request of HTTP/1.1 needs Host");
  RawClient dropped(server->endpoints()[0]);
  ASSERT_TRUE(dropped.Send(kGet));
  response = dropped.Receive();
  EXPECT_EQ(response.status, 500);
  EXPECT_TRUE(response.body.starts_with("500|internal|"));
}

TEST(HttpServer, ServesManyConnectionsOnSeveralLoops) {
  const auto server = StartTestServer(EchoRequest, {.io_threads = 3, .worker_threads = 3});
  std::vector<RawClient> clients;
  for (int i = 0; i < 60; ++i) clients.emplace_back(server->endpoints()[0]);
  for (int round = 0; round < 5; ++round) {
    for (RawClient& client : clients) {
      ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
    }
    for (RawClient& client : clients) EXPECT_EQ(client.Receive().body, "hi");
  }
  EXPECT_EQ(server->stats().connections_open, 60u);
  clients.clear();
  EXPECT_TRUE(ComesTrue([&] { return server->stats().connections_open == 0; }));
}

TEST(HttpServer, RefusesOptionsThatCannotBe) {
  const auto code = [](HttpServerOptions options) {
    const auto server = HttpServer::Start(std::move(options), EchoRequest);
    return server ? "" : std::string(ErrorCodeName(server.error().code));
  };
  EXPECT_EQ(code({}), "invalid_argument");
  EXPECT_EQ(code({.listeners = {{.address = "localhost"}}}), "invalid_argument");
  EXPECT_EQ(code({.listeners = {{.tls = true}}}), "invalid_argument");
  EXPECT_EQ(code({.listeners = {{}}, .io_threads = 0}), "invalid_argument");
  EXPECT_EQ(code({.listeners = {{}}, .idle_timeout = {}}), "invalid_argument");
  EXPECT_EQ(code({.listeners = {{.tls = true}}, .tls = HttpTlsFiles{"/nowhere/a", "/nowhere/b"}}), "not_found");
  const auto server = StartTestServer(EchoRequest);
  EXPECT_EQ(code({.listeners = {{.port = server->endpoints()[0].port}}}), "already_exists");
}

}  // namespace
}  // namespace weir
