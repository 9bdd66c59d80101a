#pragma once
// VerifyLedger: reads a ledger from its oldest file to its newest and finds the first line that is not as it was written.
//
// What a chain of hashes shows: any byte changed, a line lost, doubled or moved, a file lost between others. What it cannot
// show from the files alone: lines cut off cleanly at the end, files dropped at the beginning (rotation does just that), and
// a chain that somebody computed anew from some line on. Against these, note the last number and hash somewhere else and
// hand them in as LedgerNote later: the noted line must still be there.
//
// Pure reading, no lock; memory bounded by one line. Meant for a ledger at rest: one that is written or rotated meanwhile
// may show a torn last line or a missing file. Safe from all threads.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/sha256.h"

namespace weir {

enum class LedgerFaultKind : uint8_t {
  kBrokenJson,    // no JSON object, or not in the one spelling the ledger writes
  kMissingField,  // a field is absent or of the wrong form
  kVersion,       // a format that this build does not know
  kWrongPrev,     // does not bear the hash of the line before it
  kSequenceGap,   // its number does not follow that of the line before it
  kWrongHash,     // its own hash does not fit its content
  kTruncated,     // the file ends within the line
};
// Lower-case, stable: "broken_json", ...
std::string_view LedgerFaultKindName(LedgerFaultKind kind);

struct LedgerFault {
  LedgerFaultKind kind = LedgerFaultKind::kBrokenJson;
  std::filesystem::path file;
  uint64_t line = 0;  // in that file, from 1
  uint64_t byte = 0;  // where the line begins in that file
  std::string what;   // a sentence; nothing of the line's content but numbers and hashes
};

enum class LedgerStart : uint8_t {
  kEmpty,      // no line at all
  kGenesis,    // the first line is number 1
  kContinues,  // the first line continues an earlier file that is not here: dropped by rotation, or removed
};
std::string_view LedgerStartName(LedgerStart start);  // "empty", "genesis", "continues"

// A line that was noted earlier. Either part may be left out.
struct LedgerNote {
  std::optional<uint64_t> number;
  std::optional<Sha256Digest> hash;
};
enum class LedgerNoteCheck : uint8_t {
  kNotAsked,
  kKept,         // the noted line is there (or it is the one right before the first: its hash is in that line)
  kMissing,      // the ledger ends before it, or no line has that hash
  kOther,        // the line of that number has another hash
  kRotatedAway,  // the ledger begins behind it
};
std::string_view LedgerNoteCheckName(LedgerNoteCheck check);  // "not_asked", "kept", ...

struct LedgerVerdict {
  std::vector<std::filesystem::path> files;  // read, oldest first
  uint64_t lines = 0;                        // good ones, up to the first fault
  uint64_t repairs = 0;                      // lines of kind "repair" among them
  uint64_t gaps = 0;                         // lines of kind "gap" among them
  LedgerStart start = LedgerStart::kEmpty;
  uint64_t first_number = 0;
  uint64_t last_number = 0;  // of the last good line
  Sha256Digest last_hash{};  // of it
  std::optional<LedgerFault> fault;
  LedgerNoteCheck note = LedgerNoteCheck::kNotAsked;  // meaningful when there is no fault

  bool clean() const { return !fault && (note == LedgerNoteCheck::kNotAsked || note == LedgerNoteCheck::kKept); }
};

// `path` is the live file, FILE; FILE.1, FILE.2, ... beside it are read first, highest number first. not_found: none of
// them exists; unavailable: one cannot be read.
Result<LedgerVerdict> VerifyLedger(const std::filesystem::path& path, const LedgerNote& note = {});

// The last `lines_max` lines across the files, oldest first, as they stand and unchecked, without line ends. A line longer
// than any the ledger writes is cut. Errors as VerifyLedger.
Result<std::vector<std::string>> ReadLedgerTail(const std::filesystem::path& path, size_t lines_max);

}  // namespace weir
