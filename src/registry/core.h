#pragma once
// Core: the state of a Registry. Internal to `registry`; the public methods are spread over the files by what they do:
// registration.cc, append.cc and removal.cc changes (attempt.h undoes what did not come through), residency.cc warm and
// cold, restore.cc the start, lookups.cc, gathering.cc and similar.cc questions.
//
// Locks, outermost first: a stripe (changes of one agent), the index turn (one writer for all indexes), then leaves: parts
// of the directory, groups, spaces, holders, encoders, workflows. The pool is never called with the index turn held, since
// its eviction sink takes it.

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "directory.h"
#include "page_runs.h"
#include "system_groups.h"
#include "weir/registry/context_feed.h"
#include "weir/registry/registry.h"
#include "weir/reuse/block_index.h"
#include "weir/reuse/near_index.h"
#include "weir/reuse/span_index.h"
#include "weir/reuse/vector_index.h"

namespace weir::registry {

// A record in memory: what the pool of contexts owns.
struct Body {
  Body(PageRuns& runs_in, std::span<std::byte> bytes_in) : runs(runs_in), bytes(bytes_in) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() { runs.GiveBack(bytes); }

  ContextView view() const { return ContextView(bytes); }

  PageRuns& runs;
  const std::span<std::byte> bytes;
};

// The indexes of one space.
struct SpaceIndexes {
  Space space;
  BlockKey root;
  BlockIndex blocks;
  SpanIndex spans;
  NearIndex near;
  std::unique_ptr<VectorIndex> vectors;  // null: no semantic matching
  std::atomic<uint32_t> contexts{0};     // in `blocks`; those in `spans` are warm

  uint64_t bytes() const;
};

// A prompt or a context that is asked about. Borrows the tokens.
struct Query {
  const SpaceIndexes* space = nullptr;
  std::span<const TokenId> tokens{};
  std::span<const float> vector{};
  std::vector<BlockKey> keys{};
  std::string_view exclude{};  // an agent that does not count
  uint32_t block_size = kDefaultBlockSize;
  uint64_t begun = 0;  // number of the last change before it
  int64_t now_ms = 0;
  bool dense = false;
  std::string semantic_note{};  // why there is no vector
};

struct Counters {
  std::atomic<uint64_t> registered{0}, replaced{0}, removed{0}, expired{0}, refused{0}, evicted{0}, forgotten{0},
      reloaded{0}, prefetched{0}, restored{0}, set_aside{0}, tokens_encoded{0}, ledger_failures{0}, embedded{0},
      embed_failures{0};
  // Of what is here.
  std::atomic<uint64_t> tokens{0}, text_bytes{0}, pinned{0}, vectors{0}, stale_vectors{0};
};

// Vectors of a context on its way.
struct ContextVectors {
  std::vector<float> whole;     // empty: none
  std::vector<float> segments;  // a row each, all 0 where there is none; or empty
  std::string fingerprint;      // of the model; empty: a caller's
  std::string note;             // why the model gave none
  bool is_final = false;        // the text is at fault: asking again would give none again
};

Error NoMemory(std::string_view what);

// Of vectors of one size, neither all zero.
float Cosine(std::span<const float> a, std::span<const float> b);

// Idle encoders kept for each tokenizer.
inline constexpr size_t kEncodersKept = 16;

enum class Write : uint8_t { kRegister, kReplace, kPut };
enum class Removal : uint8_t { kAsked, kExpired };

class Core {
 public:
  static Result<std::unique_ptr<Core>> Open(RegistryOptions options);
  ~Core();

  // Changes (registration.cc).
  Result<Registered> Register(const ContextInput& input, Write write);
  Result<Registered> Append(std::string_view agent, const AppendInput& input);
  // With embed_later: makes vectors for about `time`. Number made; a text that the model refuses is not asked about again
  // until it changes; a model that fails ends the round.
  uint64_t EmbedSome(Duration time);
  bool awaits_vectors() const { return awaits_vectors_.load(std::memory_order_acquire); }
  Result<EmbeddedContexts> EmbedMissing();
  Status SetPinned(std::string_view agent, bool pinned, const std::optional<ContextVersion>& only_if);
  Status Remove(std::string_view agent, const std::optional<ContextVersion>& only_if);
  // False: it was changed meanwhile, or has not expired.
  Result<bool> RemoveIfExpired(const AgentPtr& state);
  Result<uint64_t> Clear(const std::optional<std::string>& group);

