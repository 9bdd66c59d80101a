#pragma once
// SystemGroups: whether the agents of a group begin alike. Internal to `registry`.
//
// A group is (name, model, LoRA, salt) and has one tokenizer, that of its first member. Its reference is the system prompt
// of the first member that has one; after a restart, or when nobody holds that any more, the one that most members hold.
// Thread-safe: one lock, taken by changes alone.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "directory.h"
#include "weir/registry/answers.h"

namespace weir::registry {

// How a context begins.
struct SystemPrompt {
  std::string_view text{};
  std::span<const TokenId> tokens{};
  std::span<const uint32_t> begins{};  // of those tokens
};
// The leading system segments; empty when the context begins with something else.
SystemPrompt SystemPromptOf(std::span<const Segment> segments, std::string_view text, std::span<const TokenId> tokens,
                            std::span<const uint32_t> begins);

class SystemGroups {
 public:
  // The tokens of a member's system prompt, or nothing when they cannot be had. Called under the lock: calls nothing here.
  using TokensOf = std::function<std::vector<TokenId>(HolderId)>;

  explicit SystemGroups(uint32_t groups_max) : groups_max_(groups_max) {}

  // `state` becomes a member. invalid_argument: another tokenizer than the group's; exhausted: too many groups. Throws
  // std::bad_alloc with nothing changed.
  Status Join(const AgentState& state, const Space& space);
  // How a member begins beside the others. Where the group has no reference it is chosen here. `system` is the member's own.
  SystemIdentity IdentityOf(const AgentState& state, const Space& space, const SystemPrompt& system,
                            const TokensOf& tokens_of);
  void Leave(const AgentState& state, const Space& space);
  // invalid_argument as Join says, before any work is done.
  Status CheckTokenizer(const std::string& group, const Space& space) const;

  uint64_t size() const;

 private:
  struct Holders {
    uint64_t since = 0;  // joins before the first of them
    std::vector<HolderId> holders;
  };
  struct Group {
    std::string fingerprint;
    uint64_t members = 0;
    uint32_t with_system = 0;
    std::map<Sha256Digest, Holders> systems;
    Sha256Digest reference{};
    std::vector<TokenId> reference_tokens;
    bool has_reference = false;
  };
  using Key = std::tuple<std::string, std::string, std::string, std::string>;  // group, model, LoRA, salt

  using KeyView = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;

  static KeyView KeyOf(const std::string& group, const Space& space) { return {group, space.model, space.lora, space.salt}; }
  static void ChooseReference(Group& group, const Sha256Digest& own, const SystemPrompt& system, const TokensOf& tokens_of);

  const uint32_t groups_max_;
  mutable std::mutex mutex_;
  std::map<Key, Group, std::less<>> groups_;  // guarded by mutex_, as all below
  uint64_t joins_ = 0;
};

}  // namespace weir::registry
