#pragma once
// The inside of EmbedCache: look-ups, flights and what lands. Internal to `embed`; thread rule as in embed_cache.h.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model_desk.h"
#include "weir/embed/embed_cache.h"

namespace weir {

struct PoolKeyHash {
  size_t operator()(const PoolKey& key) const { return HashOf(key); }
};

// So that a name is looked up without a copy.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

struct EmbedCounters {
  std::atomic<uint64_t> calls{0}, texts{0}, hits{0}, stored{0}, computed{0}, coalesced{0}, failed{0}, not_kept{0};
};

class EmbedCache::Core {
 public:
  explicit Core(EmbedCacheOptions options) : options_(std::move(options)) {}

  Status Start() {
    PoolOptions pool;
    pool.name = "embeddings";
    pool.budget_bytes = options_.budget_bytes;
    pool.sizes = ValueSizes::kAlike;
    pool.clock = options_.clock;
    WEIR_ASSIGN(pool_, Pool::Create(std::move(pool)));
    return {};
  }

  Status AddModel(EmbedModel model);
  // Lives as long as the cache.
  Result<embed::ModelDesk*> DeskOf(std::string_view model) const;
  Result<EmbedAnswer> Embed(embed::ModelDesk& desk, std::span<const std::string_view> texts, const EmbedCall& call,
                            embed::TextForm form = embed::TextForm::kText);
  Result<uint64_t> CountTokens(embed::ModelDesk& desk, std::span<const std::string_view> texts, const EmbedCall& call) const;
  Result<std::vector<EmbedKey>> KeysOf(embed::ModelDesk& desk, std::span<const std::string_view> texts,
                                       const EmbedCall& call) const;
  Result<EmbedFound> Find(embed::ModelDesk& desk, std::span<const EmbedKey> keys, uint32_t dimensions);
  Result<uint64_t> Clear(bool stored_too);
  Result<uint64_t> ForgetStored(const std::function<bool(const EmbedKey&)>& is_wanted);
  std::vector<EmbedModelState> Models() const;
  EmbedStats stats() const;
  Pool& pool() { return *pool_; }

 private:
  // A text of a call that is not in memory.
  struct Miss {
    size_t item;
    PoolKey key;
    std::shared_ptr<embed::Flight> flight{};
    EmbedSource source = EmbedSource::kNone;
  };

  bool TakeFromPool(const PoolKey& key, std::span<float> out);
  bool TakeFromStore(const PoolKey& key, std::span<float> out);
  Result<std::vector<TokenId>> Tokenize(embed::ModelDesk& desk, std::string_view text, EmbedInput input) const;
  static Result<std::vector<TokenId>> IdsOf(const embed::ModelDesk& desk, std::string_view bytes);
  // Somebody is having it embedded; flights_mutex_ held.
  bool JoinFlight(Miss& miss);
  void Resolve(embed::ModelDesk& desk, std::string_view text, const EmbedCall& call, embed::TextForm form, Miss& miss,
               EmbedAnswer& answer, std::vector<embed::MissingText>& missing);
  static Status CheckVector(const embed::MissingText& text, const Embeddings& embeddings, size_t item);
  void Land(std::span<embed::MissingText> batch, const Embeddings& embeddings, const Status& all);
  void Keep(const PoolKey& key, std::span<const float> vector);
  void CountItems(const EmbedAnswer& answer);

  const EmbedCacheOptions options_;
  std::unique_ptr<Pool> pool_;
  EmbedCounters counters_;
  std::atomic<uint64_t> waiting_bytes_{0};

  std::mutex flights_mutex_;
  std::condition_variable landed_;
  std::unordered_map<PoolKey, std::shared_ptr<embed::Flight>, PoolKeyHash> flights_;  // guarded by flights_mutex_

  mutable std::shared_mutex desks_mutex_;
  std::unordered_map<std::string, embed::ModelDesk*, NameHash, std::equal_to<>>
      names_;                                             // folded; guarded by desks_mutex_, as below
  std::vector<std::shared_ptr<embed::ModelDesk>> desks_;  // last: their threads end before the rest goes
};

}  // namespace weir
