#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>

#include "command.h"
#include "daemon_signals.h"
#include "serve_setup.h"
#include "supervisor.h"
#include "weir/api/api.h"
#include "weir/api/mcp_tools.h"
#include "weir/base/log.h"
#include "weir/http/server.h"
#include "weir/inspect/inspect_server.h"
#include "weir/mcp/http_endpoint.h"
#include "weir/mcp/server.h"
#include "weir/service/service.h"
#include "weir/trace/span_exporter.h"
#include "weir/trace/trace_settings.h"

namespace weir {
namespace {

constexpr uint32_t kWorkersUsual = 16;
constexpr std::string_view kMcpPath = "/mcp";

LogLevel LevelOf(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" ? LogLevel::kError : LogLevel::kOff;
}

// Each connection takes a descriptor; the usual limit is there for programs that use select().
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

// The running daemon and what it is made of, in the order of their dependence.
class Daemon {
 public:
  explicit Daemon(Session& session) : session_(session) {}
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() {
    if (server_ != nullptr) server_->Stop();
    End();
  }

  Status Start() {
    WEIR_ASSIGN(std::vector<AccessToken> tokens, Tokens());
    access_ = std::make_unique<Access>(std::move(tokens));
    WEIR_ASSIGN(std::vector<HttpListener> listeners, ListenersOf(session_, !access_->open()));
    WEIR_ASSIGN(ServiceOptions options, ServiceOptionsOf(session_));
    options.workspaces = access_->workspaces();
    std::erase(options.workspaces, kDefaultWorkspace);
    std::error_code error;
    std::filesystem::create_directories(options.data, error);
    if (error) {
      return session_.As(ExitCode::kCannotCreate,
                         Unavailable(fmt::format("cannot make {}: {}", options.data.string(), error.message()),
                                     "set data to a folder that can be written"));
    }
    WEIR_ASSIGN(service_, Service::Create(std::move(options)));
    WEIR_TRY(StartTraces());
    return Listen(std::move(listeners));
  }

  // The data, while health is told already.
  Status Open() {
    const Status opened = service_->Open();
    if (!opened) return session_.As(ExitCode::kCannotCreate, opened.error());
    news_ = std::make_unique<McpNews>(*mcp_, *service_);
    StartInspect();
    Log(LogLevel::kInfo, "ready");
    TellSupervisor(session_.environment(), "READY=1");
    return {};
  }

  // What can change without a restart: tokens, certificates.
  void Reload() {
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch());
    TellSupervisor(session_.environment(), fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
    if (const Status reloaded = ReloadTokens(); !reloaded) {
      Log(LogLevel::kError, fmt::format("tokens stay as they were: {}", reloaded.error().ToString()));
    }
    if (const Status reloaded = has_tls_ ? server_->ReloadTls() : Status(); !reloaded) {
      Log(LogLevel::kError, fmt::format("certificates stay as they were: {}", reloaded.error().ToString()));
    }
    TellSupervisor(session_.environment(), "READY=1");
    Log(LogLevel::kInfo, "reloaded");
  }

  // Finishes what is in flight; false when some of it had to be cut off.
  bool Drain() {
    TellSupervisor(session_.environment(), "STOPPING=1");
    service_->StartDraining();
    const bool whole = server_->Drain(std::chrono::seconds(session_.settings().Count("drain_seconds")));
    server_->Stop();
    End();
    if (exporter_ != nullptr) exporter_->Shutdown(std::chrono::seconds(5));
    return whole;
  }

  const std::vector<HttpEndpoint>& endpoints() const { return server_->endpoints(); }

 private:
  // In the order of their dependence. REQUIRES: the server has stopped.
  void End() {
    inspect_.reset();
    news_.reset();
    mcp_endpoint_.reset();
    mcp_.reset();
    if (service_ != nullptr) service_->Close();
  }

  // For 'weir pools', 'pressure' and 'top' of the same user; a daemon without them is a daemon still.
  void StartInspect() {
    auto inspect = InspectServer::Start(service_->broker(), {.process = "weir serve"});
    if (inspect) inspect_ = *std::move(inspect);
    if (inspect_ != nullptr) return;
    Log(LogLevel::kWarning, fmt::format("'weir pools' will not see this process: {}", inspect.error().ToString()));
  }

  Result<std::vector<AccessToken>> Tokens() {
    Result<std::vector<AccessToken>> tokens = ReadAccessTokens(TokensFile(session_));
    if (!tokens) return session_.As(ExitCode::kBadConfig, std::move(tokens).error());
    return tokens;
  }

