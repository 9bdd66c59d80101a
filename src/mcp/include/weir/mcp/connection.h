#pragma once
// McpConnection: one client of an McpServer over any channel that carries whole messages both ways.
//
// What stdio.h is made of; also for tests, for a self-check, and for sockets. Serves both eras at once: a message that
// carries modern _meta stands alone; `initialize` begins the one legacy session of the connection.
//
// Thread-safe. The `send` function is called from many threads, never two at once.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/mcp/server.h"

namespace weir {

namespace mcp {
class Duplex;
}

class McpConnection {
 public:
  // `send` takes one message, a line of JSON without its end; false: the client is gone. The server must outlive this.
  McpConnection(McpServer& server, McpCaller caller, std::function<bool(std::string message)> send);
  // Close(Duration(0)).
  ~McpConnection();

  // One message (or a batch) as it came. Whatever it is, the answer goes through `send`: at once, or when the call is done.
  void Receive(std::string_view message);

  // Ends it: waits up to `grace` for the calls that run, cancels the rest, ends subscriptions. When it returns, `send` is
  // not called any more. Idempotent.
  void Close(Duration grace);

 private:
  const std::shared_ptr<mcp::Duplex> duplex_;
};

}  // namespace weir
