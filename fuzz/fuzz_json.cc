// JSON: the SIMD reader and the plain one must agree, and what is printed must read back the same.

#include "fuzz_input.h"
#include "json_scan.h"
#include "weir/codec/json.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<Json> parsed = Json::Parse(input);
  size_t folded = 0;
  const Result<Json> scanned = internal::ScanJson(input, folded);
  WEIR_FUZZ_CHECK(parsed.has_value() == scanned.has_value());
  if (!parsed) return;
  WEIR_FUZZ_CHECK(*parsed == *scanned);
  for (const int indent : {0, 2}) {
    const Result<Json> again = Json::Parse(parsed->Dump(indent));
    WEIR_FUZZ_CHECK(again.has_value());
    WEIR_FUZZ_CHECK(*again == *parsed);
  }
}
