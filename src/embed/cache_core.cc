#include "cache_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "vector_record.h"
#include "weir/codec/utf8.h"

namespace weir {

using embed::Flight;
using embed::MissingText;
using embed::ModelDesk;
using embed::TextForm;

namespace {

constexpr size_t kErasedAtOnce = 4096;  // vectors of the store

PoolKey KeyOf(Sha256Stream hash, std::string_view text) {
  hash.Update(text);
  const Sha256Digest digest = hash.Finish();
  PoolKey key;
  std::memcpy(&key, digest.data(), sizeof(key));
  return key;
}

StoreKey StoreKeyOf(const PoolKey& key) { return {key.high, key.low}; }

// Names that differ in case or in the kind of dash are one.
std::string Folded(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) c = c == '_' ? '-' : (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  return folded;
}

}  // namespace

Status EmbedCache::Core::AddModel(EmbedModel model) {
  if (model.name.empty() || model.fingerprint.empty() || model.dimensions == 0 || model.tokenizer == nullptr ||
      !model.load) {
    return InvalidArgument("a model needs a name, a fingerprint, dimensions, a tokenizer and a way to load it");
  }
  std::vector<std::string> spellings = {Folded(model.name)};
  for (const std::string& alias : model.aliases) spellings.push_back(Folded(alias));
  const std::unique_lock lock(desks_mutex_);
  for (const std::string& spelling : spellings) {
    if (names_.contains(spelling)) {
      return Error{ErrorCode::kAlreadyExists, fmt::format("a model is called '{}' already", spelling), ""};
    }
  }
  auto desk =
      std::make_shared<ModelDesk>(std::move(model), embed::DeskOptions{options_.batch_texts_max, options_.batch_wait},
                                  [this](std::span<MissingText> batch, const Embeddings& embeddings, const Status& all) {
                                    Land(batch, embeddings, all);
                                  });
  desks_.push_back(desk);
  for (const std::string& spelling : spellings) names_.emplace(spelling, desk.get());
  return {};
}

Result<ModelDesk*> EmbedCache::Core::DeskOf(std::string_view model) const {
  const std::shared_lock lock(desks_mutex_);
  auto found = names_.find(model);
  if (found == names_.end()) found = names_.find(Folded(model));
  if (found != names_.end()) return found->second;
  std::string known;
  for (const auto& desk : desks_) known += (known.empty() ? "" : ", ") + desk->model().name;
  return NotFound(fmt::format("no model '{}'", model),
                  known.empty() ? "no model is set up" : fmt::format("there are: {}", known));
}

bool EmbedCache::Core::TakeFromPool(const PoolKey& key, std::span<float> out) {
  const Pin pin = pool_->Get(key);
  if (!pin || pin.bytes().size() != out.size_bytes()) return false;
  std::memcpy(out.data(), pin.bytes().data(), out.size_bytes());
  return true;
}

bool EmbedCache::Core::TakeFromStore(const PoolKey& key, std::span<float> out) {
  if (options_.store == nullptr) return false;
  const auto bytes = options_.store->Get(StoreTable::kEmbedding, StoreKeyOf(key));
  if (!bytes || !*bytes || !embed::ReadVector(**bytes, out)) return false;
  Keep(key, out);
  return true;
}

void EmbedCache::Core::Keep(const PoolKey& key, std::span<const float> vector) {
  // A vector that finds no room is embedded again when it is wanted again; the pool counts it.
  static_cast<void>(pool_->Insert(key, std::as_bytes(vector)));
}

bool EmbedCache::Core::JoinFlight(Miss& miss) {
  const auto flying = flights_.find(miss.key);
  if (flying == flights_.end()) return false;
  miss.flight = flying->second;
  miss.source = EmbedSource::kCoalesced;
  return true;
}

// Finds a missing text in the store, or somebody who is having it embedded, or makes it one that is to be embedded.
void EmbedCache::Core::Resolve(ModelDesk& desk, std::string_view text, const EmbedCall& call, TextForm form, Miss& miss,
                               EmbedAnswer& answer, std::vector<MissingText>& missing) {
  const std::span<float> row(answer.vectors.data() + miss.item * answer.dimensions, answer.dimensions);
  {
    const std::lock_guard lock(flights_mutex_);
    if (JoinFlight(miss)) return;
  }
  if (TakeFromStore(miss.key, row)) {
    miss.source = EmbedSource::kStored;
    return;
  }
  Result<std::vector<TokenId>> ids = form == TextForm::kIds ? IdsOf(desk, text) : Tokenize(desk, text, call.input);
  if (!ids) {
    answer.items[miss.item].status = ids.error();
    return;
  }
  const uint64_t bytes = ids->size() * sizeof(TokenId);
  auto flight = std::make_shared<Flight>();
  const std::lock_guard lock(flights_mutex_);
  if (JoinFlight(miss)) return;
  // It may have landed since it was looked for.
  if (TakeFromPool(miss.key, row)) {
    miss.source = EmbedSource::kHit;
    return;
  }
  if (waiting_bytes_.load(std::memory_order_relaxed) + bytes > options_.waiting_bytes_max) {
    answer.items[miss.item].status =
        Exhausted("too many texts wait for the model already", "send them again later, or fewer at once");
    return;
  }
  missing.push_back({miss.key, *std::move(ids), {answer.dimensions, call.truncate}, flight});
  try {
    flights_.emplace(miss.key, flight);
  } catch (...) {
    missing.pop_back();
    throw;
  }
  waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  miss.flight = std::move(flight);
  miss.source = EmbedSource::kComputed;
}

Status EmbedCache::Core::CheckVector(const MissingText& text, const Embeddings& embeddings, size_t item) {
  WEIR_TRY(embeddings.items[item]);
  const std::span<const float> vector = embeddings.vector(item);
  if (vector.size() != text.options.dimensions) {
    return Error{ErrorCode::kInternal,
                 fmt::format("a vector of {} dimensions, not {}", vector.size(), text.options.dimensions), ""};
  }
  if (!std::ranges::all_of(vector, [](float value) { return std::isfinite(value); })) {
    return Error{ErrorCode::kInternal, "the model made a number that is none", ""};
  }
  return {};
}

// In memory and in the store before anybody is told, so that whoever has an answer finds it again.
void EmbedCache::Core::Land(std::span<MissingText> batch, const Embeddings& embeddings, const Status& all) {
  StoreBatch kept;
  uint64_t unkept = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    // Nobody else looks at a flight that is not done.
    Flight& flight = *batch[i].flight;
    try {
      flight.status = all ? CheckVector(batch[i], embeddings, i) : all;
      if (!flight.status) continue;
      const std::span<const float> vector = embeddings.vector(i);
      flight.vector.assign(vector.begin(), vector.end());
      Keep(batch[i].key, vector);
      if (options_.store == nullptr) continue;
      ++unkept;
      kept.PutString(StoreTable::kEmbedding, StoreKeyOf(batch[i].key), embed::WriteVector(vector, options_.stored_as));
    } catch (const std::bad_alloc&) {
      // A vector that is there is an answer, kept or not. The text fits a string without memory.
      if (flight.status && flight.vector.empty()) flight.status = Error{ErrorCode::kExhausted, "no memory", ""};
    }
  }
  try {
    if (!kept.empty() && options_.store->Apply(kept)) unkept -= kept.size();
  } catch (const std::bad_alloc&) {
    // Not kept, and counted.
  }
  counters_.not_kept.fetch_add(unkept, std::memory_order_relaxed);
  {
    const std::lock_guard lock(flights_mutex_);
    for (const MissingText& text : batch) {
      text.flight->done = true;
      flights_.erase(text.key);
      waiting_bytes_.fetch_sub(text.ids.size() * sizeof(TokenId), std::memory_order_relaxed);
    }
  }
  landed_.notify_all();
}

