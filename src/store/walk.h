#pragma once
// One pass over a table: the directory and the records side by side.

#include <cstdint>
#include <functional>
#include <string_view>

#include "database.h"
#include "envelope.h"
#include "totals.h"

namespace weir::store {

enum class Finding : uint8_t {
  kIntact,      // checksum right, and the one that the directory holds (or the directory cannot be read there)
  kFailed,      // it is there and fails its check, or is no record of ours
  kStray,       // intact, but not what was acknowledged last: older, or erased
  kUnreadable,  // the directory has it; the database cannot read it
  kAbsent,      // the directory has it; the database does not
};

// One record, or what is left of it. The bytes live during the call.
struct WalkStep {
  Finding finding = Finding::kIntact;
  std::string_view raw_key{};  // as in the database
  EncodedKey key{};            // kIntact, kUnreadable, kAbsent
  StoreKey store_key{};        // likewise
  DirectoryEntry entry{};      // of the record that is there (kIntact), or of what should be (kUnreadable, kAbsent)
  bool listed = false;         // the directory holds an entry for raw_key
  std::string_view record{};   // kIntact, kFailed, kStray: envelope and bytes
  std::string_view bytes{};    // kIntact: without the envelope
};

struct WalkOutcome {
  bool directory_damaged = false;
  bool records_damaged = false;
  Totals directory{};  // of all entries that could be read
};

// Keys ascending. An error of the visitor ends the walk; so does a disk that does not answer.
Result<WalkOutcome> Walk(const Database& database, const Database::Snapshot* snapshot, StoreTable table,
                         const std::function<Status(const WalkStep& step)>& visit);

}  // namespace weir::store
