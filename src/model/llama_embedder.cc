#include "llama_embedder.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cmath>

#include "llama_library.h"

namespace weir {
namespace {

// Not a number that can be compared: what a broken weight makes.
bool Normalize(std::span<const float> from, std::span<float> to) {
  double square = 0;
  for (size_t i = 0; i < to.size(); ++i) square += static_cast<double>(from[i]) * static_cast<double>(from[i]);
  if (!std::isfinite(square) || square <= 0) return false;
  const double scale = 1 / std::sqrt(square);
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(static_cast<double>(from[i]) * scale);
  return true;
}

struct BatchDeleter {
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};
using BatchPointer = std::unique_ptr<llama_batch, BatchDeleter>;

}  // namespace

LlamaModelOwner::~LlamaModelOwner() {
  if (abandoned) return;
  for (llama_context* context : contexts) llama_free(context);
  llama_model_free(model);
}

// One call of Embed(); lives on its caller's stack until `undone` is 0.
struct LlamaEmbedder::Call {
  std::vector<std::span<const TokenId>> bodies;  // of each text, cut
  std::vector<TokenId> endings;                  // the token put after a text that was cut
  std::vector<bool> cut;
  std::vector<PackedBatch> batches;
  Embeddings* out = nullptr;
  size_t next = 0;         // batch to hand out; guarded by mutex_
  size_t undone = 0;       // batches; guarded by mutex_
  Call* behind = nullptr;  // in line; guarded by mutex_
  std::condition_variable done;
};

LlamaEmbedder::LlamaEmbedder(std::unique_ptr<LlamaModelOwner> owner, EmbedderShape shape)
    : owner_(std::move(owner)), shape_(std::move(shape)) {
  for (llama_context* context : owner_->contexts) {
    workers_.emplace_back([this, context] { Work(context); });
  }
}

LlamaEmbedder::~LlamaEmbedder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool LlamaEmbedder::allows_dimensions(uint32_t dimensions) const {
  return dimensions == 0 || dimensions == shape_.dimensions ||
         std::ranges::find(shape_.dimensions_allowed, dimensions) != shape_.dimensions_allowed.end();
}

Status LlamaEmbedder::Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions& options, Embeddings& out) {
  if (!allows_dimensions(options.dimensions)) {
    return InvalidArgument(fmt::format("the model has no vectors of {} dimensions", options.dimensions),
                           fmt::format("it has {}", fmt::join(shape_.dimensions_allowed, ", ")));
  }
  try {
    out.dimensions = options.dimensions ? options.dimensions : shape_.dimensions;
    out.vectors.assign(texts.size() * out.dimensions, 0);
    out.items.assign(texts.size(), Status());
    Call call;
    call.out = &out;
    call.bodies.assign(texts.begin(), texts.end());
    call.endings.assign(texts.size(), 0);
    call.cut.assign(texts.size(), false);
    std::vector<uint32_t> lengths(texts.size());
    std::vector<uint32_t> wanted;
    for (uint32_t i = 0; i < texts.size(); ++i) {
      std::span<const TokenId>& body = call.bodies[i];
      const auto stray = std::ranges::find_if(body, [&](TokenId id) { return id >= shape_.vocab_size; });
      if (body.empty()) {
        out.items[i] = InvalidArgument("a text without tokens has no vector");
      } else if (stray != body.end()) {
        out.items[i] = InvalidArgument(fmt::format("token {} at index {} is outside the model's vocabulary of {}", *stray,
                                                   stray - body.begin(), shape_.vocab_size),
                                       "use the model's own tokenizer");
      } else if (body.size() > shape_.tokens_max && !options.truncate) {
        out.items[i] =
            InvalidArgument(fmt::format("the text has {} tokens; the model takes {}", body.size(), shape_.tokens_max),
                            "split the text, or ask for truncation");
      } else {
        if (body.size() > shape_.tokens_max) {
          const TokenId last = body.back();
          body = body.first(shape_.tokens_max);
          call.cut[i] = std::ranges::find(shape_.ending_tokens, last) != shape_.ending_tokens.end();
          call.endings[i] = last;
        }
        lengths[i] = static_cast<uint32_t>(body.size());
        wanted.push_back(i);
      }
    }
    if (wanted.empty()) return {};
    call.batches = PackByLength(lengths, wanted, shape_.packing);
    std::unique_lock lock(mutex_);
    call.undone = call.batches.size();
    Enqueue(&call);
    arrived_.notify_all();
    call.done.wait(lock, [&] { return call.undone == 0; });
  } catch (const std::bad_alloc&) {
    return Exhausted(fmt::format("memory for {} vectors was refused", texts.size()), "ask for fewer at once");
  }
  return {};
}

