// Warm and cold: memory for records, the indexes that borrow from them, eviction and reading back.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core.h"
#include "undo.h"
#include "weir/base/bytes.h"

namespace weir::registry {

uint64_t SpaceIndexes::bytes() const {
  return blocks.bytes() + spans.bytes() + near.bytes() + (vectors == nullptr ? 0 : vectors->bytes());
}

Result<std::unique_ptr<Body>> Core::NewBody(size_t bytes) {
  const std::span<std::byte> run = runs_.Take(bytes);
  if (run.empty()) return Exhausted(fmt::format("the system gives no memory for a record of {}", FormatByteSize(bytes)));
  try {
    return std::make_unique<Body>(runs_, run);
  } catch (const std::bad_alloc&) {
    runs_.GiveBack(run);
    throw;
  }
}

Cost Core::CostOf(const AgentState& state) {
  // Reading back and entering the indexes again take time in proportion to the tokens, so among contexts use decides; a
  // context that cannot be read back is worth more to whoever would have to register it again, but no figure says how much.
  Cost cost;
  cost.refetch_us = 0.1 * state.tokens;
  cost.keep = state.pinned.load(std::memory_order_relaxed) ? Keep::kAlways : Keep::kNormal;
  return cost;
}

Result<Pin> Core::Hold(std::unique_ptr<Body> body, const AgentState& state) {
  const uint64_t bytes = PageRuns::RoundedBytes(body->bytes.size());
  InsertOutcome outcome = pool_->Insert(state.pool_key, Resource(std::move(body), bytes), CostOf(state));
  if (outcome.stored()) return std::move(outcome.pin);
  if (outcome.status == InsertStatus::kTooLarge) {
    return Exhausted(fmt::format("a context of {} can never fit the budget of {}", FormatByteSize(bytes),
                                 FormatByteSize(pool_->Stats().budget_bytes)),
                     "raise contexts_bytes, or shorten it");
  }
  return Exhausted(fmt::format("no room for a context of {}: what is in memory is pinned or in use", FormatByteSize(bytes)),
                   "unpin or remove contexts, or raise contexts_bytes");
}

// Indexes. -------------------------------------------------------------------------------------------------------------

std::shared_ptr<SpaceIndexes> Core::FindSpace(const Space& space) const {
  const std::shared_lock lock(spaces_mutex_);
  for (const auto& known : spaces_) {
    if (known->space == space) return known;
  }
  return nullptr;
}

void Core::DropEmptySpaces() {
  // Whoever is in a space, is on the way into it or looks at it, shares it.
  const auto is_empty = [](const std::shared_ptr<SpaceIndexes>& space) { return space.use_count() == 1; };
  {
    const std::shared_lock lock(spaces_mutex_);
    if (std::ranges::none_of(spaces_, is_empty)) return;
  }
  const std::unique_lock lock(spaces_mutex_);
  std::erase_if(spaces_, is_empty);
}

Result<std::shared_ptr<SpaceIndexes>> Core::SpaceOf(const Space& space) {
  if (std::shared_ptr<SpaceIndexes> known = FindSpace(space)) return known;
  const std::unique_lock lock(spaces_mutex_);
  for (const auto& known : spaces_) {
    if (known->space == space) return known;
  }
  if (spaces_.size() >= options_.spaces_max) {
    return Exhausted(fmt::format("there are {} spaces already", spaces_.size()),
                     "a space is a tokenizer, model, LoRA and salt: use fewer, or raise spaces_max");
  }
  NearOptions near;
  near.block_size = options_.block_size;
  auto fresh = std::make_shared<SpaceIndexes>();
  fresh->space = space;
  fresh->root = RootKey(space, options_.block_size);
  fresh->near = NearIndex(near);
  if (options_.vector_dimensions > 0) {
    VectorOptions vectors;
    vectors.dimensions = options_.vector_dimensions;
    fresh->vectors = std::make_unique<VectorIndex>(vectors);
  }
  spaces_.push_back(fresh);
  return fresh;
}

uint64_t Core::IndexBytes() const {
  const std::shared_lock lock(spaces_mutex_);
  uint64_t bytes = 0;
  for (const auto& space : spaces_) bytes += space->bytes();
  return bytes;
}

Status Core::EnterTokens(AgentState& state, const Body& body) {
  const std::span<const TokenId> tokens = body.view().tokens();
  WEIR_TRY(state.space->spans.Add(state.holder, tokens));
  Undo spans([&] { state.space->spans.Remove(state.holder); });
  WEIR_TRY(state.space->near.Add(state.holder, tokens));
  spans.Keep();
  state.indexed.store(&body, std::memory_order_release);
  return {};
}

// For a context that is findable without, too.
void Core::TryEnterTokens(AgentState& state, const Body& body) {
  try {
    static_cast<void>(EnterTokens(state, body));
  } catch (const std::bad_alloc&) {
  }
}

bool Core::HasIndexRoom() const { return IndexBytes() < index_bytes_max_.load(std::memory_order_relaxed); }

void Core::LeaveTokens(AgentState& state) {
  if (state.indexed.exchange(nullptr, std::memory_order_acq_rel) == nullptr) return;
  state.space->near.Remove(state.holder);
  state.space->spans.Remove(state.holder);
}

Status Core::EnterIndexes(AgentState& state, const ContextView& view, const Body* body) {
  const std::vector<BlockKey> keys = KeysOf(view, state.space->root);
  if (body != nullptr && !HasIndexRoom()) {
    return Exhausted(fmt::format("the indexes hold {}, their cap", FormatByteSize(IndexBytes())),
                     "remove contexts, or raise index_bytes");
  }
  const std::lock_guard turn(index_turn_);
  WEIR_TRY(state.space->blocks.Add(state.holder, keys));
  Undo blocks([&] { state.space->blocks.Remove(state.holder); });
  if (body != nullptr) WEIR_TRY(EnterTokens(state, *body));
  Undo tokens([&] { LeaveTokens(state); });
  if (state.has_vector) WEIR_TRY(state.space->vectors->Add(state.holder, view.vector()));
  blocks.Keep();
  tokens.Keep();
  state.space->contexts.fetch_add(1, std::memory_order_relaxed);
  return {};
}

void Core::LeaveIndexes(AgentState& state) {
  const std::lock_guard turn(index_turn_);
  if (state.has_vector) state.space->vectors->Remove(state.holder);
  LeaveTokens(state);
  state.space->blocks.Remove(state.holder);
  state.space->contexts.fetch_sub(1, std::memory_order_relaxed);
}

// Eviction. --------------------------------------------------------------------------------------------------------------

void Core::OnEvicted(const Evicted& evicted) {
  const AgentPtr state = directory_.FindHolder(static_cast<HolderId>(evicted.key.low));
  if (state == nullptr || state->pool_key != evicted.key) return;
  bool was_indexed = false;
  {
    // Whoever retires the context meanwhile may not have come to its tokens yet, and the record goes when this returns.
    const std::lock_guard turn(index_turn_);
    was_indexed = state->indexed.load(std::memory_order_relaxed) == evicted.object;
    if (was_indexed) LeaveTokens(*state);
  }
  if (CanReload()) {
    // Read back meanwhile: the indexes borrow from the newer record.
    if (!was_indexed) return;
    counters_.evicted.fetch_add(1, std::memory_order_relaxed);
  } else {
    if (!Retire(state, false)) return;
    counters_.forgotten.fetch_add(1, std::memory_order_relaxed);
    TellFeed(state->terms.agent, true);
  }
  Record([&] {
    return Decision{.kind = DecisionKind::kEviction,
                    .reason = evicted.for_pressure ? LedgerCode("pressure") : LedgerCode("room"),
                    .agent = state->terms.agent,
                    .fields = {{"tokens", state->tokens}, {"kept_in_store", CanReload() ? 1 : 0}}};
  });
}

uint64_t Core::EvictOne(const PoolKey& key) {
  const AgentPtr state = directory_.FindHolder(static_cast<HolderId>(key.low));
  if (state == nullptr || state->pool_key != key || state->pinned.load() || state->published.load() == 0) return 0;
  uint64_t bytes = 0;
  {
    // In one turn, so that Hold() enters no tokens of a record that has left the pool. The record lives until then: were it
    // evicted now, its sink would wait for the turn.
    const std::lock_guard turn(index_turn_);
    const Body* body = state->indexed.load(std::memory_order_relaxed);
    if (body == nullptr) return 0;
    LeaveTokens(*state);
    bytes = pool_->EraseUnpinned(key);
    if (bytes == 0) {
      // In use. Without room in the indexes it is findable again when it is next asked for.
      TryEnterTokens(*state, *body);
      return 0;
    }
  }
  if (CanReload()) {
    counters_.evicted.fetch_add(1, std::memory_order_relaxed);
  } else {
    if (!Retire(state, false)) return 0;
    counters_.forgotten.fetch_add(1, std::memory_order_relaxed);
    TellFeed(state->terms.agent, true);
  }
  Record([&] {
    return Decision{.kind = DecisionKind::kEviction,
                    .reason = "runs_last",
                    .agent = state->terms.agent,
                    .fields = {{"tokens", state->tokens}, {"kept_in_store", CanReload() ? 1 : 0}}};
  });
  return bytes;
}

// Reading back. ------------------------------------------------------------------------------------------------------------

Status Core::LoadInto(Filler& filler, const AgentState& state) try {
  WEIR_ASSIGN(const std::optional<std::string> bytes, options_.store->Get(StoreTable::kContext, state.store_key));
  if (!bytes) return NotFound(fmt::format("agent '{}' is not in the store", state.terms.agent));
  const auto record = std::as_bytes(std::span(*bytes));
  WEIR_TRY(ContextView::Check(record));
  WEIR_ASSIGN(std::unique_ptr<Body> body, NewBody(record.size()));
  std::memcpy(body->bytes.data(), record.data(), record.size());
  const ContextView view = body->view();
  const ContextTerms terms = view.Terms();
  // Of two with one number, the agent was removed and registered again between.
  if (terms.agent != state.terms.agent || terms.revision != state.terms.revision ||
      terms.updated_ms != state.terms.updated_ms || terms.created_ms != state.terms.created_ms ||
      terms.space != state.space->space) {
    return NotFound(fmt::format("agent '{}' was replaced meanwhile", state.terms.agent));
  }
  filler.SetCost(CostOf(state));
  const uint64_t held = PageRuns::RoundedBytes(record.size());
  return filler.Adopt(Resource(std::move(body), held));
} catch (const std::bad_alloc&) {
  return NoMemory("reading a context back");
}

Result<Pin> Core::Hold(const AgentPtr& state) {
  Pin pin = pool_->Get(state->pool_key);
  if (pin && state->indexed.load(std::memory_order_acquire) == &pin.resource<Body>()) return pin;
  if (!pin) {
    if (!CanReload()) return NotFound(fmt::format("agent '{}' was removed or evicted meanwhile", state->terms.agent));
    LoadOptions load;
    load.bytes_expected = state->record_bytes;
    Result<Loaded> loaded = pool_->LoadOrShare(
        state->pool_key, [&](Filler& filler) { return LoadInto(filler, *state); }, load);
    if (!loaded) {
      // The pool's word for what can never fit its budget, which the broker may have lowered.
      if (loaded.error().code == ErrorCode::kInvalidArgument) return Exhausted(loaded.error().message, loaded.error().hint);
      return loaded.error();
    }
    pin = std::move(loaded->pin);
    if (loaded->by == LoadedBy::kComputed) {
      counters_.reloaded.fetch_add(1, std::memory_order_relaxed);
      Record([&] {
        return Decision{.kind = DecisionKind::kRestore,
                        .reason = "read_back",
                        .agent = state->terms.agent,
                        .fields = {{"tokens", state->tokens}}};
      });
    }
  }
  const Body& body = pin.resource<Body>();
  {
    const std::lock_guard turn(index_turn_);
    // Retire() marks before it takes its turn: either it sees what is entered here, or this sees the mark.
    if (state->superseded.load(std::memory_order_acquire) == 0) {
      if (state->published.load(std::memory_order_acquire) == 0 || state->indexed.load(std::memory_order_relaxed) == &body) {
        return pin;
      }
      // One that has left the pool goes with its last reader: the indexes may not borrow from it.
      const Pin kept = pool_->Get(state->pool_key);
      if (!kept || &kept.resource<Body>() != &body) return pin;
      LeaveTokens(*state);
      // Without room in the indexes it can be read all the same; it stays unfindable by moved and near.
      if (HasIndexRoom()) TryEnterTokens(*state, body);
      return pin;
    }
    // Whoever retires it may not have come to its tokens yet, and the record goes with its last reader.
    if (state->indexed.load(std::memory_order_relaxed) == &body) LeaveTokens(*state);
  }
  pool_->Erase(state->pool_key);
  return NotFound(fmt::format("agent '{}' was replaced or removed meanwhile", state->terms.agent));
}

Result<std::pair<AgentPtr, Pin>> Core::HoldNow(std::string_view agent) {
  // A replacement may come between; one of a few tries finds a revision that stayed.
  for (int tries = 0;; ++tries) {
    WEIR_ASSIGN(AgentPtr state, Find(agent));
    Result<Pin> pin = Hold(state);
    if (pin) return std::pair(std::move(state), *std::move(pin));
    if (pin.error().code != ErrorCode::kNotFound || tries == 4) return pin.error();
  }
}

Result<HeldContext> Core::Get(std::string_view agent) {
  WEIR_ASSIGN(auto held, HoldNow(agent));
  const ContextView view = held.second.resource<Body>().view();
  return HeldContext(std::move(held.second), view, held.first->pinned.load(std::memory_order_relaxed));
}

Result<bool> Core::Prefetch(std::string_view agent) {
  const AgentPtr state = directory_.Find(agent);
  if (state == nullptr || state->indexed.load(std::memory_order_acquire) != nullptr) return false;
  WEIR_ASSIGN(const Pin pin, Hold(state));
  counters_.prefetched.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::vector<TokenId> Core::SystemTokensOf(HolderId holder) {
  const AgentPtr state = directory_.FindHolder(holder);
  if (state == nullptr) return {};
  const auto take = [&](const ContextView& view) {
    const std::vector<Segment> segments = view.Segments();
    const std::vector<uint32_t> begins = view.Begins();
    const SystemPrompt system = SystemPromptOf(segments, view.text(), view.tokens(), begins);
    if (Sha256(system.text) != state->system_digest) return std::vector<TokenId>();  // of a later revision
    return std::vector<TokenId>(system.tokens.begin(), system.tokens.end());
  };
  if (const Pin pin = HoldWarm(*state)) return take(pin.resource<Body>().view());
  // Not through the pool: its eviction sink may need the lock that the caller holds.
  if (!CanReload()) return {};
  const auto bytes = options_.store->Get(StoreTable::kContext, state->store_key);
  if (!bytes || !*bytes || !ContextView::Check(std::as_bytes(std::span(**bytes)))) return {};
  return take(ContextView(std::as_bytes(std::span(**bytes))));
}

}  // namespace weir::registry
