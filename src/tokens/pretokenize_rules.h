#pragma once
// What distinguishes the known split patterns; the scanners are templates over it.

#include <cstdint>

namespace weir::pretokenize {

enum class Style : uint8_t {
  // '…| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kGpt2,
  // '…|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kWords,
  // The same with words split where lower case turns to upper case, contractions attached, and / in the tail of
  // punctuation.
  kCasedWords,
  // Numbers and CJK runs are cut out first; then words with marks, and one ASCII punctuation mark before ASCII letters.
  kDeepSeek,
};

struct Rules {
  Style style = Style::kGpt2;
  bool contractions = true;     // 's 't 're 've 'm 'll 'd; case-insensitive except in kGpt2
  uint8_t numbers_max = 0;      // most number characters in a piece; 0: no limit
  bool numbers_first = false;   // numbers are cut out by an earlier split: nothing before them can see them
  bool marks_in_words = false;  // \p{M} counts as a letter (kWords)
};

enum class Family : uint8_t {
  kGpt2,            // also RoBERTa, GPT-NeoX, Pythia, OLMo
  kGpt2Digits,      // StarCoder, SmolLM, Command R, Granite: each number character alone
  kGpt2NumberRuns,  // runs of numbers apart from blanks
  kCl100k,          // GPT-3.5 and 4, Llama 3, GLM-4, OLMo 2, Phi-4
  kQwen2,           // Qwen 1.5 to 3
  kQwen35,          // Qwen 3.5
  kO200k,           // GPT-4o, gpt-oss, Llama 4
  kTekken,          // Mistral Nemo and later
  kDeepSeek3,       // DeepSeek V3, R1
};
inline constexpr int kFamilyCount = 9;

constexpr Rules RulesOf(Family family) {
  switch (family) {
    case Family::kGpt2: return {.style = Style::kGpt2};
    case Family::kGpt2Digits: return {.style = Style::kGpt2, .numbers_max = 1, .numbers_first = true};
    case Family::kGpt2NumberRuns: return {.style = Style::kGpt2, .numbers_first = true};
    case Family::kCl100k: return {.style = Style::kWords, .numbers_max = 3};
    case Family::kQwen2: return {.style = Style::kWords, .numbers_max = 1};
    case Family::kQwen35: return {.style = Style::kWords, .numbers_max = 1, .marks_in_words = true};
    case Family::kO200k: return {.style = Style::kCasedWords, .numbers_max = 3};
    case Family::kTekken: return {.style = Style::kCasedWords, .contractions = false, .numbers_max = 1};
    case Family::kDeepSeek3:
      return {
          .style = Style::kDeepSeek, .contractions = false, .numbers_max = 3, .numbers_first = true, .marks_in_words = true};
  }
  return {};
}

}  // namespace weir::pretokenize
