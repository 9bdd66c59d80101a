// Streams: pieces, back-pressure, ends of every kind, and clients that leave.

#include <gtest/gtest.h>

#include <future>

#include "raw_client.h"
#include "test_server.h"
#include "weir/http/server.h"
#include "weir/http/sse.h"

namespace weir {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
using Seconds = std::chrono::seconds;

// A server whose only handler opens a stream and hands it to the test.
struct StreamServer {
  explicit StreamServer(HttpStreamOptions stream_options = {}, HttpServerOptions options = {}) {
    options.worker_threads = 1;
    server = StartTestServer(
        [this, stream_options](const HttpRequest&, HttpReply reply) { taken.set_value(reply.OpenStream(stream_options)); },
        std::move(options));
  }
  std::shared_ptr<HttpStream> Ask(RawClient& client, std::string_view request = kGet) {
    taken = {};
    WEIR_CHECK(client.Send(request), "cannot send");
    return taken.get_future().get();
  }
  RawClient Connect(int receive_buffer_bytes = 0) const { return RawClient(server->endpoints()[0], receive_buffer_bytes); }

  std::promise<std::shared_ptr<HttpStream>> taken;
  std::unique_ptr<HttpServer> server;
};

TEST(HttpStream, SendsPiecesAsTheyComeAndHoldsNoWorker) {
  StreamServer fixture;
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client);
  EXPECT_TRUE(ComesTrue([&] { return fixture.server->stats().workers_busy == 0; }));
  EXPECT_TRUE(client.TakeThrough("\r\n\r\n").find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  ASSERT_TRUE(stream->Send("one").has_value());
  EXPECT_EQ(client.Take(8), "3\r\none\r\n");
  ASSERT_TRUE(stream->Send("a second one").has_value());
  EXPECT_EQ(client.Take(17), "c\r\na second one\r\n");
  EXPECT_EQ(fixture.server->stats().streams_open, 1u);
  EXPECT_FALSE(stream->closed());
  stream->Finish();
  EXPECT_FALSE(stream->Send("late").has_value());
  EXPECT_EQ(client.Take(5), "0\r\n\r\n");
  EXPECT_TRUE(ComesTrue([&] { return stream->closed(); }));
  EXPECT_EQ(fixture.server->stats().streams_open, 0u);
  // The connection serves on.
  const auto again = fixture.Ask(client);
  again->Finish();
  EXPECT_EQ(client.Receive().status, 200);
}

TEST(HttpStream, KeepsWhatAPromisedLengthSays) {
  StreamServer fixture({.headers = {{"Content-Length", "6"}}});
  RawClient client = fixture.Connect();
  auto stream = fixture.Ask(client);
  ASSERT_TRUE(stream->Send("abc").has_value() && stream->Send("def").has_value());
  stream->Finish();
  EXPECT_EQ(client.Receive().body, "abcdef");
  stream = fixture.Ask(client);  // the connection was kept
  ASSERT_TRUE(stream->Send("ab").has_value());
  stream->Finish();  // too short: cut off
  EXPECT_EQ(client.TakeThrough("\r\n\r\n").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(client.ReadToEnd(), "ab");
}

TEST(HttpStream, CutsOffAStreamThatIsDropped) {
  StreamServer fixture;
  RawClient client = fixture.Connect();
  auto stream = fixture.Ask(client);
  ASSERT_TRUE(stream->Send("part").has_value());
  EXPECT_EQ(client.TakeThrough("part\r\n").substr(0, 12), "HTTP/1.1 200");
  stream.reset();
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(HttpStream, GoesPlainToHttp10) {
  StreamServer fixture;
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(stream->Send("ab").has_value() && stream->Send("cd").has_value());
  stream->Finish();
  const RawResponse response = client.Receive();
  EXPECT_FALSE(response.headers.Has("Transfer-Encoding"));
  EXPECT_EQ(response.body, "abcd");
}

TEST(HttpStream, IsClosedFromTheStartForHead) {
  StreamServer fixture;
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.Receive(true).status, 200);
  EXPECT_TRUE(ComesTrue([&] { return stream->closed(); }));
  EXPECT_FALSE(stream->Send("x").has_value());
}

TEST(HttpStream, NoticesAClientThatLeaves) {
  StreamServer fixture;
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client);
  std::promise<void> closed;
  stream->OnClosed([&] { closed.set_value(); });
  client.Close();
  EXPECT_EQ(closed.get_future().wait_for(Seconds(10)), std::future_status::ready);
  EXPECT_TRUE(stream->closed());
  EXPECT_EQ(stream->Send("x").error().code, ErrorCode::kUnavailable);
  std::promise<void> at_once;
  stream->OnClosed([&] { at_once.set_value(); });
  EXPECT_EQ(at_once.get_future().wait_for(Seconds(0)), std::future_status::ready);
}

TEST(HttpStream, PushesBackOnAFastWriter) {
  StreamServer fixture({.buffer_bytes_max = 64 * 1024});
  RawClient client = fixture.Connect(4096);
  const auto stream = fixture.Ask(client);
  const std::string piece(16 * 1024, 'x');
  uint64_t sent = 0;
  Status status;
  // Until the system's buffers between the two are full as well.
  while ((status = stream->SendWaiting(piece, std::chrono::milliseconds(300))).has_value()) {
    sent += piece.size();
    ASSERT_LT(sent, uint64_t{64} << 20) << "the buffer has no end";
    ASSERT_LE(stream->queued_bytes(), 64u * 1024);
  }
  EXPECT_EQ(status.error().code, ErrorCode::kDeadline);
  EXPECT_EQ(stream->Send(piece).error().code, ErrorCode::kExhausted);
  // Everything accepted arrives once the client reads, and waiting works.
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(stream->SendWaiting(piece, Seconds(20)).has_value());
      sent += piece.size();
    }
    stream->Finish();
  });
  const RawResponse response = client.Receive();
  writer.join();
  EXPECT_TRUE(client.was_whole());
  EXPECT_EQ(response.body.size(), sent);
}

