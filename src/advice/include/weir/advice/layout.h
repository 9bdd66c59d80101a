#pragma once
// Layout: an order of segments and lossless normalisations that let an engine reuse more of recorded prompts.
//
// The input is calls made of named pieces. The adviser may permute pieces that nothing ties together, split volatile
// lines off a piece so that they can stand last, and rewrite text where its meaning cannot change (JSON key order, tool
// order, trailing blanks, Unicode form). It proposes; the texts before and after are then really rendered, tokenized and
// run through a CacheSimulator of the given size, and only what that measurement gains is reported. A pure function: the
// same input gives the same result. The encoder and the renderer are used by the calling thread only.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/block_keys.h"
#include "weir/tokens/context.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// The relative order of two pieces of a call is kept as recorded when
//   - either is `fixed` (nothing crosses it), or
//   - both are messages (system, user, assistant, tool result), or
//   - one is tool definitions and the other a user, assistant or tool result message, or
//   - one names the other in `after`.
// Anything else may be permuted. Where two pieces meet that were not neighbours in the recording and the first does not
// end in a newline, one is added.
struct LayoutPiece {
  std::string name;  // the class of the piece: equal names in different calls are placed alike. Unique inside a call
  SegmentKind kind = SegmentKind::kText;
  std::string text;
  bool fixed = false;              // stays where it is
  bool verbatim = false;           // its text must not change, nor be split
  std::vector<std::string> after;  // names of pieces of the same call that must stay in front of this one
};

struct LayoutCall {
  std::string agent;
  std::vector<LayoutPiece> pieces;  // in the recorded order
};

// The exact prompt of call `call` made of these pieces in this order. Null in the options: the texts one after the other.
// A chat renderer puts the texts of the system pieces together as the system message, reads the tools piece as JSON, and
// renders with the model's template; it marks as fixed what the template places.
using LayoutRenderer = std::function<Result<std::string>(size_t call, std::span<const LayoutPiece> pieces)>;

enum class Normalisation {
  kVolatileLast,    // lines with timestamps, ids or counters are split off and may move behind stable text
  kJsonKeys,        // JSON objects written with sorted keys: in tool definitions, in pieces that are nothing but JSON, and
                    // elsewhere where the same value is written in several orders
  kToolOrder,       // tool definitions listed by name
  kTrailingBlanks,  // blanks before line ends and CR of CR LF removed
  kUnicodeForm,     // composed form (NFC) of decomposed letters: canonically equal
  kSharedFirst,     // paragraphs and sections that several calls have in front of those that only one has. Not lossless: a
                    // person must say that their order does not matter
};
// "volatile_last", "json_keys", "tool_order", "trailing_blanks", "unicode_form", "shared_first".
std::string_view NormalisationName(Normalisation normalisation);

struct LayoutOptions {
  uint64_t cache_tokens = UINT64_MAX;  // the engine's cache; rounded down to whole blocks
  size_t block_size = kDefaultBlockSize;
  bool add_special_tokens = false;  // as for Context
  LayoutRenderer renderer;
  // Normalisations that may be tried.
  std::vector<Normalisation> normalisations = {Normalisation::kVolatileLast, Normalisation::kJsonKeys,
                                               Normalisation::kToolOrder, Normalisation::kTrailingBlanks,
                                               Normalisation::kUnicodeForm};
  // Normalisations that are measured alone, to say what they would gain, but never applied. One that is tried as well is
  // not measured twice.
  std::vector<Normalisation> measured_only = {Normalisation::kSharedFirst};
  // Orders of up to this many movable classes are all tried; more are searched greedily and by local exchange.
  size_t exact_class_count_max = 7;
  // Bound of the search in simulated blocks; reaching it is said in LayoutReport::search.
  uint64_t search_blocks_max = 100'000'000;
};

struct NormalisationGain {
  Normalisation normalisation = Normalisation::kVolatileLast;
  bool applied = false;        // part of the proposal
  bool measured_only = false;  // never part of one: what it would gain, if a person did it
  size_t pieces = 0;           // pieces whose text it changes
  // Reusable tokens gained with the recorded order when this is the only change.
  int64_t gain_alone = 0;
  // Reusable tokens that the proposal would lose without it; null when it is not part of the proposal.
  std::optional<int64_t> gain_in_proposal;
};

// What becomes of one class of pieces.
struct LayoutClass {
  std::string name;
  SegmentKind kind = SegmentKind::kText;
  bool movable = false;
  size_t calls = 0;       // calls that have it
  size_t contents = 0;    // different texts among them (after normalisation)
  uint64_t tokens = 0;    // of all calls, each text tokenized alone
  bool is_split = false;  // holds the volatile lines split off another class
};

struct LayoutCallChange {
  std::string agent;
  uint32_t tokens_before = 0;
  uint32_t tokens_after = 0;
  uint32_t reusable_before = 0;
  uint32_t reusable_after = 0;
};

enum class LayoutSearch { kExact, kGreedy, kBudget };  // kBudget: the bound was reached, the best so far is reported
std::string_view LayoutSearchName(LayoutSearch search);

struct LayoutReport {
  bool improves = false;             // false: nothing helps, the proposal is the recorded layout
  std::vector<std::string> order;    // class names in the proposed order
  std::vector<LayoutClass> classes;  // in the proposed order
  std::vector<NormalisationGain> normalisations;
  int64_t gain_of_order = 0;   // reusable tokens that the proposal would lose in the recorded order
  uint64_t tokens_before = 0;  // of all calls
  uint64_t tokens_after = 0;
  uint64_t reusable_before = 0;  // tokens, by simulation
  uint64_t reusable_after = 0;
  size_t refused_calls = 0;  // prompts larger than the cache: they could not run at all
  std::vector<LayoutCallChange> calls;
  // Every call as proposed: its pieces in their new order and form; as recorded when nothing helps.
  std::vector<std::vector<LayoutPiece>> proposal;
  // The call that gains most: its pieces as proposed and the whole prompt.
  std::optional<size_t> example_call;
  std::vector<LayoutPiece> example_pieces;
  std::string example_prompt;
  LayoutSearch search = LayoutSearch::kExact;
  size_t orders_tried = 0;
  std::string note;  // in words, when nothing helps or the result is limited
};

// invalid_argument: no call, a call without pieces, a repeated name in a call, `after` that names an absent piece or one
// that is recorded later. Errors of the encoder and the renderer name the call.
Result<LayoutReport> Layout(std::span<const LayoutCall> calls, Encoder& encoder, const LayoutOptions& options = {});

}  // namespace weir
