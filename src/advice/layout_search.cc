#include "layout_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "weir/codec/xxh3.h"

namespace weir {

Result<OrderSearch> OrderSearch::Make(std::span<const WorkCall> calls, const PieceClasses& classes, Encoder& encoder,
                                      const LayoutOptions& options) {
  OrderSearch search;
  search.calls_ = calls;
  search.class_count_ = classes.classes().size();
  search.block_size_ = options.block_size;
  search.capacity_blocks_ = options.cache_tokens / options.block_size;
  search.blocks_max_ = options.search_blocks_max;
  search.exact_class_count_max_ = options.exact_class_count_max;
  for (uint32_t i = 0; i < search.class_count_; ++i) {
    if (classes.classes()[i].movable) search.movable_.push_back(i);
  }

  std::unordered_map<std::string_view, uint32_t> known;  // text -> place in first_seen
  std::vector<std::vector<TokenId>> first_seen;
  Encoding encoding;
  for (const WorkCall& call : calls) {
    std::vector<uint32_t>& of_call = search.content_of_.emplace_back();
    for (const WorkPiece& work : call) {
      const auto [found, is_new] = known.try_emplace(work.piece.text, static_cast<uint32_t>(first_seen.size()));
      if (is_new) {
        WEIR_TRY(encoder.Encode(work.piece.text, EncodeOptions(), encoding));
        first_seen.push_back(encoding.ids);
      }
      of_call.push_back(found->second);
    }
  }
  // Numbered by their tokens, so that neighbours in number share most; equal tokens get one number.
  std::vector<uint32_t> by_tokens(first_seen.size());
  std::iota(by_tokens.begin(), by_tokens.end(), 0u);
  std::sort(by_tokens.begin(), by_tokens.end(), [&](uint32_t x, uint32_t y) { return first_seen[x] < first_seen[y]; });
  std::vector<uint32_t> number(first_seen.size());
  for (const uint32_t i : by_tokens) {
    if (search.contents_.empty() || search.contents_.back() != first_seen[i]) search.contents_.push_back(first_seen[i]);
    number[i] = static_cast<uint32_t>(search.contents_.size() - 1);
  }

  search.class_tokens_.assign(search.class_count_, 0);
  std::vector<std::set<uint32_t>> of_class(search.class_count_);
  for (size_t c = 0; c < calls.size(); ++c) {
    uint64_t tokens = 0;
    for (size_t i = 0; i < calls[c].size(); ++i) {
      uint32_t& content = search.content_of_[c][i];
      content = number[content];
      const size_t of = classes.Of(calls[c][i].piece.name);
      search.class_tokens_[of] += search.contents_[content].size();
      of_class[of].insert(content);
      tokens += search.contents_[content].size();
    }
    search.blocks_ += tokens / search.block_size_ + 1;
  }
  for (const std::set<uint32_t>& contents : of_class) search.class_contents_.push_back(contents.size());
  search.MarkPrefixes();
  search.FindShapes(classes);
  return search;
}

void OrderSearch::MarkPrefixes() {
  prefix_prone_.assign(contents_.size(), false);
  std::vector<uint32_t> open;  // contents that are prefixes of the current one, outermost first
  for (uint32_t i = 0; i < contents_.size(); ++i) {
    const auto is_prefix = [&](uint32_t p) {
      return contents_[p].size() <= contents_[i].size() &&
             std::equal(contents_[p].begin(), contents_[p].end(), contents_[i].begin());
    };
    while (!open.empty() && !is_prefix(open.back())) open.pop_back();
    for (const uint32_t p : open) {
      if (contents_[p].empty()) continue;  // left out of every sequence
      prefix_prone_[p] = prefix_prone_[i] = true;
    }
    open.push_back(i);
  }
}

void OrderSearch::FindShapes(const PieceClasses& classes) {
  std::unordered_map<std::string, uint32_t> known;
  for (size_t c = 0; c < calls_.size(); ++c) {
    Shape shape;
    shape.example = c;
    std::string signature;
    for (const WorkPiece& work : calls_[c]) {
      const auto of = static_cast<uint32_t>(classes.Of(work.piece.name));
      shape.class_of.push_back(of);
      shape.movable = shape.movable || classes.classes()[of].movable;
      signature += fmt::format("{} {} {} {} {}", of, static_cast<int>(work.piece.kind), work.piece.fixed, work.recorded,
                               work.is_split);
      for (const std::string& name : work.piece.after) signature += fmt::format(" {}", classes.Of(name));
      signature += '\n';
    }
    const auto [found, is_new] = known.try_emplace(std::move(signature), static_cast<uint32_t>(shapes_.size()));
    if (is_new) shapes_.push_back(std::move(shape));
    shape_of_.push_back(found->second);
  }
}

std::vector<uint32_t> OrderSearch::Arrangement(size_t call, std::span<const uint32_t> rank) const {
  const Shape& shape = shapes_[shape_of_[call]];
  std::vector<uint32_t> rank_of_piece;
  for (const uint32_t of : shape.class_of) rank_of_piece.push_back(rank[of]);
  return Arrange(calls_[shape.example], rank_of_piece);
}

std::vector<std::vector<uint32_t>> OrderSearch::ArrangeShapes(std::span<const uint32_t> rank) const {
  std::vector<std::vector<uint32_t>> arranged;
  arranged.reserve(shapes_.size());
  for (const Shape& shape : shapes_) {
    if (shape.movable) {
      arranged.push_back(Arrangement(shape.example, rank));
    } else {
      arranged.emplace_back(shape.class_of.size());
      std::iota(arranged.back().begin(), arranged.back().end(), 0u);
    }
  }
  return arranged;
}

uint64_t OrderSearch::Bound(std::span<const uint32_t> rank) const {
  const std::vector<std::vector<uint32_t>> arranged = ArrangeShapes(rank);
  // A trie of contents over the calls so far; followers[n] are the contents that go on from node n.
  std::vector<std::map<uint32_t, uint32_t>> followers(1);
  uint64_t reusable = 0;
  for (size_t c = 0; c < calls_.size(); ++c) {
    uint64_t tokens = 0;
    uint64_t matched = 0;
    bool matching = true;
    uint32_t node = 0;
    for (const uint32_t piece : arranged[shape_of_[c]]) {
      const uint32_t content = content_of_[c][piece];
      const std::vector<TokenId>& ids = contents_[content];
      if (ids.empty()) continue;
      tokens += ids.size();
      std::map<uint32_t, uint32_t>& next = followers[node];
      const auto at = next.lower_bound(content);
      if (at != next.end() && at->first == content) {
        if (matching) matched += ids.size();
        node = at->second;
        continue;
      }
      if (matching) {
        matching = false;
        size_t common = 0;
        const auto compare = [&](uint32_t other) {
          const std::vector<TokenId>& theirs = contents_[other];
          const size_t end = std::min(ids.size(), theirs.size());
          size_t same = 0;
          while (same < end && ids[same] == theirs[same]) ++same;
          common = std::max(common, same);
        };
        if (at != next.end()) compare(at->first);
        if (at != next.begin()) compare(std::prev(at)->first);
        // Where one text may be a prefix of another, the match can go on in the next piece: anything is possible.
        matched = prefix_prone_[content] ? UINT64_MAX : matched + common;
      }
      const auto fresh = static_cast<uint32_t>(followers.size());
      next.emplace_hint(at, content, fresh);
      followers.emplace_back();
      node = fresh;
    }
    if (tokens > 0) reusable += std::min(matched, tokens - 1) / block_size_ * block_size_;
  }
  return reusable;
}

uint64_t OrderSearch::Score(std::span<const uint32_t> rank) const {
  const std::vector<std::vector<uint32_t>> arranged = ArrangeShapes(rank);
  CacheSimulator cache(capacity_blocks_, block_size_);
  const BlockKey root = RootKey(Space(), block_size_);
  std::vector<TokenId> tokens;
  std::vector<BlockKey> keys;
  for (size_t c = 0; c < calls_.size(); ++c) {
    tokens.clear();
    keys.clear();
    for (const uint32_t piece : arranged[shape_of_[c]]) {
      const std::vector<TokenId>& ids = contents_[content_of_[c][piece]];
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
    AppendBlockKeys(tokens, block_size_, root, keys);
    cache.Run(keys, tokens.size());
  }
  return cache.counters().cached_tokens;
}

std::vector<uint32_t> OrderSearch::RankOf(std::span<const uint32_t> movable_order) const {
  std::vector<uint32_t> rank(class_count_);
  std::iota(rank.begin(), rank.end(), 0u);
  for (size_t i = 0; i < movable_.size(); ++i) rank[movable_order[i]] = movable_[i];  // movable classes exchange places
  return rank;
}

bool OrderSearch::IsNew(std::span<const uint32_t> rank) {
  Xxh3Stream stream;
  for (const std::vector<uint32_t>& order : ArrangeShapes(rank)) {
    stream.Update({reinterpret_cast<const char*>(order.data()), order.size() * sizeof(uint32_t)});
  }
  const uint64_t hash = stream.Finish64();
  const auto at = std::lower_bound(seen_.begin(), seen_.end(), hash);
  if (at != seen_.end() && *at == hash) return false;
  seen_.insert(at, hash);
  return true;
}

uint64_t OrderSearch::Try(const std::vector<uint32_t>& rank, SearchResult& result) {
  const uint64_t score = Score(rank);
  OrderCandidate candidate{rank, score};
  blocks_spent_ += blocks_;
  std::vector<OrderCandidate>& best = result.candidates;
  const auto place = std::upper_bound(best.begin(), best.end(), candidate.score,
                                      [](uint64_t value, const OrderCandidate& other) { return value > other.score; });
  best.insert(place, std::move(candidate));
  if (best.size() > kCandidatesMax) best.pop_back();
  return score;
}

void OrderSearch::RunAll(SearchResult& result) {
  struct Bounded {
    std::vector<uint32_t> rank;
    uint64_t bound;
  };
  std::vector<Bounded> orders;
  std::vector<uint32_t> places(movable_.size());
  std::iota(places.begin(), places.end(), 0u);
  std::vector<uint32_t> order(movable_.size());
  do {
    for (size_t i = 0; i < places.size(); ++i) order[i] = movable_[places[i]];
    std::vector<uint32_t> rank = RankOf(order);
    if (!IsNew(rank)) continue;
    ++result.orders_tried;
    const uint64_t bound = Bound(rank);
    orders.push_back({std::move(rank), bound});
    blocks_spent_ += blocks_ / 16 + 1;  // about what a bound costs beside a simulation
    if (blocks_spent_ > blocks_max_) {
      result.search = LayoutSearch::kBudget;
      break;
    }
  } while (std::next_permutation(places.begin(), places.end()));

  std::stable_sort(orders.begin(), orders.end(), [](const Bounded& x, const Bounded& y) { return x.bound > y.bound; });
  for (const Bounded& one : orders) {
    const bool full = result.candidates.size() == kCandidatesMax;
    if (!result.candidates.empty() && one.bound < result.candidates[0].score) break;  // cannot win
    if (full && one.bound <= result.candidates[0].score && result.candidates.back().score == one.bound) break;
    if (blocks_spent_ > blocks_max_ && !result.candidates.empty()) {
      result.search = LayoutSearch::kBudget;
      break;
    }
    Try(one.rank, result);
  }
}

// From the recorded order and from a greedy one: moves one class at a time to where it gains most, until none gains.
void OrderSearch::RunGreedy(SearchResult& result) {
  result.search = LayoutSearch::kGreedy;
  std::vector<uint32_t> greedy = movable_;
  std::stable_sort(greedy.begin(), greedy.end(), [&](uint32_t x, uint32_t y) {
    const auto saved = [&](uint32_t c) {  // in front, all but one copy of each text
      return class_contents_[c] == 0
                 ? 0
                 : class_tokens_[c] - class_tokens_[c] / std::max<uint64_t>(calls_.size(), 1) * class_contents_[c];
    };
    if (class_contents_[x] != class_contents_[y]) return class_contents_[x] < class_contents_[y];
    return saved(x) > saved(y);
  });
  for (std::vector<uint32_t> order : {movable_, greedy}) {
    if (!IsNew(RankOf(order))) continue;  // the greedy order is the recorded one
    ++result.orders_tried;
    uint64_t score = Try(RankOf(order), result);
    for (bool gained = true; gained;) {
      gained = false;
      std::vector<uint32_t> best = order;
      for (size_t from = 0; from < order.size(); ++from) {
        for (size_t to = 0; to < order.size(); ++to) {
          if (from == to) continue;
          if (blocks_spent_ > blocks_max_) {
            result.search = LayoutSearch::kBudget;
            return;
          }
          std::vector<uint32_t> moved = order;
          moved.erase(moved.begin() + static_cast<std::ptrdiff_t>(from));
          moved.insert(moved.begin() + static_cast<std::ptrdiff_t>(to), order[from]);
          const std::vector<uint32_t> rank = RankOf(moved);
          if (!IsNew(rank)) continue;
          ++result.orders_tried;
          blocks_spent_ += blocks_ / 16 + 1;
          if (Bound(rank) <= score) continue;
          const uint64_t moved_score = Try(rank, result);
          if (moved_score > score) {
            score = moved_score;
            best = std::move(moved);
            gained = true;
          }
        }
      }
      order = std::move(best);
    }
  }
}

SearchResult OrderSearch::Run() {
  SearchResult result;
  seen_.clear();
  blocks_spent_ = 0;
  if (movable_.size() <= exact_class_count_max_) {
    RunAll(result);
  } else {
    RunGreedy(result);
  }
  return result;
}

}  // namespace weir
