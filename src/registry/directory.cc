#include "directory.h"

#include <utility>

#include "weir/base/check.h"

namespace weir::registry {

uint64_t StateBytes(const AgentState& state) {
  constexpr uint64_t kSmall = 15;                                    // characters that a string holds in itself
  uint64_t bytes = sizeof(AgentState) + 32 + sizeof(AgentPtr) + 64;  // control block, slot by number, node by name
  for (const std::string* text : {&state.terms.agent, &state.terms.agent, &state.terms.group, &state.terms.role}) {
    if (text->size() > kSmall) bytes += text->size() + 1;
  }
  return bytes;
}

Directory::Directory() = default;
Directory::~Directory() {
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

AgentPtr Directory::Find(std::string_view agent) const {
  const Names& names = NamesOf(agent);
  const std::shared_lock lock(names.mutex);
  const auto found = names.map.find(agent);
  return found == names.map.end() ? nullptr : found->second.state;
}

AgentPtr Directory::FindHolder(HolderId holder) const {
  // Pairs with the release in Map.
  const Chunk* chunk = chunks_[holder / kChunk].load(std::memory_order_acquire);
  if (chunk == nullptr) return nullptr;
  const std::shared_lock lock(MutexOf(holder));
  return chunk->states[holder % kChunk];
}

void Directory::Reserve(const std::string& agent) {
  Names& names = NamesOf(agent);
  const std::unique_lock lock(names.mutex);
  names.map.try_emplace(agent).first->second.reserved = true;
}

void Directory::Release(const std::string& agent) {
  Names& names = NamesOf(agent);
  const std::unique_lock lock(names.mutex);
  const auto found = names.map.find(agent);
  if (found == names.map.end()) return;
  found->second.reserved = false;
  if (found->second.state == nullptr) names.map.erase(found);
}

void Directory::Map(const AgentPtr& state) {
  std::atomic<Chunk*>& place = chunks_[state->holder / kChunk];
  Chunk* chunk = place.load(std::memory_order_acquire);
  if (chunk == nullptr) {
    auto fresh = std::make_unique<Chunk>();
    // Pairs with the acquire in FindHolder.
    if (place.compare_exchange_strong(chunk, fresh.get(), std::memory_order_acq_rel)) chunk = fresh.release();
  }
  const std::unique_lock lock(MutexOf(state->holder));
  chunk->states[state->holder % kChunk] = state;
}

void Directory::Unmap(HolderId holder) {
  Chunk* chunk = chunks_[holder / kChunk].load(std::memory_order_acquire);
  if (chunk == nullptr) return;
  AgentPtr last;  // freed behind the lock
  const std::unique_lock lock(MutexOf(holder));
  last = std::exchange(chunk->states[holder % kChunk], nullptr);
}

void Directory::Publish(const AgentPtr& state) {
  Names& names = NamesOf(state->terms.agent);
  AgentPtr before;
  {
    const std::unique_lock lock(names.mutex);
    const auto found = names.map.find(state->terms.agent);
    WEIR_CHECK(found != names.map.end() && found->second.reserved, "published without a reservation");
    found->second.reserved = false;
    before = std::exchange(found->second.state, state);
  }
  bytes_.fetch_add(StateBytes(*state), std::memory_order_relaxed);
  if (before != nullptr) {
    bytes_.fetch_sub(StateBytes(*before), std::memory_order_relaxed);
  } else {
    size_.fetch_add(1, std::memory_order_relaxed);
  }
}

void Directory::Withdraw(const AgentState& state) {
  Names& names = NamesOf(state.terms.agent);
  AgentPtr gone;
  {
    const std::unique_lock lock(names.mutex);
    const auto found = names.map.find(state.terms.agent);
    if (found == names.map.end() || found->second.state.get() != &state) return;
    gone = std::move(found->second.state);
    if (!found->second.reserved) names.map.erase(found);
  }
  bytes_.fetch_sub(StateBytes(*gone), std::memory_order_relaxed);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

std::vector<AgentPtr> Directory::Snapshot() const {
  std::vector<AgentPtr> all;
  all.reserve(size());
  for (const Names& names : names_) {
    const std::shared_lock lock(names.mutex);
    for (const auto& [name, entry] : names.map) {
      if (entry.state != nullptr) all.push_back(entry.state);
    }
  }
  return all;
}

}  // namespace weir::registry
