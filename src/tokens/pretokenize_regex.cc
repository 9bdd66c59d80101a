#include "pretokenize_regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include "pretokenize_translate.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace weir {
namespace {

using pretokenize::Behavior;
using pretokenize::Split;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

constexpr size_t kJitStackBytesFirst = size_t{32} << 10;
constexpr size_t kJitStackBytesMax = size_t{16} << 20;

}  // namespace

struct RegexSplits::Step {
  std::unique_ptr<pcre2_code, FreeCode> code;
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;
};

RegexSplits::RegexSplits() = default;
RegexSplits::~RegexSplits() = default;

Result<std::shared_ptr<const RegexSplits>> RegexSplits::Compile(const std::vector<Split>& splits) {
  if (splits.size() > Pretokenizer::kNestedSplitsMax) return Unsupported("pre_tokenizer: too many splits in a row");
  std::shared_ptr<RegexSplits> out(new RegexSplits());
  for (const Split& split : splits) {
    if (split.behavior == Behavior::kRemoved) {
      return Unsupported(fmt::format("pre_tokenizer Split: behavior 'Removed' with the pattern {}", split.pattern));
    }
    WEIR_ASSIGN(const std::string pattern, pretokenize::TranslateToPcre2(split.pattern));
    int code = 0;
    PCRE2_SIZE offset = 0;
    Step step;
    step.behavior = split.behavior;
    step.invert = split.invert;
    step.code.reset(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF, &code, &offset, nullptr));
    if (step.code == nullptr) {
      return Unsupported(fmt::format("regular expression that PCRE2 refuses (its code {}): {}", code, split.pattern));
    }
    pcre2_jit_compile(step.code.get(), PCRE2_JIT_COMPLETE);  // without it the interpreter does the same
    out->steps_.push_back(std::move(step));
  }
  return std::shared_ptr<const RegexSplits>(std::move(out));
}

// The engine's scratch memory for one call of Next.
class RegexSplits::Matcher {
 public:
  Matcher()
      : match_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(kJitStackBytesFirst, kJitStackBytesMax, nullptr)) {
    if (match_ == nullptr || context_ == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(context_.get(), UINT32_MAX);
    pcre2_set_depth_limit(context_.get(), UINT32_MAX);
    pcre2_set_heap_limit(context_.get(), UINT32_MAX);
    pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
  }

  // The first match in `text`, which is not empty; begins at text.size() when there is none.
  std::pair<size_t, size_t> Find(const pcre2_code* code, std::string_view text) {
    int found = Match(code, text, PCRE2_NO_UTF_CHECK);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = Match(code, text, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
    if (found < 0) throw std::bad_alloc();  // no limit is set but memory
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(match_.get());
    return {offsets[0], offsets[1]};
  }

  // Where the piece that begins at `at` ends. Boundaries of pieces are boundaries of matches, and no expression looks
  // back, so the search may begin there.
  size_t PieceEnd(const Step& step, std::string_view text, size_t at) {
    // Runs of text: `is_delimiter` is whether the split's behaviour takes it for what to split at.
    struct Run {
      size_t end;
      bool is_delimiter;
    };
    const auto run_at = [&](size_t begin) -> Run {
      if (begin >= text.size()) return {begin, false};
      const auto [first, last] = Find(step.code.get(), text.substr(begin));
      return first == 0 ? Run{begin + last, !step.invert} : Run{begin + first, step.invert};
    };
    const Run first = run_at(at);
    if (first.end == text.size() || step.behavior == Behavior::kIsolated) return first.end;
    Run next = run_at(first.end);
    switch (step.behavior) {
      case Behavior::kMergedWithPrevious: return !first.is_delimiter && next.is_delimiter ? next.end : first.end;
      case Behavior::kMergedWithNext: return first.is_delimiter && !next.is_delimiter ? next.end : first.end;
      case Behavior::kContiguous: {
        size_t end = first.end;
        while (end < text.size() && next.is_delimiter == first.is_delimiter) {
          end = next.end;
          next = run_at(end);
        }
        return end;
      }
      case Behavior::kIsolated:
      case Behavior::kRemoved: break;
    }
    return first.end;
  }

 private:
  int Match(const pcre2_code* code, std::string_view text, uint32_t options) {
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, options, match_.get(),
                       context_.get());
  }

  std::unique_ptr<pcre2_match_data, FreeMatch> match_;
  std::unique_ptr<pcre2_match_context, FreeContext> context_;
  std::unique_ptr<pcre2_jit_stack, FreeStack> stack_;
};

size_t RegexSplits::Next(std::string_view text, Pretokenizer::Cursor& cursor, std::span<uint32_t> ends) const {
  Matcher matcher;
  size_t count = 0;
  while (count < ends.size() && cursor.at < text.size()) {
    size_t end = text.size();
    for (size_t i = 0; i < steps_.size(); ++i) {
      uint32_t& enclosing = cursor.enclosing[i];
      if (enclosing <= cursor.at) {
        enclosing = static_cast<uint32_t>(matcher.PieceEnd(steps_[i], text.substr(0, end), cursor.at));
      }
      end = enclosing;
    }
    cursor.at = end;
    ends[count++] = static_cast<uint32_t>(end);
  }
  return count;
}

}  // namespace weir
