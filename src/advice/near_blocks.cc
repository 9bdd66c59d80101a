#include "near_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "weir/reuse/near_index.h"

namespace weir {
namespace {

// Beyond these the counts concerned are null: text in which everything is like everything has n^2 near pairs.
// (block of a, owner of a near text) looked at in all. Beyond it counts are null, as where AllNearPairs gives up: text in
// which everything is like everything has n^2 near pairs.
constexpr uint64_t kWorkMax = 50'000'000;

constexpr uint32_t kNone = UINT32_MAX;

// The distinct texts of all full blocks: who has them and which are near each other.
class BlockTexts {
 public:
  explicit BlockTexts(std::span<const Context* const> contexts);
  // False: there are too many to know any.
  Result<bool> FindNeighbours();

  uint32_t TextOf(uint32_t context, uint32_t block) const { return text_of_[context][block]; }
  std::span<const uint32_t> OwnersOf(uint32_t text) const {
    return std::span(owners_).subspan(first_owner_[text], first_owner_[text + 1] - first_owner_[text]);
  }
  std::span<const uint32_t> NeighboursOf(uint32_t text) const { return near_.NeighboursOf(text); }
  bool HasTooMany(uint32_t text) const { return near_.too_many[text]; }

 private:
  struct Block {
    uint64_t hash;
    uint32_t context;
    uint32_t block;
  };

  std::vector<std::vector<uint32_t>> text_of_;  // by context and block
  std::vector<uint64_t> hashes_;                // of all texts
  std::vector<size_t> first_owner_ = {0};
  std::vector<uint32_t> owners_;  // of a text: ascending
  NearPairs near_;
};

BlockTexts::BlockTexts(std::span<const Context* const> contexts) {
  const size_t size = contexts[0]->block_size();
  const auto tokens_of = [&](const Block& block) {
    return std::span(contexts[block.context]->tokens()).subspan(block.block * size, size);
  };
  std::vector<Block> blocks;
  for (uint32_t context = 0; context < contexts.size(); ++context) {
    text_of_.emplace_back(contexts[context]->tokens().size() / size, kNone);
    for (uint32_t i = 0; i < text_of_.back().size(); ++i) {
      blocks.push_back({0, context, i});
      blocks.back().hash = NearHash(tokens_of(blocks.back()));
    }
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& x, const Block& y) {
    return std::tuple(x.hash, x.context, x.block) < std::tuple(y.hash, y.context, y.block);
  });
  for (size_t begin = 0; begin < blocks.size(); ++begin) {
    const Block& first = blocks[begin];
    if (text_of_[first.context][first.block] != kNone) continue;
    const auto text = static_cast<uint32_t>(hashes_.size());
    const auto tokens = tokens_of(first);
    hashes_.push_back(first.hash);
    for (size_t i = begin; i < blocks.size() && blocks[i].hash == first.hash; ++i) {
      if (!std::ranges::equal(tokens_of(blocks[i]), tokens)) continue;
      text_of_[blocks[i].context][blocks[i].block] = text;
      if (owners_.size() == first_owner_.back() || owners_.back() != blocks[i].context) owners_.push_back(blocks[i].context);
    }
    first_owner_.push_back(owners_.size());
  }
}

Result<bool> BlockTexts::FindNeighbours() {
  WEIR_ASSIGN(near_, AllNearPairs(hashes_));
  return !near_.gave_up;
}

// The near blocks of one context after another.
class NearCounter {
 public:
  NearCounter(std::span<const Context* const> contexts, const BlockTexts& texts, const PairSpans& spans)
      : contexts_(contexts), texts_(texts), spans_(spans), stamp_(contexts.size(), 0), pair_of_(contexts.size(), nullptr) {}

  // `pairs` are those of context a. False: beyond the work that is done; nothing was counted.
  bool Count(uint32_t a, std::span<PairShare> pairs) {
    for (PairShare& pair : pairs) pair_of_[pair.b] = &pair;
    const bool counted = Gather(a);
    for (PairShare& pair : pairs) pair_of_[pair.b] = nullptr;
    if (!counted) return false;
    for (PairShare& pair : pairs) pair.near_blocks = pair.span_tokens ? std::optional<uint32_t>(0) : std::nullopt;
    std::sort(found_.begin(), found_.end(),
              [](const Found& x, const Found& y) { return std::pair(x.pair, x.block) < std::pair(y.pair, y.block); });
    for (size_t begin = 0, end = 0; begin < found_.size(); begin = end) {
      while (end < found_.size() && found_[end].pair == found_[begin].pair) ++end;
      KeepUncovered(std::span(found_).subspan(begin, end - begin));
    }
    return true;
  }

