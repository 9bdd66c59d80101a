#include "weir/codec/utf8.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The length of the ASCII run at the front.
size_t AsciiRun(std::string_view bytes) {
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
  return at;
}

struct Sequence {
  size_t size;  // bytes of the character, or of the maximal subpart of an ill-formed one
  bool valid;
};

// The sequence at the front of non-empty bytes (Unicode table 3-7).
Sequence FirstSequence(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true};
  size_t size = 0;
  if (lead >= 0xC2 && lead <= 0xDF) size = 2;
  if (lead >= 0xE0 && lead <= 0xEF) size = 3;
  if (lead >= 0xF0 && lead <= 0xF4) size = 4;
  if (size == 0) return {1, false};
  const unsigned second_min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned second_max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (bytes.size() < 2 || byte(1) < second_min || byte(1) > second_max) return {1, false};
  for (size_t i = 2; i < size; ++i) {
    if (i >= bytes.size() || (byte(i) & 0xC0) != 0x80) return {i, false};
  }
  return {size, true};
}

// How many bytes from `begin` on are valid.
size_t ValidRun(std::string_view bytes, size_t begin) {
  size_t at = begin;
  while (at < bytes.size()) {
    at += AsciiRun(bytes.substr(at));
    while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) >= 0x80) {
      const Sequence sequence = FirstSequence(bytes.substr(at));
      if (!sequence.valid) return at - begin;
      at += sequence.size;
    }
  }
  return at - begin;
}

}  // namespace

bool IsValidUtf8(std::string_view bytes) { return simdjson::validate_utf8(bytes.data(), bytes.size()); }

std::optional<size_t> FindInvalidUtf8(std::string_view bytes) {
  if (IsValidUtf8(bytes)) return std::nullopt;
  return ValidRun(bytes, 0);
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  if (IsValidUtf8(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t valid = ValidRun(bytes, at);
    out.append(bytes.substr(at, valid));
    at += valid;
    if (at == bytes.size()) break;
    out.append(kReplacement);
    at += FirstSequence(bytes.substr(at)).size;
  }
  return out;
}

bool IsBlankUtf8(std::string_view text) {
  // U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F and U+3000 as they are written.
  constexpr std::string_view kWide[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\xA8",
                                        "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == 0 || c == ' ' || (c >= '\t' && c <= '\r')) {
      ++at;
      continue;
    }
    if (c < 0x80) return false;
    const std::string_view rest = text.substr(at);
    const bool is_spaced = rest.starts_with("\xE2\x80") && rest.size() > 2 && static_cast<unsigned char>(rest[2]) <= 0x8A;
    const auto* const wide =
        std::find_if(std::begin(kWide), std::end(kWide), [&](std::string_view space) { return rest.starts_with(space); });
    if (!is_spaced && wide == std::end(kWide)) return false;
    at += is_spaced ? 3 : wide->size();
  }
  return true;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  const auto value = static_cast<uint32_t>(code_point);
  WEIR_CHECK(value < 0x110000 && (value & ~0x7FFu) != 0xD800, "not a Unicode scalar value: {}", value);
  const auto tail = [&](unsigned shift) { out.push_back(static_cast<char>(0x80 | ((value >> shift) & 0x3F))); };
  if (value < 0x80) {
    out.push_back(static_cast<char>(value));
  } else if (value < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (value >> 6)));
    tail(0);
  } else if (value < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (value >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (value >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace weir
