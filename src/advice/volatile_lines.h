#pragma once
// VolatileLines: which lines and sentences of a text change from call to call in nothing but their fields.
//
// Learned from the texts that a class of pieces has in several calls: a line (or a sentence of a longer line) is volatile
// when the same words with other field values stand in another call, once in each. Tables, lists of numbers and fenced
// code are left alone: their masks repeat, or have no words. Immutable after construction.

#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

namespace weir {

class VolatileLines {
 public:
  explicit VolatileLines(std::span<const std::string_view> texts);

  bool empty() const { return masks_.empty(); }

  struct Split {
    std::string stable;     // the text without its volatile lines
    std::string volatiles;  // those, in their order, each ended by a newline
  };
  Split Apply(std::string_view text) const;

 private:
  std::unordered_set<std::string> masks_;
};

}  // namespace weir
