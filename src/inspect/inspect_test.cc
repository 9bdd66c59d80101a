#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fake_machine.h"
#include "requests.h"
#include "weir/base/random.h"
#include "weir/inspect/broker_json.h"
#include "weir/inspect/inspect_client.h"
#include "weir/inspect/inspect_server.h"

namespace weir {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

// A broker with two pools on a fake machine, and a folder for sockets.
class InspectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-inspect-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    sensor_.SetBound(100'000, 10'000);
    broker_ = *Broker::Create(sensor_, {.budget_bytes = 1000});
    small_.Fill(100, 1);
    large_.Fill(600, 3);
    registrations_.push_back(*broker_->Register(small_, {.min_share_bytes = 50}));
    registrations_.push_back(*broker_->Register(large_));
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Serve(InspectServerOptions options = {}) {
    options.folder = folder_;
    options.process = "weir test";
    Result<std::unique_ptr<InspectServer>> server = InspectServer::Start(*broker_, std::move(options));
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = *std::move(server);
  }
  Result<Json> Ask(Json::Object request) { return AskProcess(server_->path(), Json(std::move(request)), kPatience); }

  // A connection that sends whatever it likes.
  int Connect() const {
    const int peer = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, server_->path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return peer;
  }
  static std::string ReadAll(int peer) {
    std::string all;
    char piece[4096];
    for (ssize_t count = 0; (count = ::recv(peer, piece, sizeof piece, 0)) > 0;)
      all.append(piece, static_cast<size_t>(count));
    return all;
  }

  std::filesystem::path folder_;
  FakeSensor sensor_;
  std::unique_ptr<Broker> broker_;
  FakePool small_{"small", 1000};
  FakePool large_{"large", 1000};
  std::vector<Registration> registrations_;
  std::unique_ptr<InspectServer> server_;
};

TEST_F(InspectTest, TellsWhatTheBrokerKnows) {
  Serve();
  broker_->Tick();
  const Result<Json> snapshot = Ask({{"op", "snapshot"}});
  ASSERT_TRUE(snapshot) << snapshot.error().ToString();
  EXPECT_EQ(snapshot->Find("pid")->as_int(), ::getpid());
  EXPECT_EQ(snapshot->Find("process")->as_string(), "weir test");
  EXPECT_EQ(snapshot->Find("used_bytes")->as_int(), 700);
  EXPECT_EQ(snapshot->Find("tier")->as_string(), "warning");
  EXPECT_EQ(snapshot->Find("mode")->as_string(), "relaxed");
  EXPECT_TRUE(snapshot->Find("stall")->is_null());
  EXPECT_TRUE(snapshot->Find("last_relief")->is_null());
  const Json::Array& pools = snapshot->Find("pools")->as_array();
  ASSERT_EQ(pools.size(), 2u);
  EXPECT_EQ(pools[0].Find("name")->as_string(), "large");  // the fullest
  EXPECT_EQ(pools[1].Find("guaranteed_bytes")->as_int(), 50);
}

TEST_F(InspectTest, FiguresThatAreNotKnownAreNull) {
  sensor_.Set([] { return Headroom{}; });
  small_.Reclaim(100, {});
  broker_->Tick();
  const Json json = BrokerJson(broker_->Snapshot());
  EXPECT_TRUE(json.Find("mode")->is_null());
  EXPECT_TRUE(json.Find("resident_bytes")->is_null());
  EXPECT_TRUE(json.Find("devices")->as_array()[0].Find("used_bytes")->is_null());
  EXPECT_TRUE(json.Find("devices")->as_array()[0].Find("short")->is_null());
  EXPECT_TRUE(std::isinf(json.Find("pools")->as_array()[1].Find("price_us_per_byte")->as_double()));
  EXPECT_NE(json.Dump().find("\"price_us_per_byte\":null"), std::string::npos);
}

