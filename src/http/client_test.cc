// The client against the real server, and against servers that misbehave.

#include "weir/http/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "misbehaving_server.h"
#include "test_server.h"

namespace weir {
namespace {

using Seconds = std::chrono::seconds;
using Milliseconds = std::chrono::milliseconds;

TEST(HttpClient, SendsAndReusesConnections) {
  const auto server = StartTestServer(EchoRequest);
  const auto client = *HttpClient::Create();
  for (int i = 0; i < 20; ++i) {
    const auto response =
        client->Send(TargetOf(*server), {.method = "POST", .path = "/x?y=" + std::to_string(i), .body = std::to_string(i)});
    ASSERT_TRUE(response.has_value()) << response.error().ToString();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, std::to_string(i));
    EXPECT_EQ(response->headers.Find("X-Query"), "y=" + std::to_string(i));
    EXPECT_EQ(response->headers.Find("X-Host"), TargetOf(*server).Authority());
  }
  EXPECT_EQ(client->Send(TargetOf(*server), {.method = "HEAD"})->body, "");
  EXPECT_EQ(client->stats().connections_opened, 1u);
  EXPECT_EQ(client->stats().connections_reused, 20u);
  EXPECT_EQ(server->stats().connections_total, 1u);
}

TEST(HttpClient, IsUsedByManyThreads) {
  const auto server = StartTestServer(EchoRequest, {.io_threads = 2, .worker_threads = 2});
  const auto client = *HttpClient::Create({.idle_connections_max = 4});
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(t) + ":" + std::to_string(i);
        const auto response = client->Send(TargetOf(*server), {.method = "POST", .body = body});
        right += response && response->body == body ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 300);
  EXPECT_LE(client->stats().connections_idle, 4u);
}

