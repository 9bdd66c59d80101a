#pragma once
// Which known family a tokenizer.json's chain of splits is.

#include <optional>
#include <string>
#include <vector>

#include "pretokenize_rules.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir::pretokenize {

enum class Behavior : uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// One element of the chain, applied inside the pieces of the one before.
struct Split {
  std::string pattern;  // a regular expression; for a literal, escaped
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;  // the pattern names what lies between the delimiters
  friend bool operator==(const Split&, const Split&) = default;
};

struct Chain {
  std::vector<Split> splits;  // the regular expression of a ByteLevel included
  bool add_prefix_space = false;
};

// Digits becomes a Split on its characters. See Pretokenizer::FromJson for the errors.
Result<Chain> ReadChain(const Json& pre_tokenizer);

// The splits that define a family.
std::vector<Split> SplitsOf(Family family);

// By exact comparison of patterns.
std::optional<Family> Recognize(const std::vector<Split>& splits);

}  // namespace weir::pretokenize
