// Over 400 lines because the format is written, checked and read in one place.

#include "weir/registry/context_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "weir/base/clock.h"

namespace weir {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian and read in place");

enum Flag : uint32_t { kPinned = 1, kDense = 2, kAddSpecialTokens = 4, kAllFlags = 7 };

// Strings, in the order they are written; version 1 has no kVectorFingerprint.
enum Name { kAgent, kGroup, kRole, kFingerprint, kModel, kLora, kSalt, kVectorFingerprint, kNameCount };

struct Header {
  uint32_t version;
  uint32_t flags;
  uint64_t record_bytes;
  uint64_t revision;
  int64_t created_ms;
  int64_t updated_ms;
  int64_t expires_ms;
  uint32_t block_size;
  uint32_t token_count;
  uint32_t vector_size;  // floats
  uint32_t segment_count;
  uint32_t segment_names_bytes;
  uint32_t lengths_bytes;
  uint32_t text_bytes;
  uint32_t name_bytes[kNameCount];
  uint32_t segment_vector_count;  // 0 or segment_count
};
static_assert(sizeof(Header) == 112);
// Version 1 ends here; what follows is 0 then.
constexpr size_t kFirstHeaderBytes = 104;
static_assert(offsetof(Header, name_bytes) + kVectorFingerprint * sizeof(uint32_t) == kFirstHeaderBytes);

size_t HeaderBytes(uint32_t version) { return version == 1 ? kFirstHeaderBytes : sizeof(Header); }

struct SegmentRow {
  uint32_t name_bytes;
  uint32_t kind;  // SegmentKind; bit 8: fixed
  uint32_t bytes_end;
  uint32_t tokens_end;
};
static_assert(sizeof(SegmentRow) == 16);
constexpr uint32_t kFixed = 1u << 8;
constexpr uint32_t kVersionsMax = 0xffff;

constexpr uint64_t kTtlMsMax = std::chrono::duration_cast<std::chrono::milliseconds>(Duration::max()).count();

std::array<std::string_view, kNameCount> NamesOf(const ContextParts& parts) {
  const ContextTerms& terms = parts.terms;
  return {terms.agent,       terms.group,      terms.role,       terms.space.tokenizer_fingerprint,
          terms.space.model, terms.space.lora, terms.space.salt, parts.vector_fingerprint};
}

uint32_t VersionOf(const ContextParts& parts) {
  return parts.vector_fingerprint.empty() && parts.segment_vectors.empty() ? 1 : kContextRecordVersion;
}

size_t VarintBytes(uint32_t value) { return value < 0x80 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7; }

size_t LengthsBytes(std::span<const uint32_t> begins) {
  size_t bytes = 0;
  uint32_t before = 0;
  for (const uint32_t begin : begins) {
    bytes += VarintBytes(begin - before);
    before = begin;
  }
  return bytes;
}

// Where each part lies. REQUIRES: vector_size * segment_vector_count < 2^60; 64-bit sums of 32-bit counts cannot overflow.
struct Places {
  explicit Places(const Header& header)
      : vector(HeaderBytes(header.version) + size_t{header.token_count} * sizeof(TokenId)),
        segment_vectors(vector + size_t{header.vector_size} * sizeof(float)) {
    segments = segment_vectors + size_t{header.vector_size} * header.segment_vector_count * sizeof(float);
    names = segments + size_t{header.segment_count} * sizeof(SegmentRow);
    lengths = names + header.segment_names_bytes;
    for (const uint32_t bytes : header.name_bytes) lengths += bytes;
    text = lengths + header.lengths_bytes;
    end = text + header.text_bytes;
  }
  size_t vector, segment_vectors;
  size_t segments = 0, names = 0;
  size_t lengths = 0, text = 0, end = 0;
};  // namespace

Header HeaderOf(std::span<const std::byte> bytes) {
  Header header{};
  std::memcpy(&header, bytes.data(), kFirstHeaderBytes);
  if (header.version != 1) std::memcpy(&header, bytes.data(), sizeof(header));
  return header;
}

SegmentRow RowOf(std::span<const std::byte> bytes, const Places& places, uint32_t segment) {
  SegmentRow row;
  std::memcpy(&row, bytes.data() + places.segments + size_t{segment} * sizeof(row), sizeof(row));
  return row;
}

std::string_view TextAt(std::span<const std::byte> bytes, size_t at, size_t size) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, size};
}

std::string_view NameOf(std::span<const std::byte> bytes, Name name) {
  const Header header = HeaderOf(bytes);
  size_t at = Places(header).names;
  for (int before = 0; before < name; ++before) at += header.name_bytes[before];
  return TextAt(bytes, at, header.name_bytes[name]);
}

