#pragma once
// Sets of code points, and those that a regular expression names: \p{..}, \s, \d. Plain values, for compiling patterns.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::unicode {

class CodePointSet {
 public:
  struct Range {  // both included
    uint32_t first, last;
    friend bool operator==(const Range&, const Range&) = default;
  };

  CodePointSet() = default;
  CodePointSet(uint32_t first, uint32_t last) : ranges_{{first, last}} {}

  // `ranges` is sorted by first.
  static CodePointSet FromSorted(const std::vector<Range>& ranges);

  // Sorted and apart; none begins or ends with a surrogate.
  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool Contains(uint32_t code_point) const;

  CodePointSet Union(const CodePointSet& other) const;
  CodePointSet Intersection(const CodePointSet& other) const;
  CodePointSet Complement() const;

 private:
  std::vector<Range> ranges_;
};

// "L", "Lu", "P" ...: general categories of Unicode 16 and their groups; none for any other name.
std::optional<CodePointSet> CategorySet(std::string_view name);
// White_Space.
CodePointSet WhiteSpaceSet();

}  // namespace weir::unicode
