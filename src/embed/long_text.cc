#include "weir/embed/long_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <utility>

#include "weir/codec/hex.h"
#include "weir/codec/sha256.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

// A window that is so short beside what stands in front of it is a model set up wrongly.
constexpr uint32_t kWindowTokensMin = 4;
constexpr size_t kTextsAtOnce = 1024;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' || c == '\0'; }
bool BeginsCharacter(std::string_view text, size_t at) {
  return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
}

// How good a place it is to cut at.
int RankOf(std::string_view text, size_t at) {
  if (text[at - 1] == '\n') return at >= 2 && text[at - 2] == '\n' ? 3 : 2;
  return IsSpace(text[at - 1]) || IsSpace(text[at]) ? 1 : 0;
}

class Cutter {
 public:
  Cutter(Encoder& encoder, std::string_view text, const WindowRules& rules)
      : encoder_(encoder), text_(text), rules_(rules) {}

  Result<std::vector<TextWindow>> Cut() {
    WEIR_ASSIGN(const uint32_t around, CountWithPrefix(""));
    WEIR_ASSIGN(const uint32_t whole, CountWithPrefix(text_));
    const auto size = static_cast<uint32_t>(text_.size());
    if (rules_.tokens_max == 0 || whole <= rules_.tokens_max) return std::vector{TextWindow{0, size, whole - around}};
    if (around + kWindowTokensMin > rules_.tokens_max) {
      return InvalidArgument(fmt::format("{} tokens in front leave no room for a text in {}", around, rules_.tokens_max));
    }
    WEIR_TRY(encoder_.Encode(text_, {}, encoding_));
    const std::vector<uint32_t>& begins = encoding_.begins;
    std::vector<TextWindow> windows;
    for (uint32_t at = 0; at < size;) {
      if (windows.size() == kWindowsMax) {
        return InvalidArgument(fmt::format("a text of {} tokens, more than {} windows", begins.size(), kWindowsMax),
                               "divide it");
      }
      WEIR_ASSIGN(const TextWindow window, WindowAt(at, rules_.tokens_max - around, around));
      windows.push_back(window);
      at = window.end;
    }
    return windows;
  }

 private:
  Result<uint32_t> CountWithPrefix(std::string_view text) {
    if (rules_.prefix.empty()) {
      WEIR_TRY(encoder_.Encode(text, {.add_special_tokens = true}, scratch_));
    } else {
      WEIR_TRY(encoder_.Encode(std::string(rules_.prefix).append(text), {.add_special_tokens = true}, scratch_));
    }
    return static_cast<uint32_t>(scratch_.ids.size());
  }

  // Cut off from the others a window may have other tokens than in the whole: until it fits, fewer are taken.
  Result<TextWindow> WindowAt(uint32_t at, uint32_t room, uint32_t around) {
    for (uint32_t take = room;;) {
      const uint32_t end = EndOf(at, take);
      WEIR_ASSIGN(const uint32_t count, CountWithPrefix(text_.substr(at, end - at)));
      const uint32_t tokens = count - std::min(count, around);
      if (count <= rules_.tokens_max || take == 1) return TextWindow{at, end, tokens};
      take = std::max<uint32_t>(1, take - std::min(take - 1, count - rules_.tokens_max));
    }
  }

  // Where a window of at most `take` tokens ends that begins at byte `at`.
  uint32_t EndOf(uint32_t at, uint32_t take) const {
    const std::vector<uint32_t>& begins = encoding_.begins;
    const auto first = static_cast<size_t>(std::ranges::lower_bound(begins, at) - begins.begin());
    const size_t last = first + take;
    if (last >= begins.size()) return static_cast<uint32_t>(text_.size());
    const size_t quarter = first + take - take / 4;
    uint32_t best = 0;
    int best_rank = -1;
    for (size_t token = last; token > first && (token >= quarter || best_rank < 0); --token) {
      const uint32_t begin = begins[token];
      if (begin <= at || begin >= text_.size() || !BeginsCharacter(text_, begin)) continue;
      if (const int rank = RankOf(text_, begin); rank > best_rank) {
        best = begin;
        best_rank = rank;
      }
    }
    if (best_rank >= 0) return best;
    // One character of many tokens.
    uint32_t end = at + 1;
    while (!BeginsCharacter(text_, end)) ++end;
    return end;
  }

  Encoder& encoder_;
  const std::string_view text_;
  const WindowRules rules_;
  Encoding encoding_;
  Encoding scratch_;
};

// What a source costs, so that the dearest names the whole.
int CostOf(EmbedSource source) {
  switch (source) {
    case EmbedSource::kNone: return 0;
    case EmbedSource::kHit: return 1;
    case EmbedSource::kStored: return 2;
    case EmbedSource::kCoalesced: return 3;
    case EmbedSource::kComputed: return 4;
  }
  return 0;
}

// A window that is asked for, and whose it is.
struct Asked {
  size_t item;
  TextWindow window;
};

class LongTexts {
 public:
  LongTexts(EmbedCache& cache, std::string_view model, std::span<const std::string_view> texts, const EmbedCall& call)
      : cache_(cache), model_(model), texts_(texts), call_(call) {
    call_.truncate = false;
  }