// Reads one number of the lengths; false when the bytes end, or it is longer than it need be or than 32 bits.
bool ReadVarint(const std::byte*& at, const std::byte* end, uint32_t& value) {
  uint64_t read = 0;
  for (int shift = 0; shift < 35 && at < end; shift += 7) {
    const auto byte = static_cast<uint64_t>(*at++);
    read |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = static_cast<uint32_t>(read);
      return read <= UINT32_MAX && (byte != 0 || shift == 0);
    }
  }
  return false;
}

// Calls visit(begin) for each token until it returns false. REQUIRES: checked bytes.
template <typename Visit>
void VisitBegins(std::span<const std::byte> bytes, Visit&& visit) {
  const Header header = HeaderOf(bytes);
  const Places places(header);
  const std::byte* at = bytes.data() + places.lengths;
  const std::byte* end = bytes.data() + places.text;
  uint32_t begin = 0;
  for (uint32_t token = 0; token < header.token_count; ++token) {
    uint32_t step = 0;
    ReadVarint(at, end, step);
    begin += step;
    if (!visit(begin)) return;
  }
}

Error Broken(std::string_view what) {
  return Corrupt(fmt::format("not a context record: {}", what), "the bytes were changed, or are something else");
}

// Of the header alone: what the places of all parts rest on.
Status CheckVectors(const Header& header) {
  constexpr uint64_t kNumbersMax = UINT32_MAX;
  if (header.version == 1) return {};
  const bool has_segments = header.segment_vector_count != 0;
  if (!has_segments && header.name_bytes[kVectorFingerprint] == 0) return Broken("version 2 without what it is for");
  if (header.vector_size == 0) return Broken("vectors of nothing");
  if (has_segments && header.segment_vector_count != header.segment_count) return Broken("vectors of other segments");
  if (uint64_t{header.vector_size} * header.segment_vector_count > kNumbersMax) return Broken("too many vectors");
  return {};
}

Status CheckSegmentRows(std::span<const std::byte> bytes, const Header& header, const Places& places,
                        std::span<const uint32_t> begins) {
  uint64_t names = 0;
  uint32_t bytes_before = 0;
  uint32_t tokens_before = 0;
  for (uint32_t segment = 0; segment < header.segment_count; ++segment) {
    const SegmentRow row = RowOf(bytes, places, segment);
    names += row.name_bytes;
    const uint32_t kind = row.kind & ~kFixed;
    if (kind > static_cast<uint32_t>(SegmentKind::kToolResult)) return Broken("an unknown kind of segment");
    if (row.bytes_end < bytes_before || row.bytes_end > header.text_bytes) return Broken("segments out of order");
    const bool last = segment + 1 == header.segment_count;
    const auto tokens_end =
        last ? header.token_count
             : static_cast<uint32_t>(std::lower_bound(begins.begin() + tokens_before, begins.end(), row.bytes_end) -
                                     begins.begin());
    if (row.tokens_end != tokens_end) return Broken("a segment with other tokens than its bytes");
    bytes_before = row.bytes_end;
    tokens_before = tokens_end;
  }
  if (names != header.segment_names_bytes) return Broken("names of segments of another size");
  if (bytes_before != header.text_bytes) return Broken("segments that do not cover the text");
  return {};
}

}  // namespace

size_t ContextRecordBytes(const ContextParts& parts) {
  size_t bytes = HeaderBytes(VersionOf(parts)) + parts.tokens.size_bytes() + parts.vector.size_bytes() +
                 parts.segment_vectors.size_bytes() + parts.segments.size() * sizeof(SegmentRow) +
                 LengthsBytes(parts.begins) + parts.text.size();
  for (const Segment& segment : parts.segments) bytes += segment.name.size();
  for (const std::string_view name : NamesOf(parts)) bytes += name.size();
  return bytes;
}

