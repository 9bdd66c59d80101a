#pragma once
// Explain: where the shared prefix of two prompts breaks, why, what it costs, and what would mend it.
//
// Pure functions over immutable contexts of one space and block size. Causes are judged by evidence: the differing region
// up to the point where the texts agree again, widened to whole lexical units. Every gain is measured by applying the fix
// to the text and tokenizing it again; null when that was not possible. Thread rule: none of their own; an Encoder serves
// one thread at a time. Results hold prompt text: do not log them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/context.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

enum class BreakCause {
  kTimestamp,     // dates, times, epoch numbers
  kUuid,          // UUIDs, ULIDs, long hexadecimal ids
  kCounter,       // a number that differs in otherwise equal text
  kWhitespace,    // equal but for blanks and line ends
  kJsonKeyOrder,  // equal JSON values, members in another order
  kToolOrder,     // the same tool definitions in another order
  kTemplate,      // role markers, special tokens, separators: the scaffolding differs
  kUnicodeForm,   // equal after folding composed and decomposed, full-width and look-alike characters
  kLetterCase,    // equal but for upper and lower case
  kContent,       // different words
  kEnd,           // one prompt is a prefix of the other: nothing differs before it ends
};
// "timestamp", "uuid", "counter", "whitespace", "json key order", "tool order", "template", "unicode form",
// "letter case", "content", "end".
std::string_view BreakCauseName(BreakCause cause);

enum class FixAction {
  kNone,            // nothing to mend
  kMoveToEnd,       // move the volatile line behind the stable text of its segment
  kSortJsonKeys,    // write JSON with sorted keys
  kSortTools,       // list tools by name
  kTrimWhitespace,  // one form of blanks and line ends
  kNormaliseForm,   // one Unicode form
  kUseOneTemplate,  // one template and one set of separators
  kUseOneSpelling,  // one spelling in letter case
  kReorder,         // put the common text in front of what differs
};
// "none", "move_to_end", "sort_json_keys", "sort_tools", "trim_whitespace", "normalise_form", "use_one_template",
// "use_one_spelling", "reorder".
std::string_view FixActionName(FixAction action);

// One side of a break.
struct BreakSide {
  std::string segment;         // name of the segment; of the last one at the end of the text
  uint32_t byte = 0;           // first byte that differs; the text's size when the text ends there
  uint32_t line = 0;           // of that byte, from 1
  uint32_t column = 0;         // of that byte in its line, in bytes from 1
  std::string text;            // whole characters around the break, at most excerpt_bytes_max bytes
  uint32_t text_begin = 0;     // byte of the prompt where `text` starts
  std::string differs;         // the differing region, widened to lexical units and cut to excerpt_bytes_max
  uint32_t differs_begin = 0;  // byte of the prompt where `differs` starts
};

struct Divergence {
  uint32_t token = 0;  // first token that differs: the length of the exact prefix
  uint32_t block = 0;  // token / block size: the first block that cannot be shared
  BreakSide a;
  BreakSide b;
  BreakCause cause = BreakCause::kContent;
  std::string reason;  // one sentence on the evidence, without prompt text
};

struct Fix {
  FixAction action = FixAction::kNone;
  std::string segment;  // where to apply it
  std::string advice;   // what to do, in words; holds no prompt text
  // Exact prefix gained when the fix is applied to both texts. Null: could not be applied or no encoder was given.
  std::optional<int64_t> gain_tokens;
  std::optional<int64_t> gain_blocks;
};

struct Explanation {
  uint32_t prefix_tokens = 0;
  uint32_t prefix_blocks = 0;
  std::optional<Divergence> divergence;  // null: the prompts are equal, token by token
  // Tokens of b behind the break that also stand in a, in the same order: the aligned common runs of at least
  // kAlignedRunMin tokens and the common end. They are what the break costs: with the same history they would be shared.
  uint32_t lost_tokens = 0;
  // The same in whole blocks: those that a prefix longer by lost_tokens would add.
  uint32_t lost_blocks = 0;
  // Of lost_tokens, those up to the next difference: what this one break costs alone.
  uint32_t lost_to_next_break = 0;
  std::optional<Fix> fix;  // null when nothing diverges
};

inline constexpr uint32_t kAlignedRunMin = 8;  // tokens

struct ExplainOptions {
  uint32_t excerpt_bytes_max = 240;  // per side
};

// `encoder` measures the fix; may be null: gains are then null. Errors are those of the encoder and mixed block sizes.
Result<Explanation> Explain(const Context& a, const Context& b, Encoder* encoder, const ExplainOptions& options = {});

// A break inside a group of contexts that agree up to it.
struct GroupBreak {
  std::vector<uint32_t> kept;    // indexes of contexts on the side that most share, rising
  std::vector<uint32_t> broken;  // those on the other side, rising; `explanation` compares kept[0] (a) with broken[0] (b)
  uint64_t lost_tokens = 0;      // explanation.lost_tokens x broken.size()
  Explanation explanation;
};

struct BreakOptions {
  ExplainOptions explain;
  size_t break_count_max = 32;  // breaks reported, the costliest first
};

// Every place where a group of contexts that share a prefix (which may be empty) falls apart, ranked by tokens lost;
// breaks that cost nothing are left out. Linear in the number of contexts.
Result<std::vector<GroupBreak>> ExplainBreaks(std::span<const Context* const> contexts, Encoder* encoder,
                                              const BreakOptions& options = {});

}  // namespace weir
