#include <signal.h>

#include <memory>

#include "command.h"
#include "serve_setup.h"
#include "weir/api/mcp_tools.h"
#include "weir/base/log.h"
#include "weir/mcp/stdio.h"
#include "weir/service/service.h"

namespace weir {
namespace {

struct Options {
  std::string workspace = std::string(kDefaultWorkspace);
};

Result<ExitCode> Run(const Options& options, Session& session) {
  if (!IsWorkspaceName(options.workspace)) {
    return session.As(ExitCode::kUsage, InvalidArgument("--workspace: not a name of one",
                                                        "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"));
  }
  ::signal(SIGPIPE, SIG_IGN);
  WEIR_ASSIGN(ServiceOptions service_options, ServiceOptionsOf(session));
  if (options.workspace != kDefaultWorkspace) service_options.workspaces.push_back(options.workspace);
  WEIR_ASSIGN(const std::unique_ptr<Service> service, Service::Create(std::move(service_options)));
  if (const Status opened = service->Open(); !opened) return session.As(ExitCode::kCannotCreate, opened.error());
  const SteadyClock clock;
  {
    WEIR_ASSIGN(const std::unique_ptr<McpServer> server, McpServer::Make(WeirMcpOptions(WEIR_VERSION), clock));
    WEIR_TRY(AddWeirTools(*server, *service));
    const McpNews news(*server, *service);
    WEIR_TRY(ServeMcpStdio(*server, McpCallerOf(options.workspace)));
  }
  service->Close();
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Text("--workspace", options->workspace, "NAME", "Whose contexts");
  for (const std::string_view key :
       {"data", "tokenizer", "chat_template", "embedding_model", "embedding_weights", "block_size", "cache_tokens",
        "index_roots", "contexts_bytes", "index_bytes", "embeddings_bytes", "context_vectors", "stored_vectors",
        "memory_budget", "durability"}) {
    flags.Setting(key);
  }
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command McpCommand() {
  return {
      .name = "mcp",
      .summary = "MCP over standard streams, for one client",
      .description =
          "Serves the tools and resources of the daemon to a client that starts this command: one JSON message a line, both "
          "eras of the protocol, until the end of input. It takes the data folder for itself; where a daemon runs, point "
          "the "
          "client at http://127.0.0.1:8741/mcp instead.",
      .examples = {{"weir mcp --data registry", "as a client's configuration starts it"},
                   {"weir mcp --workspace team", "another workspace"}},
      .declare = Declare};
}

}  // namespace weir