Result<EmbedAnswer> EmbedCache::Core::Embed(ModelDesk& desk, std::span<const std::string_view> texts, const EmbedCall& call,
                                            TextForm form) {
  if (texts.size() > options_.texts_max) {
    return InvalidArgument(fmt::format("{} texts, more than {}", texts.size(), options_.texts_max),
                           "send them in several calls");
  }
  EmbedAnswer answer;
  WEIR_ASSIGN(answer.dimensions, desk.DimensionsFor(call.dimensions));
  answer.vectors.resize(texts.size() * answer.dimensions);
  answer.items.resize(texts.size());
  counters_.calls.fetch_add(1, std::memory_order_relaxed);

  const Sha256Stream start = desk.KeyStart(answer.dimensions, call, form);
  const auto row_of = [&](size_t item) {
    return std::span<float>(answer.vectors.data() + item * answer.dimensions, answer.dimensions);
  };
  std::vector<Miss> misses;
  std::unordered_map<PoolKey, size_t, PoolKeyHash> first_of;  // place in `misses`
  std::vector<std::pair<size_t, size_t>> repeated;            // item, place in `misses`
  for (size_t item = 0; item < texts.size(); ++item) {
    const PoolKey key = KeyOf(start, texts[item]);
    if (TakeFromPool(key, row_of(item))) {
      answer.items[item].source = EmbedSource::kHit;
      continue;
    }
    const auto [place, is_new] = first_of.try_emplace(key, misses.size());
    if (is_new) {
      misses.push_back({item, key});
    } else {
      repeated.emplace_back(item, place->second);
    }
  }
  if (misses.empty()) {
    CountItems(answer);
    return answer;
  }

  std::vector<MissingText> missing;
  std::optional<Error> interrupted;
  try {
    missing.reserve(misses.size());
    for (Miss& miss : misses) Resolve(desk, texts[miss.item], call, form, miss, answer, missing);
  } catch (const std::bad_alloc&) {
    interrupted = Exhausted("not enough memory for the texts of a call", "send fewer at once");
  }
  // What was entered as a flight must fly: others may wait for it.
  if (!missing.empty()) {
    if (const Status submitted = desk.Submit(missing); !submitted) Land(missing, {}, submitted);
  }
  if (interrupted) return *std::move(interrupted);
  {
    std::unique_lock lock(flights_mutex_);
    for (const Miss& miss : misses) {
      if (miss.flight != nullptr) landed_.wait(lock, [&] { return miss.flight->done; });
    }
  }
  for (Miss& miss : misses) {
    EmbedItem& item = answer.items[miss.item];
    if (miss.flight != nullptr) {
      item.status = miss.flight->status;
      if (item.status) std::ranges::copy(miss.flight->vector, row_of(miss.item).begin());
    }
    item.source = item.status ? miss.source : EmbedSource::kNone;
  }
  for (const auto& [item, place] : repeated) {
    const size_t first = misses[place].item;
    answer.items[item].status = answer.items[first].status;
    if (!answer.items[item].status) continue;
    answer.items[item].source = EmbedSource::kCoalesced;
    std::ranges::copy(row_of(first), row_of(item).begin());
  }
  CountItems(answer);
  return answer;
}

