#include "weir/advice/layout.h"

namespace weir {

Result<LayoutReport> Layout(std::span<const LayoutCall>, Encoder&, const LayoutOptions&) {
  return Unsupported("layout is not ready");
}

std::vector<LayoutPiece> ApplyLayout(const LayoutCall& call, const LayoutReport&) { return call.pieces; }

std::string_view NormalisationName(Normalisation) { return ""; }
std::string_view LayoutSearchName(LayoutSearch) { return ""; }

}  // namespace weir