void WriteContextRecord(const ContextParts& parts, std::span<std::byte> out) {
  const ContextTerms& terms = parts.terms;
  Header header{};
  header.version = VersionOf(parts);
  header.flags =
      (terms.pinned ? kPinned : 0u) | (terms.dense ? kDense : 0u) | (terms.add_special_tokens ? kAddSpecialTokens : 0u);
  header.record_bytes = out.size();
  header.revision = terms.revision;
  header.created_ms = terms.created_ms;
  header.updated_ms = terms.updated_ms;
  header.expires_ms = terms.expires_ms;
  header.block_size = terms.block_size;
  header.token_count = static_cast<uint32_t>(parts.tokens.size());
  header.vector_size = static_cast<uint32_t>(parts.vector.size());
  header.segment_count = static_cast<uint32_t>(parts.segments.size());
  header.segment_vector_count = parts.segment_vectors.empty() ? 0 : header.segment_count;
  for (const Segment& segment : parts.segments) header.segment_names_bytes += static_cast<uint32_t>(segment.name.size());
  header.lengths_bytes = static_cast<uint32_t>(LengthsBytes(parts.begins));
  header.text_bytes = static_cast<uint32_t>(parts.text.size());
  const auto names = NamesOf(parts);
  for (int name = 0; name < kNameCount; ++name) header.name_bytes[name] = static_cast<uint32_t>(names[name].size());

  std::byte* at = out.data();
  const auto put = [&at](const void* from, size_t size) {
    if (size > 0) std::memcpy(at, from, size);
    at += size;
  };
  put(&header, HeaderBytes(header.version));
  put(parts.tokens.data(), parts.tokens.size_bytes());
  put(parts.vector.data(), parts.vector.size_bytes());
  put(parts.segment_vectors.data(), parts.segment_vectors.size_bytes());
  for (const Segment& segment : parts.segments) {
    const SegmentRow row{static_cast<uint32_t>(segment.name.size()),
                         static_cast<uint32_t>(segment.kind) | (segment.fixed ? kFixed : 0u), segment.bytes.end,
                         segment.tokens.end};
    put(&row, sizeof(row));
  }
  for (const std::string_view name : names) put(name.data(), name.size());
  for (const Segment& segment : parts.segments) put(segment.name.data(), segment.name.size());
  uint32_t before = 0;
  for (const uint32_t begin : parts.begins) {
    uint32_t step = begin - before;
    before = begin;
    for (; step >= 0x80; step >>= 7) *at++ = static_cast<std::byte>(step | 0x80);
    *at++ = static_cast<std::byte>(step);
  }
  put(parts.text.data(), parts.text.size());
  WEIR_CHECK(at == out.data() + out.size(), "a record of {} bytes in {}", at - out.data(), out.size());
}

void SetPinnedFlag(std::span<std::byte> record, bool pinned) {
  Header header = HeaderOf(record);
  header.flags = pinned ? header.flags | kPinned : header.flags & ~uint32_t{kPinned};
  std::memcpy(record.data(), &header, HeaderBytes(header.version));
}

Status ContextView::Check(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Header::version)) return Broken("too short");
  uint32_t version = 0;
  std::memcpy(&version, bytes.data(), sizeof(version));
  // Larger numbers are no version but something else.
  if (version > kContextRecordVersion && version <= kVersionsMax) {
    return Unsupported(fmt::format("a context record of version {}, newer than {}", version, kContextRecordVersion),
                       "use the release that wrote it, or a later one");
  }
  if (version == 0 || version > kContextRecordVersion) return Broken("an unknown version");
  if (bytes.size() < HeaderBytes(version)) return Broken("too short");
  const Header header = HeaderOf(bytes);
  WEIR_TRY(CheckVectors(header));
  if (header.record_bytes != bytes.size() || Places(header).end != bytes.size()) return Broken("parts of another size");
  if ((header.flags & ~uint32_t{kAllFlags}) != 0) return Broken("unknown flags");
  // What lies between the two is a Duration. Unsigned, since any two may come.
  const uint64_t ttl_ms = static_cast<uint64_t>(header.expires_ms) - static_cast<uint64_t>(header.updated_ms);
  if (header.expires_ms != 0 && (header.expires_ms < header.updated_ms || ttl_ms > kTtlMsMax))
    return Broken("an odd expiry");
  if (header.block_size == 0 || header.segment_count == 0 || header.name_bytes[kAgent] == 0) return Broken("an empty field");
  const Places places(header);
  for (size_t at = places.segment_vectors; at < places.segments; at += sizeof(float)) {
    float number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof(number));
    if (!std::isfinite(number)) return Broken("a segment's vector that is none");
  }
  std::vector<uint32_t> begins;
  begins.reserve(header.token_count);
  const std::byte* at = bytes.data() + places.lengths;
  const std::byte* end = bytes.data() + places.text;
  uint64_t begin = 0;
  for (uint32_t token = 0; token < header.token_count; ++token) {
    uint32_t step = 0;
    if (!ReadVarint(at, end, step)) return Broken("a token without a length");
    begin += step;
    if (begin > header.text_bytes) return Broken("a token behind the text");
    begins.push_back(static_cast<uint32_t>(begin));
  }
  if (at != end) return Broken("lengths of more tokens than there are");
  return CheckSegmentRows(bytes, header, places, begins);
}

std::string_view ContextView::agent() const { return NameOf(bytes_, kAgent); }

std::string_view ContextView::text() const {
  const Header header = HeaderOf(bytes_);
  return TextAt(bytes_, Places(header).text, header.text_bytes);
}

