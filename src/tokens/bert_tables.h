#pragma once
// What Hugging Face `tokenizers` does with single code points in its BERT normaliser and pre-tokeniser. Written by
// scripts/gen-bert-tables; constant. All ranges are sorted and apart, both ends included.

#include <cstddef>
#include <cstdint>

namespace weir::wordpiece {

struct BertRange {
  uint32_t first, last;
};
// Every `step`-th code point of the range becomes itself plus `added`.
struct CaseRun {
  uint32_t first, last, step;
  int32_t added;
};

extern const BertRange kControls[];  // clean_text drops them
extern const size_t kControlsCount;
extern const BertRange kAccents[];  // strip_accents leaves nothing of them
extern const size_t kAccentsCount;
extern const BertRange kSigns[];  // words of their own: punctuation
extern const size_t kSignsCount;
extern const CaseRun kCaseRuns[];  // lower case, of all but U+0130
extern const size_t kCaseRunsCount;

}  // namespace weir::wordpiece
