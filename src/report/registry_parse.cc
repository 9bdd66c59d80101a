#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "weir/report/registry_view.h"

namespace weir {
namespace {

// Reads members of an object into a form and keeps what was wrong first.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {
    if (!object.is_object()) wrong_ = "no object";
  }

  // Null: there is none, which is what was wrong then.
  const Json* At(std::string_view name) {
    const Json* const member = object_.is_object() ? object_.Find(name) : nullptr;
    if (member == nullptr) Refuse(name, "is missing");
    return member;
  }
  void Read(std::string_view name, bool& value) {
    const Json* const member = At(name);
    if (member == nullptr) return;
    if (!member->is_bool()) return Refuse(name, "is no truth value");
    value = member->as_bool();
  }
  template <typename Count>
  void ReadCount(std::string_view name, Count& value) {
    const Json* const member = At(name);
    if (member == nullptr) return;
    if (!member->is_integer() || !Fits<Count>(*member)) return Refuse(name, "is no count");
    value = static_cast<Count>(member->as_int());
  }
  void Read(std::string_view name, std::string& value) {
    const Json* const member = At(name);
    if (member == nullptr) return;
    if (!member->is_string()) return Refuse(name, "is no text");
    value = member->as_string();
  }
  // Null stands for none.
  void ReadMaybe(std::string_view name, std::optional<std::string>& value) {
    const Json* const member = At(name);
    if (member == nullptr || member->is_null()) return;
    Read(name, value.emplace());
  }

  Status Done() const {
    if (wrong_.empty()) return {};
    return Corrupt(fmt::format("not what a registry answers: {}", wrong_));
  }
  void Refuse(std::string_view name, std::string_view what) {
    if (wrong_.empty()) wrong_ = fmt::format("{} {}", name, what);
  }

 private:
  template <typename Count>
  static bool Fits(const Json& number) {
    const double value = number.as_double();
    const double most = std::min<double>(std::numeric_limits<Count>::max(), 9e15);  // exact in a double
    return value >= 0 && value <= most;
  }

  const Json& object_;
  std::string wrong_;
};

Result<SystemIdentity> ParseSystem(const Json& json) {
  SystemIdentity system;
  Members members(json);
  members.Read("has_system", system.has_system);
  members.Read("identical", system.identical);
  members.ReadCount("members", system.members);
  members.ReadCount("same", system.same);
  const Json* const divergence = members.At("divergence");
  WEIR_TRY(members.Done());
  if (divergence->is_null()) return system;
  SystemDivergence& parsed = system.divergence.emplace();
  Members parts(*divergence);
  parts.ReadCount("token", parsed.token);
  parts.ReadCount("block", parsed.block);
  parts.ReadCount("byte", parsed.byte);
  parts.ReadCount("lost_tokens", parsed.lost_tokens);
  WEIR_TRY(parts.Done());
  return system;
}

}  // namespace

Result<Registered> ParseRegistered(const Json& json) {
  Registered registered;
  Members members(json);
  members.Read("agent", registered.agent);
  members.ReadCount("revision", registered.revision);
  members.ReadCount("tokens", registered.tokens);
  members.ReadCount("blocks", registered.blocks);
  members.ReadCount("tokens_encoded", registered.tokens_encoded);
  members.ReadCount("shared_blocks", registered.shared_blocks);
  members.ReadMaybe("shared_with", registered.shared_with);
  members.Read("has_vector", registered.has_vector);
  std::optional<std::string> note;
  members.ReadMaybe("vector_note", note);
  registered.vector_note = note.value_or("");
  const Json* const system = members.At("system");
  WEIR_TRY(members.Done());
  WEIR_ASSIGN(registered.system, ParseSystem(*system));
  return registered;
}

}  // namespace weir