void EmbedCache::Core::CountItems(const EmbedAnswer& answer) {
  uint64_t counts[5] = {};
  for (const EmbedItem& item : answer.items) ++counts[static_cast<size_t>(item.source)];
  counters_.texts.fetch_add(answer.items.size(), std::memory_order_relaxed);
  counters_.failed.fetch_add(counts[static_cast<size_t>(EmbedSource::kNone)], std::memory_order_relaxed);
  counters_.hits.fetch_add(counts[static_cast<size_t>(EmbedSource::kHit)], std::memory_order_relaxed);
  counters_.stored.fetch_add(counts[static_cast<size_t>(EmbedSource::kStored)], std::memory_order_relaxed);
  counters_.computed.fetch_add(counts[static_cast<size_t>(EmbedSource::kComputed)], std::memory_order_relaxed);
  counters_.coalesced.fetch_add(counts[static_cast<size_t>(EmbedSource::kCoalesced)], std::memory_order_relaxed);
}

Result<std::vector<EmbedKey>> EmbedCache::Core::KeysOf(ModelDesk& desk, std::span<const std::string_view> texts,
                                                       const EmbedCall& call) const {
  WEIR_ASSIGN(const uint32_t dimensions, desk.DimensionsFor(call.dimensions));
  const Sha256Stream start = desk.KeyStart(dimensions, call, TextForm::kText);
  std::vector<EmbedKey> keys;
  keys.reserve(texts.size());
  for (const std::string_view text : texts) keys.push_back(KeyOf(start, text));
  return keys;
}

