#pragma once
// Registry: the contexts that agents hold, what they share, and what to let go.
//
// One transaction for each change: tokenize, take memory from the pool, enter the indexes (invisible), append to the store,
// become visible. Whatever fails on the way, an exception of the allocator included, everything before it is undone and the
// answer is an error; when the answer is success the change survives kill -9 (with a persistent store). Removal, expiry and
// eviction purge every index the same way: no look-up finds what is gone.
//
// A context that is evicted and has a persistent store becomes cold: text and tokens leave memory, its block keys stay, and
// it is read back when somebody needs the tokens. Without one it is forgotten. Pinned contexts stay.
//
// A space (tokenizer, model, LoRA, salt) has indexes of its own; nothing is shared or found across spaces.
//
// With an embedding model each context has a vector of its whole text and one of each segment, stored with it, so that a
// restart needs no model. They are made before a change takes its turn. Whatever the model does, the context is registered:
// without a vector, then, and the answer says why. Vectors of different models never meet.
//
// Threads: every method from any thread. Look-ups wait for no writer of an index, and for the store only where a cold
// context is read back; changes of one agent take turns, changes of different agents share the store's disk writes. A
// look-up tells of the contexts that are there from its beginning to its end; of one that comes, goes or is replaced
// meanwhile it may tell less. Errors everywhere: invalid_argument (bad input), not_found (unknown agent), already_exists,
// exhausted (a cap, a budget, an emergency: `message` says which), unavailable and corrupt (the store). Nothing here logs
// text or tokens.

#include <chrono>
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
#include "weir/broker/broker.h"
#include "weir/broker/eviction_order.h"
#include "weir/ledger/ledger.h"
#include "weir/pool/pool.h"
#include "weir/registry/answers.h"
#include "weir/registry/context_input.h"
#include "weir/registry/context_record.h"
#include "weir/store/store.h"
#include "weir/tokens/tokenizer.h"
#include "weir/workflow/next_agent_predictor.h"
#include "weir/workflow/workflow.h"
#include "weir/workflow/workflow_run.h"

namespace weir {

class ContextFeed;  // weir/registry/context_feed.h
class EmbedCache;   // weir/embed/embed_cache.h

struct NamedTokenizer {
  std::string name;
  std::shared_ptr<const Tokenizer> tokenizer;
};

struct RegistryOptions {
  // The first is the default. At least one.
  std::vector<NamedTokenizer> tokenizers{};
  uint32_t block_size = kDefaultBlockSize;  // tokens, 2 to 1,024
  uint64_t contexts_bytes = 1ull << 30;     // budget of the pool of contexts
  uint64_t index_bytes = 1ull << 30;        // cap of all indexes together
  uint32_t contexts_max = 1'000'000;        // registered agents, warm or cold
  uint32_t context_tokens_max = 1u << 20;
  uint64_t context_text_bytes_max = 64ull << 20;
  uint32_t spaces_max = 1024;
  uint32_t groups_max = 100'000;
  uint32_t workflows_max = 10'000;
  Duration ttl{0};                                          // since the last change of a context; zero: never
  std::vector<std::string> dense_roles{"judge", "critic"};  // lower case
  // Where vectors come from, and the model's name there; borrowed. Null: from callers, or from what the store holds. With a
  // model the next two are its own, and filled in.
  EmbedCache* embeddings = nullptr;
  std::string embedding_model{};
  std::string embedding_owner{};  // whose vectors, as in EmbedCall
  // Changes do not wait for the model: a context is without a vector until upkeep (Start, Tend) has made it one, which
  // changes nothing else of it.
  bool embed_later = false;
  uint32_t vector_dimensions = 0;  // 0: no semantic matching
  // Of what made the vectors (LongTextFingerprint). Those of another origin do not count. Empty: callers supply them.
  std::string vector_fingerprint{};
  // Of the names of its pools ("contexts", "index"), where several registries are under one broker: "/team".
  std::string pool_suffix{};
  Store* store = nullptr;              // borrowed; null: nothing outlives the process
  Ledger* ledger = nullptr;            // borrowed; null: decisions are not written down
  ContextFeed* feed = nullptr;         // borrowed; told of each change that is visible; null: nobody asks
  std::string feed_source{};           // by which name
  const Clock* clock = nullptr;        // borrowed; null: the steady clock
  std::function<int64_t()> wall_ms{};  // milliseconds since 1970-01-01 UTC; empty: the system's

