// UTF-8: the fast validator, the search for the fault and the repair must tell one story.

#include "fuzz_input.h"
#include "weir/codec/utf8.h"

void weir::fuzz::Run(std::string_view input) {
  const std::optional<size_t> fault = FindInvalidUtf8(input);
  WEIR_FUZZ_CHECK(IsValidUtf8(input) == !fault);
  const std::string repaired = ReplaceInvalidUtf8(input);
  WEIR_FUZZ_CHECK(IsValidUtf8(repaired));
  WEIR_FUZZ_CHECK(ReplaceInvalidUtf8(repaired) == repaired);
  if (!fault) {
    WEIR_FUZZ_CHECK(repaired == input);
    return;
  }
  WEIR_FUZZ_CHECK(*fault < input.size());
  WEIR_FUZZ_CHECK(IsValidUtf8(input.substr(0, *fault)));
  WEIR_FUZZ_CHECK(repaired.substr(0, *fault + 3) == std::string(input.substr(0, *fault)) + "\xEF\xBF\xBD");
  for (size_t size = *fault + 1; size <= input.size() && size <= *fault + 4; ++size) {
    WEIR_FUZZ_CHECK(!IsValidUtf8(input.substr(0, size)));  // nothing that follows heals it
  }
}
