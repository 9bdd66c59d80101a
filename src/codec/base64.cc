#include "weir/codec/base64.h"

#include <array>
#include <cstdint>

namespace weir {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kBad = 0xff;

constexpr std::array<uint8_t, 256> Inverse(std::string_view alphabet) {
  std::array<uint8_t, 256> inverse{};
  for (uint8_t& value : inverse) value = kBad;
  for (size_t i = 0; i < alphabet.size(); ++i) inverse[static_cast<uint8_t>(alphabet[i])] = static_cast<uint8_t>(i);
  return inverse;
}

constexpr std::array<uint8_t, 256> kStandardInverse = Inverse(kStandard);
constexpr std::array<uint8_t, 256> kUrlInverse = Inverse(kUrl);

std::string Encode(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  size_t i = 0;
  const auto byte = [&](size_t at) -> uint32_t { return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0; };
  for (; i < bytes.size(); i += 3) {
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    const size_t digits = bytes.size() - i >= 3 ? 4 : bytes.size() - i + 1;
    for (size_t digit = 0; digit < digits; ++digit) out.push_back(alphabet[group >> (18 - 6 * digit) & 63]);
  }
  return out;
}

// Digits without padding; a rest of one digit, and bits that no byte takes, are wrong.
Result<std::string> Decode(std::string_view digits, const std::array<uint8_t, 256>& inverse) {
  if (digits.size() % 4 == 1) return InvalidArgument("base64: the text is cut off");
  std::string out;
  out.reserve(digits.size() / 4 * 3 + 2);
  uint32_t group = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const uint8_t value = inverse[static_cast<uint8_t>(digits[i])];
    if (value == kBad) return InvalidArgument("base64: wrong character at byte " + std::to_string(i));
    group = group << 6 | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<char>(group >> bits & 0xff));
  }
  if ((group & ((1u << bits) - 1)) != 0) return InvalidArgument("base64: bits are left over at the end");
  return out;
}

}  // namespace

std::string Base64Of(std::string_view bytes) {
  std::string out = Encode(bytes, kStandard);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

std::string Base64UrlOf(std::string_view bytes) { return Encode(bytes, kUrl); }

Result<std::string> ParseBase64(std::string_view text) {
  if (text.size() % 4 != 0) return InvalidArgument("base64: the length is not a multiple of 4");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return Decode(text, kStandardInverse);
}

Result<std::string> ParseBase64Url(std::string_view text) { return Decode(text, kUrlInverse); }

}  // namespace weir