  Status Listen(std::vector<HttpListener> listeners) {
    const Settings& settings = session_.settings();
    ApiOptions api;
    api.service = service_.get();
    api.access = access_.get();
    api.version = WEIR_VERSION;
    api.hosts = settings.List("hosts");
    api.origins = settings.List("origins");
    api.http_stats = [this] { return server_ready_.load(std::memory_order_acquire) ? server_->stats() : HttpServerStats(); };
    api.on_request = [this](const RequestRecord& record) { Observe(record); };
    api_ = std::make_unique<Api>(std::move(api));

    HttpServerOptions options;
    options.listeners = std::move(listeners);
    if (!settings.Text("tls_certificate").empty()) {
      options.tls = HttpTlsFiles{settings.Text("tls_certificate"), settings.Text("tls_key")};
      has_tls_ = true;
    }
    const auto workers = static_cast<uint32_t>(settings.Count("workers"));
    options.worker_threads = workers == 0 ? kWorkersUsual : workers;
    options.connections_max = static_cast<uint32_t>(settings.Count("connections_max"));
    options.body_bytes_max = settings.Bytes("body_bytes_max");
    options.bodies_bytes_max = std::max(options.bodies_bytes_max, options.body_bytes_max);
    options.quick = [](const HttpRequest& request) { return Api::IsQuick(request); };
    options.on_head = [this](const HttpRequest& request, uint64_t&) { return api_->LookAtHead(request); };
    options.error_body = ApiErrorBody;
    WEIR_TRY(MakeMcp());
    Result<std::unique_ptr<HttpServer>> server = HttpServer::Start(
        std::move(options), [this](const HttpRequest& request, HttpReply reply) { Answer(request, std::move(reply)); });
    if (!server) {
      const bool is_config =
          server.error().code == ErrorCode::kInvalidArgument || server.error().code == ErrorCode::kNotFound;
      return session_.As(is_config ? ExitCode::kBadConfig : ExitCode::kFailure, std::move(server).error());
    }
    server_ = *std::move(server);
    server_ready_.store(true, std::memory_order_release);
    return {};
  }

  // A line in the log, and a span when traces are asked for. Nothing of a text is in either.
  void Observe(const RequestRecord& record) {
    const LogScope scope(record.trace_id, record.span_id);
    const double ms = std::chrono::duration<double, std::milli>(record.duration).count();
    const LogField fields[] = {{"method", record.method},
                               {"route", record.route},
                               {"status", static_cast<int64_t>(record.status)},
                               {"ms", ms},
                               {"bytes_in", static_cast<int64_t>(record.request_bytes)},
                               {"bytes_out", static_cast<int64_t>(record.response_bytes)},
                               {"token", std::string_view(record.token)},
                               {"peer", std::string_view(record.peer)}};
    Log(LogLevel::kDebug, "request", fields);
    if (exporter_ == nullptr) return;
    const std::optional<bool> parent = record.parent_span_id.empty() ? std::nullopt : std::optional<bool>(record.is_sampled);
    if (!sampler_.Keeps(record.trace_id, parent)) return;
    ServedRequest served{.method = record.method, .route = record.route, .status = record.status};
    if (has_tls_) served.scheme = "https";
    served.request_bytes = record.request_bytes;
    served.response_bytes = record.response_bytes;
    served.trace_id = record.trace_id;
    served.span_id = record.span_id;
    served.parent_span_id = record.parent_span_id;
    served.end_unix_ns = UnixNanoseconds();
    served.start_unix_ns = served.end_unix_ns - static_cast<uint64_t>(record.duration.count());
    static_cast<void>(exporter_->Add(MakeServerSpan(served)));  // the exporter counts what it drops
  }

  // Traces leave only when the standard variables name a collector.
  Status StartTraces() {
    const Environment& environment = session_.environment();
    TraceSettings settings = ReadTraceSettings([&](std::string_view name) { return environment.Get(name); }, WEIR_VERSION);
    for (const std::string& warning : settings.warnings) Log(LogLevel::kWarning, warning);
    if (!settings.is_on) return {};
    Result<std::unique_ptr<SpanExporter>> exporter = SpanExporter::Create(std::move(settings.exporter));
    if (!exporter) return session_.As(ExitCode::kBadConfig, std::move(exporter).error());
    sampler_ = settings.sampler;
    exporter_ = *std::move(exporter);
    return {};
  }

  Status MakeMcp() {
    WEIR_ASSIGN(mcp_, McpServer::Make(WeirMcpOptions(WEIR_VERSION), clock_));
    WEIR_TRY(AddWeirTools(*mcp_, *service_));
    // Host and Origin are the API's to check, for all paths alike.
    McpHttpOptions options;
    options.hosts.clear();
    options.origins = {"*"};
    mcp_endpoint_ = std::make_unique<McpHttpEndpoint>(*mcp_, std::move(options));
    return {};
  }

  void Answer(const HttpRequest& request, HttpReply reply) {
    if (request.path != kMcpPath) return reply.Send(api_->Handle(request));
    if (auto refused = api_->CheckOrigin(request)) return reply.Send(*std::move(refused));
    Caller caller;
    if (auto refused = api_->Admit(request, caller)) return reply.Send(*std::move(refused));
    mcp_endpoint_->Handle(request, std::move(reply), McpCallerOf(caller));
  }

