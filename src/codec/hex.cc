#include "weir/codec/hex.h"

#include <fmt/format.h>

namespace weir {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string HexOf(std::span<const uint8_t> bytes) {
  std::string out(bytes.size() * 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = kDigits[bytes[i] >> 4];
    out[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return out;
}

std::string HexOf(std::string_view bytes) {
  return HexOf(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

Result<std::string> ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) return InvalidArgument(fmt::format("{} hexadecimal digits: an even number is due", text.size()));
  std::string out(text.size() / 2, '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    const int digit = DigitValue(text[i]);
    if (digit < 0) return InvalidArgument(fmt::format("character {} is no hexadecimal digit", i));
    out[i / 2] = static_cast<char>(i % 2 == 0 ? digit << 4 : static_cast<uint8_t>(out[i / 2]) | digit);
  }
  return out;
}

}  // namespace weir
