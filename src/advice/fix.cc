// Fixes: what would mend a break, applied to both texts, tokenized again and measured.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "json_text.h"
#include "prompt_break.h"
#include "shared_blocks.h"
#include "text_forms.h"
#include "volatile_lines.h"

namespace weir {
namespace {

struct Texts {
  std::string a;
  std::string b;
};

size_t CommonPrefix(const std::vector<TokenId>& x, const std::vector<TokenId>& y) {
  const size_t end = std::min(x.size(), y.size());
  return static_cast<size_t>(std::mismatch(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(end), y.begin()).first -
                             x.begin());
}

// How the contexts were tokenized, found out by doing it again.
class Measure {
 public:
  Measure(const PromptBreak& at, Encoder* encoder) : at_(at), encoder_(encoder) {}

  // Keeps the gain when it is the best so far.
  Status Try(const Texts& texts, Fix& fix) {
    if (encoder_ == nullptr) return {};
    WEIR_TRY(FindOptions());
    if (!known_) return {};
    WEIR_TRY(encoder_->Encode(texts.a, options_, first_));
    WEIR_TRY(encoder_->Encode(texts.b, options_, second_));
    const auto prefix = static_cast<int64_t>(CommonPrefix(first_.ids, second_.ids));
    const auto block_size = static_cast<int64_t>(at_.a->block_size());
    const int64_t gain = prefix - at_.token;
    if (fix.gain_tokens && *fix.gain_tokens >= gain) return {};
    fix.gain_tokens = gain;
    fix.gain_blocks = prefix / block_size - at_.token / block_size;
    return {};
  }

 private:
  Status FindOptions() {
    for (const bool special : {false, true, {}}) {
      if (tried_) break;
      options_.add_special_tokens = special;
      WEIR_TRY(encoder_->Encode(at_.a->text(), options_, first_));
      WEIR_TRY(encoder_->Encode(at_.b->text(), options_, second_));
      known_ = first_.ids == at_.a->tokens() && second_.ids == at_.b->tokens();
      tried_ = known_ || special;
    }
    return {};
  }

