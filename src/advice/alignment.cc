#include "alignment.h"

#include <algorithm>
#include <unordered_map>

#include "weir/base/check.h"

namespace weir {
namespace {

// Windows remembered at most, about: of longer sequences every n-th is taken, chosen by its hash and so alike in both.
constexpr size_t kWindowsMax = 1'000'000;

// Rolling polynomial hash of one window in `every`; collisions are harmless, anchors are verified.
template <typename Visit>
void VisitWindows(std::span<const TokenId> tokens, uint32_t size, uint64_t every, const Visit& visit) {
  if (tokens.size() < size) return;
  constexpr uint64_t kBase = 0x9e3779b97f4a7c15u;
  uint64_t top = 1;
  for (uint32_t i = 1; i < size; ++i) top *= kBase;
  uint64_t hash = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i >= size) hash -= top * (tokens[i - size] + 1u);
    hash = hash * kBase + (tokens[i] + 1u);
    if (i + 1 < size) continue;
    const uint64_t mixed = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
    if ((mixed >> 32) % every == 0) visit(mixed, static_cast<uint32_t>(i + 1 - size));
  }
}

struct Window {
  uint32_t in_a = 0;
  uint32_t in_b = 0;
  uint8_t count_a = 0;  // saturates at 2
  uint8_t count_b = 0;
};

// Positions of windows that stand once in each sequence, by their place in b.
std::vector<AlignedRun> UniqueAnchors(std::span<const TokenId> a, std::span<const TokenId> b, uint32_t run_min) {
  std::unordered_map<uint64_t, Window> windows;
  const bool a_smaller = a.size() <= b.size();
  const std::span<const TokenId> small = a_smaller ? a : b;
  const std::span<const TokenId> large = a_smaller ? b : a;
  if (small.size() < run_min) return {};
  const uint64_t every = 1 + small.size() / kWindowsMax;
  windows.reserve(small.size() / every);
  VisitWindows(small, run_min, every, [&](uint64_t hash, uint32_t at) {
    Window& window = windows[hash];
    window.in_a = at;
    window.count_a = static_cast<uint8_t>(std::min(2, window.count_a + 1));
  });
  VisitWindows(large, run_min, every, [&](uint64_t hash, uint32_t at) {
    const auto found = windows.find(hash);
    if (found == windows.end()) return;
    found->second.in_b = at;
    found->second.count_b = static_cast<uint8_t>(std::min(2, found->second.count_b + 1));
  });
  std::vector<AlignedRun> anchors;
  for (const auto& [hash, window] : windows) {
    if (window.count_a != 1 || window.count_b != 1) continue;
    const uint32_t at_a = a_smaller ? window.in_a : window.in_b;
    const uint32_t at_b = a_smaller ? window.in_b : window.in_a;
    if (std::equal(a.begin() + at_a, a.begin() + at_a + run_min, b.begin() + at_b)) {
      anchors.push_back({at_a, at_b, run_min});
    }
  }
  std::sort(anchors.begin(), anchors.end(), [](const AlignedRun& x, const AlignedRun& y) { return x.b < y.b; });
  return anchors;
}

// The longest chain that also rises in a.
std::vector<AlignedRun> LongestChain(const std::vector<AlignedRun>& anchors) {
  std::vector<uint32_t> tails;  // index of the anchor that ends the best chain of each length
  std::vector<int64_t> previous(anchors.size(), -1);
  for (uint32_t i = 0; i < anchors.size(); ++i) {
    const auto at = std::lower_bound(tails.begin(), tails.end(), anchors[i].a,
                                     [&](uint32_t index, uint32_t value) { return anchors[index].a < value; });
    if (at != tails.begin()) previous[i] = *(at - 1);
    if (at == tails.end()) {
      tails.push_back(i);
    } else {
      *at = i;
    }
  }
  std::vector<AlignedRun> chain;
  if (tails.empty()) return chain;
  for (int64_t i = tails.back(); i >= 0; i = previous[static_cast<size_t>(i)]) {
    chain.push_back(anchors[static_cast<size_t>(i)]);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace

std::vector<AlignedRun> AlignRuns(std::span<const TokenId> a, std::span<const TokenId> b, uint32_t run_min) {
  WEIR_CHECK(run_min > 0);
  const uint32_t shorter = static_cast<uint32_t>(std::min(a.size(), b.size()));
  uint32_t suffix = 0;
  while (suffix < shorter && a[a.size() - 1 - suffix] == b[b.size() - 1 - suffix]) ++suffix;
  const auto end_a = static_cast<uint32_t>(a.size() - suffix);
  const auto end_b = static_cast<uint32_t>(b.size() - suffix);

  std::vector<AlignedRun> runs;
  uint32_t free_a = 0;  // where the last run ends
  uint32_t free_b = 0;
  for (const AlignedRun& anchor : LongestChain(UniqueAnchors(a.first(end_a), b.first(end_b), run_min))) {
    if (anchor.a + anchor.size <= free_a || anchor.b + anchor.size <= free_b) continue;  // inside the last run
    AlignedRun run = anchor;
    while (run.a > free_a && run.b > free_b && a[run.a - 1] == b[run.b - 1]) {
      --run.a;
      --run.b;
      ++run.size;
    }
    if (run.a < free_a || run.b < free_b) {  // starts inside the last run on one side: keep what is beyond it
      const uint32_t cut = std::max(free_a - std::min(free_a, run.a), free_b - std::min(free_b, run.b));
      if (cut >= run.size) continue;
      run.a += cut;
      run.b += cut;
      run.size -= cut;
    }
    while (run.a + run.size < end_a && run.b + run.size < end_b && a[run.a + run.size] == b[run.b + run.size]) ++run.size;
    free_a = run.a + run.size;
    free_b = run.b + run.size;
    if (!runs.empty() && runs.back().a + runs.back().size == run.a && runs.back().b + runs.back().size == run.b) {
      runs.back().size += run.size;
    } else if (run.size >= run_min) {
      runs.push_back(run);
    }
  }
  if (suffix > 0) {
    if (!runs.empty() && runs.back().a + runs.back().size == end_a && runs.back().b + runs.back().size == end_b) {
      runs.back().size += suffix;
    } else {
      runs.push_back({end_a, end_b, suffix});
    }
  }
  return runs;
}

}  // namespace weir
