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
  std::vector<StoreKey> unusable;
  WEIR_TRY(options_.store->Scan(StoreTable::kContext, [&](const StoreKey& key, std::string_view bytes) -> Status {
    Status restored = RestoreOne(key, bytes);
    if (restored) return {};
    // Memory and caps are ours to widen, so the record stays for another start; anything else is the record's fault.
    if (restored.error().code == ErrorCode::kExhausted) return restored;
    counters_.set_aside.fetch_add(1, std::memory_order_relaxed);
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
  if (!view.vector().empty() && view.vector().size() != options_.vector_dimensions) {
    return InvalidArgument(fmt::format("agent '{}' has a vector of {} dimensions", terms.agent, view.vector().size()));
  }
  auto state = std::make_shared<AgentState>();
  WEIR_ASSIGN(state->space, SpaceOf(terms.space));
  const std::vector<Segment> segments = view.Segments();
  const std::vector<uint32_t> begins = view.Begins();
  const SystemPrompt system = SystemPromptOf(segments, view.text(), view.tokens(), begins);
  Describe(*state, terms, {terms, view.text(), view.tokens(), begins, segments, view.vector()}, system);
  if (state->store_key != key) return Corrupt(fmt::format("agent '{}' lies under another agent's key", terms.agent));
  state->ttl = terms.expires_ms == 0 ? Duration(0) : std::chrono::milliseconds(terms.expires_ms - terms.updated_ms);

  Attempt attempt(*this);
  WEIR_TRY(attempt.TakeNumber(state));
  // What does not fit in memory any more starts cold.
  if (pool_->Stats().used_bytes() + state->record_bytes <= options_.contexts_bytes) {
    WEIR_TRY(attempt.Hold(std::move(body)));
    WEIR_TRY(attempt.EnterIndexes());
  } else {
    WEIR_TRY(attempt.EnterCold(view));
  }
  WEIR_TRY(attempt.JoinGroup());
  attempt.Reserve();
  attempt.Publish();
  counters_.restored.fetch_add(1, std::memory_order_relaxed);
  return {};
}

}  // namespace weir::registry
