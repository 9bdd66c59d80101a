// Any text through small tokenizers of the real families: decoding gives the text back, offsets rise, a second encoding
// (from a warm cache) is the same, and so is one that goes on behind a stable cut. The first byte picks the family.

#include <memory>
#include <vector>

#include "fuzz_input.h"
#include "tiny_tokenizer.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/tokenizer.h"

namespace {

struct Subject {
  std::unique_ptr<weir::Tokenizer> tokenizer;
  std::unique_ptr<weir::Encoder> encoder;
  bool nfc;
};

std::vector<Subject>& Subjects() {
  static std::vector<Subject> subjects = [] {
    std::vector<Subject> made;
    for (const weir::fuzz::TinyFamily& family : weir::fuzz::kTinyFamilies) {
      auto tokenizer = weir::LoadTokenizer(weir::fuzz::InputFile(TinyTokenizerJson(family), "family.json"), {});
      WEIR_CHECK(tokenizer.has_value(), "{}", tokenizer.error().ToString());
      auto encoder = (*tokenizer)->NewEncoder();
      made.push_back({*std::move(tokenizer), std::move(encoder), family.nfc});
    }
    return made;
  }();
  return subjects;
}

// Encodes text[0, size) up to its stable cut, then the rest of the whole text: must be the encoding of the whole.
void CheckCut(weir::Encoder& encoder, std::string_view text, size_t size, const weir::Encoding& whole) {
  const size_t cut = encoder.FindStableCut(text.substr(0, size));
  WEIR_FUZZ_CHECK(cut <= size);
  weir::Encoding head, tail;
  WEIR_FUZZ_CHECK(encoder.Encode(text.substr(0, cut), {}, head).has_value());
  WEIR_FUZZ_CHECK(encoder.Encode(text.substr(cut), {}, tail).has_value());
  head.ids.insert(head.ids.end(), tail.ids.begin(), tail.ids.end());
  WEIR_FUZZ_CHECK(head.ids == whole.ids);
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  if (input.empty()) return;
  Subject& subject = Subjects()[static_cast<unsigned char>(input[0]) % Subjects().size()];
  const std::string_view text = input.substr(1);
  Encoding encoding;
  const Status status = subject.encoder->Encode(text, {}, encoding);
  WEIR_FUZZ_CHECK(status.has_value() == IsValidUtf8(text));
  if (!status) return;
  WEIR_FUZZ_CHECK(encoding.ids.size() == encoding.begins.size());
  uint32_t last = 0;
  for (const uint32_t begin : encoding.begins) {
    WEIR_FUZZ_CHECK(begin >= last && begin <= text.size());
    last = begin;
  }
  if (!encoding.begins.empty()) WEIR_FUZZ_CHECK(encoding.begins[0] == 0);
  for (const size_t eighth : {2, 5, 7}) {
    size_t size = text.size() * eighth / 8;
    while (size > 0 && size < text.size() && (text[size] & 0xC0) == 0x80) --size;
    CheckCut(*subject.encoder, text, size, encoding);
  }
  const Result<std::string> decoded = subject.tokenizer->Decode(encoding.ids);
  WEIR_FUZZ_CHECK(decoded.has_value());
  if (!subject.nfc) WEIR_FUZZ_CHECK(*decoded == text);
  WEIR_FUZZ_CHECK(IsValidUtf8(*decoded));
  Encoding again;
  WEIR_FUZZ_CHECK(subject.encoder->Encode(text, {}, again).has_value());
  WEIR_FUZZ_CHECK(again.ids == encoding.ids && again.begins == encoding.begins);
  const auto fresh = subject.tokenizer->NewEncoder();
  WEIR_FUZZ_CHECK(fresh->Encode(*decoded, {}, again).has_value());
  WEIR_FUZZ_CHECK(again.ids == encoding.ids);  // normalised once, it stays
}
