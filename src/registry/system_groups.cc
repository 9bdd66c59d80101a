#include "system_groups.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::registry {
namespace {

Error OtherTokenizer(const std::string& group) {
  return InvalidArgument(fmt::format("group '{}' has another tokenizer", group),
                         "agents of one group share one tokenizer: name that one, or another group");
}

}  // namespace

SystemPrompt SystemPromptOf(std::span<const Segment> segments, std::string_view text, std::span<const TokenId> tokens,
                            std::span<const uint32_t> begins) {
  uint32_t bytes = 0;
  uint32_t count = 0;
  for (const Segment& segment : segments) {
    if (segment.kind != SegmentKind::kSystem) break;
    bytes = segment.bytes.end;
    count = segment.tokens.end;
  }
  return {text.substr(0, bytes), tokens.first(count), begins.first(count)};
}

Status SystemGroups::CheckTokenizer(const std::string& group, const Space& space) const {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(KeyOf(group, space));
  if (found != groups_.end() && found->second.fingerprint != space.tokenizer_fingerprint) return OtherTokenizer(group);
  return {};
}

void SystemGroups::ChooseReference(Group& group, const Sha256Digest& own, const SystemPrompt& system,
                                   const TokensOf& tokens_of) {
  const Holders* best = nullptr;
  for (const auto& [digest, holders] : group.systems) {
    const bool better = best == nullptr || holders.holders.size() > best->holders.size() ||
                        (holders.holders.size() == best->holders.size() && holders.since < best->since);
    if (!better) continue;
    best = &holders;
    group.reference = digest;
  }
  group.reference_tokens = group.reference == own ? std::vector<TokenId>(system.tokens.begin(), system.tokens.end())
                                                  : tokens_of(best->holders.front());
  group.has_reference = true;
}

Status SystemGroups::Join(const AgentState& state, const Space& space) {
  const std::lock_guard lock(mutex_);
  const KeyView key = KeyOf(state.terms.group, space);
  auto found = groups_.find(key);
  const bool is_new = found == groups_.end();
  if (is_new) {
    if (groups_.size() >= groups_max_) {
      return Exhausted(fmt::format("there are {} groups already", groups_.size()), "use fewer groups, or raise groups_max");
    }
    Group fresh;
    fresh.fingerprint = space.tokenizer_fingerprint;
    found = groups_.emplace(Key(key), std::move(fresh)).first;
  }
  Group& group = found->second;
  if (group.fingerprint != space.tokenizer_fingerprint) return OtherTokenizer(state.terms.group);
  if (state.has_system) {
    try {
      Holders& holders = group.systems[state.system_digest];
      if (holders.holders.empty()) holders.since = joins_;
      holders.holders.push_back(state.holder);
    } catch (const std::bad_alloc&) {
      const auto holders = group.systems.find(state.system_digest);
      if (holders != group.systems.end() && holders->second.holders.empty()) group.systems.erase(holders);
      if (is_new) groups_.erase(found);
      throw;
    }
    ++joins_;
    ++group.with_system;
  }
  ++group.members;
  return {};
}

SystemIdentity SystemGroups::IdentityOf(const AgentState& state, const Space& space, const SystemPrompt& system,
                                        const TokensOf& tokens_of) {
  SystemIdentity identity;
  identity.has_system = state.has_system;
  if (!state.has_system) return identity;
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(KeyOf(state.terms.group, space));
  if (found == groups_.end()) return identity;
  Group& group = found->second;
  try {
    if (!group.has_reference) ChooseReference(group, state.system_digest, system, tokens_of);
  } catch (const std::bad_alloc&) {
    group.has_reference = false;  // chosen by the next one that asks
  }
  identity.members = group.with_system;
  const auto same = group.systems.find(state.system_digest);
  identity.same = same == group.systems.end() ? 0 : static_cast<uint32_t>(same->second.holders.size());
  identity.identical = !group.has_reference || group.reference == state.system_digest;
  // Other bytes, but where they part is not known: the tokens could not be had.
  if (identity.identical || group.reference_tokens.empty()) return identity;
  const auto [own, other] = std::ranges::mismatch(system.tokens, group.reference_tokens);
  SystemDivergence divergence;
  divergence.token = static_cast<uint32_t>(own - system.tokens.begin());
  divergence.block = divergence.token / state.terms.block_size;
  divergence.byte =
      divergence.token < system.begins.size() ? system.begins[divergence.token] : static_cast<uint32_t>(system.text.size());
  const uint32_t shared = divergence.block * state.terms.block_size;
  divergence.lost_tokens = static_cast<uint32_t>(system.tokens.size()) - shared;
  identity.divergence = divergence;
  return identity;
}

void SystemGroups::Leave(const AgentState& state, const Space& space) {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(KeyOf(state.terms.group, space));
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (state.has_system) {
    const auto same = group.systems.find(state.system_digest);
    if (same != group.systems.end()) {
      std::erase(same->second.holders, state.holder);
      if (same->second.holders.empty()) {
        if (group.reference == state.system_digest) group.has_reference = false;
        group.systems.erase(same);
      }
    }
    --group.with_system;
  }
  if (--group.members == 0) groups_.erase(found);
}

uint64_t SystemGroups::size() const {
  const std::lock_guard lock(mutex_);
  return groups_.size();
}

}  // namespace weir::registry
