#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "serve_setup.h"
#include "session.h"
#include "weir/http/client.h"

namespace weir {
namespace {

struct Options {
  std::string url;
  std::optional<uint64_t> timeout_ms;
};

constexpr uint64_t kTimeoutMsUsual = 2000;
constexpr uint64_t kTimeoutMsMost = 600'000;

// The socket before the addresses: it needs no certificate.
Result<HttpTarget> DaemonTarget(const Session& session) {
  if (std::filesystem::path socket = DaemonSocket(session); !socket.empty()) {
    HttpTarget target;
    target.host = "localhost";
    target.socket_path = std::move(socket);
    return target;
  }
  const std::vector<std::string> addresses = session.settings().List("listen");
  if (addresses.empty()) return InvalidArgument("the settings name no place of a daemon", "say where with --url");
  const bool has_tls = !session.settings().Text("tls_certificate").empty();
  WEIR_ASSIGN(HttpUrl url, ParseHttpUrl(fmt::format("{}://{}", has_tls ? "https" : "http", addresses.front())));
  return std::move(url.target);
}

Result<ExitCode> Run(const Options& options, Session& session) {
  Result<HttpTarget> target = InvalidArgument("");
  if (options.url.empty()) {
    target = DaemonTarget(session);
  } else if (Result<HttpUrl> url = ParseHttpUrl(options.url); url) {
    target = std::move(url->target);
  } else {
    target = std::move(url).error();
  }
  if (!target) return session.As(ExitCode::kUsage, std::move(target).error());

  HttpClientOptions limits;
  const auto timeout =
      std::chrono::milliseconds(std::clamp<uint64_t>(options.timeout_ms.value_or(kTimeoutMsUsual), 1, kTimeoutMsMost));
  limits.connect_timeout = limits.write_timeout = limits.answer_timeout = limits.read_timeout = timeout;
  limits.body_bytes_max = 1 << 20;
  WEIR_ASSIGN(const std::unique_ptr<HttpClient> client, HttpClient::Create(std::move(limits)));
  HttpCall call;
  call.path = "/readyz";
  const Result<HttpResponse> response = client->Send(*target, call);
  if (!response) return session.As(ExitCode::kFailure, response.error());
  const bool is_ready = response->status == 200;
  if (session.json()) {
    session.WriteJson(Json::Object{{"ready", is_ready}, {"status", int64_t{response->status}}});
  } else {
    session.out().Line(is_ready ? std::string("ready") : fmt::format("not ready: the daemon answers {}", response->status));
  }
  return is_ready ? ExitCode::kOk : ExitCode::kFailure;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Text("--url", options->url, "URL", "Another daemon: http://HOST:PORT, https://HOST:PORT or unix:/path/weir.sock");
  flags.Count("--timeout-ms", options->timeout_ms, "For each step of the call, in milliseconds; 2000 without it");
  for (const std::string_view key : {"socket", "data", "listen"}) flags.Setting(key);
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command HealthCommand() {
  return {
      .name = "health",
      .summary = "ask a running daemon whether it is ready",
      .description =
          "Asks /readyz over the daemon's unix socket, or its first address where it has none, found by the settings that "
          "'weir serve' reads. Ends with 0 when it is ready and 1 when it is not or cannot be reached: for containers and "
          "scripts that wait. 'weir doctor' looks at the machine instead.",
      .examples = {{"weir health", "0: ready"},
                   {"weir health --url http://127.0.0.1:8741", "over TCP"},
                   {"until weir health; do sleep 1; done", "wait for it"}},
      .declare = Declare};
}

}  // namespace weir
