#include "weir/codec/cbor.h"

#include <fmt/format.h>

#include "weir/codec/utf8.h"

namespace weir {
namespace {

Error Fault(size_t at, std::string_view reason) {
  return Corrupt(fmt::format("not canonical CBOR at byte {}: {}", at, reason));
}

std::string_view NameOf(CborKind kind) {
  switch (kind) {
    case CborKind::kUnsigned: return "an unsigned integer";
    case CborKind::kNegative: return "a negative integer";
    case CborKind::kBytes: return "a byte string";
    case CborKind::kText: return "text";
    case CborKind::kArray: return "an array";
    case CborKind::kMap: return "a map";
    case CborKind::kFalse:
    case CborKind::kTrue: return "a boolean";
    case CborKind::kNull: return "null";
  }
  return "an item";
}

Error Expected(size_t at, CborKind kind) { return Fault(at, fmt::format("{} is due", NameOf(kind))); }

}  // namespace

void CborWriter::Head(CborKind kind, uint64_t value) {
  const unsigned major = static_cast<unsigned>(kind) << 5;
  unsigned size = 0;  // bytes after the first
  unsigned low = static_cast<unsigned>(value);
  if (value >= 24) {
    const unsigned exponent = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    size = 1u << exponent;
    low = 24 + exponent;
  }
  out_.push_back(static_cast<char>(major | low));
  while (size > 0) out_.push_back(static_cast<char>(value >> (8 * --size)));
}

void CborWriter::Integer(int64_t value) {
  if (value >= 0) {
    Head(CborKind::kUnsigned, static_cast<uint64_t>(value));
  } else {
    Head(CborKind::kNegative, ~static_cast<uint64_t>(value));
  }
}

void CborWriter::Bytes(std::string_view bytes) {
  Head(CborKind::kBytes, bytes.size());
  out_ += bytes;
}

void CborWriter::Text(std::string_view text) {
  Head(CborKind::kText, text.size());
  out_ += text;
}

Result<CborReader::Head> CborReader::ReadHead() const {
  if (ended()) return Fault(at_, "the bytes end where an item is due");
  const auto first = static_cast<unsigned char>(bytes_[at_]);
  const unsigned low = first & 31;
  if (first >> 5 == 7) {
    if (low < 20 || low > 22) return Fault(at_, "only false, true and null of the simple values are read");
    return Head{static_cast<CborKind>(low), 0, 1};
  }
  if (first >> 5 == 6) return Fault(at_, "tags are not read");
  const auto kind = static_cast<CborKind>(first >> 5);
  if (low < 24) return Head{kind, low, 1};
  if (low > 27) return Fault(at_, "indefinite length or a reserved head");
  const size_t size = size_t{1} << (low - 24);
  if (bytes_.size() - at_ - 1 < size) return Fault(at_, "the bytes end inside an item");
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[at_ + 1 + i]);
  const uint64_t least = size == 1 ? 24 : uint64_t{1} << (4 * size);
  if (value < least) return Fault(at_, "a head longer than needed");
  return Head{kind, value, 1 + size};
}

Result<CborKind> CborReader::Peek() const {
  WEIR_ASSIGN(const Head head, ReadHead());
  return head.kind;
}

Result<uint64_t> CborReader::Take(CborKind kind) {
  WEIR_ASSIGN(const Head head, ReadHead());
  if (head.kind != kind) return Expected(at_, kind);
  at_ += head.size;
  return head.value;
}

Result<uint64_t> CborReader::TakeCount(CborKind kind, uint64_t bytes_each) {
  const size_t begin = at_;
  WEIR_ASSIGN(const uint64_t count, Take(kind));
  if (count > (bytes_.size() - at_) / bytes_each) {
    at_ = begin;
    return Fault(begin, "the bytes end inside an item");
  }
  return count;
}

Result<std::string_view> CborReader::TakeString(CborKind kind) {
  WEIR_ASSIGN(const uint64_t size, TakeCount(kind, 1));
  const std::string_view string = bytes_.substr(at_, size);
  at_ += size;
  return string;
}

Result<uint64_t> CborReader::Unsigned() { return Take(CborKind::kUnsigned); }

Result<int64_t> CborReader::Integer() {
  WEIR_ASSIGN(const Head head, ReadHead());
  if (head.kind != CborKind::kUnsigned && head.kind != CborKind::kNegative) return Fault(at_, "an integer is due");
  if (head.value > static_cast<uint64_t>(INT64_MAX)) return Fault(at_, "an integer beyond 64 bits with sign");
  at_ += head.size;
  return static_cast<int64_t>(head.kind == CborKind::kUnsigned ? head.value : ~head.value);
}

Result<std::string_view> CborReader::Bytes() { return TakeString(CborKind::kBytes); }

Result<std::string_view> CborReader::Text() {
  const size_t begin = at_;
  WEIR_ASSIGN(const std::string_view text, TakeString(CborKind::kText));
  if (!IsValidUtf8(text)) {
    at_ = begin;
    return Fault(begin, "text that is not UTF-8");
  }
  return text;
}

Result<uint64_t> CborReader::Array() { return TakeCount(CborKind::kArray, 1); }

Result<uint64_t> CborReader::Map() { return TakeCount(CborKind::kMap, 2); }

Result<bool> CborReader::Bool() {
  WEIR_ASSIGN(const Head head, ReadHead());
  if (head.kind != CborKind::kFalse && head.kind != CborKind::kTrue) return Expected(at_, CborKind::kTrue);
  at_ += head.size;
  return head.kind == CborKind::kTrue;
}

Status CborReader::Null() {
  WEIR_ASSIGN([[maybe_unused]] const uint64_t nothing, Take(CborKind::kNull));
  return {};
}

Status CborReader::Skip() {
  const size_t begin = at_;
  Status status = SkipItem(0);
  if (!status) at_ = begin;
  return status;
}

Status CborReader::SkipItem(size_t depth) {
  if (depth > kDepthMax) return Fault(at_, "nested too deep");
  WEIR_ASSIGN(const CborKind kind, Peek());
  if (kind == CborKind::kArray) {
    WEIR_ASSIGN(const uint64_t count, Array());
    for (uint64_t i = 0; i < count; ++i) WEIR_TRY(SkipItem(depth + 1));
  } else if (kind == CborKind::kMap) {
    WEIR_ASSIGN(const uint64_t count, Map());
    WEIR_TRY(SkipMap(count, depth));
  } else if (kind == CborKind::kText) {
    WEIR_ASSIGN([[maybe_unused]] const std::string_view text, Text());
  } else if (kind == CborKind::kBytes) {
    WEIR_ASSIGN([[maybe_unused]] const std::string_view bytes, Bytes());
  } else {
    WEIR_ASSIGN(const Head head, ReadHead());
    at_ += head.size;
  }
  return {};
}

Status CborReader::SkipMap(uint64_t count, size_t depth) {
  std::string_view previous;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t begin = at_;
    WEIR_TRY(SkipItem(depth + 1));
    const std::string_view key = bytes_.substr(begin, at_ - begin);
    const bool rises = previous.size() != key.size() ? previous.size() < key.size() : previous < key;
    if (i > 0 && !rises) return Fault(begin, "map keys out of order or repeated");
    previous = key;
    WEIR_TRY(SkipItem(depth + 1));
  }
  return {};
}

}  // namespace weir
