// tokenizer.json from anywhere: loading either refuses it or gives a tokenizer that keeps its contract.

#include "fuzz_input.h"
#include "weir/tokens/tokenizer.h"

void weir::fuzz::Run(std::string_view input) {
  const auto tokenizer = LoadTokenizer(InputFile(input, "tokenizer.json"), {});
  if (!tokenizer) {
    WEIR_FUZZ_CHECK(!tokenizer.error().message.empty());
    return;
  }
  WEIR_FUZZ_CHECK((*tokenizer)->fingerprint().size() == 32);
  const auto encoder = (*tokenizer)->NewEncoder();
  Encoding encoding;
  for (const std::string_view text : {"", "the 12 aaaa's", " <tool>\n\n  x", "\u00e9e\u0301\u4e00\U0001F600"}) {
    for (const bool special : {false, true}) {
      if (!encoder->Encode(text, {.add_special_tokens = special}, encoding)) continue;
      WEIR_FUZZ_CHECK(encoding.ids.size() == encoding.begins.size());
      for (const TokenId id : encoding.ids) WEIR_FUZZ_CHECK(id < (*tokenizer)->vocab_size());
      WEIR_FUZZ_CHECK((*tokenizer)->Decode(encoding.ids).has_value());
    }
  }
}
