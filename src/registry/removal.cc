// Changes that take a context away: remove, clear, expire, and what every one of them, and each replacement, ends with.

#include <new>
#include <utility>

#include "core.h"
#include "store_key.h"

namespace weir::registry {

bool Core::Supersede(AgentState& state) {
  const uint64_t change = changes_.fetch_add(1, std::memory_order_acq_rel) + 1;
  uint64_t none = 0;
  // Pairs with the acquire in AgentState::VisibleAt. Whoever wins cleans up.
  return state.superseded.compare_exchange_strong(none, change, std::memory_order_acq_rel);
}

bool Core::Retire(const AgentPtr& state, bool still_in_pool) {
  if (!Supersede(*state)) return false;
  directory_.Withdraw(*state);
  LeaveIndexes(*state);
  if (still_in_pool) pool_->Erase(state->pool_key);
  groups_.Leave(*state, state->space->space);
  CountOut(*state);
  directory_.Unmap(state->holder);
  GiveHolderBack(state->holder);
  return true;
}

Status Core::RemoveLocked(const AgentPtr& state, Removal why) {
  if (options_.store != nullptr) {
    StoreBatch batch;
    batch.Erase(StoreTable::kContext, state->store_key);
    WEIR_TRY(ApplyOrPutBack(batch, state->store_key, state, state->pinned));
  }
  // Otherwise it was evicted and forgotten meanwhile, and counts as that.
  if (!Retire(state, true)) return {};
  (why == Removal::kExpired ? counters_.expired : counters_.removed).fetch_add(1, std::memory_order_relaxed);
  TellFeed(state->terms.agent, true);
  const LedgerCode reason = why == Removal::kExpired ? LedgerCode("expired") : LedgerCode("asked");
  Record([&] {
    return Decision{.kind = DecisionKind::kRemoval,
                    .reason = reason,
                    .agent = state->terms.agent,
                    .fields = {{"tokens", state->tokens}}};
  });
  return {};
}

Status Core::Remove(std::string_view agent, const std::optional<ContextVersion>& only_if) {
  try {
    Status removed = [&]() -> Status {
      const std::lock_guard stripe(StripeOf(agent));
      const Result<AgentPtr> state = Find(agent);
      if (state) WEIR_TRY(CheckVersion((*state)->terms, only_if));
      if (state) return RemoveLocked(*state, Removal::kAsked);
      // A record that could not be used at the start is there to be removed, too.
      const StoreKey key = StoreKeyOf(agent);
      if (CheckUsable(key, agent)) return state.error();
      StoreBatch batch;
      batch.Erase(StoreTable::kContext, key);
      WEIR_TRY(options_.store->Apply(batch));
      EraseUnusable(key);
      return {};
    }();
    DropEmptySpaces();
    return removed;
  } catch (const std::bad_alloc&) {
    return NoMemory("removing a context");
  }
}

Result<bool> Core::RemoveIfExpired(const AgentPtr& state) {
  const std::lock_guard stripe(StripeOf(state->terms.agent));
  if (directory_.Find(state->terms.agent) != state || !IsExpired(*state, NowMs())) return false;
  WEIR_TRY(RemoveLocked(state, Removal::kExpired));
  return true;
}

Result<uint64_t> Core::Clear(const std::optional<std::string>& group) {
  uint64_t removed = 0;
  try {
    for (const AgentPtr& state : directory_.Snapshot()) {
      if (group && state->terms.group != *group) continue;
      const std::lock_guard stripe(StripeOf(state->terms.agent));
      const AgentPtr now = directory_.Find(state->terms.agent);
      if (now == nullptr || (group && now->terms.group != *group)) continue;
      WEIR_TRY(RemoveLocked(now, Removal::kAsked));
      ++removed;
    }
  } catch (const std::bad_alloc&) {
    return NoMemory("clearing contexts");
  }
  DropEmptySpaces();
  return removed;
}

}  // namespace weir::registry
