#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "weir/broker/plan.h"

namespace weir {
namespace {

// What a victim gives when its last byte may cost `price`: its bytes cost price x used / (used - given).
uint64_t GivenAt(const Victim& victim, double price) {
  if (victim.price >= price) return 0;
  const double given = static_cast<double>(victim.used_bytes) * (1 - victim.price / price);
  return given >= static_cast<double>(victim.takeable_bytes) ? victim.takeable_bytes : static_cast<uint64_t>(given);
}

double PriceAfter(const Victim& victim, uint64_t given) {
  if (given >= victim.used_bytes) return std::numeric_limits<double>::infinity();
  return victim.price * static_cast<double>(victim.used_bytes) / static_cast<double>(victim.used_bytes - given);
}

class Spread {
 public:
  Spread(std::span<const Victim> victims, uint64_t wanted) : victims_(victims), given_(victims.size()), rest_(wanted) {}

  std::vector<uint64_t> Run() && {
    TakeWorthless();
    if (rest_ > 0) TakeByPrice();
    return std::move(given_);
  }

 private:
  void Take(size_t at, uint64_t bytes) {
    const uint64_t taken = std::min({bytes, rest_, victims_[at].takeable_bytes - given_[at]});
    given_[at] += taken;
    rest_ -= taken;
  }

  // Bytes without a price go first: lowest priority, then the largest pool.
  void TakeWorthless() {
    std::vector<size_t> free;
    for (size_t i = 0; i < victims_.size(); ++i) {
      if (victims_[i].price <= 0) free.push_back(i);
    }
    std::stable_sort(free.begin(), free.end(), [&](size_t a, size_t b) {
      const Victim& left = victims_[a];
      const Victim& right = victims_[b];
      return left.priority != right.priority ? left.priority < right.priority : left.used_bytes > right.used_bytes;
    });
    for (const size_t at : free) Take(at, UINT64_MAX);
  }

  uint64_t SumAt(double price) const {
    uint64_t sum = 0;
    for (const Victim& victim : victims_) {
      if (victim.price > 0) sum = AddSaturating(sum, GivenAt(victim, price));
    }
    return sum;
  }

  // Finds the price at which the given bytes add up to what is wanted, by halving the interval that holds it.
  void TakeByPrice() {
    double low = std::numeric_limits<double>::infinity();
    uint64_t takeable = 0;
    for (const Victim& victim : victims_) {
      if (victim.price <= 0) continue;
      low = std::min(low, victim.price);
      takeable = AddSaturating(takeable, victim.takeable_bytes);
    }
    if (takeable > rest_) {
      double high = low;
      for (int i = 0; i < 2100 && SumAt(high) < rest_; ++i) high = std::min(high * 2, std::numeric_limits<double>::max());
      for (int i = 0; i < 200 && low < high; ++i) {
        const double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        (SumAt(middle) <= rest_ ? low : high) = middle;
      }
      for (size_t i = 0; i < victims_.size(); ++i) {
        if (victims_[i].price > 0) Take(i, GivenAt(victims_[i], low));
      }
    }
    // What rounding left over, and everything when it is not enough: by the price after what was given.
    std::vector<size_t> order(victims_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return PriceAfter(victims_[a], given_[a]) < PriceAfter(victims_[b], given_[b]);
    });
    for (const size_t at : order) Take(at, UINT64_MAX);
  }

  const std::span<const Victim> victims_;
  std::vector<uint64_t> given_;
  uint64_t rest_;
};

}  // namespace

std::vector<uint64_t> SpreadByPrice(std::span<const Victim> victims, uint64_t wanted) {
  return Spread(victims, wanted).Run();
}

}  // namespace weir
