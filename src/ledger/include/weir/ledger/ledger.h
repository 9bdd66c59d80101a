#pragma once
// Ledger: an append-only, hash-chained log of decisions (docs/ledger-format.md), one JSON line each.
//
// Each line carries a sequence number, the hash of the line before it and its own, so that a change anywhere shows
// (verify.h). When a file has grown to file_bytes_max, FILE becomes FILE.1, FILE.1 becomes FILE.2 and so on, and the oldest
// beyond files_max are dropped; the chain goes on across files.
//
// Append() puts the line into a buffer of bounded size and never waits for the disk. A thread of the ledger writes the
// buffer out every flush_interval_ms, or when it is half full. What a crash may lose:
//  - the process is killed: what was appended since the last write-out, at most two buffers; never what came before a
//    Flush() that returned success.
//  - the power fails: the same with LedgerSync::kWrites; with kNone also what the system had not written yet.
// A crash in the middle of a write leaves a torn last line; the next Open() cuts it off, counts it and writes a line of kind
// "repair".
//
// A disk that refuses (full, gone): the line that was half written is cut off again, what was accepted stays in the buffer
// and is tried again at each interval and at each Flush(). Until that succeeds Append() refuses, and the first line
// afterwards is of kind "gap" and says how many decisions are missing. The first Append() after the disk filled up may
// still be accepted: it is the write-out that finds out.
// A live file that others remove or move away is begun anew at the next write-out; the chain goes on, and verification
// tells that what came before is not there. One that others replaced is not written to.
//
// Thread-safe, but for Open and the destructor. The destructor writes out what is buffered; call Flush() before it to learn
// whether that worked. Only one process (and one object) has a ledger open at a time: a lock on FILE.lock, which stays.
// FILE.1 to FILE.999 belong to the ledger.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "weir/base/result.h"
#include "weir/codec/sha256.h"
#include "weir/ledger/decision.h"

namespace weir {

enum class LedgerSync : uint8_t {
  kNone,    // the system writes when it likes; only at rotation is a file synced
  kWrites,  // every write-out and Flush() ends with a sync of the file
};

struct LedgerOptions {
  std::filesystem::path path;           // its folder must exist
  uint64_t file_bytes_max = 1 << 24;    // at least kLedgerFileBytesMin
  uint32_t files_max = 8;               // the live one included; 2 to 1000
  uint64_t buffer_bytes_max = 1 << 20;  // of each of two buffers; kLedgerBufferBytesMin to 1 GiB
  uint32_t flush_interval_ms = 200;     // 0: no thread; Flush() alone writes
  LedgerSync sync = LedgerSync::kWrites;
  std::function<int64_t()> unix_ms{};  // wall time, milliseconds since 1970; the system's when empty. Thread-safe

  // invalid_argument names the field.
  Status Validate() const;
};
inline constexpr uint64_t kLedgerFileBytesMin = 1 << 13;
inline constexpr uint64_t kLedgerBufferBytesMin = 1 << 14;

struct LedgerStats {
  uint64_t appended = 0;        // lines accepted by this object, its own included
  uint64_t refused = 0;         // decisions that Append() turned down for want of room or a failing disk
  uint64_t gaps = 0;            // lines of kind "gap"
  uint64_t repaired_bytes = 0;  // cut off by Open()
  uint64_t rotations = 0;       // files that were full and became FILE.1
  uint64_t files_dropped = 0;   // oldest files that rotation removed
  uint64_t write_failures = 0;  // write-outs that failed
  uint64_t buffered_bytes = 0;  // accepted, not yet in the file
  uint64_t file_bytes = 0;      // of the live file
  uint64_t last_number = 0;     // of the newest line accepted; 0: none ever
  Sha256Digest last_hash{};     // of that line; zeros: none
};

class Ledger {
 public:
  // Goes on behind the last line of an existing ledger, whose own hash is checked (the whole chain only by VerifyLedger).
  // Errors: invalid_argument (options, not a regular file), not_found (no such folder), unavailable (in use by another
  // process, permission, disk), corrupt (the last whole line is broken: nothing is changed), unsupported (a newer format).
  static Result<std::unique_ptr<Ledger>> Open(LedgerOptions options);

  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  ~Ledger();

  // Errors, with nothing appended: invalid_argument (a name that is too long or not UTF-8), exhausted (the buffer is full),
  // unavailable (the last write-out failed; its message).
  Status Append(const Decision& decision);

  // Waits until everything appended before the call is in the file, and synced under LedgerSync::kWrites.
  // unavailable: the disk refuses.
  Status Flush();

  LedgerStats stats() const;

 private:
  class Core;
  explicit Ledger(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace weir
