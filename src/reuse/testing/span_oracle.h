#pragma once
// Common runs found the slow way, and texts that are hard to compare.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "weir/base/random.h"
#include "weir/reuse/span_index.h"

namespace weir::testing {

using Tokens = std::vector<TokenId>;

// Every maximal run of two texts, by walking each diagonal.
inline std::vector<CommonSpan> NaiveSpans(const Tokens& a, const Tokens& b, uint32_t tokens_min) {
  std::vector<CommonSpan> spans;
  for (size_t start = 0; start < a.size() + b.size(); ++start) {
    size_t i = start < a.size() ? start : 0;
    size_t j = start < a.size() ? 0 : start - a.size();
    if (start >= a.size() && j == 0) continue;  // the main diagonal was start 0
    while (i < a.size() && j < b.size()) {
      size_t length = 0;
      while (i + length < a.size() && j + length < b.size() && a[i + length] == b[j + length]) ++length;
      if (length >= tokens_min) {
        spans.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(j), static_cast<uint32_t>(length)});
      }
      i += length + 1;
      j += length + 1;
    }
  }
  std::sort(spans.begin(), spans.end());
  return spans;
}

struct Expected {
  uint32_t prefix = 0;
  std::vector<CommonSpan> spans;
  uint32_t a_tokens = 0;
  uint32_t b_tokens = 0;
};

inline Expected Naive(const Tokens& a, const Tokens& b, uint32_t tokens_min, bool prefix_as_span) {
  Expected expected;
  while (expected.prefix < std::min(a.size(), b.size()) && a[expected.prefix] == b[expected.prefix]) ++expected.prefix;
  expected.spans = NaiveSpans(a, b, tokens_min);
  const uint32_t exact = prefix_as_span ? 0 : expected.prefix;
  if (!prefix_as_span) std::erase_if(expected.spans, [](const CommonSpan& s) { return s.a_begin == 0 && s.b_begin == 0; });
  std::vector<bool> in_a(a.size()), in_b(b.size());
  for (const CommonSpan& span : expected.spans) {
    for (uint32_t i = 0; i < span.length; ++i) in_a[span.a_begin + i] = in_b[span.b_begin + i] = true;
  }
  for (size_t i = exact; i < a.size(); ++i) expected.a_tokens += in_a[i] ? 1 : 0;
  for (size_t i = exact; i < b.size(); ++i) expected.b_tokens += in_b[i] ? 1 : 0;
  return expected;
}

// Random, periodic, repetitive and copied stretches.
inline Tokens RandomText(Random& random, const std::vector<Tokens>& earlier, size_t length_max) {
  Tokens text;
  const size_t length = random.Below(length_max);
  const auto letters = static_cast<TokenId>(2 + random.Below(random.Below(3) == 0 ? 1000 : 4));
  while (text.size() < length) {
    const size_t stretch = 1 + random.Below(60);
    const uint64_t kind = random.Below(5);
    if (kind == 0 && !earlier.empty()) {
      const Tokens& source = earlier[random.Below(earlier.size())];
      const size_t from = source.empty() ? 0 : random.Below(source.size());
      for (size_t i = from; i < std::min(source.size(), from + stretch); ++i) text.push_back(source[i]);
    } else if (kind == 1) {
      const size_t period = 1 + random.Below(5);
      for (size_t i = 0; i < stretch; ++i) text.push_back(static_cast<TokenId>(i % period));
    } else if (kind == 2 && text.empty() && !earlier.empty()) {
      const Tokens& source = earlier[random.Below(earlier.size())];
      text.assign(source.begin(), source.begin() + static_cast<ptrdiff_t>(random.Below(source.size() + 1)));
    } else {
      for (size_t i = 0; i < stretch; ++i) text.push_back(static_cast<TokenId>(random.Below(letters)));
    }
  }
  return text;
}

}  // namespace weir::testing