  Status Validate() const;
};

// A context held in memory as long as this lives. Move-only.
class HeldContext {
 public:
  HeldContext(Pin pin, ContextView view, bool pinned) : pin_(std::move(pin)), view_(view), pinned_(pinned) {}
  const ContextView& operator*() const { return view_; }
  const ContextView* operator->() const { return &view_; }
  // As they were when it was asked for. The view's own say whether it was pinned when that revision was made.
  ContextTerms Terms() const {
    ContextTerms terms = view_.Terms();
    terms.pinned = pinned_;
    return terms;
  }

 private:
  Pin pin_;
  ContextView view_;
  bool pinned_;
};

// A line of List().
struct ContextSummary {
  ContextTerms terms;
  uint32_t tokens = 0;
  uint32_t blocks = 0;
  uint64_t text_bytes = 0;
  bool cold = false;
  std::optional<uint32_t> steps_to_execution;  // in the workflows that run; null: in none
};

// The one set of counters of a registry. The last group rises from 0.
struct RegistryStats {
  uint64_t contexts = 0;
  uint64_t cold = 0;
  uint64_t pinned = 0;
  uint64_t spaces = 0;
  uint64_t groups = 0;
  uint64_t tokens = 0;           // of all contexts, warm or cold
  uint64_t text_bytes = 0;       // ditto
  uint64_t held_bytes = 0;       // pages of the records in memory
  uint64_t directory_bytes = 0;  // names and terms, about
  uint64_t block_index_bytes = 0;
  uint64_t span_index_bytes = 0;
  uint64_t near_index_bytes = 0;
  uint64_t vector_index_bytes = 0;
  uint64_t vectors = 0;        // contexts with a vector that counts
  uint64_t stale_vectors = 0;  // contexts whose vector is of another model: EmbedMissing() makes new ones

  uint64_t registered = 0;  // new agents
  uint64_t replaced = 0;    // replacements and appends
  uint64_t removed = 0;
  uint64_t expired = 0;
  uint64_t refused = 0;     // changes that ended in an error
  uint64_t evicted = 0;     // became cold
  uint64_t forgotten = 0;   // evicted without a store
  uint64_t reloaded = 0;    // became warm again
  uint64_t prefetched = 0;  // of those, because a workflow would need them
  uint64_t restored = 0;    // read back at the start
  uint64_t set_aside = 0;   // records that could not be used
  uint64_t tokens_encoded = 0;
  uint64_t embedded = 0;         // contexts that the model gave a vector
  uint64_t embed_failures = 0;   // contexts that it gave none
  uint64_t ledger_failures = 0;  // decisions that could not be written down

  uint64_t index_bytes() const { return block_index_bytes + span_index_bytes + near_index_bytes + vector_index_bytes; }
};

struct FindSharedOptions {
  bool moved = true;
  bool near = true;
  bool semantic = true;
  bool reload_cold = false;    // of agents that are named: read cold ones back instead of leaving moved and near null
  uint32_t results_max = 100;  // 1 to 100,000
  uint32_t spans_max = 64;     // listed per result; the counts are whole
  uint32_t near_max = 64;      // ditto
};

struct MatchOptions {
  std::string tokenizer{};  // of the prompt; empty: the default
  std::string model{}, lora{}, salt{};
  bool add_special_tokens = false;
  std::optional<std::string> exclude{};  // an agent that does not count, as the one who asks
  // For semantic neighbours: an embedding of the prompt as the registry's vectors are made; empty: the registry makes one
  // where it has a model and a text.
  std::vector<float> vector{};
  std::string_view text{};  // of MatchTokens: what the tokens say; borrowed
  FindSharedOptions find{};
};

// What makes a context like a text: its blocks, token for token, or what it says, as an embedding model sees it.
enum class SimilarBy : uint8_t { kBlocks, kMeaning };

struct SimilarOptions {
  SimilarBy by = SimilarBy::kBlocks;  // of FindSimilar
  uint32_t k = 10;                    // 1 to 10,000
  float threshold = 0.85f;
  std::string tokenizer{};
  std::string model{}, lora{}, salt{};
  std::optional<std::string> exclude{};
};

struct AppendInput {
  std::string text;
  SegmentKind kind = SegmentKind::kText;
  std::string name{};           // of the new segment; empty: after the kind. A repeated one gets a number
  std::vector<float> vector{};  // empty, without a model: the context has none afterwards; the old one is of the old text
  std::optional<ContextVersion> only_if{};  // as in ContextInput
};

// Answer of EmbedMissing.
struct EmbeddedContexts {
  uint64_t embedded = 0;
  uint64_t failed = 0;
  std::string note{};  // the first failure; empty otherwise
};

// Who is likely to run next, from who ran after whom.
struct NextAgents {
  bool enabled = false;  // it beats the order of steps; until then nothing is decided by it
  PredictorScore score;
  std::vector<AgentProbability> agents;  // likeliest first
};

class Registry final : public EvictionOrder {
 public:
  // Reads everything back from the store. Records that are not contexts are set aside and counted, never fatal.
  static Result<std::unique_ptr<Registry>> Open(RegistryOptions options);
  // REQUIRES: no HeldContext is left; a broker that it joined and did not leave still lives.
  ~Registry() override;

