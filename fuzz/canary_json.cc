// Has a planted bug behind the JSON reader: a run that does not find it would not find ours either.

#include "fuzz_input.h"
#include "weir/codec/json.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<Json> parsed = Json::Parse(input);
  if (!parsed || !parsed->is_array() || parsed->as_array().size() < 2) return;
  const int64_t* first = parsed->as_array()[0].get_if_int();
  WEIR_FUZZ_CHECK(first == nullptr || *first < 100);  // planted
}
