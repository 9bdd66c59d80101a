// Where a text may be cut so that nothing appended later changes the tokens before the cut.
//
// Three things can reach back from appended text: an added token whose first bytes stand at the end of the text; NFC,
// which joins marks to the last character that does not itself join; and the pre-tokeniser, whose last two words may
// still change (runs of white space, contractions). What lies before all three stands.

#include <algorithm>

#include "bpe_encoder.h"
#include "unicode.h"

namespace weir::bpe {
namespace {

// Words before the end of settled text that are left open: two can change, one more for good measure.
constexpr size_t kOpenWords = 3;

bool IsNfcBoundary(std::string_view text, size_t at) {
  return at < text.size() && (unicode::ClassByte(unicode::Decode(text.data() + at).code_point) & unicode::kNfcNotable) == 0;
}

// The last place in [0, limit] where NFC of what comes before does not depend on what comes after; 0 when there is none.
size_t LastNfcBoundary(std::string_view text, size_t limit) {
  for (size_t at = limit; at > 0; --at) {
    if (at == text.size() || (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) continue;
    if (IsNfcBoundary(text, at)) return at;
  }
  return 0;
}

}  // namespace

size_t BpeEncoder::FindStableCut(std::string_view text) {
  const AddedTokenFinder& raw = parts_->raw_finder;
  const AddedTokenFinder& normalized = parts_->normalized_finder;
  if (raw.looks_around() || normalized.looks_around()) return 0;
  const size_t limit = std::min(raw.FindOpenTail(text, 0), normalized.FindOpenTail(text, 0));
  size_t cut = 0;
  AddedTokenFinder::Walk raw_walk(raw, text);
  while (const auto match = raw_walk.Next()) {
    if (match->begin >= limit) break;
    cut = match->end;
  }
  const bool nfc = parts_->config.nfc;
  if (nfc && !normalized.empty()) return cut;
  const size_t stretch = cut;
  AddedTokenFinder::Walk normalized_walk(normalized, text.substr(stretch));
  while (const auto match = normalized_walk.Next()) {
    if (stretch + match->end > limit) break;
    cut = stretch + match->end;
  }
  if (limit <= cut || !parts_->pretokenizer.resumable() || parts_->pretokenizer.add_prefix_space()) return cut;
  return cut + FindWordCut(text.substr(cut), limit - cut, nfc);
}

// The same for text without added tokens, of which [0, limit) cannot become part of one.
size_t BpeEncoder::FindWordCut(std::string_view text, size_t limit, bool nfc) {
  if (nfc) limit = LastNfcBoundary(text, limit);
  const std::string_view settled = text.substr(0, limit);
  const bool changes = nfc && !unicode::IsNfc(settled);
  const unicode::Normalized normal = changes ? unicode::NormalizeNfc(settled) : unicode::Normalized{};
  const std::string_view words = changes ? std::string_view(normal.text) : settled;
  const auto origin = [&](size_t at) -> size_t { return changes ? normal.origins[at] : at; };

  std::vector<uint32_t>& boundaries = boundaries_;
  boundaries.clear();
  Pretokenizer::Cursor cursor;
  while (const size_t count = parts_->pretokenizer.Next(words, cursor, ends_)) {
    boundaries.insert(boundaries.end(), ends_.begin(), ends_.begin() + static_cast<ptrdiff_t>(count));
  }
  // boundaries[i] ends word i; the cut comes after word i for the last i with kOpenWords words behind it.
  for (size_t i = boundaries.size(); i-- > 0;) {
    if (boundaries.size() - 1 - i < kOpenWords) continue;
    const size_t at = boundaries[i];
    if (!nfc || (IsNfcBoundary(words, at) && IsNfcBoundary(text, origin(at)))) return origin(at);
  }
  return 0;
}

}  // namespace weir::bpe
