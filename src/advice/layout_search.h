#pragma once
// OrderSearch: which order of piece classes lets a cache of the given size reuse most.
//
// Works on a model of the prompts: every different text is tokenized once, alone, and a prompt is the tokens of its pieces
// one after the other. Candidates are then measured on real prompts by the caller. An order's score is the number of
// tokens that a CacheSimulator of the given size finds; orders are tried in the sequence of an upper bound on it (what an
// endless cache would find, computed piece by piece) until no bound is above what was found, so that nothing is missed.

#include <cstdint>
#include <span>
#include <vector>

#include "layout_pieces.h"
#include "weir/advice/cache_simulator.h"
#include "weir/advice/layout.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct OrderCandidate {
  std::vector<uint32_t> rank;  // of each class
  uint64_t score = 0;          // reusable tokens in the model
};

struct SearchResult {
  std::vector<OrderCandidate> candidates;  // best first; equals in the order nearest to the recorded one
  LayoutSearch search = LayoutSearch::kExact;
  size_t orders_tried = 0;  // different arrangements
};

class OrderSearch {
 public:
  static constexpr size_t kCandidatesMax = 4;

  // Tokenizes the texts. The calls and classes are borrowed.
  static Result<OrderSearch> Make(std::span<const WorkCall> calls, const PieceClasses& classes, Encoder& encoder,
                                  const LayoutOptions& options);

  SearchResult Run();

  // Tokens of the pieces of each class, all calls together, and different texts among them.
  const std::vector<uint64_t>& class_tokens() const { return class_tokens_; }
  const std::vector<size_t>& class_contents() const { return class_contents_; }

  // Upper bound and score of one order; public for tests.
  uint64_t Bound(std::span<const uint32_t> rank) const;
  uint64_t Score(std::span<const uint32_t> rank) const;
  // The pieces of call `i` as places in it.
  std::vector<uint32_t> Arrangement(size_t call, std::span<const uint32_t> rank) const;

 private:
  // Calls whose pieces have the same classes and the same ties are arranged alike.
  struct Shape {
    size_t example = 0;              // a call of this shape
    std::vector<uint32_t> class_of;  // of each piece
    bool movable = false;            // false: always as recorded
  };

  OrderSearch() = default;
  void FindShapes(const PieceClasses& classes);
  void MarkPrefixes();
  std::vector<std::vector<uint32_t>> ArrangeShapes(std::span<const uint32_t> rank) const;
  bool IsNew(std::span<const uint32_t> rank);
  // Scores it and keeps it among the candidates when it is good.
  uint64_t Try(const std::vector<uint32_t>& rank, SearchResult& result);
  void RunAll(SearchResult& result);
  void RunGreedy(SearchResult& result);
  std::vector<uint32_t> RankOf(std::span<const uint32_t> movable_order) const;

  std::span<const WorkCall> calls_;
  size_t class_count_ = 0;
  std::vector<uint32_t> movable_;                  // classes, in the recorded order
  std::vector<std::vector<TokenId>> contents_;     // different texts, sorted by their tokens
  std::vector<bool> prefix_prone_;                 // the tokens of one are a prefix of the other's
  std::vector<std::vector<uint32_t>> content_of_;  // [call][piece]
  std::vector<Shape> shapes_;
  std::vector<uint32_t> shape_of_;  // [call]
  std::vector<uint64_t> class_tokens_;
  std::vector<size_t> class_contents_;
  uint64_t blocks_ = 0;  // one simulation costs
  uint64_t blocks_spent_ = 0;
  uint64_t blocks_max_ = 0;
  size_t block_size_ = 0;
  size_t capacity_blocks_ = 0;
  size_t exact_class_count_max_ = 0;
  std::vector<uint64_t> seen_;  // hashes of arrangements, sorted
};

}  // namespace weir