  // already_exists when the agent is here.
  Result<Registered> Register(const ContextInput& input);
  // The agent's context becomes this one; not_found when it is not here. What is the same from the start of the text is not
  // tokenized again.
  Result<Registered> Replace(const ContextInput& input);
  // Register or Replace.
  Result<Registered> Put(const ContextInput& input);
  // The context grows at its end by one segment.
  Result<Registered> Append(std::string_view agent, const AppendInput& input);
  // Contexts without a vector that counts get one, which changes nothing else of them: those
  // that were registered without a model, with another one, or while it failed. unsupported: there is no model. What fails
  // in the registry ends it; what was done stays.
  Result<EmbeddedContexts> EmbedMissing();
  // The vector that a context of this text would have. unsupported: there is no model; else what the model says.
  Result<std::vector<float>> VectorOf(std::string_view text);
  // A HeldContext taken before still says what it was.
  Status SetPinned(std::string_view agent, bool pinned, const std::optional<ContextVersion>& only_if = {});
  Status Remove(std::string_view agent, const std::optional<ContextVersion>& only_if = {});
  // Of one group in every space, or all. Number removed; an error leaves those that were not removed yet.
  Result<uint64_t> Clear(std::optional<std::string> group = std::nullopt);

  // Reads a cold context back.
  Result<HeldContext> Get(std::string_view agent);
  std::vector<ContextSummary> List() const;  // by name
  bool Contains(std::string_view agent) const;

  // What each of `agents` (empty: all others) has in common with `target`. Without a target, every one of `agents` is
  // compared with the first. Policy: a dense target, or a dense agent, gets exact results alone.
  Result<SharedReport> FindShared(std::span<const std::string> agents, std::optional<std::string> target,
                                  const FindSharedOptions& options = {});
  // What a prompt that is not registered would reuse, and from whom.
  Result<SharedReport> Match(std::string_view prompt, const MatchOptions& options = {});
  Result<SharedReport> MatchTokens(std::span<const TokenId> tokens, const MatchOptions& options = {});
  // Contexts like a text, by its blocks or by its meaning, like tokens, or like a vector. Without what it takes to compare
  // by vector the report is empty, and its note says why.
  Result<SimilarReport> FindSimilar(std::string_view text, const SimilarOptions& options = {});
  Result<SimilarReport> FindSimilarTokens(std::span<const TokenId> tokens, const SimilarOptions& options = {});
  Result<SimilarReport> FindSimilarVector(std::span<const float> vector, const SimilarOptions& options = {});

  // Workflows: declared ones are kept in the store with their revisions and restored as they stood.
  Status DeclareWorkflow(Workflow workflow);
  Status RemoveWorkflow(std::string_view name);
  std::vector<std::string> WorkflowNames() const;
  Result<WorkflowRun> GetWorkflow(std::string_view name) const;  // a copy
  enum class Step : uint8_t { kStart, kFinish, kSkip, kFail };
  // Moves a step on. What runs within two steps is read back in the next Tend().
  Status Advance(std::string_view workflow, std::string_view agent, Step step);
  // The least over all workflows; null: in none that still needs it.
  std::optional<uint32_t> StepsToExecution(std::string_view agent) const;
  NextAgents PredictNext(size_t n) const;

  // Puts contexts and indexes under the broker. It is borrowed until LeaveBroker() or the end. With workflow_aware set in
  // its options and this as its order, contexts that run last go first.
  Status JoinBroker(Broker& broker, uint64_t min_share_bytes = 0, uint8_t priority = kPriorityDefault);
  void LeaveBroker();
  std::vector<PoolKey> FarthestFirst(std::string_view pool, uint64_t bytes) override;

  // One round of upkeep: what has expired goes, what a workflow needs within two steps is read back, a change of the
  // broker's mode is written down. Start() does it on a thread of its own, every `period` and after each Advance().
  struct Tended {
    uint64_t expired = 0;
    uint64_t prefetched = 0;
    uint64_t embedded = 0;  // with embed_later
  };
  Tended Tend();
  Status Start(Duration period = std::chrono::seconds(1));
  void Stop();

  RegistryStats stats() const;
  Pool& contexts_pool();
  // Stops the process when a rule between pool, indexes, directory and store does not hold. Linear; for tests, beside
  // nothing else.
  void CheckInvariants() const;

 private:
  struct Parts;
  explicit Registry(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir
