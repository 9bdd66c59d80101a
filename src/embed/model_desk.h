#pragma once
// ModelDesk: one model, the texts that wait for it, and the thread that hands them over in batches. Internal to `embed`.
//
// Thread-safe. The model is loaded by the first text that is missing and stays until Unload().

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/sha256.h"
#include "weir/embed/embed_cache.h"
#include "weir/pool/pool_key.h"

namespace weir::embed {

// A text that is being embedded, and everybody who waits for it. Guarded by the cache's flight lock until `done`.
struct Flight {
  Status status{};
  std::vector<float> vector{};
  bool done = false;
};

// Whether a text came as it is read, or as the bytes of its tokens' ids.
enum class TextForm : uint8_t { kText, kIds };

struct MissingText {
  PoolKey key;
  std::vector<TokenId> ids;
  EmbedOptions options;
  std::shared_ptr<Flight> flight;
};

struct DeskOptions {
  uint32_t batch_texts_max = 256;
  Duration batch_wait{0};
};

class ModelDesk {
 public:
  // Called on the desk's thread with a batch and what became of each of its texts; outside the desk's locks.
  using Landing = std::function<void(std::span<MissingText> batch, const Embeddings& embeddings, const Status& all)>;

  ModelDesk(EmbedModel model, const DeskOptions& options, Landing landing);
  ModelDesk(const ModelDesk&) = delete;
  ModelDesk& operator=(const ModelDesk&) = delete;
  ~ModelDesk();

  const EmbedModel& model() const { return model_; }
  // invalid_argument: the model lacks it. 0 becomes the whole.
  Result<uint32_t> DimensionsFor(uint32_t asked) const;
  // The text as the model gets it.
  std::string_view PrefixFor(EmbedInput input) const;
  // The state of a key's hash before the text. Made once for whole vectors.
  Sha256Stream KeyStart(uint32_t dimensions, const EmbedCall& call, TextForm form) const {
    if (dimensions != model_.dimensions || form != TextForm::kText || !call.owner.empty()) {
      return NewKeyStart(dimensions, call, form);
    }
    return key_starts_[2 * static_cast<size_t>(call.input) + (call.truncate ? 1 : 0)];
  }

  // Takes them all, or none and leaves them as they are. unavailable: no thread can be had; exhausted: no memory.
  Status Submit(std::vector<MissingText>& texts);
  Status Load();
  void Unload();
  EmbedModelState state() const;  // waits for no batch

  uint64_t batches() const { return batches_.load(std::memory_order_relaxed); }
  uint64_t loads() const { return loads_.load(std::memory_order_relaxed); }
  uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

  std::unique_ptr<Encoder> TakeEncoder();
  void GiveBack(std::unique_ptr<Encoder> encoder);

 private:
  void Run();
  std::vector<MissingText> NextBatch();
  void Serve(std::span<MissingText> batch);
  Status LoadLocked();
  Sha256Stream NewKeyStart(uint32_t dimensions, const EmbedCall& call, TextForm form) const;

  const EmbedModel model_;
  std::array<Sha256Stream, 6> key_starts_;  // by input and whether texts are cut; not changed once made
  const DeskOptions options_;
  const Landing landing_;
  std::atomic<uint64_t> batches_{0}, loads_{0}, waiting_{0};

  std::mutex embedder_mutex_;           // held while a batch is embedded
  std::unique_ptr<Embedder> embedder_;  // guarded by embedder_mutex_
  std::atomic<bool> loaded_{false};     // whether it is there, for those who do not wait
  std::atomic<uint64_t> memory_bytes_{0};

  std::mutex queue_mutex_;
  std::condition_variable queued_;
  std::deque<MissingText> queue_;  // guarded by queue_mutex_, as all below
  bool stopping_ = false;
  std::thread thread_;

  std::mutex encoders_mutex_;
  std::vector<std::unique_ptr<Encoder>> encoders_;  // guarded by encoders_mutex_
};

}  // namespace weir::embed
