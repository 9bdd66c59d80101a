#pragma once
// Vectors for tests and an oracle that compares all of them.

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "weir/base/random.h"
#include "weir/reuse/vector_index.h"

namespace weir::testing {

using Vector = std::vector<float>;

inline float Gaussian(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.Unit()));
  return static_cast<float>(radius * std::cos(6.283185307179586 * random.Unit()));
}

inline Vector RandomVector(Random& random, uint32_t dimensions) {
  Vector vector(dimensions);
  for (float& component : vector) component = Gaussian(random);
  return vector;
}

// Near one of the centres, as texts on one theme are: the cosine to it is about 1 / sqrt(1 + spread^2).
inline Vector NearVector(Random& random, const std::vector<Vector>& centres, float spread) {
  Vector vector = centres[random.Below(centres.size())];
  for (float& component : vector) component += spread * Gaussian(random);
  return vector;
}

inline double Cosine(const Vector& a, const Vector& b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  return ab / std::sqrt(aa * bb);
}

class VectorOracle {
 public:
  void Add(VectorOwner owner, const Vector& vector) { vectors_[owner] = vector; }
  void Remove(VectorOwner owner) { vectors_.erase(owner); }
  const std::map<VectorOwner, Vector>& vectors() const { return vectors_; }

  struct Hit {
    VectorOwner owner;
    double similarity;
  };
  // All that count, most similar first.
  std::vector<Hit> Find(const Vector& query, const VectorFindOptions& options) const {
    std::vector<Hit> hits;
    for (const auto& [owner, vector] : vectors_) {
      const double similarity = Cosine(query, vector);
      if (owner != options.exclude && similarity >= double{options.threshold} - 1e-6) hits.push_back({owner, similarity});
    }
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.similarity > b.similarity; });
    return hits;
  }

 private:
  std::map<VectorOwner, Vector> vectors_;
};

}  // namespace weir::testing
