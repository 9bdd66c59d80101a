#pragma once
// One line of the ledger: writing it, and reading it back strictly. docs/ledger-format.md describes the bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/codec/sha256.h"
#include "weir/ledger/decision.h"
#include "weir/ledger/verify.h"

namespace weir::ledger {

inline constexpr int64_t kFormatVersion = 1;

// Upper bound of a line with its end. Two names whose every byte is escaped (6 each), fields of a name, a number and four
// marks, two hashes, and the fixed rest.
inline constexpr size_t kLineBytesMax =
    2 * 6 * kLedgerAgentBytesMax + kLedgerFieldsMax * (kLedgerCodeBytesMax + 28) + 2 * 64 + 256;

// What stands between the clock and the previous hash: `"kind":...,"fields":{...}`. invalid_argument: a name.
Result<std::string> WriteContent(const Decision& decision);

// Appends the line with its end to `out` and returns its hash. Allocates nothing where out's capacity suffices.
Sha256Digest AppendLine(uint64_t number, int64_t unix_ms, std::string_view content, const Sha256Digest& prev,
                        std::string& out);

struct Line {
  uint64_t number = 0;
  int64_t unix_ms = 0;
  DecisionKind kind = DecisionKind::kReuse;
  std::string agent;
  std::string owner;
  std::string reason;
  std::vector<std::pair<std::string, Json>> fields;
  Sha256Digest prev{};
  Sha256Digest hash{};
};

struct LineFault {
  LedgerFaultKind kind;
  std::string what;
};

// Reads `text` (without its end) and checks everything that it shows alone, its own hash included. On a fault as much of
// `line` is filled as was read.
std::optional<LineFault> ParseLine(std::string_view text, Line& line);

}  // namespace weir::ledger
