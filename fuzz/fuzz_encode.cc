// Any text through small tokenizers of the real families: decoding gives the text back, offsets rise, a second encoding
// (from a warm cache) is the same, and so is one of a text that grows. WordPiece, which does not give the text back, equals
// normalising first and encoding what that leaves. The first byte picks the family.

#include <memory>
#include <vector>

#include "bert_characters.h"
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

Subject LoadSubject(const std::string& json, bool nfc) {
  auto tokenizer = weir::LoadTokenizer(weir::fuzz::InputFile(json, "family.json"), {});
  WEIR_CHECK(tokenizer.has_value(), "{}", tokenizer.error().ToString());
  auto encoder = (*tokenizer)->NewEncoder();
  return {*std::move(tokenizer), std::move(encoder), nfc};
}

std::vector<Subject>& Subjects() {
  static std::vector<Subject> subjects = [] {
    std::vector<Subject> made;
    for (const weir::fuzz::TinyFamily& family : weir::fuzz::kTinyFamilies) {
      made.push_back(LoadSubject(TinyTokenizerJson(family), family.nfc));
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

void CheckBegins(const weir::Encoding& encoding, std::string_view text) {
  WEIR_FUZZ_CHECK(encoding.ids.size() == encoding.begins.size());
  uint32_t last = 0;
  for (const uint32_t begin : encoding.begins) {
    WEIR_FUZZ_CHECK(begin >= last && begin <= text.size());
    last = begin;
  }
}

void CheckWordPiece(std::string_view text) {
  static Subject added = LoadSubject(weir::fuzz::TinyWordPieceJson(true, true), false);
  static Subject bare = LoadSubject(weir::fuzz::TinyWordPieceJson(true, false), false);
  static Subject plain = LoadSubject(weir::fuzz::TinyWordPieceJson(false, false), false);
  static const weir::wordpiece::CharacterFolder folder({true, true, true, true});
  weir::Encoding encoding;
  weir::Encoding again;
  for (Subject* subject : {&added, &bare}) {
    const weir::Status status = subject->encoder->Encode(text, {}, encoding);
    WEIR_FUZZ_CHECK(status.has_value() == weir::IsValidUtf8(text));
    if (!status) return;
    CheckBegins(encoding, text);
    for (const size_t eighth : {2, 5, 7}) CheckAppend(*subject->encoder, text, text.size() * eighth / 8, encoding);
    WEIR_FUZZ_CHECK(subject->encoder->Encode(text, {}, again).has_value());
    WEIR_FUZZ_CHECK(again.ids == encoding.ids && again.begins == encoding.begins);
    const weir::Result<std::string> decoded = subject->tokenizer->Decode(encoding.ids);
    WEIR_FUZZ_CHECK(decoded.has_value() && weir::IsValidUtf8(*decoded));
  }
  const weir::unicode::Normalized normalized = weir::wordpiece::NormalizeBert(folder, text);
  WEIR_FUZZ_CHECK(plain.encoder->Encode(normalized.text, {}, again).has_value());
  for (uint32_t& begin : again.begins) begin = normalized.origins[begin];
  WEIR_FUZZ_CHECK(again.ids == encoding.ids && again.begins == encoding.begins);
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  if (input.empty()) return;
  const size_t choice = static_cast<unsigned char>(input[0]) % (Subjects().size() + 1);
  const std::string_view text = input.substr(1);
  if (choice == Subjects().size()) return CheckWordPiece(text);
  Subject& subject = Subjects()[choice];
  Encoding encoding;
  const Status status = subject.encoder->Encode(text, {}, encoding);
  WEIR_FUZZ_CHECK(status.has_value() == IsValidUtf8(text));
  if (!status) return;
  CheckBegins(encoding, text);
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
