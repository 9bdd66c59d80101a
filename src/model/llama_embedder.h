#pragma once
// The Embedder over llama.cpp: one model, and workers that each own a context and a thread.
//
// A call packs its texts into batches and stands in line; workers take one batch at a time, from waiting calls in turn.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "packing.h"
#include "weir/model/embedder.h"
#include "weir/model/load_embedder.h"

struct llama_context;
struct llama_model;

namespace weir {

// Frees unless the library aborted in it; then nothing of it may be touched again.
struct LlamaModelOwner {
  explicit LlamaModelOwner(llama_model* owned) : model(owned) {}
  ~LlamaModelOwner();
  LlamaModelOwner(const LlamaModelOwner&) = delete;
  LlamaModelOwner& operator=(const LlamaModelOwner&) = delete;
  llama_model* model;
  std::vector<llama_context*> contexts;  // one a worker
  std::atomic<bool> abandoned{false};
};

// Sizes that are fixed at load.
struct EmbedderShape {
  uint32_t dimensions = 0;
  uint32_t tokens_max = 0;
  uint32_t vocab_size = 0;
  Pooling pooling = Pooling::kMean;
  std::vector<uint32_t> dimensions_allowed;
  std::vector<TokenId> ending_tokens;  // that truncation keeps
  std::string fingerprint;
  uint64_t memory_bytes = 0;
  PackingLimits packing;
};

class LlamaEmbedder : public Embedder {
 public:
  LlamaEmbedder(std::unique_ptr<LlamaModelOwner> owner, EmbedderShape shape);
  ~LlamaEmbedder() override;

  uint32_t dimensions() const override { return shape_.dimensions; }
  bool allows_dimensions(uint32_t dimensions) const override;
  uint32_t tokens_max() const override { return shape_.tokens_max; }
  uint32_t vocab_size() const override { return shape_.vocab_size; }
  Pooling pooling() const override { return shape_.pooling; }
  const std::string& fingerprint() const override { return shape_.fingerprint; }
  uint64_t memory_bytes() const override { return shape_.memory_bytes; }
  Status Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions& options, Embeddings& out) override;

 private:
  struct Call;

  void Work(llama_context* context);
  void Enqueue(Call* call);  // REQUIRES: mutex_ is held
  // The next batch in turn, or null at the end; waits.
  std::pair<Call*, const PackedBatch*> Take();
  void Compute(llama_context* context, Call& call, std::span<const uint32_t> texts);
  // Whether it was computed; else why not, for each of these texts.
  Status Encode(llama_context* context, Call& call, std::span<const uint32_t> texts);

  const std::unique_ptr<LlamaModelOwner> owner_;
  const EmbedderShape shape_;

  std::mutex mutex_;  // guards what follows, and each waiting call's progress
  std::condition_variable arrived_;
  Call* first_waiting_ = nullptr;  // linked, so that standing in line needs no memory
  Call* last_waiting_ = nullptr;
  bool stopping_ = false;

  std::vector<std::thread> workers_;
};

}  // namespace weir