TEST(HttpClient, FailsByItsName) {
  const auto client = *HttpClient::Create({.answer_timeout = Milliseconds(50), .body_bytes_max = 100});
  const auto code = [&](const HttpTarget& target, const HttpCall& call) {
    const auto response = client->Send(target, call);
    return response ? std::string("none") : std::string(ErrorCodeName(response.error().code));
  };
  std::promise<void> release;
  const auto released = release.get_future().share();
  const auto server = StartTestServer([&](const HttpRequest& request, HttpReply reply) {
    if (request.path == "/slow") released.wait();
    reply.Send({.body = std::string(request.path == "/large" ? 101 : 100, 'x')});
  });
  EXPECT_EQ(code(TargetOf(*server), {}), "none");
  EXPECT_EQ(code(TargetOf(*server), {.path = "/large"}), "exhausted");
  EXPECT_EQ(code(TargetOf(*server), {.path = "/slow"}), "deadline");
  release.set_value();
  EXPECT_EQ(code(TargetOf(*server), {.path = "/a b"}), "invalid_argument");
  EXPECT_EQ(code(TargetOf(*server), {.headers = {{"X", "a\r\nb"}}}), "invalid_argument");
  EXPECT_EQ(code({.socket_path = "/nowhere/socket"}, {}), "not_found");
  const HttpTarget gone = TargetOf(*StartTestServer(EchoRequest));
  EXPECT_EQ(code(gone, {}), "unavailable");
  MisbehavingServer nonsense({"SSH-2.0-OpenSSH\r\n\r\n"});
  EXPECT_EQ(code(nonsense.target(), {}), "corrupt");
  MisbehavingServer short_body({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"});
  EXPECT_EQ(code(short_body.target(), {}), "corrupt");
  MisbehavingServer silent({""});
  EXPECT_EQ(code(silent.target(), {}), "unavailable");
}

TEST(HttpClient, ReadsAnswersOfEveryShape) {
  const auto client = *HttpClient::Create();
  const std::string answers[][2] = {
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: t\r\n\r\n", "abcde"},
      {"HTTP/1.0 200 OK\r\n\r\nto the end", "to the end"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
       "2\r\n\r\nab",
       "ab"},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", ""},
  };
  for (const auto& [answer, body] : answers) {
    MisbehavingServer server({answer});
    const auto response = client->Send(server.target(), {});
    ASSERT_TRUE(response.has_value()) << answer << response.error().ToString();
    EXPECT_EQ(response->body, body) << answer;
  }
}

// A kept connection that died is no failure of a call, unless the call might have been carried out.
TEST(HttpClient, GoesAgainOnlyWhenNothingCanHaveHappened) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  const auto client = *HttpClient::Create();
  {
    // The second request is read on the kept connection and dropped; the third connection answers.
    MisbehavingServer server({answer, answer}, MisbehavingServer::Then::kReadOneMoreAndClose);
    ASSERT_TRUE(client->Send(server.target(), {}).has_value());
    EXPECT_TRUE(client->Send(server.target(), {}).has_value());
    EXPECT_EQ(client->stats().calls_again, 1u);
    client->CloseIdleConnections();  // the server waits for one more request
  }
  {
    MisbehavingServer server({answer, answer}, MisbehavingServer::Then::kReadOneMoreAndClose);
    ASSERT_TRUE(client->Send(server.target(), {.method = "POST"}).has_value());
    const auto response = client->Send(server.target(), {.method = "POST"});
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  }
}

TEST(HttpClient, HearsARefusalWhileItStillSends) {
  const auto server = StartTestServer(EchoRequest, {.body_bytes_max = 1000});
  const auto client = *HttpClient::Create();
  const auto response = client->Send(TargetOf(*server), {.method = "POST", .body = std::string(16 << 20, 'x')});
  ASSERT_TRUE(response.has_value()) << response.error().ToString();
  EXPECT_EQ(response->status, 413);
}

TEST(HttpClient, StreamsEventsUntilTold) {
  const auto server = StartTestServer([&](const HttpRequest& request, HttpReply reply) {
    if (request.path == "/none") return reply.Send({.status = 404, .body = "no such stream"});
    EXPECT_EQ(request.headers.Find("Accept"), "text/event-stream");
    const auto stream = reply.OpenStream(SseStreamOptions());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(stream->Send(FormatSse({.data = std::to_string(i)})).has_value());
    stream->Finish();
  });
  const auto client = *HttpClient::Create();
  std::string seen;
  const auto all = client->StreamEvents(TargetOf(*server), {}, [&](const SseEvent& event) {
    seen += event.data;
    return true;
  });
  ASSERT_TRUE(all.has_value()) << all.error().ToString();
  EXPECT_EQ(seen, "01234");
  seen.clear();
  const auto some = client->StreamEvents(TargetOf(*server), {}, [&](const SseEvent& event) {
    seen += event.data;
    return event.data != "2";
  });
  EXPECT_TRUE(some.has_value());
  EXPECT_EQ(seen, "012");
  const auto none = client->StreamEvents(TargetOf(*server), {.path = "/none"}, [](const SseEvent&) { return false; });
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(none->status, 404);
  EXPECT_EQ(none->body, "no such stream");
}

TEST(HttpClient, IsStoppedFromAnotherThread) {
  std::promise<std::shared_ptr<HttpStream>> taken;
  const auto server = StartTestServer([&](const HttpRequest&, HttpReply reply) { taken.set_value(reply.OpenStream({})); });
  const auto client = *HttpClient::Create();
  std::stop_source stop;
  auto call = std::async(std::launch::async, [&] {
    return client->StreamEvents(
        TargetOf(*server), {}, [](const SseEvent&) { return true; }, stop.get_token());
  });
  const auto stream = taken.get_future().get();
  std::promise<void> closed;
  stream->OnClosed([&] { closed.set_value(); });
  stop.request_stop();
  const auto response = call.get();
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(closed.get_future().wait_for(Seconds(10)), std::future_status::ready);  // the server notices
}

TEST(HttpUrl, IsSplitOrRefused) {
  const auto text = [](std::string_view url) {
    const auto parsed = ParseHttpUrl(url);
    if (!parsed) return std::string("refused");
    const HttpTarget& target = parsed->target;
    return target.Authority() + "|" + std::to_string(target.port) + "|" + target.socket_path.string() + "|" +
           (target.tls ? "tls" : "plain") + "|" + parsed->path;
  };
  EXPECT_EQ(text("http://a"), "a|80||plain|/");
  EXPECT_EQ(text("https://a:8443/x?y"), "a:8443|8443||tls|/x?y");
  EXPECT_EQ(text("http://[::1]:81?q"), "[::1]:81|81||plain|/?q");
  EXPECT_EQ(text("unix:/run/s"), "localhost|0|/run/s|plain|/");
  for (const char* wrong : {"", "a", "ftp://a", "http://", "http://:80", "http://a:", "http://a:0", "http://a:65536",
                            "http://a:1x", "http://u@a/", "http://a/#f", "http://a b/", "http://[::1", "unix:"}) {
    EXPECT_EQ(text(wrong), "refused") << wrong;
  }
}

}  // namespace
}  // namespace weir
