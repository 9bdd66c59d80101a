#include "pretokenize_fill.h"

#include <array>
#include <utility>

#include "pretokenize_scalar.h"

namespace weir::pretokenize {
namespace {

template <Rules R>
size_t FillScalar(std::string_view text, size_t& at, std::span<uint32_t> ends) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const char* next = begin + at;
  size_t count = 0;
  while (count < ends.size() && next != end) {
    next = Scanner<R>::PieceEnd(next, end);
    ends[count++] = static_cast<uint32_t>(next - begin);
  }
  at = static_cast<size_t>(next - begin);
  return count;
}

template <int... kIndex>
constexpr std::array<Fill, sizeof...(kIndex)> Fills(std::integer_sequence<int, kIndex...>) {
  return {FillScalar<RulesOf(static_cast<Family>(kIndex))>...};
}
constexpr auto kFills = Fills(std::make_integer_sequence<int, kFamilyCount>());

}  // namespace

Fill ScalarFill(Family family) { return kFills[static_cast<size_t>(family)]; }

}  // namespace weir::pretokenize
