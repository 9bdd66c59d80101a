#pragma once
// FakeEmbedder: vectors that depend on the token ids alone, a count of what was asked, and gates to hold it up.

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "byte_tokenizer.h"
#include "weir/base/random.h"
#include "weir/embed/embed_cache.h"

namespace weir::testing {

// What a fake and its test share; outlives the fake.
struct FakeModel {
  std::atomic<uint64_t> loads{0};
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> texts{0};
  std::atomic<uint64_t> alive{0};
  uint32_t dimensions = 8;
  uint32_t tokens_max = 100;
  // Texts that hold this byte fail; 0: none.
  char poison = 0;
  // Texts that hold this byte get a vector with a number that is none.
  char nan = 0;
  Status load_status{};

  // While closed, calls of Embed wait.
  void Close() {
    const std::lock_guard lock(mutex);
    closed = true;
  }
  void Open() {
    {
      const std::lock_guard lock(mutex);
      closed = false;
    }
    changed.notify_all();
  }
  void WaitUntilEntered(uint64_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered >= count; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  bool closed = false;
  uint64_t entered = 0;
};

class FakeEmbedder final : public Embedder {
 public:
  explicit FakeEmbedder(FakeModel& model, std::string fingerprint = "fake")
      : model_(model), fingerprint_(std::move(fingerprint)) {
    model_.alive.fetch_add(1);
  }
  ~FakeEmbedder() override { model_.alive.fetch_sub(1); }

  uint32_t dimensions() const override { return model_.dimensions; }
  bool allows_dimensions(uint32_t dimensions) const override { return dimensions == 0 || dimensions <= model_.dimensions; }
  uint32_t tokens_max() const override { return model_.tokens_max; }
  uint32_t vocab_size() const override { return 256; }
  Pooling pooling() const override { return Pooling::kMean; }
  const std::string& fingerprint() const override { return fingerprint_; }
  uint64_t memory_bytes() const override { return 1000; }

  Status Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions& options, Embeddings& out) override {
    {
      std::unique_lock lock(model_.mutex);
      ++model_.entered;
      model_.changed.notify_all();
      model_.changed.wait(lock, [&] { return !model_.closed; });
    }
    model_.calls.fetch_add(1);
    model_.texts.fetch_add(texts.size());
    out.dimensions = options.dimensions == 0 ? model_.dimensions : options.dimensions;
    out.vectors.assign(texts.size() * out.dimensions, 0);
    out.items.assign(texts.size(), Status());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].size() > model_.tokens_max && !options.truncate) {
        out.items[i] = InvalidArgument("a text of " + std::to_string(texts[i].size()) + " tokens, more than " +
                                       std::to_string(model_.tokens_max));
        continue;
      }
      if (Holds(texts[i], model_.poison)) {
        out.items[i] = Error{ErrorCode::kInternal, "poison", ""};
        continue;
      }
      const std::vector<float> vector = VectorOf(texts[i], out.dimensions);
      std::copy(vector.begin(), vector.end(), out.vectors.begin() + static_cast<ptrdiff_t>(i * out.dimensions));
      if (Holds(texts[i], model_.nan)) out.vectors[i * out.dimensions] = NAN;
    }
    return {};
  }

  static std::vector<float> VectorOf(std::span<const TokenId> ids, uint32_t dimensions) {
    uint64_t seed = 7;
    for (const TokenId id : ids) seed = seed * 1099511628211u + id;
    Random random(seed);
    std::vector<float> vector(dimensions);
    for (float& value : vector) value = static_cast<float>(random.Unit()) - 0.5f;
    return vector;
  }
  static std::vector<float> VectorOf(std::string_view text, uint32_t dimensions) {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return VectorOf(std::span<const TokenId>(ids), dimensions);
  }

 private:
  static bool Holds(std::span<const TokenId> ids, char byte) {
    return byte != 0 && std::ranges::find(ids, static_cast<TokenId>(byte)) != ids.end();
  }

  FakeModel& model_;
  const std::string fingerprint_;
};

inline EmbedModel ModelOf(FakeModel& fake, std::string name = "fake-model", const std::string& fingerprint = "fake") {
  EmbedModel model;
  model.name = std::move(name);
  model.aliases = {"some/Fake_Model"};
  model.fingerprint = fingerprint;
  model.dimensions = fake.dimensions;
  model.matryoshka = {4};
  model.tokens_max = fake.tokens_max;
  model.query_prefix = "query: ";
  model.tokenizer = std::make_shared<ByteTokenizer>();
  model.load = [&fake, fingerprint]() -> Result<std::unique_ptr<Embedder>> {
    fake.loads.fetch_add(1);
    if (!fake.load_status) return fake.load_status.error();
    return std::unique_ptr<Embedder>(std::make_unique<FakeEmbedder>(fake, fingerprint));
  };
  return model;
}

}  // namespace weir::testing
