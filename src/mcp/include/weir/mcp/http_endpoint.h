#pragma once
// McpHttpEndpoint: an McpServer on one path of an HttpServer (Streamable HTTP), both eras on the same path.
//
// Modern: POST alone; an answer is JSON, or a stream of events once the call has something to say before its result; a
// client that closes its connection cancels its call. Legacy: sessions by MCP-Session-Id, POST with JSON or streams, GET for
// what the server has to say of itself, resumption by Last-Event-ID, DELETE. Host and Origin are checked against DNS
// rebinding; who the caller is was found out before (401 is the owner's affair, 403 for a missing scope is answered here).
//
// Thread-safe. The endpoint must outlive the HttpServer that calls it, or that must be stopped first; the McpServer must
// outlive the endpoint.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/clock.h"
#include "weir/http/server.h"
#include "weir/mcp/server.h"

namespace weir {

namespace mcp {
class HttpDoor;
}

struct McpHttpOptions {
  // Names in the Host field that are served, without ports; empty: any (where a proxy or a token protects), and any Origin
  // that is the same as the Host.
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "[::1]"};
  // Origins that are served besides those of `hosts` over http and https at any port: "https://app.example". "*": any.
  std::vector<std::string> origins{};
  Duration keep_alive = std::chrono::seconds(15);  // comments in open streams
  // What one legacy stream keeps for a client that comes back, how many streams of a session are kept, and what all streams
  // keep together.
  uint32_t replay_events_max = 256;
  uint64_t replay_bytes_max = uint64_t{1} << 20;
  uint32_t streams_max = 16;
  uint64_t replay_total_bytes_max = uint64_t{64} << 20;
  uint32_t retry_ms = 1000;  // when legacy clients should come back
};

class McpHttpEndpoint {
 public:
  McpHttpEndpoint(McpServer& server, McpHttpOptions options = {});
  // Ends all sessions.
  ~McpHttpEndpoint();
  McpHttpEndpoint(const McpHttpEndpoint&) = delete;
  McpHttpEndpoint& operator=(const McpHttpEndpoint&) = delete;

  // One request to the path. Call it on a worker, not on an I/O thread. Bodies beyond message_bytes_max are answered 413.
  void Handle(const HttpRequest& request, HttpReply reply, McpCaller caller);

 private:
  const std::unique_ptr<mcp::HttpDoor> door_;
};

}  // namespace weir