std::span<const TokenId> ContextView::tokens() const {
  const Header header = HeaderOf(bytes_);
  return {reinterpret_cast<const TokenId*>(bytes_.data() + HeaderBytes(header.version)), header.token_count};
}

std::span<const float> ContextView::vector() const {
  const Header header = HeaderOf(bytes_);
  return {reinterpret_cast<const float*>(bytes_.data() + Places(header).vector), header.vector_size};
}

std::span<const float> ContextView::segment_vectors() const {
  const Header header = HeaderOf(bytes_);
  return {reinterpret_cast<const float*>(bytes_.data() + Places(header).segment_vectors),
          size_t{header.vector_size} * header.segment_vector_count};
}

std::span<const float> ContextView::SegmentVector(size_t segment) const {
  const Header header = HeaderOf(bytes_);
  if (segment >= header.segment_vector_count) return {};
  const std::span<const float> row = segment_vectors().subspan(segment * header.vector_size, header.vector_size);
  return std::ranges::all_of(row, [](float value) { return value == 0; }) ? std::span<const float>() : row;
}

std::string_view ContextView::vector_fingerprint() const { return NameOf(bytes_, kVectorFingerprint); }

uint32_t ContextView::block_size() const { return HeaderOf(bytes_).block_size; }
uint64_t ContextView::revision() const { return HeaderOf(bytes_).revision; }
bool ContextView::pinned() const { return (HeaderOf(bytes_).flags & kPinned) != 0; }

ContextTerms ContextView::Terms() const {
  const Header header = HeaderOf(bytes_);
  ContextTerms terms;
  terms.agent = agent();
  terms.group = NameOf(bytes_, kGroup);
  terms.role = NameOf(bytes_, kRole);
  terms.space = {std::string(NameOf(bytes_, kFingerprint)), std::string(NameOf(bytes_, kModel)),
                 std::string(NameOf(bytes_, kLora)), std::string(NameOf(bytes_, kSalt))};
  terms.block_size = header.block_size;
  terms.revision = header.revision;
  terms.created_ms = header.created_ms;
  terms.updated_ms = header.updated_ms;
  terms.expires_ms = header.expires_ms;
  terms.pinned = (header.flags & kPinned) != 0;
  terms.dense = (header.flags & kDense) != 0;
  terms.add_special_tokens = (header.flags & kAddSpecialTokens) != 0;
  return terms;
}

std::vector<Segment> ContextView::Segments() const {
  const Header header = HeaderOf(bytes_);
  const Places places(header);
  size_t name_at = places.names;
  for (const uint32_t bytes : header.name_bytes) name_at += bytes;
  std::vector<Segment> segments(header.segment_count);
  uint32_t bytes_before = 0;
  uint32_t tokens_before = 0;
  for (uint32_t index = 0; index < header.segment_count; ++index) {
    const SegmentRow row = RowOf(bytes_, places, index);
    Segment& segment = segments[index];
    segment.name = TextAt(bytes_, name_at, row.name_bytes);
    segment.kind = static_cast<SegmentKind>(row.kind & ~kFixed);
    segment.fixed = (row.kind & kFixed) != 0;
    segment.bytes = {bytes_before, row.bytes_end};
    segment.tokens = {tokens_before, row.tokens_end};
    name_at += row.name_bytes;
    bytes_before = row.bytes_end;
    tokens_before = row.tokens_end;
  }
  return segments;
}

std::vector<uint32_t> ContextView::Begins() const {
  std::vector<uint32_t> begins;
  begins.reserve(tokens().size());
  VisitBegins(bytes_, [&](uint32_t begin) {
    begins.push_back(begin);
    return true;
  });
  return begins;
}

Range ContextView::BytesOf(Range tokens) const {
  const auto text_bytes = static_cast<uint32_t>(text().size());
  Range bytes{text_bytes, text_bytes};
  uint32_t token = 0;
  VisitBegins(bytes_, [&](uint32_t begin) {
    if (token == tokens.begin) bytes.begin = begin;
    if (token == tokens.end) bytes.end = begin;
    return token++ < tokens.end;
  });
  return bytes;
}

Result<Context> ContextView::ToContext() const {
  ContextTerms terms = Terms();
  ContextSource source;
  source.agent = std::move(terms.agent);
  source.text = text();
  source.segments = Segments();
  source.add_special_tokens = terms.add_special_tokens;
  Encoding encoding;
  encoding.ids.assign(tokens().begin(), tokens().end());
  encoding.begins = Begins();
  return Context::Restore(std::move(source), std::move(encoding), terms.space, terms.block_size);
}

}  // namespace weir
