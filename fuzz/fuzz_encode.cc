// Any text through small tokenizers of the real families: decoding gives the text back, offsets rise, a second encoding
// (from a warm cache) is the same, and so is one of a text that grows. The first byte picks the family.

#include <memory>
#include <vector>

#include "fuzz_input.h"
#include "tiny_tokenizer.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/incremental_encoding.h"
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

// The text in two pieces, cut anywhere, appended one after the other: must be the encoding of the whole.
void CheckAppend(weir::Encoder& encoder, std::string_view text, size_t cut, const weir::Encoding& whole) {
  weir::IncrementalEncoding growing;
  WEIR_FUZZ_CHECK(growing.Append(encoder, text.substr(0, cut)).has_value());
  WEIR_FUZZ_CHECK(growing.Append(encoder, text.substr(cut)).has_value());
  WEIR_FUZZ_CHECK(growing.waiting_bytes() == 0);
  WEIR_FUZZ_CHECK(growing.encoding().ids == whole.ids);
  WEIR_FUZZ_CHECK(growing.encoding().begins == whole.begins);
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
  for (const size_t eighth : {2, 5, 7}) CheckAppend(*subject.encoder, text, text.size() * eighth / 8, encoding);
  const Result<std::string> decoded = subject.tokenizer->Decode(encoding.ids);
  WEIR_FUZZ_CHECK(decoded.has_value());
  if (!subject.nfc) WEIR_FUZZ_CHECK(*decoded == text);
  WEIR_FUZZ_CHECK(IsValidUtf8(*decoded));
  Encoding again;
  WEIR_FUZZ_CHECK(subject.encoder->Encode(text, {}, again).has_value());
  WEIR_FUZZ_CHECK(again.ids == encoding.ids && again.begins == encoding.begins);
  // A new encoder costs far more than a small text: only some inputs get one.
  const auto fresh = input.size() % 16 == 3 ? subject.tokenizer->NewEncoder() : nullptr;
  weir::Encoder& second = fresh != nullptr ? *fresh : *subject.encoder;
  WEIR_FUZZ_CHECK(second.Encode(*decoded, {}, again).has_value());
  WEIR_FUZZ_CHECK(again.ids == encoding.ids);  // normalised once, it stays
}
