#pragma once
// CharJoints: between which neighbouring characters a token can reach across.
//
// Every symbol that merging makes is a token of the vocabulary. Where no token contains the end of character a followed
// by the start of character b, no merge crosses, so a word may be cut there and its parts merged apart: long runs of
// CJK text fall into short parts that repeat. The tables may say "reachable" wrongly (hash collisions), never "not".

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace weir::bpe {

class CharJoints {
 public:
  // uint64_t words in the table: bits of character pairs, of characters that a cut token may follow, of characters that
  // a cut token may precede, and of (last byte, first byte) pairs inside tokens cut on both sides.
  static constexpr size_t kPairBits = size_t{1} << 20;
  static constexpr size_t kCharBits = size_t{1} << 16;
  static constexpr size_t kWords = (kPairBits + 3 * kCharBits) / 64;

  explicit CharJoints(std::span<const uint64_t> table) : table_(table.data()) {}

  // May a token reach across from `a` to `b`?
  bool MayJoin(char32_t a, char32_t b, uint8_t last_byte, uint8_t first_byte) const {
    return (Bit(PairBit(a, b)) | Bit(AfterBit(a)) | Bit(BeforeBit(b)) | Bit(BytesBit(last_byte, first_byte))) != 0;
  }

  static std::vector<uint64_t> NewTable() { return std::vector<uint64_t>(kWords); }
  // Records every joint inside a token's bytes.
  static void AddToken(std::string_view bytes, std::span<uint64_t> table);

 private:
  static size_t PairBit(char32_t a, char32_t b) {
    return static_cast<size_t>((uint64_t{a} << 32 | b) * 0x9e3779b97f4a7c15u >> 44);
  }
  static size_t AfterBit(char32_t a) { return kPairBits + (a & 0xffff); }
  static size_t BeforeBit(char32_t b) { return kPairBits + kCharBits + (b & 0xffff); }
  static size_t BytesBit(uint8_t last, uint8_t first) { return kPairBits + 2 * kCharBits + (size_t{last} << 8 | first); }
  uint64_t Bit(size_t bit) const { return table_[bit >> 6] >> (bit & 63) & 1; }

  const uint64_t* table_;
};

// The length of a character by its first byte. REQUIRES: a lead byte of valid UTF-8.
inline size_t CharLength(uint8_t lead) { return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4; }

// The character at `bytes`. REQUIRES: valid UTF-8.
inline char32_t DecodeChar(const char* bytes, size_t length) {
  const auto at = [bytes](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(bytes[i])); };
  if (length == 1) return at(0);
  if (length == 2) return (at(0) & 0x1f) << 6 | (at(1) & 0x3f);
  if (length == 3) return (at(0) & 0x0f) << 12 | (at(1) & 0x3f) << 6 | (at(2) & 0x3f);
  return (at(0) & 0x07) << 18 | (at(1) & 0x3f) << 12 | (at(2) & 0x3f) << 6 | (at(3) & 0x3f);
}

}  // namespace weir::bpe
