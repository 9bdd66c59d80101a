#include "pretokenize_families.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace weir::pretokenize {
namespace {

constexpr std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// The Digits step goes by the numbers of Unicode 17, which the expressions' \p{N} does not know all.
constexpr std::string_view kDigitsPattern = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";

// Each covers every character, so that Removed with invert removes nothing and equals Isolated.
struct KnownPattern {
  std::string_view pattern;
  Family family;
};
constexpr KnownPattern kWholePatterns[] = {
    {kGpt2Pattern, Family::kGpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Family::kGpt2},
    // GPT-3.5 and 4, Llama 3, GLM-4, OLMo 2, Phi-4 and others.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
     R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Family::kCl100k},
    // The same as tiktoken writes it; the possessive quantifiers change nothing.
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
     Family::kCl100k},
    // Qwen 1.5 to 3.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
     R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Family::kQwen2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
     R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Family::kQwen35},
    // GPT-4o, gpt-oss, Llama 4.
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
     R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Family::kO200k},
    // Mistral Nemo and later.
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
     R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Family::kTekken},
};

// DeepSeek V3 and R1: three splits. CR and LF stand in its file as themselves.
constexpr std::string_view kDeepSeekPatterns[] = {
    R"(\p{N}{1,3})",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
};

bool CutsEverywhere(const Split& split) {
  return (split.behavior == Behavior::kIsolated) || (split.behavior == Behavior::kRemoved && split.invert);
}

std::optional<Family> RecognizeWhole(const Split& split) {
  if (!CutsEverywhere(split)) return std::nullopt;
  for (const KnownPattern& known : kWholePatterns) {
    if (known.pattern == split.pattern) return known.family;
  }
  return std::nullopt;
}

bool IsIsolated(const Split& split, std::string_view pattern) {
  return split.behavior == Behavior::kIsolated && split.pattern == pattern;
}

Result<Behavior> ReadBehavior(const Json* json) {
  constexpr std::pair<std::string_view, Behavior> kNames[] = {
      {"Removed", Behavior::kRemoved},
      {"Isolated", Behavior::kIsolated},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous},
  };
  if (json == nullptr || !json->is_string()) return InvalidArgument("pre_tokenizer Split: 'behavior' is no string");
  for (const auto& [name, behavior] : kNames) {
    if (json->as_string() == name) return behavior;
  }
  return Unsupported(fmt::format("pre_tokenizer Split: behavior '{}'", json->as_string()));
}

