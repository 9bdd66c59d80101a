#pragma once
// Decision: what one line of the ledger says: who decided what, why (a fixed code), with which numbers.
//
// Made so that prompt text and token ids do not fit in: kinds are an enum, reasons and field names are constants of the
// program (a LedgerCode cannot be made at run time), fields are single numbers, and the only free text is the agents' names,
// short and bounded. Plain values; one thread at a time.

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace weir {

inline constexpr size_t kLedgerCodeBytesMax = 32;
inline constexpr size_t kLedgerAgentBytesMax = 256;
inline constexpr size_t kLedgerFieldsMax = 16;

// A short name out of the program's own text: 1 to 32 of a-z, 0-9 and '_', a letter first. Made from a string literal at
// compile time, so that nothing read at run time becomes one: LedgerCode reason = "exact_prefix";
class LedgerCode {
 public:
  consteval LedgerCode(const char* text) : text_(text) {
    if (!IsWellFormed(text_)) throw "a ledger code is 1 to 32 of a-z, 0-9 and '_', a letter first";
  }
  constexpr std::string_view text() const { return text_; }

  static constexpr bool IsWellFormed(std::string_view text) {
    if (text.empty() || text.size() > kLedgerCodeBytesMax || text[0] < 'a' || text[0] > 'z') return false;
    for (const char c : text) {
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
    }
    return true;
  }

 private:
  std::string_view text_;
};

enum class DecisionKind : uint8_t {
  kReuse,         // cached state was, or was not, used for a prompt
  kRefusal,       // a request was turned down
  kEviction,      // something left memory under pressure
  kModeChange,    // a device entered another mode
  kRegistration,  // a context came or was replaced
  kRemoval,       // a context left at somebody's wish, or by age
  kRestore,       // a cold context came back into memory
  kSetAside,      // a stored record was bad and is not used
  // Written by the ledger itself:
  kRepair,  // a torn last line was cut off when the file was opened
  kGap,     // decisions that were refused (full disk, full buffer) are missing before this line
};

// Lower-case, stable: "reuse", "mode_change", ...
std::string_view DecisionKindName(DecisionKind kind);
std::optional<DecisionKind> ParseDecisionKind(std::string_view name);

// One number, or unknown (null). A NaN or an infinity is unknown.
class LedgerNumber {
 public:
  LedgerNumber(std::nullopt_t) {}
  template <std::signed_integral T>
  LedgerNumber(T value) : value_(static_cast<int64_t>(value)) {}
  template <std::unsigned_integral T>
  LedgerNumber(T value) : value_(static_cast<uint64_t>(value)) {}
  template <std::floating_point T>
  LedgerNumber(T value) {
    if (std::isfinite(value)) value_ = static_cast<double>(value);
  }
  template <typename T>
  LedgerNumber(const std::optional<T>& value) : LedgerNumber(value ? LedgerNumber(*value) : LedgerNumber(std::nullopt)) {}

  using Value = std::variant<std::nullptr_t, int64_t, uint64_t, double>;
  const Value& value() const { return value_; }

 private:
  Value value_ = nullptr;
};

struct DecisionField {
  LedgerCode name;
  LedgerNumber number;
};

// REQUIRES: at most kLedgerFieldsMax fields, no name twice. The agents' names are borrowed for the call that takes it.
struct Decision {
  DecisionKind kind;
  LedgerCode reason;
  std::string_view agent{};  // whom it is about; empty: the whole process. UTF-8, at most kLedgerAgentBytesMax bytes
  std::string_view owner{};  // whose blocks it is about, where that is another agent; empty: none. As agent
  std::vector<DecisionField> fields{};
};

}  // namespace weir
