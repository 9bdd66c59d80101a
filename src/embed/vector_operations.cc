#include "weir/embed/vector_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace weir {
namespace {

float Dot(std::span<const float> a, std::span<const float> b) {
  // Eight sums that do not wait for one another; compilers keep them in one register.
  float sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= a.size(); i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < a.size(); ++i) sums[i % 8] += a[i] * b[i];
  return (sums[0] + sums[1] + sums[2] + sums[3]) + (sums[4] + sums[5] + sums[6] + sums[7]);
}

// One over the length; 0 for a row of zeros.
float InverseLength(std::span<const float> a) {
  const float square = Dot(a, a);
  return square > 0 ? 1 / std::sqrt(square) : 0;
}

std::vector<float> InverseLengths(const VectorRows& rows) {
  std::vector<float> lengths(rows.size());
  for (size_t row = 0; row < rows.size(); ++row) lengths[row] = InverseLength(rows.row(row));
  return lengths;
}

float Clamp(float cosine) { return std::clamp(cosine, -1.0f, 1.0f); }

Status CheckRows(const VectorRows& rows) {
  if (rows.dimensions == 0 || rows.numbers.size() % rows.dimensions != 0) {
    return InvalidArgument(fmt::format("{} numbers are no rows of {}", rows.numbers.size(), rows.dimensions));
  }
  return {};
}

// Which component each row is in: the least row of it.
class Components {
 public:
  explicit Components(size_t rows) : parent_(rows) { std::iota(parent_.begin(), parent_.end(), 0u); }
  uint32_t RootOf(uint32_t row) {
    while (parent_[row] != row) row = parent_[row] = parent_[parent_[row]];
    return row;
  }
  void Join(uint32_t a, uint32_t b) {
    a = RootOf(a);
    b = RootOf(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<uint32_t> parent_;
};

}  // namespace

Result<float> Similarity(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return InvalidArgument(fmt::format("vectors of {} and {} numbers", a.size(), b.size()));
  return Clamp(Dot(a, b) * InverseLength(a) * InverseLength(b));
}

Result<std::vector<float>> SimilarityMatrix(const VectorRows& rows) {
  WEIR_TRY(CheckRows(rows));
  const size_t size = rows.size();
  if (size > kMatrixRowsMax) {
    return Exhausted(fmt::format("a matrix of {} rows, more than {}", size, kMatrixRowsMax), "ask for the top k instead");
  }
  const std::vector<float> lengths = InverseLengths(rows);
  std::vector<float> matrix(size * size);
  for (size_t i = 0; i < size; ++i) {
    matrix[i * size + i] = lengths[i] > 0 ? 1.0f : 0.0f;
    for (size_t j = i + 1; j < size; ++j) {
      const float cosine = Clamp(Dot(rows.row(i), rows.row(j)) * lengths[i] * lengths[j]);
      matrix[i * size + j] = matrix[j * size + i] = cosine;
    }
  }
  return matrix;
}

Result<std::vector<RankedRow>> TopK(const VectorRows& rows, std::span<const float> query, uint32_t k, float threshold) {
  WEIR_TRY(CheckRows(rows));
  if (query.size() != rows.dimensions) {
    return InvalidArgument(fmt::format("a query of {} numbers for rows of {}", query.size(), rows.dimensions));
  }
  const float query_length = InverseLength(query);
  std::vector<RankedRow> found;
  for (size_t row = 0; row < rows.size(); ++row) {
    const float cosine = Clamp(Dot(rows.row(row), query) * InverseLength(rows.row(row)) * query_length);
    if (cosine >= threshold) found.push_back({static_cast<uint32_t>(row), cosine});
  }
  const auto comes = [](const RankedRow& a, const RankedRow& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.row < b.row;
  };
  const size_t kept = std::min<size_t>(k, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(kept), found.end(), comes);
  found.resize(kept);
  return found;
}

Result<std::vector<Cluster>> ClusterRows(const VectorRows& rows, const ClusterOptions& options) {
  if (!(options.threshold >= -1 && options.threshold <= 1)) return InvalidArgument("a threshold outside -1 to 1");
  WEIR_ASSIGN(const std::vector<float> matrix, SimilarityMatrix(rows));
  const auto size = static_cast<uint32_t>(rows.size());
  Components components(size);
  for (uint32_t i = 0; i < size; ++i) {
    for (uint32_t j = i + 1; j < size; ++j) {
      if (matrix[size_t{i} * size + j] >= options.threshold) components.Join(i, j);
    }
  }
  std::vector<Cluster> all(size);
  for (uint32_t row = 0; row < size; ++row) all[components.RootOf(row)].rows.push_back(row);
  std::vector<Cluster> clusters;
  for (Cluster& cluster : all) {
    if (cluster.rows.empty() || cluster.rows.size() < options.size_min) continue;
    double best = -2;
    double sum = 0;
    for (const uint32_t row : cluster.rows) {
      double own = 0;
      for (const uint32_t other : cluster.rows) own += other == row ? 0 : matrix[size_t{row} * size + other];
      sum += own;
      if (own > best) {
        best = own;
        cluster.representative = row;
      }
    }
    const auto count = static_cast<double>(cluster.rows.size());
    cluster.strength = count > 1 ? static_cast<float>(sum / (count * (count - 1))) : 1.0f;
    clusters.push_back(std::move(cluster));
  }
  std::ranges::stable_sort(clusters, std::greater(), [](const Cluster& cluster) { return cluster.rows.size(); });
  return clusters;
}

}  // namespace weir
