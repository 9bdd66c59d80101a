// How a server begins and ends: sockets, TLS, drain, stop.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "certificate.h"
#include "raw_client.h"
#include "test_server.h"
#include "weir/http/client.h"
#include "weir/http/server.h"

namespace weir {
namespace {

using Seconds = std::chrono::seconds;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-http-XXXXXX").string();
    WEIR_CHECK(::mkdtemp(name.data()) != nullptr, "no folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

TEST(HttpUnixSocket, ServesItsUserAndSaysWhoAsks) {
  const Folder folder;
  HttpPeer peer;
  const auto server = StartTestServer(
      [&](const HttpRequest& request, HttpReply reply) {
        peer = *request.peer;
        reply.Send({.body = "here"});
      },
      {.listeners = {{.socket_path = folder / "s"}, {}}});
  EXPECT_EQ(server->endpoints()[0].ToString(), "unix:" + (folder / "s").string());
  struct stat status {};
  ASSERT_EQ(::stat((folder / "s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send(kGet));
  EXPECT_EQ(client.Receive().body, "here");
  EXPECT_TRUE(peer.is_unix);
  EXPECT_EQ(peer.uid, ::getuid());
  EXPECT_EQ(peer.pid, ::getpid());
  RawClient tcp(server->endpoints()[1]);
  ASSERT_TRUE(tcp.Send(kGet));
  EXPECT_EQ(tcp.Receive().body, "here");
  EXPECT_FALSE(peer.is_unix);
}

TEST(HttpUnixSocket, ReplacesWhatIsStaleAndNothingElse) {
  const Folder folder;
  const std::filesystem::path path = folder / "s";
  const HttpServerOptions options{.listeners = {{.socket_path = path}}};
  {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
  }
  {
    const auto server = StartTestServer(EchoRequest, options);
    const auto second = HttpServer::Start(options, EchoRequest);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
    RawClient client(server->endpoints()[0]);  // the first serves on
    ASSERT_TRUE(client.Send(kGet));
    EXPECT_EQ(client.Receive().status, 200);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "a file";
  const auto server = HttpServer::Start(options, EchoRequest);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(path));
  const auto too_long = HttpServer::Start({.listeners = {{.socket_path = folder / std::string(200, 'x')}}}, EchoRequest);
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().code, ErrorCode::kInvalidArgument);
}

TEST(HttpTls, IsSpokenAndVerified) {
  const Folder folder;
  const HttpTlsFiles files{folder / "chain.pem", folder / "key.pem"};
  WriteCertificate(files, "127.0.0.1");
  const auto server = StartTestServer(
      [](const HttpRequest& request, HttpReply reply) {
        reply.Send({.body = std::string(request.peer->is_tls ? "secret:" : "plain:") + request.body});
      },
      {.listeners = {{.tls = true}, {}}, .tls = files});
  const auto client = *HttpClient::Create({.certificate_authorities = files.certificate_chain});
  const std::string large(3 << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto response = client->Send(TargetOf(*server), {.method = "POST", .body = large});
    ASSERT_TRUE(response.has_value()) << response.error().ToString();
    EXPECT_EQ(response->body, "secret:" + large);
  }
  EXPECT_EQ(client->stats().connections_reused, 2u);
  EXPECT_EQ(client->Send(TargetOf(*server, 1), {})->body, "plain:");
  // Nobody believes it without being told to.
  const auto strict = *HttpClient::Create();
  const auto refused = strict->Send(TargetOf(*server), {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message.find("certificate"), std::string::npos) << refused.error().message;
  const auto lax = *HttpClient::Create({.verify_certificates = false});
  EXPECT_TRUE(lax->Send(TargetOf(*server), {}).has_value());
  // Plain HTTP to the TLS port, and TLS to the plain one.
  RawClient plain(server->endpoints()[0]);
  ASSERT_TRUE(plain.Send(kGet));
  EXPECT_TRUE(plain.IsClosed());
  EXPECT_TRUE(ComesTrue([&] { return server->stats().tls_failures >= 1; }));
  HttpTarget wrong = TargetOf(*server, 1);
  wrong.tls = true;
  EXPECT_FALSE(client->Send(wrong, {}).has_value());
}

TEST(HttpTls, ReadsItsCertificateAgain) {
  const Folder folder;
  const HttpTlsFiles files{folder / "chain.pem", folder / "key.pem"};
  WriteCertificate(files, "127.0.0.1");
  const auto server = StartTestServer(EchoRequest, {.listeners = {{.tls = true}}, .tls = files});
  const auto old_client = *HttpClient::Create({.certificate_authorities = files.certificate_chain});
  EXPECT_TRUE(old_client->Send(TargetOf(*server), {}).has_value());
  WriteCertificate(files, "127.0.0.1");
  const auto new_client = *HttpClient::Create({.certificate_authorities = files.certificate_chain});
  EXPECT_FALSE(new_client->Send(TargetOf(*server), {}).has_value());
  ASSERT_TRUE(server->ReloadTls().has_value());
  EXPECT_TRUE(new_client->Send(TargetOf(*server), {}).has_value());
  EXPECT_TRUE(old_client->Send(TargetOf(*server), {}).has_value());  // over the connection it has
  old_client->CloseIdleConnections();
  EXPECT_FALSE(old_client->Send(TargetOf(*server), {}).has_value());
  std::ofstream(files.private_key) << "no key";
  EXPECT_EQ(server->ReloadTls().error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(new_client->Send(TargetOf(*server), {}).has_value());
}

TEST(HttpServerEnd, DrainFinishesWhatIsInFlight) {
  std::promise<void> working, release;
  const auto server = StartTestServer([&](const HttpRequest&, HttpReply reply) {
    working.set_value();
    release.get_future().wait();
    reply.Send({.body = "done"});
  });
  RawClient idle(server->endpoints()[0]), busy(server->endpoints()[0]);
  ASSERT_TRUE(busy.Send(kGet));
  working.get_future().wait();
  auto drained = std::async(std::launch::async, [&] { return server->Drain(Seconds(20)); });
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_TRUE(ComesTrue([&] { return !RawClient(server->endpoints()[0]).is_connected(); }));
  release.set_value();
  const RawResponse response = busy.Receive();
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.headers.Find("Connection"), "close");
  EXPECT_TRUE(busy.IsClosed());
  EXPECT_TRUE(drained.get());
}

TEST(HttpServerEnd, DrainTellsStreamsAndCutsOffTheRest) {
  std::promise<std::shared_ptr<HttpStream>> first, second;
  const auto server = StartTestServer([&](const HttpRequest& request, HttpReply reply) {
    (request.path == "/1" ? first : second).set_value(reply.OpenStream({}));
  });
  RawClient polite(server->endpoints()[0]), stubborn(server->endpoints()[0]);
  ASSERT_TRUE(polite.Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n") && stubborn.Send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto polite_stream = first.get_future().get();
  const auto stubborn_stream = second.get_future().get();
  polite_stream->OnDrain([&] {
    EXPECT_TRUE(polite_stream->Send("bye").has_value());
    polite_stream->Finish();
  });
  EXPECT_FALSE(server->Drain(std::chrono::milliseconds(200)));
  EXPECT_EQ(polite.Receive().body, "bye");
  EXPECT_TRUE(polite.was_whole());
  stubborn.Receive();
  EXPECT_FALSE(stubborn.was_whole());
  EXPECT_TRUE(stubborn_stream->closed());
}

TEST(HttpServerEnd, StopWaitsForHandlersAndAnswersNobody) {
  std::promise<void> working, release;
  std::atomic<bool> was_cancelled = false;
  const auto server = StartTestServer(
      [&](const HttpRequest& request, HttpReply reply) {
        working.set_value();
        request.OnCancelled([&] { release.set_value(); });
        release.get_future().wait();
        was_cancelled = request.cancelled();
        reply.Send({});
      },
      {.worker_threads = 1});
  RawClient running(server->endpoints()[0]), waiting(server->endpoints()[0]);
  ASSERT_TRUE(running.Send(kGet));
  working.get_future().wait();
  ASSERT_TRUE(waiting.Send(kGet));
  ASSERT_TRUE(ComesTrue([&] { return server->stats().worker_queue_depth == 1; }));
  server->Stop();
  EXPECT_TRUE(was_cancelled);
  EXPECT_EQ(running.ReadToEnd(), "");
  EXPECT_EQ(waiting.ReadToEnd(), "");
  EXPECT_EQ(server->stats().connections_open, 0u);
  server->Stop();
  EXPECT_TRUE(server->Drain({}));
}

TEST(HttpServerEnd, AReplyMayComeAfterIt) {
  std::promise<HttpReply> taken;
  auto server = StartTestServer([&](const HttpRequest&, HttpReply reply) { taken.set_value(std::move(reply)); });
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send(kGet));
  HttpReply reply = taken.get_future().get();
  server.reset();
  EXPECT_TRUE(reply.request().cancelled());
  reply.Send({.body = "to nobody"});
}

}  // namespace
}  // namespace weir
