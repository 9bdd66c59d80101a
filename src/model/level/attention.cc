// Attention over a batch of several texts: softmax(scale QK' + mask) V, a head at a time, with the matrix product of this
// folder. The backend's own form works in tiles of 64 by 64 wherever one pair of tokens may see each other, and turns keys
// around value by value; here each tile of queries meets only the keys between the first and the last that one of its
// queries may see, so what a batch wastes on other texts is little. A query's result is the same whoever shares its batch.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "panel_product.h"
#include "panel_weights.h"
#include "vec.h"

namespace weir::level {
namespace {

constexpr int64_t kTile = 4 * kColumns;  // queries
constexpr int64_t kAtOnce = 16;          // scores
constexpr int64_t kKeysMax = 4096;
constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr ggml_fp16_t kHalfNever = 0xfc00;

int64_t RoundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// The keys that a query may see, and whether its mask is 0 for all of them.
struct Sight {
  int64_t begin = 0;
  int64_t end = 0;
  const ggml_fp16_t* mask = nullptr;  // null: 0 for all
};

Sight SightOf(const ggml_tensor* mask, int64_t query, int64_t keys) {
  if (mask == nullptr) return {0, keys};
  const auto* row =
      reinterpret_cast<const ggml_fp16_t*>(static_cast<const char*>(mask->data) + static_cast<size_t>(query) * mask->nb[1]);
  Sight sight = {0, keys};
  while (sight.begin < keys && row[sight.begin] == kHalfNever) ++sight.begin;
  while (sight.end > sight.begin && row[sight.end - 1] == kHalfNever) --sight.end;
  if (std::any_of(row + sight.begin, row + sight.end, [](ggml_fp16_t value) { return value != 0; })) sight.mask = row;
  return sight;
}

// Floats of one thread's workspace.
struct Layout {
  explicit Layout(const ggml_tensor* op)
      : keys(op->src[1]->ne[1]),
        key_width(op->src[1]->ne[0]),
        value_width(op->src[2]->ne[0]),
        row(RoundUp(keys, kPanelRows) + kAtOnce),
        turned_keys(RoundUp(keys, kPanelRows) * key_width),
        values(keys * value_width) {}
  int64_t size() const { return RoundUp(turned_keys + values + kTile * row, kAtOnce); }

  int64_t keys, key_width, value_width;
  int64_t row;  // of scores
  int64_t turned_keys, values;
};

// From scores to shares of the sum: exp(scale x + mask - greatest) over the sum of all, 0 for keys out of sight.
// `row` stands for the keys from `base` to `end`, with kAtOnce floats to spare behind.
void ToShares(const Sight& sight, float scale, int64_t base, int64_t end, float* row) {
  std::fill_n(row, sight.begin - base, 0.0f);
  float* seen = row + (sight.begin - base);
  const int64_t count = sight.end - sight.begin;
  const int64_t whole = RoundUp(count, kAtOnce);
  std::fill_n(seen + count, whole - count, kNever);
  float most[kAtOnce];
  std::fill_n(most, kAtOnce, kNever);
  for (int64_t i = 0; i < whole; i += kAtOnce) {
    for (int64_t lane = 0; lane < kAtOnce; ++lane) seen[i + lane] *= scale;
    for (int64_t lane = 0; sight.mask != nullptr && lane < std::min(kAtOnce, count - i); ++lane) {
      seen[i + lane] += ggml_fp16_to_fp32(sight.mask[sight.begin + i + lane]);
    }
    for (int64_t lane = 0; lane < kAtOnce; ++lane) most[lane] = seen[i + lane] > most[lane] ? seen[i + lane] : most[lane];
  }
  const float greatest = *std::max_element(most, most + kAtOnce);
  if (count > 0) {
    const auto sum = static_cast<float>(ggml_vec_soft_max_f32(static_cast<int>(whole), seen, seen, greatest));
    const float share = 1 / sum;
    for (int64_t i = 0; i < whole; ++i) seen[i] *= share;
  }
  if (sight.end < end) std::fill_n(seen + count, end - sight.end, 0.0f);
}

class Head {
 public:
  Head(const ggml_tensor& op, int64_t head, const Layout& layout, float* work)
      : op_(op),
        head_(head),
        layout_(layout),
        turned_keys_(work),
        values_(work + layout.turned_keys),
        scores_(values_ + layout.values) {
    const ggml_tensor& k = *op.src[1];
    const ggml_tensor& v = *op.src[2];
    const char* keys = Rows(k);
    for (int64_t key = 0; key < layout.keys; key += kPanelRows) {
      const StoredRows rows = {keys + key * static_cast<int64_t>(k.nb[1]), static_cast<int64_t>(k.nb[1]), k.type,
                               std::min(layout.keys - key, kPanelRows)};
      TurnAround(rows, 0, layout.key_width, turned_keys_ + key * layout.key_width);
    }
    const char* values = Rows(v);
    for (int64_t key = 0; key < layout.keys; ++key) {
      const char* row = values + key * static_cast<int64_t>(v.nb[1]);
      for (int64_t at = 0; at < layout.value_width; at += kPanelRows) {
        float* out = values_ + at * layout.keys + key * kPanelRows;
        if (v.type == GGML_TYPE_F16) {
          ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(row) + at, out, kPanelRows);
        } else {
          std::memcpy(out, reinterpret_cast<const float*>(row) + at, kPanelRows * sizeof(float));
        }
      }
    }
  }

