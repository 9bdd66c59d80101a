#pragma once
// The byte alphabet of byte-level BPE: a printable character for each of the 256 bytes (GPT-2's bytes_to_unicode), in
// which tokenizer.json writes its vocabulary.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::bpe {

// The byte behind a code point below kAlphabetEnd, or -1.
inline constexpr uint32_t kAlphabetEnd = 0x144;
inline constexpr auto kByteOfCodePoint = [] {
  std::array<int16_t, kAlphabetEnd> bytes{};
  for (auto& byte : bytes) byte = -1;
  uint32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    bytes[printable ? static_cast<uint32_t>(byte) : next++] = static_cast<int16_t>(byte);
  }
  return bytes;
}();

// Appends the bytes that `text` stands for; false (with `bytes` as it was) when a character is not of the alphabet.
// REQUIRES: valid UTF-8.
bool AppendAlphabetBytes(std::string_view text, std::string& bytes);

}  // namespace weir::bpe
