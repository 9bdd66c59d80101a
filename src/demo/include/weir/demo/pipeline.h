#pragma once
// The demo's pipeline: five agents answer questions about this project's own documentation.
//
// The documentation is compiled in. Prompts are assembled as agent frameworks do it, each agent with one of the usual
// mistakes, so that there is something to find. Pure functions: equal options give equal requests, byte for byte.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/codec/json.h"

namespace weir {

struct DemoOptions {
  // The pipeline's clock: seconds since 1970-01-01 00:00 UTC of its first call. The default keeps the demo the same.
  int64_t now_s = 1'788'340'507;
  size_t question_count = 3;  // at most DemoQuestions().size()
};

struct DemoAgent {
  std::string_view name;
  std::string_view task;
  std::string_view mistake;  // what its framework does wrong; "none" for the one that does it right
};

// In the order they run for each question.
std::span<const DemoAgent> DemoAgents();
std::span<const std::string_view> DemoQuestions();

struct DemoCorpus {
  size_t files = 0;
  size_t sections = 0;
  size_t bytes = 0;
};
DemoCorpus DemoCorpusSize();

// OpenAI chat requests in the order they are sent: messages, tools, metadata.agent.
std::vector<Json> DemoRequests(const DemoOptions& options);

}  // namespace weir
