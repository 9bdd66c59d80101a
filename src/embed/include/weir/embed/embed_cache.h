#pragma once
// EmbedCache: vectors of texts, beneath every caller: the same text is never embedded twice, whoever asks.
//
// A text is looked up in memory (a pool of its own, under the broker), then in the store, and only then embedded. Texts that
// stand twice in one call are asked for once; a text that somebody else is having embedded is waited for, not embedded
// again; what several callers miss at the same time goes to the model in one batch. A call whose texts are all known never
// loads the model.
//
// The key of a vector is the SHA-256 of the model's fingerprint (its file and pooling), its tokenizer's, the number of
// dimensions, the text that the model puts in front for that kind of input, and the exact text; its first 128 bits name it.
// Two spellings of one model, or two files with the same bytes, are one.
//
// Threads: every method from any thread. Each loaded model has one thread that gathers batches; the model's own workers do
// the work. Texts are in memory while they wait, and nowhere after: neither logs nor the store hold them.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/model/embedder.h"
#include "weir/pool/pool.h"
#include "weir/store/store.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// What the text is for. Some models want a prefix that says so; where a model has none, all three are one and the same.
enum class EmbedInput : uint8_t { kPlain, kQuery, kPassage };
std::string_view EmbedInputName(EmbedInput input);  // "plain", "query", "passage"

// A model as the cache knows it before it is loaded.
struct EmbedModel {
  std::string name;                    // canonical
  std::vector<std::string> aliases{};  // other spellings
  std::string fingerprint{};           // that the loaded embedder will have (weir/model/load_embedder.h)
  uint32_t dimensions = 0;             // of a whole vector
  std::vector<uint32_t> matryoshka{};  // smaller sizes that may be asked for
  uint32_t tokens_max = 0;             // of a text, prefix and special tokens included; 0: not known
  std::string query_prefix{}, passage_prefix{};
  std::shared_ptr<const Tokenizer> tokenizer;
  // Runs when a text is missing, on the model's thread. An error reaches every text that waits; the next miss tries again.
  std::function<Result<std::unique_ptr<Embedder>>()> load;
};

enum class VectorPrecision : uint8_t { kF32, kF16 };

struct EmbedCacheOptions {
  uint64_t budget_bytes = 256ull << 20;  // of the pool in memory
  // Vectors outlive the process here; borrowed; null: they do not. What does not fit there is not kept, and counted.
  Store* store = nullptr;
  VectorPrecision stored_as = VectorPrecision::kF32;  // f16 halves the bytes on disk; a vector read back is then rounded
  uint64_t text_bytes_max = 8ull << 20;
  uint32_t texts_max = 100'000;               // of one call
  uint32_t batch_texts_max = 256;             // handed to the model at once
  uint64_t waiting_bytes_max = 256ull << 20;  // of texts that wait for a model; beyond it calls are refused (exhausted)
  // How long a missing text may wait for others to share its batch, when the model is idle.
  Duration batch_wait = std::chrono::microseconds(500);
  const Clock* clock = nullptr;  // of the pool; borrowed; null: the steady clock

  Status Validate() const;
};

struct EmbedCall {
  EmbedInput input = EmbedInput::kPlain;
  uint32_t dimensions = 0;  // 0: all
  bool truncate = false;    // over-long texts are cut instead of refused; they have keys of their own
  // Vectors of one owner are never found by another, so that a hit tells nobody what others asked. Borrowed for the call.
  std::string_view owner{};
};

enum class EmbedSource : uint8_t {
  kNone,       // an error
  kHit,        // in memory
  kStored,     // read back from the store
  kComputed,   // embedded for this call
  kCoalesced,  // embedded once for this call and another, or for the same text earlier in this call
};
std::string_view EmbedSourceName(EmbedSource source);  // "none", "hit", "stored", "computed", "coalesced"

// Names a vector: equal for equal texts, options and models.
using EmbedKey = PoolKey;

// Vectors that were there already; rows of the others are 0.
struct EmbedFound {
  uint32_t dimensions = 0;
  std::vector<float> vectors;  // as many rows as keys
  std::vector<bool> found;
  std::span<const float> vector(size_t key) const { return {vectors.data() + key * dimensions, dimensions}; }
};

