#pragma once
// McpServer: tools, resources and prompts behind the Model Context Protocol, in both of its eras.
//
// Revisions 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 ("legacy") and 2026-07-28 ("modern"). This class knows no
// transport: http_endpoint.h serves it over HTTP, stdio.h over standard streams, connection.h over anything that carries
// messages; all at once if need be. It checks arguments against schemas, runs handlers on threads of its own, bounded in
// number, and tells clients what has changed.
//
// Every public function is thread-safe. Handlers run concurrently; what they use must outlive the server. Transports must be
// gone before the server is. The destructor cancels the calls that run and waits for them.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/mcp/call.h"
#include "weir/mcp/content.h"

namespace weir {

namespace mcp {
class Core;
}

inline constexpr std::string_view kMcpModernVersion = "2026-07-28";
inline constexpr std::string_view kMcpLegacyVersions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};

struct McpOptions {
  std::string name = "server";  // identity; shown by clients
  std::string version = "0";
  std::string title{};
  std::string website{};
  std::string instructions{};  // to the model: how to use this server

  // Which features it declares; methods of the others do not exist.
  bool tools = true;
  bool resources = true;
  bool prompts = true;
  bool completions = true;
  bool logging = true;

  uint64_t message_bytes_max = uint64_t{16} << 20;  // of one message or line
  uint32_t batch_max = 64;                          // messages in a batch (2025-03-26 and before)
  uint32_t calls_max = 32;                          // handlers that run at once; one thread each, made when needed
  uint32_t calls_waiting_max = 256;                 // beyond: refused as overloaded
  uint32_t sessions_max = 1024;                     // legacy over HTTP; idle ones make room, else refused
  Duration session_idle = std::chrono::minutes(30);
  uint32_t subscriptions_max = 1024;                   // open subscriptions/listen streams
  uint32_t subscribed_uris_max = 256;                  // of one stream or session
  uint32_t page_size = 100;                            // entries in one page of a list
  Duration ask_timeout = std::chrono::minutes(5);      // for the client's answers (legacy)
  Duration state_lifetime = std::chrono::minutes(15);  // of a request state (modern)
  uint64_t state_bytes_max = 64 * 1024;                // of a request state: answers kept from round to round
  uint64_t list_ttl_ms = 60'000;                       // how long modern clients may keep lists
  // Structured results are checked against the output schema; a misfit is answered as an internal error.
  bool check_results = true;

  // invalid_argument, with the field's name.
  Status Validate() const;
};

using McpToolHandler = std::function<Result<McpToolResult>(McpCall&)>;
using McpResourceHandler = std::function<Result<McpResourceContents>(McpCall&)>;
using McpPromptHandler = std::function<Result<McpPromptResult>(McpCall&)>;
// Pages of resources that exist for a caller; `cursor` is empty, or what a page of the same lister named as next.
using McpResourceLister = std::function<Result<McpResourcePage>(const McpCaller& caller, std::string_view cursor)>;
// Values for one argument that begin like `value`; `known` holds arguments that are settled. The first 100 are sent.
using McpCompleter = std::function<std::vector<std::string>(const McpCaller& caller, std::string_view argument,
                                                            std::string_view value, const Json& known)>;

// Errors of a tool's handler become results with isError, which the model reads; kInternal becomes a protocol error that
// says nothing of the cause. Errors of the others become protocol errors; not_found of a resource is "resource not found".
struct McpTool {
  std::string name;  // [A-Za-z0-9_.-]{1,128}
  std::string title{};
  std::string description{};
  Json input_schema = Json::MakeObject();  // an empty object: no arguments. "x-mcp-header" is honoured
  std::optional<Json> output_schema{};
  Json annotations = Json::MakeObject();  // readOnlyHint, destructiveHint, idempotentHint, openWorldHint
  std::string scope{};                    // the caller needs it to see and to call the tool; empty: nobody is asked
  McpToolHandler handler;
};

