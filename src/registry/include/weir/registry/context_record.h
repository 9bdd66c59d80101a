#pragma once
// ContextRecord: a registered context as one run of bytes, the same on disk and in memory.
//
// Layout (little-endian, no pointers): a header of fixed size, the token ids, the vectors, the table of segments, the names,
// the length of each token in bytes as variable-length numbers, the text. docs/context-record.md has every field. Whoever
// reads bytes of a file asks ContextView::Check first; after that every accessor is a look at the bytes. Immutable; any
// thread.
//
// A record without vectors of a model is written as version 1, which earlier releases read as well.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/context.h"

namespace weir {

inline constexpr uint32_t kContextRecordVersion = 2;

// What belongs to a context beside its text and tokens.
struct ContextTerms {
  std::string agent;
  std::string group;
  std::string role;
  Space space;
  uint32_t block_size = kDefaultBlockSize;  // tokens
  uint64_t revision = 1;                    // counts registrations, replacements and appends of this agent
  int64_t created_ms = 0;                   // since 1970-01-01 UTC
  int64_t updated_ms = 0;
  int64_t expires_ms = 0;           // 0: never
  bool pinned = false;              // not evicted and not expired
  bool dense = false;               // no approximate reuse for it
  bool add_special_tokens = false;  // how its text was tokenized
};

struct ContextParts {
  const ContextTerms& terms;
  std::string_view text;
  std::span<const TokenId> tokens;
  std::span<const uint32_t> begins;  // of each token in the text, as Encoding has them
  std::span<const Segment> segments;
  std::span<const float> vector;  // may be empty
  // One row of vector.size() for each segment, all 0 where a segment has none; may be empty. Finite.
  std::span<const float> segment_vectors{};
  std::string_view vector_fingerprint{};  // of what made the vectors; empty: a caller. Not without a vector
};

// REQUIRES of both: at most 2^32 - 1 bytes of text, segments that CheckSegments() and PlaceSegments() have seen.
size_t ContextRecordBytes(const ContextParts& parts);
// Writes exactly ContextRecordBytes(parts) bytes. REQUIRES: `out` has that size and is aligned to 8.
void WriteContextRecord(const ContextParts& parts, std::span<std::byte> out);

// REQUIRES: a record that ContextView::Check accepts; alignment does not matter.
void SetPinnedFlag(std::span<std::byte> record, bool pinned);

// Borrows the bytes.
class ContextView {
 public:
  // Bytes that WriteContextRecord made and nobody changed; aligned to 8.
  explicit ContextView(std::span<const std::byte> bytes) : bytes_(bytes) {}
  // corrupt: anything that WriteContextRecord would not have written; unsupported: a newer version. Any alignment.
  static Status Check(std::span<const std::byte> bytes);

  std::string_view agent() const;
  std::string_view text() const;
  std::span<const TokenId> tokens() const;
  std::span<const float> vector() const;
  std::span<const float> segment_vectors() const;  // empty, or a row for each segment
  // Empty: it has none.
  std::span<const float> SegmentVector(size_t segment) const;
  std::string_view vector_fingerprint() const;
  uint32_t block_size() const;
  uint64_t revision() const;
  bool pinned() const;

  // Copies.
  ContextTerms Terms() const;
  std::vector<Segment> Segments() const;
  std::vector<uint32_t> Begins() const;
  // What the tokens [range) cover. Linear in range.end.
  Range BytesOf(Range tokens) const;
  // A context of its own, for advice and reports.
  Result<Context> ToContext() const;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace weir