void LlamaEmbedder::Enqueue(Call* call) {
  call->behind = nullptr;
  (last_waiting_ ? last_waiting_->behind : first_waiting_) = call;
  last_waiting_ = call;
}

std::pair<LlamaEmbedder::Call*, const PackedBatch*> LlamaEmbedder::Take() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return stopping_ || first_waiting_; });
  if (!first_waiting_) return {nullptr, nullptr};
  Call* call = first_waiting_;
  first_waiting_ = call->behind;
  if (!first_waiting_) last_waiting_ = nullptr;
  const PackedBatch* batch = &call->batches[call->next++];
  if (call->next < call->batches.size()) Enqueue(call);  // others' turn first
  return {call, batch};
}

void LlamaEmbedder::Work(llama_context* context) {
  for (;;) {
    const auto [call, batch] = Take();
    if (!call) return;
    Compute(context, *call, batch->texts);
    const std::lock_guard lock(mutex_);
    if (--call->undone == 0) call->done.notify_one();
  }
}

void LlamaEmbedder::Compute(llama_context* context, Call& call, std::span<const uint32_t> texts) {
  Status computed = Encode(context, call, texts);
  if (computed) return;
  if (texts.size() > 1 && !owner_->abandoned) {  // one text must not spoil the others
    for (const uint32_t& text : texts) Compute(context, call, {&text, 1});
    return;
  }
  for (uint32_t text : texts) call.out->items[text] = computed;
}

Status LlamaEmbedder::Encode(llama_context* context, Call& call, std::span<const uint32_t> texts) {
  if (owner_->abandoned) {
    return Error{ErrorCode::kInternal, "the model's library gave up earlier", "load the model again"};
  }
  bool aborted = false;
  TakeLibraryError();
  Status status = Contained(ErrorCode::kInternal, "computing vectors", &aborted, [&]() -> Status {
    size_t tokens = 0;
    for (uint32_t text : texts) tokens += call.bodies[text].size();
    BatchPointer batch(new llama_batch(llama_batch_init(static_cast<int32_t>(tokens), 0, 1)));
    for (size_t sequence = 0; sequence < texts.size(); ++sequence) {
      const std::span<const TokenId> body = call.bodies[texts[sequence]];
      for (size_t i = 0; i < body.size(); ++i) {
        const int32_t at = batch->n_tokens++;
        const bool ending = i + 1 == body.size() && call.cut[texts[sequence]];
        batch->token[at] = static_cast<llama_token>(ending ? call.endings[texts[sequence]] : body[i]);
        batch->pos[at] = static_cast<llama_pos>(i);
        batch->n_seq_id[at] = 1;
        batch->seq_id[at][0] = static_cast<llama_seq_id>(sequence);
        batch->logits[at] = 1;
      }
    }
    const llama_memory_t memory = llama_get_memory(context);
    if (memory) llama_memory_clear(memory, false);
    const int failed = memory ? llama_decode(context, *batch) : llama_encode(context, *batch);
    if (failed == -2) return Exhausted(fmt::format("memory for a batch of {} tokens was refused", tokens));
    if (failed != 0) {
      return Error{ErrorCode::kInternal, fmt::format("computing vectors failed ({}): {}", failed, TakeLibraryError()), {}};
    }
    const size_t width = call.out->dimensions;
    for (size_t sequence = 0; sequence < texts.size(); ++sequence) {
      const uint32_t text = texts[sequence];
      const float* vector = llama_get_embeddings_seq(context, static_cast<llama_seq_id>(sequence));
      const std::span<float> row(call.out->vectors.data() + text * width, width);
      if (!vector || !Normalize({vector, width}, row)) {
        std::ranges::fill(row, 0.0F);
        call.out->items[text] = Error{ErrorCode::kInternal, "the model made a vector that is not finite or has no length",
                                      "its file may be damaged"};
      }
    }
    return {};
  });
  if (aborted) owner_->abandoned = true;
  return status;
}

}  // namespace weir