  Status ReloadTokens() {
    WEIR_ASSIGN(std::vector<AccessToken> tokens, Tokens());
    if (tokens.empty() && !access_->open()) {
      return InvalidArgument("the tokens are gone", "a daemon that began with tokens does not go on without: restart it");
    }
    if (!tokens.empty() && access_->open()) Log(LogLevel::kWarning, "tokens are needed from now on");
    for (const AccessToken& token : tokens) WEIR_TRY(service_->AddWorkspace(token.workspace));
    access_->Replace(std::move(tokens));
    return {};
  }

  Session& session_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<Service> service_;
  SpanSampler sampler_;
  std::unique_ptr<SpanExporter> exporter_;  // null: no traces
  std::unique_ptr<Api> api_;
  const SteadyClock clock_;
  std::unique_ptr<McpServer> mcp_;
  std::unique_ptr<McpHttpEndpoint> mcp_endpoint_;
  std::unique_ptr<McpNews> news_;
  std::unique_ptr<InspectServer> inspect_;
  std::atomic<bool> server_ready_{false};
  std::unique_ptr<HttpServer> server_;
  bool has_tls_ = false;
};

void Announce(Session& session, const Daemon& daemon) {
  Json endpoints = Json::MakeArray();
  for (const HttpEndpoint& endpoint : daemon.endpoints()) {
    endpoints.Append(endpoint.ToString());
    if (!session.json()) session.out().Line(fmt::format("listening on {}", endpoint.ToString()));
  }
  if (session.json()) session.WriteJson(Json::Object{{"pid", int64_t{::getpid()}}, {"listening", std::move(endpoints)}});
}

Result<ExitCode> Run(Session& session) {
  const DaemonSignals signals;
  ::umask(0077);  // what it keeps holds prompts: nobody else's business
  RaiseDescriptorLimit();
  SetLogLevel(LevelOf(session.settings().Text("log_level")));
  SetLogFormat(session.settings().Text("log_format") == "json" ? LogFormat::kJson : LogFormat::kText);
  Daemon daemon(session);
  WEIR_TRY(daemon.Start());
  Announce(session, daemon);
  WEIR_TRY(session.out().Flush());
  WEIR_TRY(daemon.Open());

  const uint64_t watchdog_us = WatchdogPeriodUs(session.environment());
  for (;;) {
    const int signal = signals.Wait(watchdog_us);
    if (signal == 0) {
      TellSupervisor(session.environment(), "WATCHDOG=1");
    } else if (signal == SIGHUP) {
      daemon.Reload();
    } else {
      break;
    }
  }
  Log(LogLevel::kInfo, "draining: another signal ends it at once");
  // Nothing that was acknowledged is in this process alone, so an end at once loses nothing.
  std::thread([signals] {
    while (signals.Wait(0) == SIGHUP) {
    }
    ::_exit(static_cast<int>(ExitCode::kFailure));
  }).detach();
  const bool whole = daemon.Drain();
  Log(whole ? LogLevel::kInfo : LogLevel::kWarning, whole ? "ended" : "ended; some requests took too long and were cut off");
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  for (const std::string_view key : {"listen",
                                     "socket",
                                     "data",
                                     "tokenizer",
                                     "chat_template",
                                     "embedding_model",
                                     "embedding_weights",
                                     "tokens_file",
                                     "tls_certificate",
                                     "tls_key",
                                     "hosts",
                                     "origins",
                                     "index_roots",
                                     "workers",
                                     "connections_max",
                                     "body_bytes_max",
                                     "contexts_bytes",
                                     "index_bytes",
                                     "embeddings_bytes",
                                     "context_vectors",
                                     "stored_vectors",
                                     "memory_budget",
                                     "block_size",
                                     "cache_tokens",
                                     "durability",
                                     "drain_seconds",
                                     "log_level"}) {
    flags.Setting(key);
  }
  return Run;
}

}  // namespace

Command ServeCommand() {
  return {
      .name = "serve",
      .summary = "the daemon: REST, OpenAI's embeddings, MCP, metrics",
      .description =
          "Serves a registry of contexts, the embedding cache and the advice over HTTP, until SIGTERM or Ctrl-C, which let "
          "requests in flight finish; a second signal ends it at once. What was acknowledged survives a kill. SIGHUP reads "
          "tokens and certificates again. Loopback only, unless there are tokens ('weir token'). /openapi.json says what "
          "there is; MCP is at /mcp; /healthz, /readyz and /metrics need no token.",
      .examples = {{"weir serve", "on 127.0.0.1:8741, data in ~/.local/share/weir"},
                   {"weir serve --data registry --tokenizer qwen3", "the same folder that 'weir contexts' uses"},
                   {"weir token add --workspace team && weir serve --listen 0.0.0.0:8741", "for a network: tokens first"},
                   {"weir serve & curl -s localhost:8741/v1/embeddings -H 'Content-Type: application/json' "
                    "-d '{\"model\":\"minilm\",\"input\":\"hello\"}'",
                    "a first request"}},
      .declare = Declare};
}

}  // namespace weir
