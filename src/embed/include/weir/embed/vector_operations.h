#pragma once
// What people do with vectors once they have them. Pure functions over rows of one length; safe from all threads.

#include <cstdint>
#include <span>
#include <vector>

#include "weir/base/result.h"

namespace weir {

// Rows of `dimensions` numbers, one after another. Borrowed.
struct VectorRows {
  std::span<const float> numbers;
  uint32_t dimensions = 0;

  size_t size() const { return dimensions == 0 ? 0 : numbers.size() / dimensions; }
  std::span<const float> row(size_t index) const { return numbers.subspan(index * dimensions, dimensions); }
};

// Cosine, -1 to 1; 0 when one of them is all 0. invalid_argument: different lengths.
Result<float> Similarity(std::span<const float> a, std::span<const float> b);

// All pairs, row after row: size() x size(), symmetric, 1 on the diagonal (0 for a row of zeros). exhausted: more than
// kMatrixRowsMax rows.
inline constexpr size_t kMatrixRowsMax = 16'384;
Result<std::vector<float>> SimilarityMatrix(const VectorRows& rows);

struct RankedRow {
  uint32_t row = 0;
  float similarity = 0;
  friend bool operator==(const RankedRow&, const RankedRow&) = default;
};
// The k rows most like the query with at least `threshold`, most like first, equals by row. Compares every row.
Result<std::vector<RankedRow>> TopK(const VectorRows& rows, std::span<const float> query, uint32_t k, float threshold = -1);

struct ClusterOptions {
  float threshold = 0.7f;  // rows at least so alike belong together, and whoever is alike to them
  uint32_t size_min = 2;
};
struct Cluster {
  std::vector<uint32_t> rows;   // ascending
  uint32_t representative = 0;  // the row that is most like the others on average; of equals the first
  float strength = 0;           // mean similarity of all its pairs
};
// Connected components; the largest first, equals by their first row. The same rows give the same clusters.
Result<std::vector<Cluster>> ClusterRows(const VectorRows& rows, const ClusterOptions& options = {});

}  // namespace weir
