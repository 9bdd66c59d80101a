#pragma once
// PromptBreak: the first difference of two contexts, measured: where it is, what differs, and what agrees behind it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alignment.h"
#include "weir/advice/explain.h"
#include "weir/tokens/context.h"

namespace weir {

// Borrows both contexts.
struct PromptBreak {
  const Context* a = nullptr;
  const Context* b = nullptr;
  uint32_t token = 0;   // length of the exact prefix
  uint32_t byte_a = 0;  // first byte that differs
  uint32_t byte_b = 0;
  std::vector<AlignedRun> runs;  // behind the break; relative to `token`
  // What differs, up to where the texts agree again, in whole characters. Either may be empty.
  Range region_a;  // bytes
  Range region_b;
  // The same, widened to whole words.
  Range words_a;
  Range words_b;

  std::string_view TextA(Range bytes) const { return a->text().substr(bytes.begin, bytes.size()); }
  std::string_view TextB(Range bytes) const { return b->text().substr(bytes.begin, bytes.size()); }
};

// Null when the contexts hold the same tokens.
std::optional<PromptBreak> FindBreak(const Context& a, const Context& b);

// Tokens in the runs.
uint32_t AlignedTokens(const std::vector<AlignedRun>& runs);

// The segment that holds this byte; the last one at the end of the text.
const Segment& SegmentAtByte(const Context& context, uint32_t byte);

// What people see of one side.
BreakSide DescribeSide(const Context& context, uint32_t byte, Range words, uint32_t excerpt_bytes_max);

struct Judgement {
  BreakCause cause = BreakCause::kContent;
  std::string reason;
};
Judgement JudgeCause(const PromptBreak& at);

// The fix for the cause, applied and measured when there is an encoder.
Result<Fix> FindFix(const PromptBreak& at, BreakCause cause, Encoder* encoder);

}  // namespace weir
