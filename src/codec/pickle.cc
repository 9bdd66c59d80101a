#include "weir/codec/pickle.h"

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr size_t kNoFrame = SIZE_MAX;
constexpr size_t kFrameHead = 9;                   // opcode and 8 bytes of length
constexpr size_t kFrameMin = 4;                    // shorter contents stand without a frame
constexpr size_t kFrameTarget = size_t{64} << 10;  // a frame this long ends at the next opcode

std::string Little(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

// The opcode with the shortest length field that holds the size.
std::string StringHeader(bool is_text, size_t size) {
  if (size <= UINT8_MAX) return (is_text ? '\x8c' : '\x43') + Little(size, 1);
  if (size <= UINT32_MAX) return (is_text ? '\x58' : '\x42') + Little(size, 4);
  return (is_text ? '\x8d' : '\x8e') + Little(size, 8);
}

// CPython keeps one object each for these.
bool IsShared(bool is_text, std::string_view payload) {
  if (payload.size() <= 1) return true;
  const auto lead = static_cast<unsigned char>(payload[0]);
  return is_text && payload.size() == 2 && (lead == 0xC2 || lead == 0xC3);
}

}  // namespace

PickleWriter::PickleWriter() { Reset(); }

void PickleWriter::Reset() {
  out_ = "\x80\x05";
  frame_begin_ = kNoFrame;
  memo_count_ = 0;
  tuples_.clear();
  shared_.clear();
}

void PickleWriter::Begin() {
  if (frame_begin_ != kNoFrame && out_.size() - frame_begin_ - kFrameHead >= kFrameTarget) CommitFrame();
}

void PickleWriter::Write(std::string_view bytes) {
  if (frame_begin_ == kNoFrame) {
    frame_begin_ = out_.size();
    out_.append(kFrameHead, '\0');
  }
  out_ += bytes;
}

void PickleWriter::CommitFrame() {
  if (frame_begin_ == kNoFrame) return;
  const size_t size = out_.size() - frame_begin_ - kFrameHead;
  if (size < kFrameMin) {
    out_.erase(frame_begin_, kFrameHead);
  } else {
    out_.replace(frame_begin_, kFrameHead, "\x95" + Little(size, 8));
  }
  frame_begin_ = kNoFrame;
}

void PickleWriter::WriteString(std::string_view header, std::string_view payload) {
  if (payload.size() < kFrameTarget) {
    Write(header);
    Write(payload);
    return;
  }
  CommitFrame();
  out_ += header;
  out_ += payload;
}

size_t PickleWriter::Memoize() {
  Write("\x94");
  return memo_count_++;
}

size_t PickleWriter::String(bool is_text, std::string_view payload) {
  const bool shared = IsShared(is_text, payload);
  if (shared) {
    if (const auto found = shared_.find({is_text, std::string(payload)}); found != shared_.end()) {
      Again(found->second);
      return found->second;
    }
  }
  Begin();
  WriteString(StringHeader(is_text, payload.size()), payload);
  const size_t memo = Memoize();
  if (shared) shared_.emplace(std::pair(is_text, std::string(payload)), memo);
  return memo;
}

void PickleWriter::None() {
  Begin();
  Write("N");
}

void PickleWriter::Bool(bool value) {
  Begin();
  Write(value ? "\x88" : "\x89");
}

void PickleWriter::Integer(int64_t value) {
  Begin();
  if (value >= 0 && value <= UINT8_MAX) return Write("K" + Little(static_cast<uint64_t>(value), 1));
  if (value >= 0 && value <= UINT16_MAX) return Write("M" + Little(static_cast<uint64_t>(value), 2));
  if (value >= INT32_MIN && value <= INT32_MAX) return Write("J" + Little(static_cast<uint64_t>(value), 4));
  // Two's complement, as few bytes as keep the sign.
  size_t size = 5;
  while (size < 8 && value >> (8 * size - 1) != (value < 0 ? -1 : 0)) ++size;
  Write("\x8a" + Little(size, 1) + Little(static_cast<uint64_t>(value), size));
}

void PickleWriter::Unsigned(uint64_t value) {
  if (value <= static_cast<uint64_t>(INT64_MAX)) return Integer(static_cast<int64_t>(value));
  Begin();
  Write("\x8a\x09" + Little(value, 8) + '\0');
}

size_t PickleWriter::Bytes(std::string_view bytes) { return String(false, bytes); }
size_t PickleWriter::Text(std::string_view text) { return String(true, text); }

void PickleWriter::Again(size_t memo) {
  WEIR_CHECK(memo < memo_count_, "Again({}) with {} memoized", memo, memo_count_);
  Begin();
  Write(memo <= UINT8_MAX ? "h" + Little(memo, 1) : "j" + Little(memo, 4));
}

void PickleWriter::BeginTuple(size_t count) {
  Begin();
  tuples_.push_back(count);
  if (count > 3) Write("(");
}

void PickleWriter::EndTuple() {
  WEIR_CHECK(!tuples_.empty());
  const size_t count = tuples_.back();
  tuples_.pop_back();
  static constexpr std::string_view kOpcodes = ")\x85\x86\x87t";
  Write(kOpcodes.substr(count < 4 ? count : 4, 1));
  if (count > 0) (void)Memoize();
}

std::string_view PickleWriter::Finish() {
  WEIR_CHECK(tuples_.empty(), "{} tuples are still open", tuples_.size());
  Write(".");
  CommitFrame();
  return out_;
}

}  // namespace weir
