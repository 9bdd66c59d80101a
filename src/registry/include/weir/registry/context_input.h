#pragma once
// ContextInput: what somebody registers, and the ways to make one from prompts as people have them.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/chat_request.h"
#include "weir/tokens/context.h"

namespace weir {

// One state of an agent's context: its revision, of the life that began then.
struct ContextVersion {
  uint64_t revision = 0;
  int64_t created_ms = 0;
  friend bool operator==(const ContextVersion&, const ContextVersion&) = default;
};

struct ContextInput {
  std::string agent;  // 1 to 256 bytes of UTF-8 without control characters
  // Agents of one group are meant to begin alike: their system prompts are compared, and they have one tokenizer.
  std::string group = "default";
  std::string role{};               // "critic", ...: some roles are dense by policy (RegistryOptions::dense_roles)
  std::string text{};               // UTF-8, not empty
  std::vector<Segment> segments{};  // that tile the text, `tokens` is filled in; empty: one segment "text"
  std::string tokenizer{};          // one of the registry's by name; empty: its default
  std::string model{}, lora{}, salt{};
  bool add_special_tokens = false;
  bool pinned = false;
  std::optional<bool> dense{};    // unset: by the role
  std::optional<Duration> ttl{};  // unset: the registry's; zero: never expires
  // Any embedding of the text, of the registry's vector_dimensions; empty: none. Refused where a model makes the vectors.
  std::vector<float> vector{};
  // A replacement happens only to this version; already_exists otherwise.
  std::optional<ContextVersion> only_if{};
};

// The full context of an agent as frameworks build it: the system prompt, two newlines, the role's prompt; segments "system"
// (with the newlines) and "role". An empty part is left out.
ContextInput InputFromPrompts(std::string agent, std::string_view system_prompt, std::string_view role_prompt);

// A chat request rendered by a model's own template. Errors: the template's.
Result<ContextInput> InputFromChat(std::string agent, const ChatRequest& request, const ChatTemplate& chat_template,
                                   int64_t now_local_s);

}  // namespace weir