  const PromptBreak& at_;
  Encoder* encoder_;
  EncodeOptions options_;
  bool tried_ = false;
  bool known_ = false;
  Encoding first_;
  Encoding second_;
};

std::string WithSegment(const Context& context, const Segment& segment, std::string_view replacement) {
  const std::string_view text = context.text();
  std::string out(text.substr(0, segment.bytes.begin));
  out += replacement;
  out += text.substr(segment.bytes.end);
  return out;
}

std::string_view TextOf(const Context& context, const Segment& segment) {
  return context.text().substr(segment.bytes.begin, segment.bytes.size());
}

// Body and closing scaffold of a segment.
std::pair<std::string_view, std::string_view> BodyAndTail(std::string_view text) {
  const size_t body = WithoutScaffoldTail(text).size();
  return {text.substr(0, body), text.substr(body)};
}

std::string Join(std::string stable, std::string_view moved, std::string_view tail) {
  while (!stable.empty() && (stable.back() == '\n' || stable.back() == ' ')) stable.pop_back();
  stable += '\n';
  while (moved.ends_with('\n')) moved.remove_suffix(1);
  stable += moved;
  stable += tail;
  return stable;
}

// The volatile lines of the segment behind its stable text.
std::optional<Texts> MoveVolatile(const PromptBreak& at, const Segment& sa, const Segment& sb) {
  const auto [body_a, tail_a] = BodyAndTail(TextOf(*at.a, sa));
  const auto [body_b, tail_b] = BodyAndTail(TextOf(*at.b, sb));
  const std::vector<std::string_view> bodies = {body_a, body_b};
  const VolatileLines lines(bodies);
  if (lines.empty()) return std::nullopt;
  const VolatileLines::Split split_a = lines.Apply(body_a);
  const VolatileLines::Split split_b = lines.Apply(body_b);
  return Texts{WithSegment(*at.a, sa, Join(split_a.stable, split_a.volatiles, tail_a)),
               WithSegment(*at.b, sb, Join(split_b.stable, split_b.volatiles, tail_b))};
}

// The one line that holds the break behind the rest of the segment.
std::string MoveLine(const Context& context, const Segment& segment, uint32_t byte) {
  const auto [body, tail] = BodyAndTail(TextOf(context, segment));
  const size_t at = std::min<size_t>(byte - segment.bytes.begin, body.size());
  const size_t newline_before = at == 0 ? std::string_view::npos : body.rfind('\n', at - 1);
  const size_t begin = newline_before == std::string_view::npos ? 0 : newline_before + 1;
  const size_t newline = body.find('\n', at);
  const size_t end = newline == std::string_view::npos ? body.size() : newline + 1;
  std::string stable(body.substr(0, begin));
  stable += body.substr(end);
  return WithSegment(context, segment, Join(std::move(stable), body.substr(begin, end - begin), tail));
}

// b with a's spelling of what differs.
Texts OneSpelling(const PromptBreak& at) {
  const std::string_view text = at.b->text();
  std::string b(text.substr(0, at.region_b.begin));
  b += at.TextA(at.region_a);
  b += text.substr(at.region_b.end);
  return {std::string(at.a->text()), std::move(b)};
}

// Text segments that both have in common in front of the others; null when there is nothing to gain that way or the
// order of the segments is not ours to change.
std::optional<Texts> CommonFirst(const PromptBreak& at) {
  std::string common;
  std::string rest_a;
  std::string rest_b;
  size_t found = 0;
  for (const Context* context : {at.a, at.b}) {
    for (const Segment& segment : context->segments()) {
      if (segment.fixed || segment.kind != SegmentKind::kText) return std::nullopt;
    }
  }
  for (const Segment& segment : at.a->segments()) {
    const std::string_view text = TextOf(*at.a, segment);
    const bool shared = std::any_of(at.b->segments().begin(), at.b->segments().end(),
                                    [&](const Segment& other) { return TextOf(*at.b, other) == text; });
    (shared ? common : rest_a) += text;
    found += shared;
    if (shared && !common.ends_with('\n')) common += '\n';
  }
  if (found == 0) return std::nullopt;
  for (const Segment& segment : at.b->segments()) {
    const std::string_view text = TextOf(*at.b, segment);
    const bool shared = std::any_of(at.a->segments().begin(), at.a->segments().end(),
                                    [&](const Segment& other) { return TextOf(*at.a, other) == text; });
    if (!shared) rest_b += text;
  }
  return Texts{common + rest_a, common + rest_b};
}

// Paragraphs of the segment that both have in front of the others.
std::optional<Texts> SharedParagraphsFirst(const PromptBreak& at, const Segment& sa, const Segment& sb) {
  for (const Segment* segment : {&sa, &sb}) {
    if (segment->fixed || (segment->kind != SegmentKind::kText && segment->kind != SegmentKind::kSystem))
      return std::nullopt;
  }
  const auto [body_a, tail_a] = BodyAndTail(TextOf(*at.a, sa));
  const auto [body_b, tail_b] = BodyAndTail(TextOf(*at.b, sb));
  const std::vector<std::string_view> bodies = {body_a, body_b};
  const SharedBlocks blocks(bodies);
  return Texts{WithSegment(*at.a, sa, blocks.Apply(body_a) + std::string(tail_a)),
               WithSegment(*at.b, sb, blocks.Apply(body_b) + std::string(tail_b))};
}

Texts Rewritten(const PromptBreak& at, const auto& rewrite) { return {rewrite(at.a->text()), rewrite(at.b->text())}; }

FixAction ActionFor(BreakCause cause) {
  switch (cause) {
    case BreakCause::kTimestamp:
    case BreakCause::kUuid:
    case BreakCause::kCounter: return FixAction::kMoveToEnd;
    case BreakCause::kWhitespace: return FixAction::kTrimWhitespace;
    case BreakCause::kJsonKeyOrder: return FixAction::kSortJsonKeys;
    case BreakCause::kToolOrder: return FixAction::kSortTools;
    case BreakCause::kTemplate: return FixAction::kUseOneTemplate;
    case BreakCause::kUnicodeForm: return FixAction::kNormaliseForm;
    case BreakCause::kLetterCase: return FixAction::kUseOneSpelling;
    case BreakCause::kContent: return FixAction::kReorder;
    case BreakCause::kEnd: return FixAction::kNone;
  }
  return FixAction::kNone;
}

std::string AdviceFor(BreakCause cause, const std::string& segment) {
  switch (cause) {
    case BreakCause::kTimestamp:
      return fmt::format("move the date or time behind the stable text of '{}', or into the last user message", segment);
    case BreakCause::kUuid:
      return fmt::format("move the identifier behind the stable text of '{}', or keep it out of the prompt", segment);
    case BreakCause::kCounter: return fmt::format("move the line with the number behind the stable text of '{}'", segment);
    case BreakCause::kWhitespace:
      return fmt::format("write '{}' with the same blanks and line ends everywhere; trim trailing blanks", segment);
    case BreakCause::kJsonKeyOrder: return fmt::format("write the JSON in '{}' with sorted keys", segment);
    case BreakCause::kToolOrder: return fmt::format("list the tools in '{}' in one order, for example by name", segment);
    case BreakCause::kTemplate:
      return fmt::format("use one chat template, one set of separators and the same special tokens ('{}')", segment);
    case BreakCause::kUnicodeForm: return fmt::format("bring '{}' into one Unicode form (NFC) with plain quotes", segment);
    case BreakCause::kLetterCase: return fmt::format("use one spelling in '{}'", segment);
    case BreakCause::kContent: return fmt::format("put the text that the prompts share in front of '{}'", segment);
    case BreakCause::kEnd: return "nothing to mend: one prompt is a prefix of the other";
  }
  return {};
}

}  // namespace

Result<Fix> FindFix(const PromptBreak& at, BreakCause cause, Encoder* encoder) {
  const Segment& sa = SegmentAtByte(*at.a, at.byte_a);
  const Segment& sb = SegmentAtByte(*at.b, at.byte_b);
  Fix fix;
  fix.action = ActionFor(cause);
  fix.segment = sb.name;
  fix.advice = AdviceFor(cause, sb.name);
  Measure measure(at, encoder);
  switch (fix.action) {
    case FixAction::kNone: break;
    case FixAction::kMoveToEnd:
      if (const std::optional<Texts> moved = MoveVolatile(at, sa, sb)) WEIR_TRY(measure.Try(*moved, fix));
      WEIR_TRY(measure.Try({MoveLine(*at.a, sa, at.byte_a), MoveLine(*at.b, sb, at.byte_b)}, fix));
      break;
    case FixAction::kTrimWhitespace:
      WEIR_TRY(measure.Try(Rewritten(at, TrimTrailingBlanks), fix));
      WEIR_TRY(measure.Try(OneSpelling(at), fix));
      break;
    case FixAction::kSortJsonKeys:
      WEIR_TRY(measure.Try(Rewritten(at, [](std::string_view text) { return RewriteJson(text, {true, false, {}}); }), fix));
      break;
    case FixAction::kSortTools: {
      WEIR_TRY(measure.Try(Rewritten(at, [](std::string_view text) { return RewriteJson(text, {false, true, {}}); }), fix));
      const std::optional<int64_t> tools_alone = fix.gain_tokens;
      WEIR_TRY(measure.Try(Rewritten(at, [](std::string_view text) { return RewriteJson(text, {true, true, {}}); }), fix));
      if (fix.gain_tokens > tools_alone) fix.advice += ", and write their JSON with sorted keys";
      break;
    }
    case FixAction::kNormaliseForm:
      WEIR_TRY(measure.Try(Rewritten(at, FoldCharacters), fix));
      WEIR_TRY(measure.Try(OneSpelling(at), fix));
      break;
    case FixAction::kUseOneTemplate:
      if (at.a->text() == at.b->text()) break;
      WEIR_TRY(measure.Try(OneSpelling(at), fix));
      break;
    case FixAction::kUseOneSpelling: WEIR_TRY(measure.Try(OneSpelling(at), fix)); break;
    case FixAction::kReorder:
      if (const std::optional<Texts> reordered = CommonFirst(at)) WEIR_TRY(measure.Try(*reordered, fix));
      if (const std::optional<Texts> reordered = SharedParagraphsFirst(at, sa, sb)) {
        WEIR_TRY(measure.Try(*reordered, fix));
      }
      break;
  }
  return fix;
}

}  // namespace weir
