#pragma once
// The Model Context Protocol's face of a Service: tools and resources on an McpServer, and news of what has changed.
//
// Tools, in this order, with the scope that each needs:
//   register_context (write), get_optimized_context, get_shared_context, find_similar, explain_prefix, suggest_layout,
//   list_agents (read), clear_agent (write), embed_texts (read), index_folder (admin), search, memory_status (read)
// Resources, for readers: weir://pools, and weir://contexts/{agent} with the name percent-encoded.
//
// A call works in the workspace of its caller (McpCaller::workspace) and nowhere else. Answers are those of the REST API, in
// the same form; what fails is a result with isError that says what to do. No text of a call reaches a log.
//
// Threads: every function from any thread.

#include <chrono>
#include <memory>
#include <string_view>
#include <thread>

#include "weir/api/access.h"
#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/mcp/server.h"
#include "weir/registry/context_feed.h"
#include "weir/service/service.h"

namespace weir {

// Whom an admitted request is from, as the MCP server sees it: the scopes by name, the token's id as the subject.
McpCaller McpCallerOf(const Caller& caller);
// Who may do everything in a workspace without a token, as over standard streams.
McpCaller McpCallerOf(std::string_view workspace);

// What a server of these tools says of itself; limits as McpOptions has them.
McpOptions WeirMcpOptions(std::string_view version);

// The service is borrowed: it must outlive the server, and may be closed only when no call runs. It need not be open yet:
// until it is, every call says so.
Status AddWeirTools(McpServer& server, Service& service);

struct McpNewsOptions {
  Duration pools_period = std::chrono::seconds(1);  // weir://pools: told at most so often, when a figure of it changed
  Duration list_period = std::chrono::seconds(1);   // the list of resources: ditto
  // Contexts that may change at once; with more, whoever is subscribed to anything is told that it changed.
  size_t contexts_max = 65'536;
};

// Tells subscribers of a server when contexts and pools change, whoever changed them. It has a thread of its own from its
// making to its end; both must outlive it, and it must be gone before the service is closed.
class McpNews {
 public:
  McpNews(McpServer& server, Service& service, McpNewsOptions options = {});
  ~McpNews();
  McpNews(const McpNews&) = delete;
  McpNews& operator=(const McpNews&) = delete;

 private:
  class Teller;
  const std::unique_ptr<ContextFeed::Listener> listener_;
  std::thread thread_;
};

}  // namespace weir