TEST(HttpStream, TakesAPieceLargerThanItsBuffer) {
  StreamServer fixture({.buffer_bytes_max = 10});
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client);
  const std::string piece(1 << 20, 'y');
  auto response = std::async(std::launch::async, [&] { return client.Receive(); });
  ASSERT_TRUE(stream->SendWaiting(piece, Seconds(10)).has_value());
  ASSERT_TRUE(stream->SendWaiting("end", Seconds(10)).has_value());
  stream->Finish();
  EXPECT_EQ(response.get().body, piece + "end");
}

TEST(HttpStream, CutsOffAReaderThatTakesNothing) {
  StreamServer fixture({}, {.write_timeout = std::chrono::milliseconds(100)});
  RawClient client = fixture.Connect(4096);
  const auto stream = fixture.Ask(client);
  while (stream->SendWaiting(std::string(256 * 1024, 'x'), Seconds(20)).has_value()) {
  }
  EXPECT_TRUE(stream->closed());
  EXPECT_EQ(fixture.server->stats().timeouts_write, 1u);
}

TEST(HttpStream, KeepsSilentStreamsAlive) {
  StreamServer fixture(SseStreamOptions(std::chrono::milliseconds(20)));
  RawClient client = fixture.Connect();
  const auto stream = fixture.Ask(client);
  const std::string head = client.TakeThrough("\r\n\r\n");
  for (const char* field :
       {"Content-Type: text/event-stream\r\n", "X-Accel-Buffering: no\r\n", "Cache-Control: no-cache\r\n"}) {
    EXPECT_NE(head.find(field), std::string::npos) << field;
  }
  EXPECT_EQ(client.Take(16), "3\r\n:\n\n\r\n3\r\n:\n\n\r\n");
  ASSERT_TRUE(stream->Send(FormatSse({.data = "x"})).has_value());
  EXPECT_NE(client.TakeThrough("data: x\n\n\r\n").find("9\r\ndata: x\n\n\r\n"), std::string::npos);
}

TEST(HttpStream, OutlivesItsServer) {
  std::shared_ptr<HttpStream> stream;
  {
    StreamServer fixture;
    RawClient client = fixture.Connect();
    stream = fixture.Ask(client);
    fixture.server->Stop();
  }
  EXPECT_TRUE(stream->closed());
  EXPECT_FALSE(stream->Send("x").has_value());
  stream->Finish();
}

TEST(HttpRequest, HearsThatItsClientLeft) {
  std::promise<void> working, cancelled, left;
  const auto server = StartTestServer([&](const HttpRequest& request, HttpReply reply) {
    EXPECT_FALSE(request.cancelled());
    request.OnCancelled([&] { cancelled.set_value(); });
    working.set_value();
    left.get_future().wait();  // a long computation
    EXPECT_TRUE(request.cancelled());
    reply.Send({});
  });
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send(kGet));
  working.get_future().wait();
  client.Close();
  EXPECT_EQ(cancelled.get_future().wait_for(Seconds(10)), std::future_status::ready);
  left.set_value();
  EXPECT_TRUE(ComesTrue([&] { return server->stats().connections_open == 0; }));
  EXPECT_EQ(server->stats().requests_cancelled, 1u);
}

TEST(HttpRequest, IsAnsweredAlsoToAHalfClosedClient) {
  const auto server = StartTestServer(EchoRequest);
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send(std::string(kGet) + std::string(kGet)));
  client.ShutdownSending();
  EXPECT_EQ(client.Receive().body, "nothing");
  EXPECT_EQ(client.Receive().body, "nothing");
  EXPECT_TRUE(client.IsClosed());
}

}  // namespace
}  // namespace weir
