#pragma once
// The advisor's part of the demo: what the pipeline's agents share, where prefixes break, and what layout mends it.
//
// Other parts stand beside it and take the same DemoPrompts. Every number is measured on the prompts at hand.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weir/advice/explain.h"
#include "weir/advice/layout.h"
#include "weir/advice/share.h"
#include "weir/base/result.h"
#include "weir/chat/chat_template.h"
#include "weir/codec/json.h"
#include "weir/demo/pipeline.h"
#include "weir/prompts/prompt_reader.h"
#include "weir/report/text.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// The pipeline's calls, rendered by the model's own template and tokenized.
struct DemoPrompts {
  std::vector<PromptCall> calls;
  size_t block_size = kDefaultBlockSize;
  // Of the last call of each agent, in the pipeline's order.
  std::vector<const Context*> last_contexts;
  std::vector<std::string> names;
};
Result<DemoPrompts> MakeDemoPrompts(const DemoOptions& options, const Tokenizer& tokenizer,
                                    const ChatTemplate& chat_template, size_t block_size);

struct AdvisorDemo {
  ShareReport share;               // the last call of each agent
  std::vector<GroupBreak> breaks;  // among the same
  LayoutReport layout;             // all calls
  uint64_t cache_tokens = 0;
};
// The template is borrowed for the call.
Result<AdvisorDemo> RunAdvisorDemo(const DemoPrompts& prompts, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                   uint64_t cache_tokens);

// {"pipeline":{...},"share":{...},"breaks":[...],"layout":{...}}
Json AdvisorDemoJson(const DemoPrompts& prompts, const AdvisorDemo& demo, const std::string& tokenizer_name);
std::string DrawAdvisorDemo(const DemoPrompts& prompts, const AdvisorDemo& demo, const std::string& tokenizer_name,
                            const TextStyle& style);

}  // namespace weir
