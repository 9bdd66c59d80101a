#include "unicode_sets.h"

#include <algorithm>
#include <iterator>

#include "unicode.h"

namespace weir::unicode {
namespace {

constexpr uint32_t kLastCodePoint = 0x10FFFF;
constexpr CodePointSet::Range kSurrogates = {0xD800, 0xDFFF};
// In the order of kCategoryRuns.
constexpr std::string_view kCategories = "CcCfCnCoCsLlLmLoLtLuMcMeMnNdNlNoPcPdPePfPiPoPsScSkSmSoZlZpZs";

}  // namespace

bool CodePointSet::Contains(uint32_t code_point) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                                      [](uint32_t value, const Range& range) { return value < range.first; });
  return after != ranges_.begin() && code_point <= (after - 1)->last;
}

CodePointSet CodePointSet::Union(const CodePointSet& other) const {
  std::vector<Range> all;
  std::merge(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(), std::back_inserter(all),
             [](const Range& a, const Range& b) { return a.first < b.first; });
  return FromSorted(all);
}

CodePointSet CodePointSet::FromSorted(const std::vector<Range>& ranges) {
  CodePointSet out;
  for (const Range& range : ranges) {
    if (!out.ranges_.empty() && range.first <= out.ranges_.back().last + 1) {
      out.ranges_.back().last = std::max(out.ranges_.back().last, range.last);
    } else {
      out.ranges_.push_back(range);
    }
  }
  return out;
}

CodePointSet CodePointSet::Complement() const {
  const CodePointSet taken = Union(CodePointSet(kSurrogates.first, kSurrogates.last));
  CodePointSet out;
  uint32_t next = 0;
  for (const Range& range : taken.ranges_) {
    if (range.first > next) out.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) out.ranges_.push_back({next, kLastCodePoint});
  return out;
}

CodePointSet CodePointSet::Intersection(const CodePointSet& other) const {
  return Complement().Union(other.Complement()).Complement();
}

std::optional<CodePointSet> CategorySet(std::string_view name) {
  if (name.empty() || name.size() > 2) return std::nullopt;
  bool known = false;
  uint32_t wanted = 0;  // bit per category
  for (size_t i = 0; i < kCategories.size(); i += 2) {
    if (kCategories.substr(i, name.size()) == name) {
      known = true;
      wanted |= 1U << (i / 2);
    }
  }
  if (!known) return std::nullopt;
  std::vector<CodePointSet::Range> runs;
  for (size_t i = 0; i < kCategoryRunCount; ++i) {
    if ((wanted >> (kCategoryRuns[i] & 0xFF) & 1) == 0) continue;
    const uint32_t last = i + 1 < kCategoryRunCount ? (kCategoryRuns[i + 1] >> 8) - 1 : kLastCodePoint;
    runs.push_back({kCategoryRuns[i] >> 8, last});
  }
  return CodePointSet::FromSorted(runs).Intersection(CodePointSet(kSurrogates.first, kSurrogates.last).Complement());
}

CodePointSet WhiteSpaceSet() {
  CodePointSet out;
  for (uint32_t cp = 0; cp <= 0x3000; ++cp) {
    if (IsIn(kSpaces, ClassOf(cp))) out = out.Union(CodePointSet(cp, cp));
  }
  return out;
}

}  // namespace weir::unicode