  // Meaning (meaning.cc).
  Result<std::vector<float>> VectorOf(std::string_view text) const;
  Result<SimilarReport> FindSimilarMeaning(std::string_view text, const SimilarOptions& options);

  // Residency (residency.cc).
  Result<HeldContext> Get(std::string_view agent);
  // The record of this revision: in memory, or read back. not_found: it was replaced or removed meanwhile.
  Result<Pin> Hold(const AgentPtr& state);
  // The visible revision with its record.
  Result<std::pair<AgentPtr, Pin>> HoldNow(std::string_view agent);
  // Only when it is in memory.
  Pin HoldWarm(const AgentState& state) { return pool_->Get(state.pool_key); }
  // Reads a cold context back; false: it was in memory, or is not registered.
  Result<bool> Prefetch(std::string_view agent);
  // For the broker: gives up one context unless it is kept. Bytes that come free.
  uint64_t EvictOne(const PoolKey& key);

  // Questions (lookups.cc, similar.cc).
  Result<SharedReport> FindShared(std::span<const std::string> agents, const std::optional<std::string>& target,
                                  const FindSharedOptions& options);
  Result<SharedReport> Match(std::span<const TokenId> tokens, const MatchOptions& options);
  Result<SimilarReport> FindSimilar(std::span<const TokenId> tokens, const SimilarOptions& options);
  Result<SimilarReport> FindSimilarVector(std::span<const float> vector, const SimilarOptions& options);
  Result<std::vector<TokenId>> Encode(std::string_view text, const std::string& tokenizer, bool add_special_tokens);

  std::vector<ContextSummary> List() const;
  bool Contains(std::string_view agent) const;
  RegistryStats stats() const;
  void CheckInvariants() const;

  bool CanReload() const { return options_.store != nullptr; }
  // Spaces that nobody is in any more give their memory back.
  void DropEmptySpaces();
  uint64_t IndexBytes() const;
  void SetIndexBudget(uint64_t bytes) { index_bytes_max_.store(bytes, std::memory_order_relaxed); }
  // Whose word on emergencies counts; null: nobody's.
  void SetBroker(const Broker* broker) {
    const std::unique_lock lock(broker_mutex_);
    broker_ = broker;
  }
  void NoteMode(PressureMode before, PressureMode now);
  void CountSetAside() { counters_.set_aside.fetch_add(1, std::memory_order_relaxed); }

  std::vector<AgentPtr> Snapshot() const { return directory_.Snapshot(); }
  const RegistryOptions& options() const { return options_; }
  Pool& pool() { return *pool_; }

 private:
  class Attempt;
  class Gathering;
  class LentEncoder;
  struct Encoded;

  explicit Core(RegistryOptions options);
  Status Start();

  int64_t NowMs() const;
  static bool IsExpired(const AgentState& state, int64_t now_ms) {
    return state.terms.expires_ms != 0 && state.terms.expires_ms <= now_ms && !state.pinned.load(std::memory_order_relaxed);
  }
  static bool IsVisible(const AgentState& state, uint64_t begun, int64_t now_ms) {
    return state.VisibleAt(begun) && !IsExpired(state, now_ms);
  }
  bool IsDenseRole(std::string_view role) const;
  static Error UnknownAgent(std::string_view agent);
  // The visible, unexpired revision, or not_found.
  Result<AgentPtr> Find(std::string_view agent) const;
  Result<const NamedTokenizer*> TokenizerOf(const std::string& name) const;
  Result<std::string> TokenizerNameOf(const std::string& fingerprint) const;
  std::mutex& StripeOf(std::string_view agent) { return stripes_[std::hash<std::string_view>()(agent) % stripes_.size()]; }

