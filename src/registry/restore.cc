// The start: everything that the store holds becomes registered again.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "attempt.h"
#include "weir/base/log.h"

namespace weir::registry {

Status Core::Restore() {
  WEIR_TRY(options_.store->Scan(StoreTable::kContext, [&](const StoreKey& key, std::string_view bytes) -> Status {
    Status restored = RestoreOne(key, bytes);
    if (restored) return {};
    // Memory and caps are ours to widen, so the record stays for another start; anything else is the record's fault.
    if (restored.error().code == ErrorCode::kExhausted) return restored;
    counters_.set_aside.fetch_add(1, std::memory_order_relaxed);
    // What is a context under other settings must not be written over; anything else may.
    if (restored.error().code != ErrorCode::kCorrupt) {
      const std::lock_guard lock(unusable_mutex_);
      unusable_.insert(key);
    }
    Record([&] { return Decision{.kind = DecisionKind::kSetAside, .reason = "not_a_context"}; });
    return {};
  }));
  if (const uint64_t count = counters_.set_aside.load(std::memory_order_relaxed); count > 0) {
    Log(LogLevel::kWarning, fmt::format("{} stored contexts cannot be used and were left alone", count));
  }
  return {};
}

Status Core::RestoreOne(const StoreKey& key, std::string_view bytes) {
  const auto record = std::as_bytes(std::span(bytes));
  WEIR_TRY(ContextView::Check(record));
  WEIR_ASSIGN(std::unique_ptr<Body> body, NewBody(record.size()));
  std::memcpy(body->bytes.data(), record.data(), record.size());
  const ContextView view = body->view();
  const ContextTerms terms = view.Terms();
  if (view.block_size() != options_.block_size) {
    return InvalidArgument(
        fmt::format("agent '{}' has blocks of {} tokens, not {}", terms.agent, view.block_size(), options_.block_size));
  }
  // Of another model it does not count, and the context is none the worse for it.
  if (!view.vector().empty() && view.vector_fingerprint() == options_.vector_fingerprint &&
      view.vector().size() != options_.vector_dimensions) {
    return InvalidArgument(fmt::format("agent '{}' has a vector of {} dimensions", terms.agent, view.vector().size()));
  }
  auto state = std::make_shared<AgentState>();
  WEIR_ASSIGN(state->space, SpaceOf(terms.space));
  const std::vector<Segment> segments = view.Segments();
  const std::vector<uint32_t> begins = view.Begins();
  const SystemPrompt system = SystemPromptOf(segments, view.text(), view.tokens(), begins);
  Describe(*state, terms,
           {terms, view.text(), view.tokens(), begins, segments, view.vector(), view.segment_vectors(),
            view.vector_fingerprint()},
           system);
  if (state->store_key != key) return Corrupt(fmt::format("agent '{}' lies under another agent's key", terms.agent));
  state->pinned = terms.pinned;
  state->ttl = terms.expires_ms == 0 ? Duration(0) : std::chrono::milliseconds(terms.expires_ms - terms.updated_ms);

  Attempt attempt(*this);
  WEIR_TRY(attempt.TakeNumber(state));
  // What does not fit in memory any more starts cold; what is pinned makes room for itself.
  const uint64_t held_bytes = PageRuns::RoundedBytes(record.size());
  const bool fits = pool_->Stats().used_bytes() + held_bytes <= options_.contexts_bytes && HasIndexRoom();
  WEIR_TRY(fits || terms.pinned ? attempt.HoldOrEnterCold(std::move(body), record) : attempt.EnterCold(view));
  WEIR_TRY(attempt.JoinGroup());
  attempt.Reserve();
  attempt.Publish();
  counters_.restored.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// A record that could not be used lies under that agent's key: to write there would lose it.
Status Core::CheckUsable(const StoreKey& key, std::string_view agent) const {
  const std::lock_guard lock(unusable_mutex_);
  if (!unusable_.contains(key)) return {};
  return Error{ErrorCode::kAlreadyExists,
               fmt::format("the store holds a record of agent '{}' that cannot be used here", agent),
               "open the store with the settings that it was written with, or remove the agent"};
}

bool Core::EraseUnusable(const StoreKey& key) {
  const std::lock_guard lock(unusable_mutex_);
  return unusable_.erase(key) > 0;
}

}  // namespace weir::registry