struct EmbedItem {
  Status status{};
  EmbedSource source = EmbedSource::kNone;
};

struct EmbedAnswer {
  uint32_t dimensions = 0;
  std::vector<float> vectors;  // items.size() x dimensions; a failed item's row is 0
  std::vector<EmbedItem> items;
  std::span<const float> vector(size_t item) const { return {vectors.data() + item * dimensions, dimensions}; }
};

// The one set of counters; they rise from 0.
struct EmbedStats {
  uint64_t calls = 0;
  uint64_t texts = 0;
  uint64_t hits = 0;
  uint64_t stored = 0;
  uint64_t computed = 0;
  uint64_t coalesced = 0;
  uint64_t failed = 0;
  uint64_t batches = 0;  // handed to a model
  uint64_t model_loads = 0;
  uint64_t not_kept = 0;  // vectors that the store did not take
  uint64_t waiting = 0;   // texts that wait for a model now
  PoolStats pool{};
};

struct EmbedModelState {
  std::string name;
  std::string fingerprint;
  uint32_t dimensions = 0;
  bool loaded = false;
  uint64_t memory_bytes = 0;  // while loaded
};

class EmbedCache {
 public:
  static Result<std::unique_ptr<EmbedCache>> Create(EmbedCacheOptions options);
  // REQUIRES: no call runs.
  ~EmbedCache();

  // already_exists: a name or alias is taken; invalid_argument.
  Status AddModel(EmbedModel model);

  // One item a text, in order. Fails as a whole for what concerns all: not_found (unknown model, with the nearest),
  // invalid_argument (dimensions that the model lacks, too many texts), exhausted (too much waits already). Of an item:
  // invalid_argument (empty or only white space, not UTF-8 with the place, over-long with its tokens), or what the model
  // says; the others are not lost.
  Result<EmbedAnswer> Embed(std::string_view model, std::span<const std::string_view> texts, const EmbedCall& call = {});

  // The same for texts that are tokenized already, by the model's own tokenizer: special tokens and prefix are as given.
  // Keys of their own. Of an item also invalid_argument: no tokens, or an id outside the vocabulary.
  Result<EmbedAnswer> EmbedIds(std::string_view model, std::span<const std::span<const TokenId>> texts,
                               const EmbedCall& call = {});

  // Tokens of all these texts together, as the model would get them; those cut by `truncate` count no further than it reads.
  // A text without tokens of its own counts nothing.
  Result<uint64_t> CountTokens(std::string_view model, std::span<const std::string_view> texts, const EmbedCall& call = {});

  // The keys under which Embed keeps these texts, whatever they hold. Errors as of Embed's whole.
  Result<std::vector<EmbedKey>> KeysOf(std::string_view model, std::span<const std::string_view> texts,
                                       const EmbedCall& call = {}) const;
  // Looks in memory and in the store, and never loads the model; no counter moves. `dimensions` as in EmbedCall; a vector of
  // another number of them is not found.
  Result<EmbedFound> Find(std::string_view model, std::span<const EmbedKey> keys, uint32_t dimensions = 0);

  // Loads now, or frees the weights; vectors stay. Unload waits for the batch that runs.
  Status Load(std::string_view model);
  Status Unload(std::string_view model);
  std::vector<EmbedModelState> Models() const;  // waits for no batch
  // The canonical name; not_found with the nearest.
  Result<std::string> Resolve(std::string_view model) const;
  // As it was added; not_found with the nearest.
  Result<EmbedModel> Describe(std::string_view model) const;

  // Forgets all vectors in memory, and in the store when asked. Number of vectors forgotten in memory.
  Result<uint64_t> Clear(bool stored_too);
  // Forgets the vectors in the store, of any model and owner, that are not wanted, in memory as well. Number of vectors
  // forgotten in the store; after an error some are. What lands meanwhile may go or stay.
  Result<uint64_t> ForgetStored(const std::function<bool(const EmbedKey&)>& is_wanted);

  EmbedStats stats() const;
  Pool& pool();

 private:
  class Core;
  explicit EmbedCache(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace weir
