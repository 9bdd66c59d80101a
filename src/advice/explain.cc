#include "weir/advice/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "prompt_break.h"

namespace weir {

std::string_view BreakCauseName(BreakCause cause) {
  switch (cause) {
    case BreakCause::kTimestamp: return "timestamp";
    case BreakCause::kUuid: return "uuid";
    case BreakCause::kCounter: return "counter";
    case BreakCause::kWhitespace: return "whitespace";
    case BreakCause::kJsonKeyOrder: return "json key order";
    case BreakCause::kToolOrder: return "tool order";
    case BreakCause::kTemplate: return "template";
    case BreakCause::kUnicodeForm: return "unicode form";
    case BreakCause::kLetterCase: return "letter case";
    case BreakCause::kContent: return "content";
    case BreakCause::kEnd: return "end";
  }
  return "content";
}

std::string_view FixActionName(FixAction action) {
  switch (action) {
    case FixAction::kNone: return "none";
    case FixAction::kMoveToEnd: return "move_to_end";
    case FixAction::kSortJsonKeys: return "sort_json_keys";
    case FixAction::kSortTools: return "sort_tools";
    case FixAction::kTrimWhitespace: return "trim_whitespace";
    case FixAction::kNormaliseForm: return "normalise_form";
    case FixAction::kUseOneTemplate: return "use_one_template";
    case FixAction::kUseOneSpelling: return "use_one_spelling";
    case FixAction::kReorder: return "reorder";
  }
  return "none";
}

Result<Explanation> Explain(const Context& a, const Context& b, Encoder* encoder, const ExplainOptions& options) {
  if (a.block_size() != b.block_size()) {
    return InvalidArgument(
        fmt::format("'{}' has blocks of {} tokens, '{}' of {}", a.agent(), a.block_size(), b.agent(), b.block_size()));
  }
  const auto block_size = static_cast<uint32_t>(a.block_size());
  Explanation result;
  const std::optional<PromptBreak> at = FindBreak(a, b);
  if (!at) {
    result.prefix_tokens = static_cast<uint32_t>(a.tokens().size());
    result.prefix_blocks = result.prefix_tokens / block_size;
    return result;
  }
  result.prefix_tokens = at->token;
  result.prefix_blocks = at->token / block_size;
  result.lost_tokens = AlignedTokens(at->runs);
  result.lost_blocks = (at->token + result.lost_tokens) / block_size - result.prefix_blocks;
  result.lost_to_next_break = at->runs.empty() ? 0 : at->runs[0].size;

  Judgement judgement = JudgeCause(*at);
  Divergence divergence;
  divergence.token = at->token;
  divergence.block = at->token / block_size;
  divergence.a = DescribeSide(a, at->byte_a, at->words_a, options.excerpt_bytes_max);
  divergence.b = DescribeSide(b, at->byte_b, at->words_b, options.excerpt_bytes_max);
  divergence.cause = judgement.cause;
  divergence.reason = std::move(judgement.reason);
  result.divergence = std::move(divergence);
  WEIR_ASSIGN(result.fix, FindFix(*at, judgement.cause, encoder));
  return result;
}

}  // namespace weir