// A literal as an expression that matches it.
std::string Escaped(std::string_view literal) {
  std::string out;
  for (char c : literal) {
    if (std::string_view(R"(\.+*?()|[]{}^$#&-~)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

Result<bool> ReadFlag(const Json& json, std::string_view type, std::string_view name, bool fallback) {
  const Json* flag = json.Find(name);
  if (flag == nullptr || flag->is_null()) return fallback;
  if (!flag->is_bool()) return InvalidArgument(fmt::format("pre_tokenizer {}: '{}' is neither true nor false", type, name));
  return flag->as_bool();
}

Result<Split> ReadSplit(const Json& json) {
  Split split;
  const Json* pattern = json.Find("pattern");
  const Json* regex = pattern == nullptr ? nullptr : pattern->Find("Regex");
  const Json* literal = pattern == nullptr ? nullptr : pattern->Find("String");
  if (regex != nullptr && regex->is_string()) {
    split.pattern = regex->as_string();
  } else if (literal != nullptr && literal->is_string()) {
    split.pattern = Escaped(literal->as_string());
  } else {
    return InvalidArgument("pre_tokenizer Split: 'pattern' holds neither a Regex nor a String");
  }
  WEIR_ASSIGN(split.behavior, ReadBehavior(json.Find("behavior")));
  WEIR_ASSIGN(split.invert, ReadFlag(json, "Split", "invert", false));
  return split;
}

Status ReadInto(const Json& json, bool is_last, Chain& chain);

Status ReadByteLevel(const Json& json, bool is_last, Chain& chain) {
  if (!is_last) return Unsupported("pre_tokenizer: a step after ByteLevel");
  WEIR_ASSIGN(chain.add_prefix_space, ReadFlag(json, "ByteLevel", "add_prefix_space", true));
  if (chain.add_prefix_space && !chain.splits.empty()) {
    return Unsupported("pre_tokenizer ByteLevel: add_prefix_space after another split");
  }
  WEIR_ASSIGN(const bool use_regex, ReadFlag(json, "ByteLevel", "use_regex", true));
  if (use_regex) chain.splits.push_back({.pattern = std::string(kGpt2Pattern)});
  return {};
}

Status ReadSequence(const Json& json, bool is_last, Chain& chain) {
  const Json* steps = json.Find("pretokenizers");
  if (steps == nullptr || !steps->is_array()) return InvalidArgument("pre_tokenizer Sequence: 'pretokenizers' is no array");
  const Json::Array& array = steps->as_array();
  if (array.empty() && is_last) return Unsupported("pre_tokenizer without ByteLevel");
  for (size_t i = 0; i < array.size(); ++i) WEIR_TRY(ReadInto(array[i], is_last && i + 1 == array.size(), chain));
  return {};
}

Status ReadInto(const Json& json, bool is_last, Chain& chain) {
  const Json* type = json.Find("type");
  if (type == nullptr || !type->is_string()) return InvalidArgument("pre_tokenizer: 'type' is no string");
  const std::string& name = type->as_string();
  if (name == "Sequence") return ReadSequence(json, is_last, chain);
  if (name == "ByteLevel") return ReadByteLevel(json, is_last, chain);
  if (name == "Split") {
    WEIR_ASSIGN(Split split, ReadSplit(json));
    chain.splits.push_back(std::move(split));
  } else if (name == "Digits") {
    WEIR_ASSIGN(const bool individual, ReadFlag(json, "Digits", "individual_digits", false));
    chain.splits.push_back(
        {.pattern = std::string(kDigitsPattern), .behavior = individual ? Behavior::kIsolated : Behavior::kContiguous});
  } else {
    return Unsupported(fmt::format("pre_tokenizer type '{}'", name));
  }
  return is_last ? Status(Unsupported("pre_tokenizer without ByteLevel at its end")) : Status();
}

}  // namespace

Result<Chain> ReadChain(const Json& pre_tokenizer) {
  if (pre_tokenizer.is_null()) return Unsupported("pre_tokenizer: none");
  Chain chain;
  WEIR_TRY(ReadInto(pre_tokenizer, true, chain));
  return chain;
}

std::vector<Split> SplitsOf(Family family) {
  const auto isolated = [](std::string_view pattern) { return Split{.pattern = std::string(pattern)}; };
  if (family == Family::kGpt2Digits) return {isolated(kDigitsPattern), isolated(kGpt2Pattern)};
  if (family == Family::kGpt2NumberRuns) {
    return {{.pattern = std::string(kDigitsPattern), .behavior = Behavior::kContiguous}, isolated(kGpt2Pattern)};
  }
  std::vector<Split> out;
  if (family == Family::kDeepSeek3) {
    for (std::string_view pattern : kDeepSeekPatterns) out.push_back(isolated(pattern));
    return out;
  }
  for (const KnownPattern& known : kWholePatterns) {
    if (known.family == family && out.empty()) out.push_back(isolated(known.pattern));
  }
  return out;
}

std::optional<Family> Recognize(const std::vector<Split>& splits) {
  if (splits.size() == 1) return RecognizeWhole(splits[0]);
  if (splits.size() == 2 && splits[0].pattern == kDigitsPattern && RecognizeWhole(splits[1]) == Family::kGpt2) {
    if (splits[0].behavior == Behavior::kIsolated) return Family::kGpt2Digits;
    if (splits[0].behavior == Behavior::kContiguous) return Family::kGpt2NumberRuns;
  }
  if (splits.size() == 3 && IsIsolated(splits[0], kDeepSeekPatterns[0]) && IsIsolated(splits[1], kDeepSeekPatterns[1]) &&
      IsIsolated(splits[2], kDeepSeekPatterns[2])) {
    return Family::kDeepSeek3;
  }
  return std::nullopt;
}

}  // namespace weir::pretokenize