  // Queries [query, query + count); count <= kTile.
  void Attend(int64_t query, int64_t count) const {
    Sight sights[kTile];
    int64_t begin = layout_.keys;
    int64_t end = 0;
    for (int64_t i = 0; i < count; ++i) {
      sights[i] = SightOf(op_.src[3], query + i, layout_.keys);
      if (sights[i].begin == sights[i].end) sights[i].begin = sights[i].end = 0;
      begin = std::min(begin, sights[i].begin);
      end = std::max(end, sights[i].end);
    }
    begin = begin / kPanelRows * kPanelRows;
    const ggml_tensor& q = *op_.src[0];
    const auto* queries = reinterpret_cast<const float*>(
        static_cast<const char*>(q.data) + static_cast<size_t>(head_) * q.nb[2] + static_cast<size_t>(query) * q.nb[1]);
    const auto query_stride = static_cast<int64_t>(q.nb[1] / sizeof(float));
    for (int64_t key = begin; key < end; key += kPanelRows) {
      const ProductPlace place = {queries, query_stride, scores_ + (key - begin), layout_.row};
      MultiplyPanel(turned_keys_ + key * layout_.key_width, layout_.key_width, kPanelRows, count, place, false);
    }
    float scale;
    std::memcpy(&scale, op_.op_params, sizeof(scale));
    for (int64_t i = 0; i < count; ++i) ToShares(sights[i], scale, begin, end, scores_ + i * layout_.row);
    const int64_t heads = q.ne[2];
    float* out = static_cast<float*>(op_.data) + (query * heads + head_) * layout_.value_width;
    for (int64_t at = 0; at < layout_.value_width; at += kPanelRows) {
      const ProductPlace place = {scores_, layout_.row, out + at, heads * layout_.value_width};
      MultiplyPanel(values_ + at * layout_.keys + begin * kPanelRows, std::max<int64_t>(end - begin, 0), kPanelRows, count,
                    place, false);
    }
  }

 private:
  // Of this head in keys or values, which several heads may share.
  const char* Rows(const ggml_tensor& shared) const {
    const int64_t each = op_.src[0]->ne[2] / shared.ne[2];
    return static_cast<const char*>(shared.data) + static_cast<size_t>(head_ / each) * shared.nb[2];
  }

  const ggml_tensor& op_;
  const int64_t head_;
  const Layout& layout_;
  float* const turned_keys_;  // panels of kPanelRows keys
  float* const values_;       // panels of kPanelRows components
  float* const scores_;       // kTile rows
};

class Attention final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int threads, const ggml_tensor* op, size_t& size) override {
    size = static_cast<size_t>(Layout(op).size() * threads) * sizeof(float);
    return true;
  }
  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
    const Layout layout(op);
    float* work = static_cast<float*>(params->wdata) + params->ith * layout.size();
    for (int64_t head = params->ith; head < op->src[0]->ne[2]; head += params->nth) {
      const Head one(*op, head, layout, work);
      for (int64_t query = 0; query < op->src[0]->ne[1]; query += kTile) {
        one.Attend(query, std::min(kTile, op->src[0]->ne[1] - query));
      }
    }
    return true;
  }
};

bool IsPlain(const ggml_tensor* op) {
  const ggml_tensor* q = op->src[0];
  const ggml_tensor* k = op->src[1];
  const ggml_tensor* v = op->src[2];
  const ggml_tensor* mask = op->src[3];
  float bias_and_cap[2];
  std::memcpy(bias_and_cap, op->op_params + 1, sizeof(bias_and_cap));
  const auto is_float = [](const ggml_tensor* rows) {
    return (rows->type == GGML_TYPE_F16 || rows->type == GGML_TYPE_F32) && rows->nb[0] == ggml_type_size(rows->type);
  };
  return op->src[4] == nullptr && bias_and_cap[0] == 0 && bias_and_cap[1] == 0 && q->type == GGML_TYPE_F32 &&
         q->nb[0] == sizeof(float) && q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1 && is_float(k) && is_float(v) &&
         k->ne[0] <= kDepth && v->ne[0] % kPanelRows == 0 && k->ne[1] <= kKeysMax &&
         (mask == nullptr || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->ne[3] == 1));
}

}  // namespace

ggml::cpu::tensor_traits* AttentionFor(const ggml_tensor* op) {
  static Attention attention;
  return IsPlain(op) ? &attention : nullptr;
}

}  // namespace weir::level
