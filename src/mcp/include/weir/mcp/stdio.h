#pragma once
// MCP over standard streams: one JSON message a line, nothing else on the output.
//
// The process must ignore SIGPIPE and write nothing of its own to `out`.

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/mcp/server.h"

namespace weir {

struct McpStdioOptions {
  int in = 0;  // borrowed descriptors
  int out = 1;
  // After the end of input, calls that run have this long to finish.
  Duration grace = std::chrono::seconds(5);
};

// Serves one client until the end of input. What cannot be written any more is dropped. A line longer than message_bytes_max
// is answered with an error and skipped. Error: unavailable when reading fails.
Status ServeMcpStdio(McpServer& server, McpCaller caller, McpStdioOptions options = {});

}  // namespace weir