  // Registration. What is called with a stripe held says so.
  Status CheckInput(const ContextInput& input) const;
  static Status CheckVersion(const ContextTerms& terms, const std::optional<ContextVersion>& only_if);
  Status CheckEmergency() const;
  Status TakePlace();
  void GivePlaceBack();
  Result<Encoded> EncodeContext(const ContextInput& input, const Tokenizer& tokenizer, const AgentPtr& before);
  // `as_before`: the time of the last change, and with it the expiry, stay.
  enum class Age : uint8_t { kNew, kAsBefore };
  Result<Registered> Change(const ContextInput& input, const ContextVectors& vectors, const AgentPtr& before,
                            Age age = Age::kNew);           // stripe held
  Status RemoveLocked(const AgentPtr& state, Removal why);  // stripe held
  Result<ContextInput> InputLike(const AgentState& state, const ContextView& view) const;
  Result<Registered> RegisterLocked(const ContextInput& input, const ContextVectors& vectors, Write write);  // stripe held
  // False: the agent has changed since `seen`; nothing was done.
  Result<bool> EmbedAgain(const AgentPtr& seen, EmbeddedContexts& done);
  Result<ContextInput> InputGrown(const AgentState& state, const ContextView& view, const AppendInput& input) const;
  Status SetPinnedLocked(const AgentPtr& state, bool pinned);  // stripe held
  Status ApplyOrPutBack(const StoreBatch& batch, const StoreKey& key, const AgentPtr& before, bool was_pinned);
  void Describe(AgentState& state, const ContextTerms& terms, const ContextParts& parts, const SystemPrompt& system) const;
  void DescribeSharing(const AgentState& state, const Body& body, Registered& answer) const;
  // Meaning; nobody's turn is held. `known`: a record some of whose segments have the vectors that they need.
  bool Embeds() const { return options_.embeddings != nullptr; }
  // Before a change takes its turn; else upkeep does it.
  bool EmbedsAtOnce() const { return Embeds() && !options_.embed_later; }
  ContextVectors VectorsOf(std::string_view text, std::vector<Segment> segments, const ContextView* known = nullptr) const;
  ContextVectors VectorsFor(const ContextInput& input, const AgentPtr& before);
  bool Counts(std::span<const float> vector, std::string_view fingerprint) const {
    return !vector.empty() && vector.size() == options_.vector_dimensions && fingerprint == options_.vector_fingerprint;
  }
  void NameNearestSegments(std::span<const float> vector, SimilarReport& report);
  void CountVectors(const ContextVectors& vectors);
  // What follows needs no memory and cannot fail. False of Retire: somebody else does it, or did.
  bool Retire(const AgentPtr& state, bool still_in_pool);
  bool Supersede(AgentState& state);
  void CountIn(const AgentState& state);
  void CountOut(const AgentState& state);

  // Pool and indexes.
  Result<std::unique_ptr<Body>> NewBody(size_t bytes);
  Result<Pin> Hold(std::unique_ptr<Body> body, const AgentState& state);
  static Cost CostOf(const AgentState& state);
  Result<std::shared_ptr<SpaceIndexes>> SpaceOf(const Space& space);
  std::shared_ptr<SpaceIndexes> FindSpace(const Space& space) const;  // null: nobody is there
  // `body` null: cold, blocks and vector alone, whatever the cap.
  Status EnterIndexes(AgentState& state, const ContextView& view, const Body* body);
  Status EnterTokens(AgentState& state, const Body& body);   // index turn held
  void TryEnterTokens(AgentState& state, const Body& body);  // index turn held
  bool HasIndexRoom() const;
  void LeaveTokens(AgentState& state);  // index turn held
  void LeaveIndexes(AgentState& state);
  void OnEvicted(const Evicted& evicted);
  Status LoadInto(Filler& filler, const AgentState& state);
  std::vector<TokenId> SystemTokensOf(HolderId holder);

  // Restore.
  Status Restore();
  Status RestoreOne(const StoreKey& key, std::string_view bytes);
  Status CheckUsable(const StoreKey& key, std::string_view agent) const;
  bool EraseUnusable(const StoreKey& key);

