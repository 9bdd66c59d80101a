#include "byte_alphabet.h"

namespace weir::bpe {

bool AppendAlphabetBytes(std::string_view text, std::string& bytes) {
  const size_t before = bytes.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<uint8_t>(text[i]);
    uint32_t code_point = lead;
    if (lead >= 0xe0) {
      code_point = kAlphabetEnd;
    } else if (lead >= 0x80) {
      code_point = (lead & 0x1fu) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3fu);
    }
    if (code_point >= kAlphabetEnd || kByteOfCodePoint[code_point] < 0) {
      bytes.resize(before);
      return false;
    }
    bytes += static_cast<char>(kByteOfCodePoint[code_point]);
  }
  return true;
}

}  // namespace weir::bpe
