#include "weir/tokens/nfc.h"

#include <utility>

#include "unicode.h"

namespace weir {

std::string ToNfc(std::string_view text) {
  if (unicode::IsNfc(text)) return std::string(text);
  return std::move(unicode::NormalizeNfc(text).text);
}

}  // namespace weir