TEST_F(InspectTest, PlansAndRelieves) {
  Serve();
  const Result<Json> plan = Ask({{"op", "plan"}, {"bytes", 120}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->Find("wanted_bytes")->as_int(), 120);
  EXPECT_EQ(small_.used() + large_.used(), 700u);  // nothing happened
  const Result<Json> nothing = Ask({{"op", "plan"}, {"bytes", nullptr}});
  EXPECT_EQ(nothing->Find("wanted_bytes")->as_int(), 0);
  const Result<Json> relief = Ask({{"op", "relieve"}, {"bytes", 120}});
  ASSERT_TRUE(relief);
  EXPECT_EQ(relief->Find("released_bytes")->as_int(), 120);
  EXPECT_EQ(small_.used() + large_.used(), 580u);
  EXPECT_GE(small_.used(), 50u);
  EXPECT_FALSE(Ask({{"op", "snapshot"}})->Find("last_relief")->is_null());
}

TEST_F(InspectTest, RefusesWhatItDoesNotUnderstand) {
  Serve();
  for (const Json::Object& request : std::vector<Json::Object>{{},
                                                               {{"op", 7}},
                                                               {{"op", "drop"}},
                                                               {{"op", "plan"}, {"bytes", -1}},
                                                               {{"op", "relieve"}, {"bytes", "all"}},
                                                               {{"op", "relieve"}, {"bytes", 1.5}}}) {
    const Result<Json> answer = Ask(request);
    ASSERT_FALSE(answer) << Json(request).Dump();
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(small_.used() + large_.used(), 700u);
}

TEST_F(InspectTest, SurvivesGarbage) {
  Serve({.request_bytes_max = 200});
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    const int peer = Connect();
    std::string bytes;
    for (uint64_t i = random.Below(400); i > 0; --i) bytes += static_cast<char>(random.Below(256));
    if (random.Below(3) == 0) bytes = R"({"op":"snapshot")" + std::string(random.Below(300), '[');
    if (random.Below(2) == 0) bytes += '\n';
    static_cast<void>(!::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (random.Below(2) == 0) ::shutdown(peer, SHUT_WR);
    ::close(peer);
  }
  EXPECT_TRUE(Ask({{"op", "hello"}}));
  const int peer = Connect();
  const std::string long_line(300, 'x');
  ASSERT_EQ(::send(peer, long_line.data(), long_line.size(), MSG_NOSIGNAL), 300);
  EXPECT_NE(ReadAll(peer).find("at most 200 bytes"), std::string::npos);
  ::close(peer);
}

TEST_F(InspectTest, SlowPeersAreSentAway) {
  Serve({.request_time = std::chrono::milliseconds(20), .connections_max = 2});
  std::vector<int> silent;
  for (int i = 0; i < 6; ++i) silent.push_back(Connect());
  EXPECT_TRUE(Ask({{"op", "hello"}}));  // although every place was taken
  for (const int peer : silent) {
    EXPECT_EQ(ReadAll(peer), "");
    ::close(peer);
  }
}

TEST_F(InspectTest, ALongReliefDoesNotUseUpTheTimeOfOthers) {
  constexpr auto kPeerTime = std::chrono::seconds(1);
  Serve({.request_time = kPeerTime});
  const int early = Connect();
  EXPECT_TRUE(Ask({{"op", "hello"}}));  // came after it, so it has been accepted
  large_.before_reclaim = [&](uint64_t) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable never;
    const TimePoint end = SteadyClock().Now() + kPeerTime;
    while (SteadyClock().Now() < end) never.wait_until(lock, end);
  };
  EXPECT_TRUE(Ask({{"op", "relieve"}, {"bytes", 650}}));
  const std::string request = "{\"op\":\"hello\"}\n";
  ASSERT_EQ(::send(early, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  EXPECT_NE(ReadAll(early).find("weir test"), std::string::npos);
  ::close(early);
}

TEST_F(InspectTest, ManyAskAtOnce) {
  Serve();
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) answered += Ask({{"op", i % 4 == 0 ? "plan" : "snapshot"}}).has_value() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 80);
}

TEST_F(InspectTest, TheSocketIsForThisUserAlone) {
  Serve();
  struct stat found {};
  ASSERT_EQ(::stat(server_->path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_EQ(InspectServer::Start(*broker_, {.folder = folder_}).error().code, ErrorCode::kAlreadyExists);
  const std::filesystem::path path = server_->path();
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));

  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  EXPECT_EQ(InspectServer::Start(*broker_, {.folder = folder_}).error().code, ErrorCode::kUnavailable);
  std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
  std::filesystem::create_directory_symlink(folder_, folder_ / "link");
  EXPECT_FALSE(InspectServer::Start(*broker_, {.folder = folder_ / "link"}));
  EXPECT_EQ(InspectServer::Start(*broker_, {.folder = folder_ / std::string(100, 'x')}).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_F(InspectTest, FindsProcessesAndRemovesWhatIsLeftOfOthers) {
  Serve();
  std::ofstream(folder_ / "notes.txt") << "x";
  std::ofstream(folder_ / "x.sock") << "x";
  {
    const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // bound, and then nobody listens
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (folder_ / "1.sock").c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
  }
  const std::vector<InspectedProcess> found = FindInspected(folder_);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pid, ::getpid());
  EXPECT_EQ(found[0].name, "weir test");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "1.sock"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "x.sock"));
  EXPECT_TRUE(FindInspected(folder_ / "absent").empty());
  EXPECT_EQ(AskProcess(folder_ / "2.sock", Json::MakeObject(), kPatience).error().code, ErrorCode::kNotFound);
}

TEST(InspectFolder, FollowsTheRuntimeFolder) {
  const char* const before = std::getenv("XDG_RUNTIME_DIR");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("XDG_RUNTIME_DIR", "/tmp", 1);
  EXPECT_EQ(InspectFolder(), "/tmp/weir");
  ::setenv("XDG_RUNTIME_DIR", "/absent/folder", 1);
  EXPECT_EQ(InspectFolder(), "/tmp/weir-" + std::to_string(::geteuid()));
  ::setenv("XDG_RUNTIME_DIR", "relative", 1);
  EXPECT_EQ(InspectFolder(), "/tmp/weir-" + std::to_string(::geteuid()));
  if (before == nullptr) {
    ::unsetenv("XDG_RUNTIME_DIR");
  } else {
    ::setenv("XDG_RUNTIME_DIR", saved.c_str(), 1);
  }
}

}  // namespace
}  // namespace weir
