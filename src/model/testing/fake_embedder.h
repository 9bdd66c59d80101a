#pragma once
// An Embedder without a model, for tests of what stands above: vectors that depend on nothing but the ids, the texts that
// were computed counted, faults on demand.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "weir/model/embedder.h"

namespace weir {

class FakeEmbedder : public Embedder {
 public:
  explicit FakeEmbedder(uint32_t dimensions = 8, uint32_t tokens_max = 512)
      : dimensions_(dimensions), tokens_max_(tokens_max), fingerprint_(64, 'f') {}

  uint32_t dimensions() const override { return dimensions_; }
  bool allows_dimensions(uint32_t dimensions) const override {
    return dimensions == 0 || dimensions == dimensions_ || dimensions * 2 == dimensions_;
  }
  uint32_t tokens_max() const override { return tokens_max_; }
  uint32_t vocab_size() const override { return 1u << 20; }
  Pooling pooling() const override { return Pooling::kMean; }
  const std::string& fingerprint() const override { return fingerprint_; }
  uint64_t memory_bytes() const override { return 0; }

  Status Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions& options, Embeddings& out) override {
    if (!allows_dimensions(options.dimensions)) return InvalidArgument("dimensions that the fake lacks");
    ++calls;
    if (before_call) before_call();
    out.dimensions = options.dimensions ? options.dimensions : dimensions_;
    out.vectors.assign(texts.size() * out.dimensions, 0);
    out.items.assign(texts.size(), Status());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].empty()) {
        out.items[i] = InvalidArgument("a text without tokens has no vector");
      } else if (texts[i].size() > tokens_max_ && !options.truncate) {
        out.items[i] = InvalidArgument("the text has " + std::to_string(texts[i].size()) + " tokens");
      } else if (Status fault = fault_for ? fault_for(texts[i]) : Status(); !fault) {
        out.items[i] = fault;
      } else {
        Fill(texts[i].first(std::min<size_t>(texts[i].size(), tokens_max_)),
             {&out.vectors[i * out.dimensions], out.dimensions});
        ++texts_computed;
      }
    }
    return {};
  }

  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> texts_computed{0};
  // Set before use: run at the start of each call, and what an item fails with.
  std::function<void()> before_call;
  std::function<Status(std::span<const TokenId>)> fault_for;

 private:
  static void Fill(std::span<const TokenId> ids, std::span<float> row) {
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (TokenId id : ids) state = (state ^ id) * 0xBF58476D1CE4E5B9u;
    double square = 0;
    for (float& value : row) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      value = static_cast<float>(static_cast<double>(state >> 33) / 4294967296.0 - 0.25);
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    const double scale = 1 / std::sqrt(square);
    for (float& value : row) value = static_cast<float>(static_cast<double>(value) * scale);
  }

  uint32_t dimensions_;
  uint32_t tokens_max_;
  std::string fingerprint_;
};

}  // namespace weir
