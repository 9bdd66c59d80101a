// Pinning: what must stay in memory, marked where it lies.

#include <fmt/format.h>

#include <new>
#include <utility>

#include "core.h"
#include "undo.h"

namespace weir::registry {

// In place: the record in the store says it from now on; the one in memory stays as it is, since others read it.
Status Core::SetPinnedLocked(const AgentPtr& state, bool pinned) {
  if (state->pinned == pinned) return {};
  const auto mark = [&](bool now) {
    state->pinned.store(now, std::memory_order_relaxed);
    return pool_->SetCost(state->pool_key, CostOf(*state)) || !pool_->Contains(state->pool_key);
  };
  // What may be refused comes before the store knows.
  if (pinned && !mark(true)) {
    mark(false);
    return NoMemory("pinning a context");
  }
  Undo unmark([&] {
    if (pinned) mark(false);
  });
  if (options_.store != nullptr) {
    WEIR_ASSIGN(std::optional<std::string> record, options_.store->Get(StoreTable::kContext, state->store_key));
    if (!record) return Corrupt(fmt::format("agent '{}' is not in the store", state->terms.agent), "register it again");
    WEIR_TRY(ContextView::Check(std::as_bytes(std::span(*record))));
    SetPinnedFlag(std::as_writable_bytes(std::span(*record)), pinned);
    StoreBatch batch;
    batch.PutString(StoreTable::kContext, state->store_key, *std::move(record));
    WEIR_TRY(ApplyOrPutBack(batch, state->store_key, state, !pinned));
  }
  unmark.Keep();
  if (!pinned) mark(false);
  if (pinned) {
    counters_.pinned.fetch_add(1, std::memory_order_relaxed);
  } else {
    counters_.pinned.fetch_sub(1, std::memory_order_relaxed);
  }
  TellFeed(state->terms.agent, false);
  return {};
}

Status Core::SetPinned(std::string_view agent, bool pinned, const std::optional<ContextVersion>& only_if) {
  try {
    Status done = [&]() -> Status {
      const std::lock_guard stripe(StripeOf(agent));
      WEIR_ASSIGN(const AgentPtr state, Find(agent));
      WEIR_TRY(CheckVersion(state->terms, only_if));
      return SetPinnedLocked(state, pinned);
    }();
    if (!done) Refuse(agent, done.error());
    return done;
  } catch (const std::bad_alloc&) {
    return NoMemory("pinning a context");
  }
}

}  // namespace weir::registry
