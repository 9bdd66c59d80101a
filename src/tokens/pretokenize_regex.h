#pragma once
// RegexSplits: a chain of splits by regular expressions, for patterns that have no scanner of their own.
//
// Immutable and thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "pretokenize.h"
#include "pretokenize_families.h"
#include "weir/base/result.h"

namespace weir {

class RegexSplits {
 public:
  // unsupported or invalid_argument: the expression, as TranslateToPcre2 says; more than kNestedSplitsMax steps; a step
  // that removes text.
  static Result<std::shared_ptr<const RegexSplits>> Compile(const std::vector<pretokenize::Split>& splits);
  ~RegexSplits();

  // As Pretokenizer::Next. Throws std::bad_alloc when the engine runs out of memory.
  size_t Next(std::string_view text, Pretokenizer::Cursor& cursor, std::span<uint32_t> ends) const;

 private:
  struct Step;
  class Matcher;

  RegexSplits();

  std::vector<Step> steps_;
};

}  // namespace weir