struct McpResource {
  std::string uri;
  std::string name;
  std::string title{};
  std::string description{};
  std::string mime_type{};
  std::string scope{};  // as of a tool
  McpResourceHandler handler;
};

// A family of resources. The template is RFC 6570, level 1: "weir://contexts/{agent}"; a variable matches one or more
// characters other than '/', percent-decoded; {+name} matches '/' too.
struct McpResourceTemplate {
  std::string uri_template;
  std::string name;
  std::string title{};
  std::string description{};
  std::string mime_type{};
  std::string scope{};
  McpResourceHandler handler;
  McpResourceLister list{};  // may be empty: not listed
  McpCompleter complete{};   // may be empty
};

struct McpPrompt {
  struct Argument {
    std::string name;
    std::string description{};
    bool required = false;
  };
  std::string name;
  std::string title{};
  std::string description{};
  std::vector<Argument> arguments{};
  McpPromptHandler handler;
  McpCompleter complete{};  // may be empty
};

// Counts since the start, or what is so now.
struct McpStats {
  uint64_t requests_legacy = 0;
  uint64_t requests_modern = 0;
  uint64_t notifications = 0;  // received
  uint64_t errors = 0;         // protocol errors answered
  uint64_t tool_errors = 0;    // results with isError
  uint64_t calls_running = 0;  // now
  uint64_t calls_waiting = 0;  // now
  uint64_t calls_refused = 0;  // overloaded
  uint64_t calls_cancelled = 0;
  uint64_t questions = 0;      // asked of clients, in either era
  uint64_t sessions_open = 0;  // now; over HTTP
  uint64_t sessions_total = 0;
  uint64_t subscriptions_open = 0;  // now; modern streams
  uint64_t changes_sent = 0;        // notifications about lists and resources
};

class McpServer {
 public:
  // REQUIRES options.Validate(); the clock is borrowed. Error: unavailable when the system gives no random bytes.
  static Result<std::unique_ptr<McpServer>> Make(McpOptions options, const Clock& clock);
  ~McpServer();
  McpServer(const McpServer&) = delete;
  McpServer& operator=(const McpServer&) = delete;

  // Each adds, or replaces what has the same name (URI, template) in its place, and tells clients that the list has changed.
  // invalid_argument: a name, schema, template or header annotation that the protocol forbids; unsupported: a keyword that
  // the schema checker lacks. Lists are in the order of the first Add.
  Status AddTool(McpTool tool);
  Status AddResource(McpResource resource);
  Status AddResourceTemplate(McpResourceTemplate resource_template);
  Status AddPrompt(McpPrompt prompt);
  // True if there was one. Calls that run go on.
  bool RemoveTool(std::string_view name);
  bool RemoveResource(std::string_view uri);
  bool RemoveResourceTemplate(std::string_view uri_template);
  bool RemovePrompt(std::string_view name);

  // Tells the clients that subscribed to the URI: those of the workspace, or all when none is given. Over HTTP it never
  // waits for a client; over stdio for the reader of the pipe.
  void NotifyResourceUpdated(std::string_view uri, std::optional<std::string_view> workspace = std::nullopt);
  // Tells each subscribed client, of the workspace or all, of every URI that it is subscribed to: anything may have changed.
  void NotifyAllResourcesUpdated(std::optional<std::string_view> workspace = std::nullopt);
  // Tells clients that a list changed of itself (a lister would say something else now).
  void NotifyResourcesChanged(std::optional<std::string_view> workspace = std::nullopt);

  // Ends all subscriptions in good order and refuses new ones; calls go on. For a drain.
  void EndSubscriptions();

  const McpOptions& options() const;
  McpStats stats() const;

  // For the transports of this room.
  mcp::Core& core() { return *core_; }

 private:
  explicit McpServer(std::unique_ptr<mcp::Core> core);
  const std::unique_ptr<mcp::Core> core_;
};

}  // namespace weir