  Result<HolderId> TakeHolder();
  void GiveHolderBack(HolderId holder);

  // Questions.
  static std::vector<BlockKey> KeysOf(const ContextView& view, BlockKey root);
  Query QueryOf(const SpaceIndexes& space, std::span<const TokenId> tokens, std::span<const float> vector) const;
  bool Sees(const Query& query, const AgentState& state) const {
    return IsVisible(state, query.begun, query.now_ms) && state.terms.agent != query.exclude;
  }
  // One by one, for few; by the indexes, for many or all (`among` null).
  Status Compare(const Query& query, std::span<const AgentPtr> agents, const FindSharedOptions& options,
                 SharedReport& report);
  Status Search(const Query& query, const std::unordered_set<HolderId>* among, const FindSharedOptions& options,
                SharedReport& report);
  // Figures of a result that follow from its exact part.
  static void Settle(const Query& query, SharedContext& result);
  void AddUnrelated(const Query& query, std::span<const AgentPtr> agents, const FindSharedOptions& options,
                    SharedReport& report);
  Status Finish(const Query& query, const FindSharedOptions& options, SharedReport& report);

  void Refuse(std::string_view agent, const Error& error);
  // Of an agent whose context is another one now, or is here or gone.
  void TellFeed(std::string_view agent, bool came_or_went) noexcept {
    if (options_.feed != nullptr) options_.feed->Note(options_.feed_source, agent, came_or_went);
  }
  // Writes a decision down; never fails, counts what could not be written.
  template <typename Make>
  void Record(Make&& make) noexcept {
    if (options_.ledger == nullptr) return;
    try {
      if (options_.ledger->Append(make())) return;
    } catch (const std::exception&) {
    }
    counters_.ledger_failures.fetch_add(1, std::memory_order_relaxed);
  }

  const RegistryOptions options_;
  Counters counters_;
  std::atomic<bool> awaits_vectors_{true};  // some context may want one from upkeep
  std::atomic<uint64_t> changes_{0};
  std::atomic<uint64_t> keys_{0};  // given to the pool
  std::atomic<uint64_t> index_bytes_max_;

  PageRuns runs_;
  Directory directory_;
  SystemGroups groups_;

  std::array<std::mutex, 256> stripes_;
  std::mutex index_turn_;

  mutable std::shared_mutex spaces_mutex_;
  std::vector<std::shared_ptr<SpaceIndexes>> spaces_;  // guarded by spaces_mutex_

  mutable std::mutex unusable_mutex_;
  std::set<StoreKey> unusable_;  // records that could not be used at the start; guarded by unusable_mutex_

  std::mutex places_mutex_;
  uint64_t places_taken_ = 0;  // by new agents on their way; guarded by places_mutex_

  std::mutex holders_mutex_;
  std::vector<HolderId> free_holders_;  // guarded by holders_mutex_; has room for all numbers below next_holder_
  HolderId next_holder_ = 0;

  struct Stock {
    const Tokenizer* tokenizer;
    std::vector<std::unique_ptr<Encoder>> encoders;
  };
  std::mutex encoders_mutex_;
  std::vector<Stock> encoders_;  // guarded by encoders_mutex_; one for each tokenizer

  mutable std::shared_mutex broker_mutex_;
  const Broker* broker_ = nullptr;  // guarded by broker_mutex_
  std::unique_ptr<Pool> pool_;      // goes first: it gives its records back
};

// An encoder for one use; keeps its word cache for the next.
class Core::LentEncoder {
 public:
  LentEncoder(Core& core, const Tokenizer& tokenizer);
  LentEncoder(const LentEncoder&) = delete;
  LentEncoder& operator=(const LentEncoder&) = delete;
  ~LentEncoder();

  Encoder* operator->() const { return encoder_.get(); }
  Encoder& operator*() const { return *encoder_; }

 private:
  Core& core_;
  const Tokenizer& tokenizer_;
  const int exceptions_;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace weir::registry
