// A process with pools for the tests of `weir pools`, `weir pressure` and `weir top`.
//
// usage: weir_pool_process     makes two pools and a broker, prints the path of the socket it answers on, and ends when its
// standard input does. XDG_RUNTIME_DIR says where the socket lies.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "weir/broker/broker.h"
#include "weir/inspect/inspect_server.h"
#include "weir/pool/pool.h"
#include "weir/sensors/host_sensor.h"

namespace {

constexpr uint64_t kMiB = 1 << 20;

template <typename T>
T Must(weir::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void Fill(weir::Pool& pool, uint64_t entries, double refetch_us) {
  const std::vector<std::byte> value(4096);
  for (uint64_t i = 0; i < entries; ++i) pool.Insert({0, i}, value, {.refetch_us = refetch_us});
}

}  // namespace

int main() {
  weir::HostSensor sensor({.with_devices = false});
  const auto broker = Must(weir::Broker::Create(sensor, {.budget_bytes = 96 * kMiB}));
  const auto cheap = Must(weir::Pool::Create({.name = "cheap", .budget_bytes = 64 * kMiB}));
  const auto dear = Must(weir::Pool::Create({.name = "dear", .budget_bytes = 64 * kMiB}));
  Fill(*cheap, 4096, 10);
  Fill(*dear, 4096, 10'000);
  for (uint64_t i = 0; i < 5000; ++i) cheap->Get({0, i});
  const weir::Registration cheap_registration = Must(broker->Register(*cheap));
  const weir::Registration dear_registration = Must(broker->Register(*dear, {.min_share_bytes = 8 * kMiB}));
  const weir::GrantOutcome grant = broker->Activate({"review", {{"dear", 4 * kMiB}}});
  broker->Tick();
  const auto server = Must(weir::InspectServer::Start(*broker, {.process = "weir test"}));
  std::printf("%s\n", server->path().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return grant.granted() ? 0 : 1;
}
