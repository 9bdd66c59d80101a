// Looking up in a vector index: along the links, one by one where there are none, and one by one where they lead too few.

#include <algorithm>
#include <queue>
#include <tuple>

#include "vector_core.h"

namespace weir {

using internal::VectorGraph;
using internal::VectorOwnership;
using internal::VectorRow;

namespace {

// A row that counts, by its first owner that counts.
struct Candidate {
  float similarity;
  VectorOwner owner;
  const VectorRow* row;

  friend bool operator<(const Candidate& a, const Candidate& b) {  // better is less
    return std::tuple(-a.similarity, a.owner) < std::tuple(-b.similarity, b.owner);
  }
};

struct Step {
  float similarity;
  uint32_t node;
  friend bool operator<(const Step& a, const Step& b) { return a.similarity < b.similarity; }
};

class Search {
 public:
  // Throws std::bad_alloc.
  Search(const VectorGraph& graph, internal::VectorDot dot, std::span<const float> query, const VectorFindOptions& options,
         uint32_t ef)
      : now_(graph), dot_(dot), query_(query), options_(options), ef_(std::max(ef, options.k)) {
    best_.reserve(std::min<size_t>(ef_, now_.size()) + 1);
  }

  void Run(uint32_t flat_max) {
    const bool few = now_.size() <= std::max(flat_max, 4 * options_.k);
    if (!few && now_.linked() > 0) {
      Walk(Descend());
      Scan(now_.linked());
      if (best_.size() >= ef_ || OwnersFound() >= options_.k) return;
      best_.clear();  // the links led to fewer than there may be
    }
    exact_ = true;
    Scan(0);
  }

  void Collect(VectorMatches& matches) {
    std::sort(best_.begin(), best_.end());
    for (const Candidate& candidate : best_) {
      if (candidate.similarity < options_.threshold) break;
      uint32_t taken = 0;
      for (const VectorOwnership* ownership = candidate.row->first.load(std::memory_order_acquire);
           ownership != nullptr && taken < options_.k; ownership = ownership->next.load(std::memory_order_acquire)) {
        if (ownership->owner == options_.exclude) continue;
        matches.hits.push_back({ownership->owner, candidate.similarity});
        ++taken;
      }
    }
    std::sort(matches.hits.begin(), matches.hits.end(), [](const VectorHit& a, const VectorHit& b) {
      return std::tuple(-a.similarity, a.owner) < std::tuple(-b.similarity, b.owner);
    });
    if (matches.hits.size() > options_.k) matches.hits.resize(options_.k);
    matches.compared = compared_;
    matches.exact = exact_;
  }

 private:
  // Rounding may lead a little beyond.
  float SimilarityOf(const VectorRow& row) {
    ++compared_;
    return std::clamp(dot_(query_.data(), row.components(), static_cast<uint32_t>(query_.size())), -1.f, 1.f);
  }

  // Keeps the ef_ best, the worst of them in front.
  void Offer(const VectorRow& row, float similarity) {
    const VectorOwnership* const first = row.FirstBut(options_.exclude ? &*options_.exclude : nullptr);
    if (first == nullptr) return;
    const Candidate candidate{similarity, first->owner, &row};
    if (best_.size() == ef_) {
      if (!(candidate < best_.front())) return;
      std::pop_heap(best_.begin(), best_.end());
      best_.back() = candidate;
    } else {
      best_.push_back(candidate);
    }
    std::push_heap(best_.begin(), best_.end());
  }

  uint64_t OwnersFound() const {
    uint64_t owners = 0;
    for (const Candidate& candidate : best_) {
      for (const VectorOwnership* ownership = candidate.row->first.load(std::memory_order_acquire);
           ownership != nullptr && owners < options_.k; ownership = ownership->next.load(std::memory_order_acquire)) {
        owners += ownership->owner != options_.exclude ? 1 : 0;
      }
    }
    return owners;
  }

  void Scan(uint32_t from) {
    for (uint32_t node = from; node < now_.size(); ++node) {
      const VectorRow& row = now_.Row(node);
      if (row.first.load(std::memory_order_relaxed) != nullptr) Offer(row, SimilarityOf(row));
    }
  }

  // To the nearest node of the layer above the lowest.
  Step Descend() {
    Step at{SimilarityOf(now_.Row(now_.entry())), now_.entry()};
    for (uint32_t level = now_.top_level(); level > 0; --level) {
      for (bool nearer = true; nearer;) {
        nearer = false;
        now_.ForEachLink(at.node, level, [&](uint32_t node) {
          const float similarity = SimilarityOf(now_.Row(node));
          if (similarity <= at.similarity) return;
          at = {similarity, node};
          nearer = true;
        });
      }
    }
    return at;
  }

  // Along the links of the lowest layer, from the nearest node on, until none can be nearer than the ef_ best. Nodes that
  // do not count are steps on the way.
  void Walk(Step start) {
    std::vector<uint64_t> seen((size_t{now_.linked()} + 63) / 64);
    seen[start.node / 64] |= uint64_t{1} << (start.node % 64);
    std::vector<Step> ahead{start};  // a heap, the nearest in front
    std::vector<const VectorRow*> rows;
    std::vector<uint32_t> nodes;
    Offer(now_.Row(start.node), start.similarity);
    while (!ahead.empty()) {
      const Step step = ahead.front();
      if (best_.size() == ef_ && step.similarity < best_.front().similarity) return;
      std::pop_heap(ahead.begin(), ahead.end());
      ahead.pop_back();
      nodes.clear();
      now_.ForEachLink(step.node, 0, [&](uint32_t node) {
        uint64_t& word = seen[node / 64];
        const uint64_t bit = uint64_t{1} << (node % 64);
        if ((word & bit) != 0) return;
        word |= bit;
        nodes.push_back(node);
        now_.Prefetch(node);
      });
      rows.clear();
      for (const uint32_t node : nodes) {
        rows.push_back(&now_.Row(node));
        __builtin_prefetch(rows.back()->components());
      }
      for (size_t i = 0; i < nodes.size(); ++i) {
        const float similarity = SimilarityOf(*rows[i]);
        if (best_.size() == ef_ && similarity <= best_.front().similarity) continue;
        Offer(*rows[i], similarity);
        ahead.push_back({similarity, nodes[i]});
        std::push_heap(ahead.begin(), ahead.end());
      }
    }
  }

  const VectorGraph::Moment now_;
  const internal::VectorDot dot_;
  const std::span<const float> query_;
  const VectorFindOptions& options_;
  const size_t ef_;
  std::vector<Candidate> best_;  // a heap
  uint64_t compared_ = 0;
  bool exact_ = false;
};

}  // namespace

Status VectorIndex::Core::Find(std::span<const float> vector, const VectorFindOptions& options,
                               VectorMatches& matches) const {
  matches.hits.clear();
  matches.compared = 0;
  matches.exact = false;
  try {
    WEIR_ASSIGN(const std::vector<float> query, Normalised(vector));
    const internal::ReaderGate::Pass pass(gate_);
    // Pairs with the release in Serve.
    const VectorGraph* const graph = serving_.load(std::memory_order_acquire);
    if (graph == nullptr) {
      matches.exact = true;
      return {};
    }
    Search search(*graph, dot_, query, options, options_.ef_search);
    search.Run(options_.flat_max);
    search.Collect(matches);
    return {};
  } catch (const std::bad_alloc&) {
    return Exhausted("no memory to look for like vectors", "ask for fewer");
  }
}

}  // namespace weir