  Result<LongTextAnswer> Run() {
    WEIR_TRY(CutAll());
    sums_.resize(texts_.size() * answer_.dimensions);
    for (size_t begin = 0; begin < asked_.size(); begin += kTextsAtOnce) {
      WEIR_TRY(EmbedSome(std::span(asked_).subspan(begin, std::min(kTextsAtOnce, asked_.size() - begin))));
    }
    for (size_t item = 0; item < texts_.size(); ++item) Bring(item);
    return std::move(answer_);
  }

 private:
  Status CutAll() {
    WEIR_ASSIGN(const EmbedModel model, cache_.Describe(model_));
    answer_.dimensions = call_.dimensions == 0 ? model.dimensions : call_.dimensions;
    answer_.items.resize(texts_.size());
    answer_.vectors.resize(texts_.size() * answer_.dimensions);
    WindowRules rules{model.tokens_max, {}};
    if (call_.input == EmbedInput::kQuery) rules.prefix = model.query_prefix;
    if (call_.input == EmbedInput::kPassage) rules.prefix = model.passage_prefix;
    const std::unique_ptr<Encoder> encoder = model.tokenizer->NewEncoder();
    for (size_t item = 0; item < texts_.size(); ++item) {
      const std::string_view text = texts_[item];
      Result<std::vector<TextWindow>> windows = CutIntoWindows(*encoder, text, rules);
      if (!windows) {
        answer_.items[item].status = windows.error();
        continue;
      }
      // One window goes as it is: what is wrong with it, the cache says.
      const bool one = windows->size() == 1;
      for (const TextWindow& window : *windows) {
        if (one || !IsBlankUtf8(text.substr(window.begin, window.end - window.begin))) asked_.push_back({item, window});
      }
      if (asked_.empty() || asked_.back().item != item) asked_.push_back({item, {0, 0, 0}});
    }
    return {};
  }

  Status EmbedSome(std::span<const Asked> some) {
    std::vector<std::string_view> texts;
    texts.reserve(some.size());
    for (const Asked& asked : some) {
      texts.push_back(texts_[asked.item].substr(asked.window.begin, asked.window.end - asked.window.begin));
    }
    WEIR_ASSIGN(const EmbedAnswer part, cache_.Embed(model_, texts, call_));
    for (size_t i = 0; i < some.size(); ++i) {
      LongTextItem& item = answer_.items[some[i].item];
      if (!part.items[i].status) {
        if (item.status) item.status = part.items[i].status;
        continue;
      }
      ++item.windows;
      item.tokens += some[i].window.tokens;
      if (CostOf(part.items[i].source) > CostOf(item.source)) item.source = part.items[i].source;
      const std::span<const float> vector = part.vector(i);
      if (item.windows == 1) std::ranges::copy(vector, Row(some[i].item).begin());
      const double weight = std::max<uint32_t>(1, some[i].window.tokens);
      double* const sum = sums_.data() + some[i].item * answer_.dimensions;
      for (size_t d = 0; d < vector.size(); ++d) sum[d] += weight * static_cast<double>(vector[d]);
    }
    return {};
  }

  // The sum of several windows becomes the vector of the whole.
  void Bring(size_t index) {
    LongTextItem& item = answer_.items[index];
    const std::span<float> row = Row(index);
    if (item.status && item.windows > 1) {
      const std::span<const double> sum(sums_.data() + index * answer_.dimensions, answer_.dimensions);
      double square = 0;
      for (const double value : sum) square += value * value;
      const double scale = 1 / std::sqrt(square);
      if (std::isfinite(scale)) {
        std::ranges::transform(sum, row.begin(), [scale](double value) { return static_cast<float>(value * scale); });
      } else {
        item.status = Error{ErrorCode::kInternal, "windows whose vectors cancel out", ""};
      }
    }
    if (item.status) return;
    item.source = EmbedSource::kNone;
    std::ranges::fill(row, 0.0f);
  }

  std::span<float> Row(size_t item) { return {answer_.vectors.data() + item * answer_.dimensions, answer_.dimensions}; }

  EmbedCache& cache_;
  const std::string_view model_;
  const std::span<const std::string_view> texts_;
  EmbedCall call_;
  LongTextAnswer answer_;
  std::vector<Asked> asked_;
  std::vector<double> sums_;
};

}  // namespace

std::string LongTextFingerprint(const EmbedModel& model) {
  Sha256Stream hash;
  for (const std::string_view part :
       {std::string_view("windows-1"), std::string_view(model.fingerprint), std::string_view(model.tokenizer->fingerprint()),
        std::string_view(model.passage_prefix)}) {
    hash.Update(fmt::format("{}:", part.size()));
    hash.Update(part);
  }
  hash.Update(fmt::format("{} {}", model.dimensions, model.tokens_max));
  const Sha256Digest digest = hash.Finish();
  return HexOf(std::span(digest).first(16));
}

Result<std::vector<TextWindow>> CutIntoWindows(Encoder& encoder, std::string_view text, const WindowRules& rules) {
  return Cutter(encoder, text, rules).Cut();
}

Result<LongTextAnswer> EmbedLongTexts(EmbedCache& cache, std::string_view model, std::span<const std::string_view> texts,
                                      const EmbedCall& call) {
  try {
    return LongTexts(cache, model, texts, call).Run();
  } catch (const std::bad_alloc&) {
    return Exhausted("not enough memory for a long text", "send less at once, or lower the budgets of the pools");
  }
}

}  // namespace weir
