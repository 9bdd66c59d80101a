#include "weir/demo/advisor_demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "weir/advice/layout_input.h"
#include "weir/base/check.h"
#include "weir/report/explain_view.h"
#include "weir/report/layout_view.h"
#include "weir/report/share_view.h"

namespace weir {
namespace {

Result<PromptCall> MakeCall(Json body, const ChatTemplate& chat_template, Encoder& encoder, const Space& space,
                            size_t block_size) {
  WEIR_ASSIGN(ChatRequest request, ChatRequest::From(std::move(body)));
  ChatRenderOptions render;
  render.add_generation_prompt = request.add_generation_prompt();
  WEIR_ASSIGN(RenderedPrompt rendered, chat_template.Render(request.messages(), request.tools(), render));
  PromptCall call;
  call.agent = request.agent().value_or("agent");
  WEIR_ASSIGN(Context context, Context::Build({call.agent, std::move(rendered.text), std::move(rendered.segments), false},
                                              encoder, space, block_size));
  call.context = std::make_shared<const Context>(std::move(context));
  call.request = std::make_shared<const ChatRequest>(std::move(request));
  return call;
}

std::string Heading(const TextStyle& style, std::string_view text) {
  return "\n" + Paint(style, Ink::kCyan, fmt::format("━━ {} ", text)) + "\n\n";
}

Json PipelineJson(const DemoPrompts& prompts) {
  const DemoCorpus corpus = DemoCorpusSize();
  Json agents = Json::MakeArray();
  for (const DemoAgent& agent : DemoAgents()) {
    agents.Append(Json(Json::Object{{"agent", agent.name}, {"task", agent.task}, {"mistake", agent.mistake}}));
  }
  Json pipeline = Json::MakeObject();
  pipeline.Set("agents", std::move(agents));
  pipeline.Set("calls", uint64_t{prompts.calls.size()});
  pipeline.Set("documents", uint64_t{corpus.files});
  pipeline.Set("sections", uint64_t{corpus.sections});
  pipeline.Set("bytes", uint64_t{corpus.bytes});
  return pipeline;
}

}  // namespace

Result<DemoPrompts> MakeDemoPrompts(const DemoOptions& options, const Tokenizer& tokenizer,
                                    const ChatTemplate& chat_template, size_t block_size) {
  DemoPrompts prompts;
  prompts.block_size = block_size;
  const Space space{tokenizer.fingerprint(), {}, {}, {}};
  const std::unique_ptr<Encoder> encoder = tokenizer.NewEncoder();
  std::map<std::string, size_t> calls_of;
  for (Json& body : DemoRequests(options)) {
    WEIR_ASSIGN(PromptCall call, MakeCall(std::move(body), chat_template, *encoder, space, block_size));
    call.index = calls_of[call.agent]++;
    call.label = fmt::format("{}#{}", call.agent, call.index + 1);
    prompts.calls.push_back(std::move(call));
  }
  WEIR_CHECK(prompts.calls.size() >= DemoAgents().size(), "the demo has {} calls", prompts.calls.size());
  for (size_t i = prompts.calls.size() - DemoAgents().size(); i < prompts.calls.size(); ++i) {
    prompts.last_contexts.push_back(prompts.calls[i].context.get());
    prompts.names.push_back(prompts.calls[i].agent);
  }
  return prompts;
}

Result<AdvisorDemo> RunAdvisorDemo(const DemoPrompts& prompts, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                   uint64_t cache_tokens) {
  AdvisorDemo demo;
  demo.cache_tokens = cache_tokens;
  const std::unique_ptr<Encoder> encoder = tokenizer.NewEncoder();
  WEIR_ASSIGN(demo.share, Share(prompts.last_contexts));
  WEIR_ASSIGN(demo.breaks, ExplainBreaks(prompts.last_contexts, encoder.get()));
  LayoutOptions options;
  options.cache_tokens = cache_tokens;
  options.block_size = prompts.block_size;
  options.renderer = RendererOf(prompts.calls, &chat_template, 0);
  WEIR_ASSIGN(demo.layout, Layout(LayoutCallsOf(prompts.calls), *encoder, options));
  return demo;
}

Json AdvisorDemoJson(const DemoPrompts& prompts, const AdvisorDemo& demo, const std::string& tokenizer_name) {
  std::string share_text;
  WriteShareJson({demo.share, prompts.last_contexts, tokenizer_name, prompts.block_size}, "",
                 [&](std::string_view piece) { share_text += piece; });
  Result<Json> share = Json::Parse(share_text);
  WEIR_CHECK(share.has_value(), "our own JSON: {}", share.error().ToString());
  Json json = Json::MakeObject();
  json.Set("pipeline", PipelineJson(prompts));
  json.Set("share", *std::move(share));
  json.Set("breaks", BreaksJson(demo.breaks, prompts.names));
  json.Set("layout", LayoutJson(demo.layout, demo.cache_tokens));
  return json;
}

std::string DrawAdvisorDemo(const DemoPrompts& prompts, const AdvisorDemo& demo, const std::string& tokenizer_name,
                            const TextStyle& style) {
  const DemoCorpus corpus = DemoCorpusSize();
  std::string out = Paint(style, Ink::kBold, "Five agents answer questions about this project's own documentation") + "\n";
  out += fmt::format("  {} in {} sections; {} of the pipeline, rendered by the chat template of {}\n\n",
                     Counted(corpus.files, "file"), corpus.sections, Counted(prompts.calls.size(), "call"), tokenizer_name);
  Table agents({{"agent"}, {"mistake that its framework makes", Align::kLeft, true}});
  for (const DemoAgent& agent : DemoAgents()) {
    const bool fine = agent.mistake == "none";
    agents.AddRow({std::string(agent.name), Paint(style, fine ? Ink::kDim : Ink::kYellow, agent.mistake)});
  }
  out += agents.Draw(style);
  out += Heading(style, "1. What they share (the last call of each)");
  out += DrawShare({demo.share, prompts.last_contexts, tokenizer_name, prompts.block_size}, style);
  out += Heading(style, "2. Where prefixes break, and why");
  out += DrawBreaks(demo.breaks, prompts.names, style);
  out += Heading(style, "3. Which layout mends it (all calls)");
  out += DrawLayout(demo.layout, demo.cache_tokens, style);
  return out;
}

}  // namespace weir
