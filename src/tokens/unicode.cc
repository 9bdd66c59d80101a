#include "unicode.h"

namespace weir::unicode {

void AppendUtf8(uint32_t code_point, std::string& out) {
  const auto continuation = [code_point](int shift) { return static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    out += continuation(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    out += continuation(6);
    out += continuation(0);
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    out += continuation(12);
    out += continuation(6);
    out += continuation(0);
  }
}

}  // namespace weir::unicode
