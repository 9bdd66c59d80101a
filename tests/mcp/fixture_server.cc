// An MCP server for the public conformance suite and for other clients. Not installed.
//
// usage: weir_mcp_fixture --stdio
//        weir_mcp_fixture --http [PORT]    prints its URL, serves until standard input ends

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fixtures.h"
#include "weir/http/server.h"
#include "weir/mcp/http_endpoint.h"
#include "weir/mcp/stdio.h"

namespace weir::fixture {
namespace {

std::unique_ptr<McpServer> MakeServer(const Clock& clock) {
  McpOptions options;
  options.name = "weir-mcp-fixture";
  options.version = "1.0.0";
  Result<std::unique_ptr<McpServer>> server = McpServer::Make(std::move(options), clock);
  WEIR_CHECK(server.has_value());
  AddPlainTools(**server);
  AddAskingTools(**server);
  AddResourcesAndPrompts(**server);
  return *std::move(server);
}

int ServeHttp(McpServer& server, uint16_t port) {
  McpHttpEndpoint endpoint(server);
  HttpServerOptions options;
  options.listeners.push_back({"127.0.0.1", port});
  options.worker_threads = 4;
  Result<std::unique_ptr<HttpServer>> http =
      HttpServer::Start(std::move(options), [&endpoint](const HttpRequest& request, HttpReply reply) {
        if (request.path != "/mcp") return reply.Send(HttpResponse{404, {}, {}});
        endpoint.Handle(request, std::move(reply), McpCaller());
      });
  if (!http) {
    std::fprintf(stderr, "%s\n", http.error().ToString().c_str());
    return 1;
  }
  std::printf("http://localhost:%u/mcp\n", static_cast<unsigned>((*http)->endpoints().front().port));
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  (*http)->Drain(std::chrono::seconds(2));
  return 0;
}

}  // namespace
}  // namespace weir::fixture

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const weir::SteadyClock clock;
  const auto server = weir::fixture::MakeServer(clock);
  if (mode == "--http") return weir::fixture::ServeHttp(*server, static_cast<uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0));
  if (mode != "--stdio") return std::fprintf(stderr, "usage: weir_mcp_fixture --stdio | --http [PORT]\n"), 2;
  const weir::Status served = weir::ServeMcpStdio(*server, weir::McpCaller());
  if (!served) std::fprintf(stderr, "%s\n", served.error().ToString().c_str());
  return served ? 0 : 1;
}
