#include "model_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <system_error>
#include <utility>

namespace weir::embed {
namespace {

constexpr size_t kEncodersKept = 16;

}  // namespace

ModelDesk::ModelDesk(EmbedModel model, const DeskOptions& options, Landing landing)
    : model_(std::move(model)), options_(options), landing_(std::move(landing)) {
  for (const EmbedInput input : {EmbedInput::kPlain, EmbedInput::kQuery, EmbedInput::kPassage}) {
    for (const bool truncate : {false, true}) {
      key_starts_[2 * static_cast<size_t>(input) + (truncate ? 1 : 0)] =
          NewKeyStart(model_.dimensions, {.input = input, .truncate = truncate}, TextForm::kText);
    }
  }
}

ModelDesk::~ModelDesk() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<uint32_t> ModelDesk::DimensionsFor(uint32_t asked) const {
  if (asked == 0 || asked == model_.dimensions) return model_.dimensions;
  if (std::ranges::find(model_.matryoshka, asked) != model_.matryoshka.end()) return asked;
  std::string known = fmt::format("{}", model_.dimensions);
  for (const uint32_t size : model_.matryoshka) known += fmt::format(", {}", size);
  return InvalidArgument(fmt::format("model '{}' has no vectors of {} dimensions", model_.name, asked),
                         fmt::format("it has {}", known));
}

std::string_view ModelDesk::PrefixFor(EmbedInput input) const {
  switch (input) {
    case EmbedInput::kPlain: return {};
    case EmbedInput::kQuery: return model_.query_prefix;
    case EmbedInput::kPassage: return model_.passage_prefix;
  }
  return {};
}

Sha256Stream ModelDesk::NewKeyStart(uint32_t dimensions, const EmbedCall& call, TextForm form) const {
  Sha256Stream hash;
  const std::string_view prefix = form == TextForm::kText ? PrefixFor(call.input) : std::string_view();
  // Every part says its length, so that no two differ only in where one ends.
  const std::string& tokenizer = model_.tokenizer->fingerprint();
  if (form == TextForm::kIds) hash.Update("weir ids ");
  if (!call.owner.empty()) hash.Update(fmt::format("weir owner {}:{} ", call.owner.size(), call.owner));
  hash.Update(fmt::format("weir vector 1 {}:{} {}:{} {} {} {}:", model_.fingerprint.size(), model_.fingerprint,
                          tokenizer.size(), tokenizer, dimensions, call.truncate ? 1 : 0, prefix.size()));
  hash.Update(prefix);
  return hash;
}

Status ModelDesk::Submit(std::vector<MissingText>& texts) {
  try {
    const std::lock_guard lock(queue_mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
    // Room is made before the first one moves.
    queue_.insert(queue_.end(), std::make_move_iterator(texts.begin()), std::make_move_iterator(texts.end()));
    waiting_.fetch_add(texts.size(), std::memory_order_relaxed);
  } catch (const std::system_error&) {
    return Unavailable(fmt::format("the system gives no thread for model '{}'", model_.name), "try again later");
  } catch (const std::bad_alloc&) {
    return Exhausted("no memory");
  }
  queued_.notify_all();
  return {};
}

// The oldest text and those behind it that are asked for in the same way; waits a little for company. Empty: the end.
std::vector<MissingText> ModelDesk::NextBatch() {
  std::unique_lock lock(queue_mutex_);
  queued_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
  queued_.wait_for(lock, options_.batch_wait, [&] { return stopping_ || queue_.size() >= options_.batch_texts_max; });
  std::vector<MissingText> batch;
  const auto is_alike = [&](const MissingText& text) {
    return text.options.dimensions == queue_.front().options.dimensions &&
           text.options.truncate == queue_.front().options.truncate;
  };
  if (queue_.empty()) return batch;
  const auto end = std::find_if_not(queue_.begin(), queue_.end(), is_alike);
  const auto count = std::min<ptrdiff_t>(end - queue_.begin(), options_.batch_texts_max);
  batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return batch;
}

void ModelDesk::Run() {
  for (;;) {
    std::vector<MissingText> batch = NextBatch();
    if (batch.empty()) return;
    Serve(batch);
    waiting_.fetch_sub(batch.size(), std::memory_order_relaxed);
  }
}

void ModelDesk::Serve(std::span<MissingText> batch) {
  Embeddings embeddings;
  Status all;
  try {
    const std::lock_guard lock(embedder_mutex_);
    all = LoadLocked();
    if (all) {
      std::vector<std::span<const TokenId>> texts;
      for (const MissingText& text : batch) texts.emplace_back(text.ids);
      all = embedder_->Embed(texts, batch.front().options, embeddings);
      batches_.fetch_add(1, std::memory_order_relaxed);
    }
    if (all &&
        (embeddings.items.size() != batch.size() || embeddings.vectors.size() != batch.size() * embeddings.dimensions)) {
      all = Error{ErrorCode::kInternal, fmt::format("model '{}' answered with another number of vectors", model_.name), ""};
    }
  } catch (const std::bad_alloc&) {
    all = Exhausted(fmt::format("not enough memory to embed {} texts with '{}'", batch.size(), model_.name));
  } catch (const std::exception& failure) {
    all = Error{ErrorCode::kInternal, fmt::format("model '{}': {}", model_.name, failure.what()), ""};
  }
  landing_(batch, embeddings, all);
}

Status ModelDesk::LoadLocked() {
  if (embedder_ != nullptr) return {};
  WEIR_ASSIGN(std::unique_ptr<Embedder> loaded, model_.load());
  if (loaded->fingerprint() != model_.fingerprint || loaded->dimensions() != model_.dimensions) {
    return Corrupt(fmt::format("model '{}' is not the one that it was", model_.name), "fetch it again, or restart");
  }
  embedder_ = std::move(loaded);
  memory_bytes_.store(embedder_->memory_bytes(), std::memory_order_relaxed);
  loaded_.store(true, std::memory_order_relaxed);
  loads_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Status ModelDesk::Load() {
  const std::lock_guard lock(embedder_mutex_);
  return LoadLocked();
}

void ModelDesk::Unload() {
  const std::lock_guard lock(embedder_mutex_);
  loaded_.store(false, std::memory_order_relaxed);
  embedder_.reset();
}

EmbedModelState ModelDesk::state() const {
  EmbedModelState state{model_.name, model_.fingerprint, model_.dimensions};
  state.loaded = loaded_.load(std::memory_order_relaxed);
  if (state.loaded) state.memory_bytes = memory_bytes_.load(std::memory_order_relaxed);
  return state;
}

std::unique_ptr<Encoder> ModelDesk::TakeEncoder() {
  {
    const std::lock_guard lock(encoders_mutex_);
    if (!encoders_.empty()) {
      std::unique_ptr<Encoder> encoder = std::move(encoders_.back());
      encoders_.pop_back();
      return encoder;
    }
  }
  return model_.tokenizer->NewEncoder();
}

void ModelDesk::GiveBack(std::unique_ptr<Encoder> encoder) {
  const std::lock_guard lock(encoders_mutex_);
  if (encoders_.size() < kEncodersKept) encoders_.push_back(std::move(encoder));
}

}  // namespace weir::embed
