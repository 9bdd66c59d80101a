#include "pretokenize.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "pretokenize_families.h"
#include "pretokenize_fill.h"
#include "pretokenize_regex.h"

namespace weir {

InstructionSet BestInstructionSet() {
  static const InstructionSet best = pretokenize::HasAvx512() ? InstructionSet::kAvx512
                                     : pretokenize::HasAvx2() ? InstructionSet::kAvx2
                                                              : InstructionSet::kScalar;
  return best;
}

Result<Pretokenizer> Pretokenizer::FromJson(const Json& pre_tokenizer) {
  WEIR_ASSIGN(pretokenize::Chain chain, pretokenize::ReadChain(pre_tokenizer));
  Pretokenizer out;
  out.add_prefix_space_ = chain.add_prefix_space;
  if (const std::optional<pretokenize::Family> family = pretokenize::Recognize(chain.splits)) {
    out.family_ = static_cast<uint32_t>(*family);
    return out.Using(BestInstructionSet());
  }
  WEIR_ASSIGN(out.regex_, RegexSplits::Compile(chain.splits));
  return out;
}

Pretokenizer Pretokenizer::Using(InstructionSet set) const {
  Pretokenizer out = *this;
  if (regex_ != nullptr) return out;
  const auto family = static_cast<pretokenize::Family>(family_);
  switch (std::min(set, BestInstructionSet())) {
    case InstructionSet::kScalar: out.fill_ = pretokenize::ScalarFill(family); break;
    case InstructionSet::kAvx2: out.fill_ = pretokenize::Avx2Fill(family); break;
    case InstructionSet::kAvx512: out.fill_ = pretokenize::Avx512Fill(family); break;
  }
  return out;
}

size_t Pretokenizer::Next(std::string_view text, Cursor& cursor, std::span<uint32_t> ends) const {
  return regex_ == nullptr ? fill_(text, cursor.at, ends) : regex_->Next(text, cursor, ends);
}

}  // namespace weir
