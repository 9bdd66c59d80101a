#pragma once
// Pretokenizer: cuts text into the pieces ("words") that BPE merges inside, exactly as the `pre_tokenizer` member of a
// Hugging Face tokenizer.json says.
//
// Known split patterns are cut by hand-written code, the rest by a regular expression engine (right, but slower); what
// neither can do exactly is refused by name. Immutable and thread-safe; cheap to copy.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

class RegexSplits;

// Which code cuts ASCII stretches; every one gives the same pieces.
enum class InstructionSet : uint8_t { kScalar, kAvx2, kAvx512 };
// The best one that this processor has.
InstructionSet BestInstructionSet();

class Pretokenizer {
 public:
  static constexpr size_t kNestedSplitsMax = 8;

  // Where a walk over one text stands. Start with {} (or {.at = byte}, see resumable()).
  struct Cursor {
    size_t at = 0;  // bytes; always a piece boundary
    // Ends of the enclosing pieces of a chain of regular expressions; only Next() reads and writes them.
    std::array<uint32_t, kNestedSplitsMax> enclosing = {};
  };

  // `pre_tokenizer` is that member of a tokenizer.json: a ByteLevel, or a Sequence of Split and Digits that ends with a
  // ByteLevel. unsupported: names the type, option or expression; invalid_argument: not of the documented shape.
  static Result<Pretokenizer> FromJson(const Json& pre_tokenizer);

  // A space goes before text that does not begin with one; the caller does it.
  bool add_prefix_space() const { return add_prefix_space_; }
  // Pieces from a boundary on depend on the text from there on alone, so that a walk may start at any boundary. True for
  // the known patterns.
  bool resumable() const { return regex_ == nullptr; }

  // Pieces tile the text, which is valid UTF-8 of less than 4 GiB. Fills `ends` with the end offsets (bytes in the text)
  // of up to ends.size() further pieces and moves the cursor; returns how many: 0 only at the end of the text (or when
  // `ends` is empty).
  size_t Next(std::string_view text, Cursor& cursor, std::span<uint32_t> ends) const;

  // The same pieces by the given code, or by the best below it that the pattern and the processor have; for tests and
  // benchmarks.
  Pretokenizer Using(InstructionSet set) const;

 private:
  using Fill = size_t (*)(std::string_view text, size_t& at, std::span<uint32_t> ends);

  Pretokenizer() = default;

  uint32_t family_ = 0;  // index of the known pattern
  Fill fill_ = nullptr;  // of that pattern; null when regex_ does it
  std::shared_ptr<const RegexSplits> regex_;
  bool add_prefix_space_ = false;
};

}  // namespace weir