Result<EmbedFound> EmbedCache::Core::Find(ModelDesk& desk, std::span<const EmbedKey> keys, uint32_t dimensions) {
  EmbedFound found;
  WEIR_ASSIGN(found.dimensions, desk.DimensionsFor(dimensions));
  found.vectors.resize(keys.size() * found.dimensions);
  found.found.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::span<float> row(found.vectors.data() + i * found.dimensions, found.dimensions);
    found.found[i] = TakeFromPool(keys[i], row) || TakeFromStore(keys[i], row);
    if (!found.found[i]) std::ranges::fill(row, 0.0f);
  }
  return found;
}

Result<uint64_t> EmbedCache::Core::Clear(bool stored_too) {
  const uint64_t entries = pool_->Clear();
  if (!stored_too || options_.store == nullptr) return entries;
  StoreBatch batch;
  const auto erase = [&](const StoreKey& key, std::string_view) -> Status {
    batch.Erase(StoreTable::kEmbedding, key);
    if (batch.size() < kErasedAtOnce) return {};
    WEIR_TRY(options_.store->Apply(batch));
    batch.Clear();
    return {};
  };
  WEIR_TRY(options_.store->Scan(StoreTable::kEmbedding, erase));
  WEIR_TRY(options_.store->Apply(batch));
  return entries;
}

Result<uint64_t> EmbedCache::Core::ForgetStored(const std::function<bool(const EmbedKey&)>& is_wanted) {
  if (options_.store == nullptr) return uint64_t{0};
  uint64_t forgotten = 0;
  StoreBatch batch;
  const auto apply = [&]() -> Status {
    WEIR_TRY(options_.store->Apply(batch));
    forgotten += batch.size();
    batch.Clear();
    return {};
  };
  WEIR_TRY(options_.store->Scan(StoreTable::kEmbedding, [&](const StoreKey& key, std::string_view) -> Status {
    const EmbedKey named{key.high, key.low};
    if (is_wanted(named)) return {};
    pool_->Erase(named);
    batch.Erase(StoreTable::kEmbedding, key);
    return batch.size() < kErasedAtOnce ? Status() : apply();
  }));
  WEIR_TRY(apply());
  return forgotten;
}

std::vector<EmbedModelState> EmbedCache::Core::Models() const {
  std::vector<std::shared_ptr<ModelDesk>> desks;
  {
    const std::shared_lock lock(desks_mutex_);
    desks = desks_;
  }
  std::vector<EmbedModelState> states;
  for (const auto& desk : desks) states.push_back(desk->state());
  return states;
}

EmbedStats EmbedCache::Core::stats() const {
  const auto read = [](const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  EmbedStats stats;
  stats.calls = read(counters_.calls);
  stats.texts = read(counters_.texts);
  stats.hits = read(counters_.hits);
  stats.stored = read(counters_.stored);
  stats.computed = read(counters_.computed);
  stats.coalesced = read(counters_.coalesced);
  stats.failed = read(counters_.failed);
  stats.not_kept = read(counters_.not_kept);
  {
    const std::shared_lock lock(desks_mutex_);
    for (const auto& desk : desks_) {
      stats.batches += desk->batches();
      stats.model_loads += desk->loads();
      stats.waiting += desk->waiting();
    }
  }
  stats.pool = pool_->Stats();
  return stats;
}

}  // namespace weir
