#include "weir/broker/allotment.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "weir/broker/plan.h"

namespace weir {

std::vector<uint64_t> Allot(std::span<const Claim> claims, uint64_t budget_bytes, uint64_t growth_bytes) {
  uint64_t committed_sum = 0;
  std::vector<uint64_t> committed;
  std::vector<uint64_t> room;
  for (const Claim& claim : claims) {
    committed.push_back(std::max(claim.used_bytes, claim.granted_bytes));
    committed_sum = AddSaturating(committed_sum, committed.back());
    room.push_back(claim.limit_bytes - std::min(claim.limit_bytes, committed.back()));
  }
  uint64_t slack = growth_bytes;
  if (budget_bytes > 0) slack = std::min(slack, budget_bytes - std::min(budget_bytes, committed_sum));

  // Equal parts, from the one with the least room up: what it leaves is divided among the rest.
  std::vector<size_t> order(claims.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return room[a] < room[b]; });
  std::vector<uint64_t> budgets(claims.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t at = order[i];
    const uint64_t part = std::min(room[at], slack / (order.size() - i));
    slack -= part;
    const uint64_t lent = AddSaturating(committed[at], part);
    budgets[at] = std::min(claims[at].limit_bytes, std::max(lent, claims[at].guaranteed_bytes));
  }
  return budgets;
}

}  // namespace weir
