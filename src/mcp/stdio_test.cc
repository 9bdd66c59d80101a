#include "weir/mcp/stdio.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "mcp_client.h"

namespace weir {
namespace {

// Serves what is written to `input` until its end; returns everything that came out.
std::string Served(McpServer& server, std::string_view input) {
  int in[2];
  int out[2];
  WEIR_CHECK(pipe(in) == 0 && pipe(out) == 0);
  std::string output;
  {
    const std::jthread reader([&] {
      char buffer[4096];
      for (ssize_t got = 0; (got = read(out[0], buffer, sizeof(buffer))) > 0;)
        output.append(buffer, static_cast<size_t>(got));
    });
    const std::jthread writer([&] {
      while (!input.empty()) {
        const ssize_t wrote = write(in[1], input.data(), std::min<size_t>(input.size(), 777));
        WEIR_CHECK(wrote > 0);
        input.remove_prefix(static_cast<size_t>(wrote));
      }
      close(in[1]);
    });
    McpStdioOptions options;
    options.in = in[0];
    options.out = out[1];
    const Status served = ServeMcpStdio(server, McpCaller(), options);
    EXPECT_TRUE(served.has_value());
    close(out[1]);
  }
  close(in[0]);
  close(out[0]);
  return output;
}

TEST(McpStdio, OneMessageALineInBothEras) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  const std::string call = R"("name":"echo","arguments":{"text":"a\nb"})";
  const std::string output =
      Served(*pair.server, ModernRequest(1, "server/discover") + "\r\n\n  \n" + InitializeRequest("2025-11-25") + "\n" +
                               LegacyRequest(2, "tools/call", call) + "\n" + ModernRequest(3, "tools/call", call));
  std::vector<Json> messages;
  for (size_t at = 0, end = 0; (end = output.find('\n', at)) != std::string::npos; at = end + 1) {
    messages.push_back(ParsedJson(output.substr(at, end - at)));
  }
  ASSERT_EQ(messages.size(), 4u) << output;
  EXPECT_EQ(At(messages[0], "/result/supportedVersions/0"), "2026-07-28");
  EXPECT_EQ(At(messages[1], "/result/protocolVersion"), "2025-11-25");
  for (const size_t i : {size_t{2}, size_t{3}}) EXPECT_EQ(At(messages[i], "/result/content/0/text"), "a\nb");
  EXPECT_EQ(output.back(), '\n') << "the last line had no end, and was answered before the end";
}

TEST(McpStdio, LongLinesAreRefusedWhole) {
  McpOptions options;
  options.message_bytes_max = 500;
  McpPair pair(options);
  const std::string output =
      Served(*pair.server, std::string(100'000, 'x') + "\n" + ModernRequest(1, "server/discover") + "\n");
  const size_t end = output.find('\n');
  EXPECT_EQ(At(ParsedJson(output.substr(0, end)), "/error/code"), "-32600");
  EXPECT_EQ(At(ParsedJson(output.substr(end + 1)), "/id"), "1");
}

TEST(McpStdio, NothingInNothingOut) {
  McpPair pair;
  EXPECT_EQ(Served(*pair.server, ""), "");
}

}  // namespace
}  // namespace weir