 private:
  struct Found {
    PairShare* pair;
    uint32_t block;
  };

  // Blocks of `a` that are near one of an owner that lacks the very same tokens.
  bool Gather(uint32_t a) {
    found_.clear();
    const size_t blocks = contexts_[a]->tokens().size() / contexts_[a]->block_size();
    for (uint32_t block = 0; block < blocks; ++block) {
      const uint32_t text = texts_.TextOf(a, block);
      const auto neighbours = texts_.NeighboursOf(text);
      if (neighbours.empty()) continue;
      ++now_;
      for (const uint32_t owner : texts_.OwnersOf(text)) stamp_[owner] = now_;
      for (const uint32_t neighbour : neighbours) {
        work_ += texts_.OwnersOf(neighbour).size();
        if (work_ > kWorkMax) return false;
        for (const uint32_t owner : texts_.OwnersOf(neighbour)) {
          if (std::exchange(stamp_[owner], now_) == now_ || pair_of_[owner] == nullptr) continue;
          found_.push_back({pair_of_[owner], block});
        }
      }
    }
    return true;
  }

  // Of the near blocks of one pair, counts those that neither prefix nor spans cover whole.
  void KeepUncovered(std::span<const Found> found) {
    PairShare& pair = *found[0].pair;
    if (!pair.near_blocks) return;
    const auto block_size = static_cast<uint32_t>(contexts_[pair.a]->block_size());
    covered_.assign(contexts_[pair.a]->tokens().size(), false);
    const auto cover = [&](uint32_t begin, uint32_t end) {
      std::fill(covered_.begin() + begin, covered_.begin() + end, char{1});
    };
    cover(0, pair.prefix_tokens);
    spans_.ForEachSpan(pair.a, pair.b, cover);
    for (const Found& one : found) {
      const auto begin = covered_.begin() + size_t{one.block} * block_size;
      *pair.near_blocks += std::find(begin, begin + block_size, char{0}) != begin + block_size ? 1 : 0;
    }
  }

  std::span<const Context* const> contexts_;
  const BlockTexts& texts_;
  const PairSpans& spans_;
  std::vector<uint64_t> stamp_;  // by context: seen for the block in hand
  std::vector<PairShare*> pair_of_;
  std::vector<Found> found_;
  std::vector<char> covered_;  // by token of a
  uint64_t now_ = 0;
  uint64_t work_ = 0;
};

bool HasTooMany(const BlockTexts& texts, uint32_t context, size_t blocks) {
  for (uint32_t block = 0; block < blocks; ++block) {
    if (texts.HasTooMany(texts.TextOf(context, block))) return true;
  }
  return false;
}

}  // namespace

Status AddNearBlocks(std::span<const Context* const> contexts, const PairSpans& spans, ShareReport& report) {
  const bool any = std::any_of(report.pairs.begin(), report.pairs.end(),
                               [](const PairShare& pair) { return pair.span_tokens.has_value(); });
  if (!any) return {};
  const size_t block_size = contexts[0]->block_size();
  NearOptions options;
  options.block_size = static_cast<uint32_t>(block_size);
  if (!options.Validate()) {
    report.near_note = fmt::format("near blocks are not counted for blocks of {} tokens", block_size);
    return {};
  }
  BlockTexts texts(contexts);
  WEIR_ASSIGN(const bool known, texts.FindNeighbours());
  if (!known) {
    report.near_note = "too much is like too much to count near blocks";
    return {};
  }
  NearCounter counter(contexts, texts, spans);
  size_t unknown = 0;
  for (size_t begin = 0, end = 0; begin < report.pairs.size(); begin = end) {
    const uint32_t a = report.pairs[begin].a;
    while (end < report.pairs.size() && report.pairs[end].a == a) ++end;
    const bool counted = !HasTooMany(texts, a, contexts[a]->tokens().size() / block_size) &&
                         counter.Count(a, std::span(report.pairs).subspan(begin, end - begin));
    if (!counted) unknown += end - begin;
  }
  if (unknown > 0) {
    report.near_note = fmt::format("in {} pairs too much is like too much to count near blocks", unknown);
  }
  return {};
}

}  // namespace weir
