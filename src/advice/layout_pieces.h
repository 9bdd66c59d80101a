#pragma once
// The pieces that the layout adviser works with: recorded ones after normalisation, and how they may be arranged.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/advice/layout.h"
#include "weir/base/result.h"

namespace weir {

struct WorkPiece {
  LayoutPiece piece;
  uint32_t recorded = 0;  // place of its recorded piece in the call
  bool is_split = false;  // the volatile lines of that piece
};

// One call: pieces in the recorded order, a split one right behind what it was split off.
using WorkCall = std::vector<WorkPiece>;

// invalid_argument as Layout() says.
Status ValidateCalls(std::span<const LayoutCall> calls);

std::vector<WorkCall> WorkCallsOf(std::span<const LayoutCall> calls);

struct Normalised {
  std::vector<WorkCall> calls;
  // Pieces whose text each normalisation changed; indexed by Normalisation.
  std::vector<size_t> changed;
};

// Applies the given normalisations, each in its fixed place in the sequence, whatever their order here. Evidence (what is
// volatile, which JSON is written in several orders) comes from all calls.
Normalised Normalise(std::span<const LayoutCall> calls, std::span<const Normalisation> normalisations);

// Whether the relative order of two pieces of a call, `first` recorded before `second`, must stay.
bool IsPinned(const WorkPiece& first, const WorkPiece& second);

// Classes of pieces by name, in an order that follows the recorded calls.
class PieceClasses {
 public:
  explicit PieceClasses(std::span<const WorkCall> calls);

  struct Class {
    std::string name;
    SegmentKind kind = SegmentKind::kText;
    bool is_split = false;
    bool movable = false;  // some call has it together with a piece that it is not pinned to
    size_t calls = 0;
  };
  const std::vector<Class>& classes() const { return classes_; }
  size_t Of(std::string_view name) const { return index_.at(std::string(name)); }

 private:
  std::vector<Class> classes_;
  std::unordered_map<std::string, size_t> index_;
};

// Places of the pieces of `call` in the new order: the least rank first among those whose pinned predecessors are placed.
// rank_of_piece[i] is the rank of call[i].
std::vector<uint32_t> Arrange(const WorkCall& call, std::span<const uint32_t> rank_of_piece);

// The pieces in that order, with newlines where strangers meet.
std::vector<LayoutPiece> PiecesIn(const WorkCall& call, std::span<const uint32_t> order);

}  // namespace weir
