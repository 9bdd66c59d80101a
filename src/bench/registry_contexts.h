#pragma once
// The contexts that `weir bench registry` and its peers register. bench/peers/registry/contexts.py has the definition, and
// the two must give the same digest. Pure functions.

#include <cstdint>
#include <string>

namespace weir {

// Of the texts below, in tokens of Qwen3's vocabulary: each word is one, and so is the blank line between head and role.
inline constexpr uint32_t kHeadTokens = 1000;
inline constexpr uint32_t kRoleTokens = 999;
inline constexpr uint32_t kRegistryContextTokens = kHeadTokens + 1 + kRoleTokens;

// `words` words that depend on the seed alone.
std::string RegistryText(uint64_t seed, uint32_t words);
// The system prompt of every agent.
std::string RegistryHead();
std::string RegistryAgent(uint64_t agent);
std::string RegistryRole(uint64_t agent);
// Head, blank line and a text that no agent has.
std::string RegistryPrompt(uint64_t number);
// Of the contexts of that many agents.
std::string RegistryDigest(uint64_t agents);

}  // namespace weir
