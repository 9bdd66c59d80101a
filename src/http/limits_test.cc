// What a client may take of the server, and what it is told beyond that.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <future>
#include <vector>

#include "raw_client.h"
#include "test_server.h"
#include "weir/http/server.h"

namespace weir {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

int StatusOf(const HttpServer& server, const std::string& text) {
  RawClient client(server.endpoints()[0]);
  client.Send(text);
  const int status = client.Receive().status;
  EXPECT_TRUE(status == 200 || client.IsClosed());
  return status;
}

TEST(HttpLimits, HoldForHeads) {
  const auto server = StartTestServer(EchoRequest, {.header_bytes_max = 1024, .headers_max = 10});
  const auto fields = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "X: y\r\n";
    return text;
  };
  EXPECT_EQ(StatusOf(*server, "GET / HTTP/1.1\r\nHost: h\r\n" + fields(9) + "\r\n"), 200);
  EXPECT_EQ(StatusOf(*server, "GET / HTTP/1.1\r\nHost: h\r\n" + fields(10) + "\r\n"), 431);
  const std::string frame = "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n";
  const auto padded = [&](size_t size) {
    std::string text = frame;
    return text.insert(text.size() - 4, std::string(size - frame.size(), 'x'));
  };
  EXPECT_EQ(StatusOf(*server, padded(1024)), 200);
  EXPECT_EQ(StatusOf(*server, padded(1025)), 431);
  EXPECT_EQ(StatusOf(*server, "GET /" + std::string(2000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(StatusOf(*server, "GET /" + std::string(200'000, 'a')), 414);
  EXPECT_EQ(StatusOf(*server, "GET / HTTP/1.1\r\nX: " + std::string(200'000, 'a')), 431);
}

TEST(HttpLimits, HoldForBodies) {
  const auto server = StartTestServer(EchoRequest, {.body_bytes_max = 1000});
  const auto plain = [](size_t size) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
  };
  EXPECT_EQ(StatusOf(*server, plain(1000)), 200);
  EXPECT_EQ(StatusOf(*server, plain(1001)), 413);
  EXPECT_EQ(StatusOf(*server, plain(300'000)), 413);
  const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  EXPECT_EQ(StatusOf(*server, chunked + chunk + chunk + "0\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf(*server, chunked + chunk + chunk + "1\r\nx\r\n0\r\n\r\n"), 413);
  EXPECT_EQ(StatusOf(*server, chunked + "fffffffffffffff\r\n"), 413);
  EXPECT_EQ(server->stats().body_bytes_held, 0u);
}

TEST(HttpLimits, HoldForAllBodiesTogether) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const auto server = StartTestServer(
      [&](const HttpRequest&, HttpReply reply) {
        released.wait();
        reply.Send({});
      },
      {.worker_threads = 2, .bodies_bytes_max = 150'000});
  const std::string request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x');
  RawClient first(server->endpoints()[0]);
  ASSERT_TRUE(first.Send(request));
  ASSERT_TRUE(ComesTrue([&] { return server->stats().workers_busy == 1; }));
  RawClient second(server->endpoints()[0]);
  second.Send(request);
  const RawResponse response = second.Receive();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.Find("Retry-After"), "1");
  release.set_value();
  EXPECT_EQ(first.Receive().status, 200);
  EXPECT_TRUE(ComesTrue([&] { return server->stats().body_bytes_held == 0; }));
  EXPECT_EQ(StatusOf(*server, request), 200);
}

TEST(HttpLimits, HoldForRequestsInFlight) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const auto server = StartTestServer(
      [&](const HttpRequest&, HttpReply reply) {
        released.wait();
        reply.Send({});
      },
      {.worker_threads = 1, .in_flight_max = 3, .retry_after_s = 7});
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server->endpoints()[0]);
    ASSERT_TRUE(clients.back().Send(kGet));
  }
  ASSERT_TRUE(ComesTrue([&] { return server->stats().requests_in_flight == 3; }));
  EXPECT_TRUE(ComesTrue([&] { return server->stats().worker_queue_depth == 2; }));
  RawClient beyond(server->endpoints()[0]);
  ASSERT_TRUE(beyond.Send(kGet));
  const RawResponse response = beyond.Receive();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.Find("Retry-After"), "7");
  EXPECT_FALSE(response.headers.Has("Connection"));
  EXPECT_EQ(server->stats().requests_overloaded, 1u);
  release.set_value();
  for (RawClient& client : clients) EXPECT_EQ(client.Receive().status, 200);
  ASSERT_TRUE(beyond.Send(kGet));  // it was kept, and may try again
  EXPECT_EQ(beyond.Receive().status, 200);
}

TEST(HttpLimits, HoldForConnections) {
  const auto server = StartTestServer(EchoRequest, {.connections_max = 2});
  RawClient first(server->endpoints()[0]), second(server->endpoints()[0]);
  ASSERT_TRUE(first.Send(kGet) && second.Send(kGet));
  EXPECT_EQ(first.Receive().status, 200);
  EXPECT_EQ(second.Receive().status, 200);
  {
    RawClient third(server->endpoints()[0]);
    ASSERT_TRUE(third.Send(kGet));
    const RawResponse response = third.Receive();
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.headers.Find("Retry-After"), "1");
    EXPECT_TRUE(third.IsClosed());
  }
  EXPECT_EQ(server->stats().connections_refused, 1u);
  first.Close();
  ASSERT_TRUE(ComesTrue([&] { return server->stats().connections_open == 1; }));
  EXPECT_EQ(StatusOf(*server, std::string(kGet)), 200);
}

TEST(HttpLimits, CutOffSlowSenders) {
  const auto server = StartTestServer(
      EchoRequest, {.header_timeout = Milliseconds(50), .body_timeout = Milliseconds(50), .idle_timeout = Milliseconds(50)});
  EXPECT_EQ(StatusOf(*server, "GET / HTTP/1.1\r\nHo"), 408);
  EXPECT_EQ(StatusOf(*server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nx"), 408);
  EXPECT_EQ(StatusOf(*server, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1"), 408);
  RawClient idle(server->endpoints()[0]);
  EXPECT_TRUE(idle.IsClosed());  // without a word
  const HttpServerStats stats = server->stats();
  EXPECT_EQ(stats.timeouts_header, 1u);
  EXPECT_EQ(stats.timeouts_body, 2u);
  EXPECT_EQ(stats.timeouts_idle, 1u);
}

// Out of descriptors, a server waits for some and goes on.
TEST(HttpLimits, OutlastAProcessWithoutDescriptors) {
  const auto server = StartTestServer(EchoRequest);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 200;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> taken;
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) taken.push_back(fd);
  ASSERT_FALSE(taken.empty());
  ::close(taken.back());
  taken.pop_back();
  RawClient client(server->endpoints()[0]);  // takes the last one
  EXPECT_TRUE(client.Send(kGet));
  EXPECT_TRUE(ComesTrue([&] { return server->stats().accept_failures > 0; }));
  for (const int fd : taken) ::close(fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(client.Receive().status, 200);
}

// A byte now and then does not buy more time for a head.
TEST(HttpLimits, CutOffASlowLoris) {
  const auto server = StartTestServer(EchoRequest, {.header_timeout = Milliseconds(100)});
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\n"));
  while (server->stats().timeouts_header == 0 && client.Send("X: y\r\n")) {
    pollfd wait{client.fd(), POLLIN, 0};
    if (::poll(&wait, 1, 5) > 0) break;
  }
  EXPECT_EQ(client.Receive().status, 408);
}

// A body that keeps coming may take longer than the time for one slice of it.
TEST(HttpLimits, GiveASteadyBodyTheTimeItNeeds) {
  const auto server = StartTestServer(EchoRequest, {.body_timeout = Milliseconds(400)});
  RawClient client(server->endpoints()[0]);
  const std::string slice(64 * 1024, 'x');
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(8 * slice.size()) + "\r\n\r\n"));
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(client.Send(slice));
    pollfd wait{client.fd(), POLLIN, 0};
    ::poll(&wait, 1, 100);
  }
  EXPECT_EQ(client.Receive().body.size(), 8 * slice.size());
}

TEST(HttpLimits, CutOffReadersThatTakeNothing) {
  const auto server =
      StartTestServer([](const HttpRequest&, HttpReply reply) { reply.Send({.body = std::string(32 << 20, 'x')}); },
                      {.write_timeout = Milliseconds(100)});
  RawClient client(server->endpoints()[0], 4096);
  ASSERT_TRUE(client.Send(kGet));
  EXPECT_TRUE(ComesTrue([&] { return server->stats().timeouts_write == 1; }));
  EXPECT_TRUE(ComesTrue([&] { return server->stats().connections_open == 0; }));
}

}  // namespace
}  // namespace weir
