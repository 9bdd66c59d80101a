#include "wordpiece_config.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace weir::wordpiece {
namespace {

using bpe::IsAbsent;
using bpe::Refuse;
using bpe::TypeOf;

Result<bool> ReadFlag(const Json& owner, std::string_view name, std::string_view where) {
  const Json* value = owner.Find(name);
  if (value == nullptr || !value->is_bool()) return InvalidArgument(fmt::format("{}.{} is not true or false", where, name));
  return value->as_bool();
}

Result<std::string> ReadText(const Json& owner, std::string_view name, std::string_view where) {
  const Json* value = owner.Find(name);
  if (value == nullptr || !value->is_string()) return InvalidArgument(fmt::format("{}.{} is not a string", where, name));
  return value->as_string();
}

Result<BertRules> ReadRules(const Json* normalizer) {
  BertRules rules;
  if (IsAbsent(normalizer)) return rules;
  if (TypeOf(*normalizer) != "BertNormalizer")
    return Refuse(fmt::format("the normalizer {} before WordPiece", JsonQuote(TypeOf(*normalizer))));
  WEIR_ASSIGN(rules.clean_text, ReadFlag(*normalizer, "clean_text", "normalizer"));
  WEIR_ASSIGN(rules.set_ideographs_apart, ReadFlag(*normalizer, "handle_chinese_chars", "normalizer"));
  WEIR_ASSIGN(rules.lowercase, ReadFlag(*normalizer, "lowercase", "normalizer"));
  rules.strip_accents = rules.lowercase;
  if (!IsAbsent(normalizer->Find("strip_accents"))) {
    WEIR_ASSIGN(rules.strip_accents, ReadFlag(*normalizer, "strip_accents", "normalizer"));
  }
  return rules;
}

Status ReadDecoder(const Json* decoder, WordPieceConfig& config) {
  if (IsAbsent(decoder)) return {};
  if (TypeOf(*decoder) != "WordPiece")
    return Refuse(fmt::format("the decoder {} after WordPiece", JsonQuote(TypeOf(*decoder))));
  config.has_decoder = true;
  WEIR_ASSIGN(config.decoder_prefix, ReadText(*decoder, "prefix", "decoder"));
  WEIR_ASSIGN(config.cleans_up, ReadFlag(*decoder, "cleanup", "decoder"));
  return {};
}

Status ReadModelOptions(const Json& model, WordPieceConfig& config) {
  WEIR_ASSIGN(config.unknown, ReadText(model, "unk_token", "model"));
  WEIR_ASSIGN(config.going_on, ReadText(model, "continuing_subword_prefix", "model"));
  const Json* chars_max = model.Find("max_input_chars_per_word");
  const int64_t* number = chars_max == nullptr ? nullptr : chars_max->get_if_int();
  if (number == nullptr || *number < 0)
    return InvalidArgument("model.max_input_chars_per_word is not a number of characters");
  if (*number > UINT32_MAX) return Refuse("a model.max_input_chars_per_word above 4294967295");
  config.chars_max = static_cast<uint32_t>(*number);
  return {};
}

}  // namespace

Result<WordPieceConfig> ResolveWordPieceConfig(const Json& document, const Json& model,
                                               const bpe::VocabularyFacts& vocabulary) {
  WordPieceConfig config;
  WEIR_TRY(ReadModelOptions(model, config));
  WEIR_ASSIGN(config.rules, ReadRules(document.Find("normalizer")));
  const Json* pre_tokenizer = document.Find("pre_tokenizer");
  if (IsAbsent(pre_tokenizer)) return Refuse("WordPiece without a pre_tokenizer");
  if (TypeOf(*pre_tokenizer) != "BertPreTokenizer")
    return Refuse(fmt::format("the pre_tokenizer {} before WordPiece", JsonQuote(TypeOf(*pre_tokenizer))));
  WEIR_TRY(ReadDecoder(document.Find("decoder"), config));
  WEIR_TRY(bpe::ReadSharedConfig(document, vocabulary, config));
  std::vector<std::string> patterns;  // of normalised tokens
  std::optional<CharacterFolder> folder;
  for (const bpe::AddedToken& token : config.added_tokens) {
    if (!token.normalized) continue;
    if (!folder) folder.emplace(config.rules);
    patterns.push_back(NormalizeBert(*folder, token.content).text);
    if (patterns.back().empty())
      return Refuse(fmt::format("an added token that normalises to nothing, {},", JsonQuote(token.content)));
  }
  WEIR_TRY(bpe::CheckPatternsDiffer(std::move(patterns)));
  return config;
}

Json WordPieceConfigToJson(const WordPieceConfig& config) {
  Json json = Json::MakeObject();
  json.Set("rules", int64_t{config.rules.clean_text} | int64_t{config.rules.set_ideographs_apart} << 1 |
                        int64_t{config.rules.strip_accents} << 2 | int64_t{config.rules.lowercase} << 3);
  json.Set("unknown", config.unknown);
  json.Set("going_on", config.going_on);
  json.Set("chars_max", int64_t{config.chars_max});
  bpe::SetSharedJson(config, json);
  return json;
}

}  // namespace weir::wordpiece
