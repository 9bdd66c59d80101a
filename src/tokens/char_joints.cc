#include "char_joints.h"

namespace weir::bpe {
namespace {

struct Piece {
  char32_t code_point = 0;
  uint8_t first_byte = 0;
  uint8_t last_byte = 0;
  bool whole = false;  // a whole character, not a part that the token's edge cuts
};

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// The piece at `bytes`, which advances past it: a whole character, or what belongs to one that is cut. Bytes that cannot
// be part of valid UTF-8 come out one by one as cut pieces.
Piece TakePiece(std::string_view& bytes) {
  Piece piece;
  const auto lead = static_cast<uint8_t>(bytes[0]);
  size_t size = 1;
  size_t wanted = 0;
  if (!IsContinuation(bytes[0])) wanted = CharLength(lead);
  while (size < bytes.size() && IsContinuation(bytes[size]) && (wanted == 0 || size < wanted)) ++size;
  piece.whole = size == wanted && lead < 0xf8;
  piece.first_byte = lead;
  piece.last_byte = static_cast<uint8_t>(bytes[size - 1]);
  if (piece.whole) piece.code_point = DecodeChar(bytes.data(), size);
  bytes.remove_prefix(size);
  return piece;
}

}  // namespace

void CharJoints::AddToken(std::string_view bytes, std::span<uint64_t> table) {
  const auto set = [&](size_t bit) { table[bit >> 6] |= uint64_t{1} << (bit & 63); };
  if (bytes.empty()) return;
  Piece left = TakePiece(bytes);
  while (!bytes.empty()) {
    const Piece right = TakePiece(bytes);
    if (left.whole && right.whole) {
      set(PairBit(left.code_point, right.code_point));
    } else if (left.whole) {
      set(AfterBit(left.code_point));
    } else if (right.whole) {
      set(BeforeBit(right.code_point));
    } else {
      set(BytesBit(left.last_byte, right.first_byte));
    }
    left = right;
  }
}

}  // namespace weir::bpe
