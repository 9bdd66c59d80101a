#include "weir/mcp/stdio.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "weir/mcp/connection.h"

namespace weir {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

bool WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Cuts bytes into lines of bounded length.
class LineReader {
 public:
  LineReader(McpConnection& connection, uint64_t bytes_max) : connection_(connection), bytes_max_(bytes_max) {}

  void Take(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      Append(bytes.substr(0, end));
      if (end == std::string_view::npos) return;
      Finish();
      bytes.remove_prefix(end + 1);
    }
  }
  void Finish() {
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    if (line_.find_first_not_of(" \t") != std::string::npos) connection_.Receive(line_);
    line_.clear();
  }

 private:
  // One byte more than allowed is kept, so that the connection refuses the line.
  void Append(std::string_view bytes) {
    line_.append(bytes.substr(0, bytes_max_ + 1 - std::min<uint64_t>(line_.size(), bytes_max_ + 1)));
  }

  McpConnection& connection_;
  const uint64_t bytes_max_;
  std::string line_;
};

}  // namespace

Status ServeMcpStdio(McpServer& server, McpCaller caller, McpStdioOptions options) {
  McpConnection connection(server, std::move(caller), [out = options.out](std::string message) {
    message.push_back('\n');
    return WriteAll(out, message);
  });
  LineReader lines(connection, server.options().message_bytes_max);
  std::string buffer(kReadBytes, '\0');
  while (true) {
    const ssize_t got = read(options.in, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unavailable(fmt::format("standard input: {}", std::strerror(errno)));
    if (got == 0) break;
    lines.Take(std::string_view(buffer).substr(0, static_cast<size_t>(got)));
  }
  lines.Finish();
  connection.Close(options.grace);
  return {};
}

}  // namespace weir
