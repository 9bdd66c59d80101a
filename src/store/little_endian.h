#pragma once
// Fixed-width numbers in files, least significant byte first.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::store {

template <std::unsigned_integral Number>
void StoreLittle(char* out, Number number) {
  for (size_t i = 0; i < sizeof(Number); ++i) out[i] = static_cast<char>(static_cast<uint64_t>(number) >> (8 * i));
}

// REQUIRES: sizeof(Number) bytes at `in`.
template <std::unsigned_integral Number>
Number LoadLittle(const char* in) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) number |= static_cast<uint64_t>(static_cast<uint8_t>(in[i])) << (8 * i);
  return static_cast<Number>(number);
}

template <std::unsigned_integral Number>
void AppendLittle(std::string& out, Number number) {
  out.resize(out.size() + sizeof(Number));
  StoreLittle(out.data() + out.size() - sizeof(Number), number);
}

}  // namespace weir::store
