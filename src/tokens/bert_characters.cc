#include "bert_characters.h"

#include <algorithm>

#include "bert_tables.h"

namespace weir::wordpiece {
namespace {

// Unicode's White_Space.
constexpr BertRange kBlanks[] = {{0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
                                 {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};
// As the reference has them: a gap before U+2B920 included.
constexpr BertRange kIdeographs[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},  {0x20000, 0x2a6df},
                                     {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
constexpr BertRange kSyllables = {0xac00, 0xd7a3};
constexpr uint32_t kCapitalIWithDot = 0x130;  // lower case: two code points

bool IsIn(std::span<const BertRange> ranges, uint32_t code_point) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code_point,
                                      [](uint32_t value, const BertRange& range) { return value < range.first; });
  return after != ranges.begin() && code_point <= (after - 1)->last;
}
bool IsControl(uint32_t code_point) { return IsIn({kControls, kControlsCount}, code_point); }
bool IsAccent(uint32_t code_point) { return IsIn({kAccents, kAccentsCount}, code_point); }
bool IsSign(uint32_t code_point) { return IsIn({kSigns, kSignsCount}, code_point); }

uint32_t Lowered(uint32_t code_point) {
  const std::span<const CaseRun> runs(kCaseRuns, kCaseRunsCount);
  const auto after = std::upper_bound(runs.begin(), runs.end(), code_point,
                                      [](uint32_t value, const CaseRun& run) { return value < run.first; });
  if (after == runs.begin()) return code_point;
  const CaseRun& run = *(after - 1);
  const bool is_in = code_point <= run.last && (code_point - run.first) % run.step == 0;
  return is_in ? code_point + static_cast<uint32_t>(run.added) : code_point;
}

size_t CharacterBefore(std::string_view text, size_t at) {
  do {
    --at;
  } while ((static_cast<uint8_t>(text[at]) & 0xc0) == 0x80);
  return at;
}

}  // namespace

CharacterFolder::CharacterFolder(const BertRules& rules) : rules_(rules) {
  FillKinds();
  if (rules_.lowercase) {
    for (size_t i = 0; i < kCaseRunsCount; ++i) {
      for (uint32_t c = kCaseRuns[i].first; c <= kCaseRuns[i].last; c += kCaseRuns[i].step) FillMapped(c);
    }
    FillMapped(kCapitalIWithDot);
  }
  if (rules_.strip_accents) {
    for (size_t i = 0; i < unicode::kDecompositionCount; ++i) FillMapped(unicode::kDecompositions[i].code_point);
    for (size_t i = 0; i < unicode::kCombiningRangeCount; ++i) {
      const unicode::CombiningRange& range = unicode::kCombiningRanges[i];
      for (uint32_t c = range.first; c <= range.last; ++c) FillMapped(c);
    }
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint16_t change = byte < 0x80 ? changes_[byte] : uint16_t{kDropped};
    const bool is_word = change == kLetter || change >= kFirstMapped;
    byte_classes_[byte] = is_word ? kWordByte : change == kBlank ? kBlankByte : change == kSign ? kSignByte : kMixedByte;
  }
}

void CharacterFolder::FillKinds() {
  changes_.assign(kTabled, kLetter);
  const auto fill = [this](std::span<const BertRange> ranges, uint16_t change) {
    for (const BertRange& range : ranges) {
      for (uint32_t c = range.first; c <= range.last && c < kTabled; ++c) changes_[c] = change;
    }
  };
  fill({kSigns, kSignsCount}, kSign);
  fill(kBlanks, kBlank);
  if (rules_.set_ideographs_apart) fill(kIdeographs, kIdeograph);
  if (rules_.strip_accents) {
    fill({&kSyllables, 1}, kHangul);
    fill({kAccents, kAccentsCount}, kDropped);
  }
  if (rules_.clean_text) fill({kControls, kControlsCount}, kDropped);
}

void CharacterFolder::FillMapped(uint32_t code_point) {
  if (code_point >= kTabled) return;
  const auto first = static_cast<uint32_t>(parts_.size());
  AppendFolded(code_point, parts_);
  const auto count = static_cast<uint32_t>(parts_.size()) - first;
  uint16_t change = 0;
  bool has_marks = false;
  if (rules_.strip_accents && !IsCleaned(code_point)) {
    std::vector<uint32_t> decomposed;
    unicode::AppendDecomposition(code_point, decomposed);
    for (const uint32_t c : decomposed) has_marks |= unicode::CanonicalClass(c) != 0 && !IsAccent(c);
  }
  if (has_marks) {
    change = kMarks;
  } else if (count == 0) {
    change = kDropped;
  } else if (count == 1 && parts_[first].code_point == code_point) {
    change = parts_[first].kind;
  } else {
    changes_[code_point] = static_cast<uint16_t>(kFirstMapped + mapped_.size());
    mapped_.push_back({first, count});
    return;
  }
  changes_[code_point] = change;
  parts_.resize(first);
}

uint16_t CharacterFolder::ChangeBeyondTable(uint32_t code_point) const {
  if (IsCleaned(code_point) || (rules_.strip_accents && IsAccent(code_point))) return kDropped;
  return kLetter;
}

bool CharacterFolder::IsCleaned(uint32_t code_point) const { return rules_.clean_text && IsControl(code_point); }

bool CharacterFolder::BeginsWithMark(uint32_t code_point) const {
  std::vector<uint32_t> decomposed;
  unicode::AppendDecomposition(code_point, decomposed);
  return unicode::CanonicalClass(decomposed.front()) != 0;
}

void CharacterFolder::AppendLowered(uint32_t code_point, bool is_ideograph, uint32_t origin,
                                    std::vector<Part>& parts) const {
  const auto append = [&](uint32_t c) {
    const PartKind kind = IsIn(kBlanks, c) ? kBlank : IsSign(c) ? kSign : is_ideograph ? kIdeograph : kLetter;
    parts.push_back({c, kind, origin});
  };
  if (!rules_.lowercase) return append(code_point);
  if (code_point != kCapitalIWithDot) return append(Lowered(code_point));
  append('i');
  append(0x307);
}

void CharacterFolder::AppendFolded(uint32_t code_point, std::vector<Part>& parts) const {
  if (IsCleaned(code_point)) return;
  if (rules_.clean_text && IsIn(kBlanks, code_point)) return parts.push_back({' ', kBlank, 0});
  const bool is_ideograph = rules_.set_ideographs_apart && IsIn(kIdeographs, code_point);
  if (!rules_.strip_accents) return AppendLowered(code_point, is_ideograph, 0, parts);
  std::vector<uint32_t> decomposed;
  unicode::AppendDecomposition(code_point, decomposed);
  for (const uint32_t c : decomposed) {
    if (!IsAccent(c)) AppendLowered(c, is_ideograph, 0, parts);
  }
}

size_t CharacterFolder::FoldMarks(std::string_view text, size_t at, std::vector<Part>& parts) const {
  // What stands before `at` in the run was dropped, or this would have begun there; it counts for the origins.
  size_t begin = at;
  if (BeginsWithMark(unicode::Decode(text.data() + at).code_point)) {
    while (begin > 0) {
      const size_t before = CharacterBefore(text, begin);
      const uint32_t code_point = unicode::Decode(text.data() + before).code_point;
      if (!IsCleaned(code_point) && !BeginsWithMark(code_point)) break;
      begin = before;
    }
  }
  struct Mark {
    uint32_t code_point;
    uint32_t combining_class;
    bool replaces;  // the next original character; else it was added behind one
  };
  std::vector<Mark> marks;
  std::vector<uint32_t> origins;  // of the characters
  std::vector<uint32_t> decomposed;
  size_t end = begin;
  while (end < text.size()) {
    const unicode::Decoded character = unicode::Decode(text.data() + end);
    if (!IsCleaned(character.code_point)) {
      if (end > begin && !BeginsWithMark(character.code_point)) break;
      decomposed.clear();
      unicode::AppendDecomposition(character.code_point, decomposed);
      for (size_t i = 0; i < decomposed.size(); ++i) {
        marks.push_back({decomposed[i], unicode::CanonicalClass(decomposed[i]), i == 0});
      }
      origins.push_back(static_cast<uint32_t>(end));
    }
    end += character.bytes;
  }
  const auto first = std::find_if(marks.begin(), marks.end(), [](const Mark& mark) { return mark.combining_class != 0; });
  std::stable_sort(first, marks.end(), [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
  size_t replaced = 0;
  for (const Mark& mark : marks) {
    replaced += mark.replaces;
    const uint32_t origin = replaced > 0 ? origins[replaced - 1] : static_cast<uint32_t>(begin);
    if (!IsAccent(mark.code_point)) AppendLowered(mark.code_point, false, origin, parts);
  }
  return end;
}

unicode::Normalized NormalizeBert(const CharacterFolder& folder, std::string_view text) {
  unicode::Normalized out;
  const auto append = [&out](uint32_t code_point, uint32_t origin) {
    unicode::AppendUtf8(code_point, out.text);
    out.origins.resize(out.text.size(), origin);
  };
  for (size_t at = 0; at < text.size();) {
    at = folder.Fold(text, at, [&](uint32_t code_point, PartKind kind, uint32_t origin) {
      if (kind == kIdeograph) append(' ', origin);
      append(kind == kBlank && folder.rules().clean_text ? ' ' : code_point, origin);
      if (kind == kIdeograph) append(' ', origin);
    });
  }
  out.origins.push_back(static_cast<uint32_t>(text.size()));
  return out;
}

}  // namespace weir::wordpiece
