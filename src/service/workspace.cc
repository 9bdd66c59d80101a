#include "weir/service/workspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/advice/layout_input.h"

namespace weir {
namespace {

std::vector<LayoutCall> CallsOf(const HeldPrompts& prompts) {
  std::vector<LayoutCall> calls;
  calls.reserve(prompts.contexts.size());
  for (const auto& context : prompts.contexts) calls.push_back(LayoutCallOf(*context));
  return calls;
}

Status NeedTwo(const HeldPrompts& prompts, std::string_view what) {
  if (prompts.contexts.size() >= 2) return {};
  return InvalidArgument(fmt::format("{} takes two contexts, there {} {}", what, prompts.contexts.size() == 1 ? "is" : "are",
                                     prompts.contexts.size()),
                         "register more, or name two");
}

std::string TextOf(std::span<const LayoutPiece> pieces) {
  std::string text;
  for (const LayoutPiece& piece : pieces) text += piece.text;
  return text;
}

}  // namespace

std::vector<const Context*> HeldPrompts::pointers() const {
  std::vector<const Context*> out;
  out.reserve(contexts.size());
  for (const auto& context : contexts) out.push_back(context.get());
  return out;
}

std::vector<std::string> HeldPrompts::names() const {
  std::vector<std::string> out;
  out.reserve(contexts.size());
  for (const auto& context : contexts) out.push_back(context->agent());
  return out;
}

Result<HeldPrompts> Workspace::Hold(std::span<const std::string> agents, size_t most) {
  std::vector<std::string> names(agents.begin(), agents.end());
  if (names.empty()) {
    for (ContextSummary& line : registry().List()) names.push_back(std::move(line.terms.agent));
  }
  if (names.size() > most) {
    return Exhausted(fmt::format("{} contexts at once, more than {}", names.size(), most), "name the agents that matter");
  }
  HeldPrompts prompts;
  prompts.contexts.reserve(names.size());
  for (const std::string& name : names) {
    Result<HeldContext> held = registry().Get(name);
    // One that went while the list was read is left out, unless somebody asked for it.
    if (!held && agents.empty() && held.error().code == ErrorCode::kNotFound) continue;
    if (!held) return std::move(held).error();
    WEIR_ASSIGN(Context context, (*held)->ToContext());
    prompts.contexts.push_back(std::make_shared<const Context>(std::move(context)));
  }
  return prompts;
}

Result<SharedPrompts> Workspace::Share(std::span<const std::string> agents, const ShareOptions& options) {
  SharedPrompts shared;
  WEIR_ASSIGN(shared.prompts, Hold(agents));
  WEIR_TRY(NeedTwo(shared.prompts, "sharing"));
  WEIR_ASSIGN(shared.report, weir::Share(shared.prompts.pointers(), options));
  return shared;
}

Result<Explanation> Workspace::Explain(const std::string& a, const std::string& b, const Tokenizer* tokenizer) {
  const std::string names[] = {a, b};
  WEIR_ASSIGN(const HeldPrompts prompts, Hold(names));
  const std::unique_ptr<Encoder> encoder = tokenizer == nullptr ? nullptr : tokenizer->NewEncoder();
  return weir::Explain(*prompts.contexts[0], *prompts.contexts[1], encoder.get());
}

Result<BrokenPrefixes> Workspace::ExplainAll(std::span<const std::string> agents, const Tokenizer* tokenizer) {
  WEIR_ASSIGN(const HeldPrompts prompts, Hold(agents));
  WEIR_TRY(NeedTwo(prompts, "a break"));
  const std::unique_ptr<Encoder> encoder = tokenizer == nullptr ? nullptr : tokenizer->NewEncoder();
  BrokenPrefixes broken;
  broken.names = prompts.names();
  WEIR_ASSIGN(broken.breaks, ExplainBreaks(prompts.pointers(), encoder.get()));
  return broken;
}

Result<LayoutReport> Workspace::Layout(std::span<const std::string> agents, const Tokenizer& tokenizer,
                                       uint64_t cache_tokens) {
  WEIR_ASSIGN(const HeldPrompts prompts, Hold(agents));
  WEIR_TRY(NeedTwo(prompts, "a layout"));
  LayoutOptions options;
  options.cache_tokens = cache_tokens;
  options.block_size = settings().block_size;
  return weir::Layout(CallsOf(prompts), *tokenizer.NewEncoder(), options);
}

Result<OptimizedContext> Workspace::Optimize(const std::string& agent, const Tokenizer& tokenizer, uint64_t cache_tokens) {
  OptimizedContext optimized;
  optimized.agent = agent;
  std::vector<std::string> group;
  {
    WEIR_ASSIGN(const HeldContext held, registry().Get(agent));
    optimized.group = held->Terms().group;
    optimized.text = std::string(held->text());
    optimized.tokens_before = optimized.tokens_after = static_cast<uint32_t>(held->tokens().size());
  }
  for (const ContextSummary& line : registry().List()) {
    if (line.terms.group == optimized.group) group.push_back(line.terms.agent);
  }
  if (group.size() < 2) {
    optimized.note = "the only context of its group: there is nothing to share a prefix with";
    return optimized;
  }
  WEIR_ASSIGN(const HeldPrompts prompts, Hold(group));
  LayoutOptions options;
  options.cache_tokens = cache_tokens;
  options.block_size = settings().block_size;
  WEIR_ASSIGN(const LayoutReport report, weir::Layout(CallsOf(prompts), *tokenizer.NewEncoder(), options));
  const auto found = std::ranges::find(report.calls, agent, &LayoutCallChange::agent);
  if (found == report.calls.end()) return NotFound(fmt::format("agent '{}' went meanwhile", agent), "register it again");
  const auto index = static_cast<size_t>(found - report.calls.begin());
  std::string text = TextOf(report.proposal[index]);
  optimized.changed = text != optimized.text;
  optimized.text = std::move(text);
  optimized.tokens_before = found->tokens_before;
  optimized.tokens_after = found->tokens_after;
  optimized.reusable_before = found->reusable_before;
  optimized.reusable_after = found->reusable_after;
  optimized.order = report.order;
  for (const NormalisationGain& gain : report.normalisations) {
    if (gain.applied) optimized.normalisations.emplace_back(NormalisationName(gain.normalisation));
  }
  optimized.note = report.note;
  return optimized;
}

}  // namespace weir
