#include "vector_record.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace weir::embed {
namespace {

constexpr uint8_t kVersion = 1;
struct Header {
  uint8_t version;
  uint8_t precision;  // VectorPrecision
  uint16_t zero;
  uint32_t dimensions;
};
static_assert(sizeof(Header) == 8);
static_assert(std::endian::native == std::endian::little, "records are little-endian and read in place");

Error Broken() { return Corrupt("not a stored vector", "it will be embedded again"); }

}  // namespace

uint16_t ToHalf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;  // 2^16 and more
  if (magnitude < 0x38800000) {                       // subnormal: units of 2^-24
    const float units = std::bit_cast<float>(magnitude) * 0x1p24f;
    return sign | static_cast<uint16_t>(std::nearbyint(units));
  }
  // Rounds into the exponent where it must.
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

float FromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  const uint32_t wide = exponent == 0x1f ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

std::string WriteVector(std::span<const float> vector, VectorPrecision precision) {
  const Header header{kVersion, static_cast<uint8_t>(precision), 0, static_cast<uint32_t>(vector.size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  if (precision == VectorPrecision::kF32) {
    bytes.append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
    return bytes;
  }
  for (const float value : vector) {
    const uint16_t half = ToHalf(value);
    bytes.append(reinterpret_cast<const char*>(&half), sizeof(half));
  }
  return bytes;
}

Status ReadVector(std::string_view bytes, std::span<float> out) {
  Header header;
  if (bytes.size() < sizeof(header)) return Broken();
  std::memcpy(&header, bytes.data(), sizeof(header));
  bytes.remove_prefix(sizeof(header));
  const bool is_half = header.precision == static_cast<uint8_t>(VectorPrecision::kF16);
  if (header.version != kVersion || header.zero != 0 || header.precision > 1 || header.dimensions != out.size() ||
      bytes.size() != out.size() * (is_half ? sizeof(uint16_t) : sizeof(float))) {
    return Broken();
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (is_half) {
      uint16_t half;
      std::memcpy(&half, bytes.data() + i * sizeof(half), sizeof(half));
      out[i] = FromHalf(half);
    } else {
      std::memcpy(&out[i], bytes.data() + i * sizeof(float), sizeof(float));
    }
    if (!std::isfinite(out[i])) return Broken();
  }
  return {};
}

}  // namespace weir::embed
