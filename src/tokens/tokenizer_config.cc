#include "tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "bpe_model.h"
#include "unicode.h"

namespace weir::bpe {

std::string_view TypeOf(const Json& component) {
  const Json* type = component.Find("type");
  return type != nullptr && type->is_string() ? std::string_view(type->as_string()) : std::string_view();
}

Error Refuse(std::string_view what) {
  return Unsupported(fmt::format("this tokenizer.json needs {}, which is not supported", what),
                     "use a byte-level BPE or a BERT-like WordPiece tokenizer of a supported family");
}

namespace {

bool IsAbsentOrFalse(const Json* value) { return IsAbsent(value) || (value->is_bool() && !value->as_bool()); }
bool IsAbsentOrEmpty(const Json* value) { return IsAbsent(value) || (value->is_string() && value->as_string().empty()); }

Result<uint32_t> ReadId(const Json* value, std::string_view where) {
  if (value == nullptr || value->get_if_int() == nullptr || *value->get_if_int() < 0 || *value->get_if_int() > INT32_MAX) {
    return InvalidArgument(fmt::format("{} is not a token id", where));
  }
  return static_cast<uint32_t>(*value->get_if_int());
}

Result<bool> ReadNormalizer(const Json* normalizer) {
  if (IsAbsent(normalizer)) return false;
  const std::string_view type = TypeOf(*normalizer);
  if (type == "NFC") return true;
  if (type != "Sequence") return Refuse(fmt::format("the normalizer {}", JsonQuote(type)));
  const Json* parts = normalizer->Find("normalizers");
  if (parts == nullptr || !parts->is_array()) return InvalidArgument("normalizer.normalizers is not an array");
  bool nfc = false;
  for (const Json& part : parts->as_array()) {
    WEIR_ASSIGN(const bool part_nfc, ReadNormalizer(&part));
    nfc |= part_nfc;
  }
  return nfc;
}

Status CheckDecoder(const Json* decoder) {
  if (IsAbsent(decoder)) return {};
  const std::string_view type = TypeOf(*decoder);
  if (type == "ByteLevel") return {};
  if (type != "Sequence") return Refuse(fmt::format("the decoder {}", JsonQuote(type)));
  const Json* parts = decoder->Find("decoders");
  if (parts == nullptr || !parts->is_array()) return InvalidArgument("decoder.decoders is not an array");
  for (const Json& part : parts->as_array()) {
    if (TypeOf(part) != "ByteLevel") return Refuse(fmt::format("the decoder {}", JsonQuote(TypeOf(part))));
  }
  return {};
}

// "cls" and "sep" of RobertaProcessing: a [text, id] pair.
Result<uint32_t> ReadNamedId(const Json& processor, std::string_view name) {
  const Json* pair = processor.Find(name);
  const std::string where = fmt::format("post_processor.{}", name);
  if (pair == nullptr || !pair->is_array() || pair->as_array().size() != 2) return ReadId(nullptr, where);
  return ReadId(&pair->as_array()[1], where);
}

Status ReadTemplate(const Json& processor, SharedConfig& config) {
  const Json* single = processor.Find("single");
  const Json* specials = processor.Find("special_tokens");
  if (single == nullptr || !single->is_array()) return InvalidArgument("post_processor.single is not an array");
  std::vector<uint32_t> before;
  std::vector<uint32_t> after;
  int sequences = 0;
  for (const Json& piece : single->as_array()) {
    if (const Json* sequence = piece.Find("Sequence"); sequence != nullptr) {
      const Json* name = sequence->Find("id");
      if (name == nullptr || *name != Json("A")) return Refuse("a post_processor whose single template is not around $A");
      ++sequences;
      continue;
    }
    const Json* special = piece.Find("SpecialToken");
    const Json* name = special == nullptr ? nullptr : special->Find("id");
    if (name == nullptr || !name->is_string()) return InvalidArgument("post_processor.single has a piece of unknown kind");
    const Json* entry = specials == nullptr ? nullptr : specials->Find(name->as_string());
    const Json* ids = entry == nullptr ? nullptr : entry->Find("ids");
    if (ids == nullptr || !ids->is_array()) {
      return InvalidArgument(fmt::format("post_processor.special_tokens lacks {}", JsonQuote(name->as_string())));
    }
    for (const Json& id : ids->as_array()) {
      WEIR_ASSIGN(const uint32_t number, ReadId(&id, "post_processor.special_tokens"));
      (sequences == 0 ? before : after).push_back(number);
    }
  }
  if (sequences != 1) return Refuse("a post_processor whose single template has $A not exactly once");
  config.prefix.insert(config.prefix.begin(), before.begin(), before.end());
  config.suffix.insert(config.suffix.end(), after.begin(), after.end());
  return {};
}

Status ReadPostProcessor(const Json* processor, SharedConfig& config) {
  if (IsAbsent(processor)) return {};
  const std::string_view type = TypeOf(*processor);
  if (type == "ByteLevel") return {};  // moves offsets only
  if (type == "TemplateProcessing") return ReadTemplate(*processor, config);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    WEIR_ASSIGN(const uint32_t cls, ReadNamedId(*processor, "cls"));
    WEIR_ASSIGN(const uint32_t sep, ReadNamedId(*processor, "sep"));
    config.prefix.insert(config.prefix.begin(), cls);
    config.suffix.push_back(sep);
    return {};
  }
  if (type != "Sequence") return Refuse(fmt::format("the post_processor {}", JsonQuote(type)));
  const Json* parts = processor->Find("processors");
  if (parts == nullptr || !parts->is_array()) return InvalidArgument("post_processor.processors is not an array");
  for (const Json& part : parts->as_array()) WEIR_TRY(ReadPostProcessor(&part, config));
  return {};
}

Result<bool> ReadFlag(const Json& token, std::string_view name) {
  const Json* value = token.Find(name);
  if (value == nullptr || !value->is_bool())
    return InvalidArgument(fmt::format("an added token's {} is not true or false", name));
  return value->as_bool();
}

// Gives ids as Hugging Face does: that of the vocabulary, else the next free one; the file's own number is not used.
Status ReadAddedTokens(const Json* tokens, const VocabularyFacts& vocabulary, SharedConfig& config) {
  if (IsAbsent(tokens)) return {};
  if (!tokens->is_array()) return InvalidArgument("added_tokens is not an array");
  auto next_id = static_cast<uint32_t>(vocabulary.size);
  std::vector<AddedToken>& added = config.added_tokens;
  for (const Json& token : tokens->as_array()) {
    const Json* content = token.Find("content");
    if (content == nullptr || !content->is_string()) return InvalidArgument("an added token's content is not a string");
    if (content->as_string().empty()) continue;
    AddedToken one;
    one.content = content->as_string();
    WEIR_ASSIGN(one.left_strip, ReadFlag(token, "lstrip"));
    WEIR_ASSIGN(one.right_strip, ReadFlag(token, "rstrip"));
    WEIR_ASSIGN(one.single_word, ReadFlag(token, "single_word"));
    WEIR_ASSIGN(one.normalized, ReadFlag(token, "normalized"));
    one.id = vocabulary.find(one.content);
    if (one.id == kNone) one.id = next_id++;
    added.push_back(std::move(one));
  }
  // Of tokens with one content the last one's flags count; ids are theirs in common (the first one's, if new).
  std::stable_sort(added.begin(), added.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (size_t i = 1; i < added.size(); ++i) {
    if (added[i].content == added[i - 1].content) {
      return InvalidArgument(fmt::format("added_tokens has {} twice", JsonQuote(added[i].content)));
    }
  }
  return {};
}

}  // namespace

Status CheckModelOptions(const Json& model) {
  const Json* type = model.Find("type");
  if (type != nullptr && *type != Json("BPE")) return Refuse(fmt::format("a model of type {}", JsonQuote(TypeOf(model))));
  const Json* dropout = model.Find("dropout");
  if (!IsAbsent(dropout) && !(dropout->is_number() && dropout->as_double() == 0.0)) return Refuse("model.dropout");
  for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!IsAbsentOrEmpty(model.Find(name))) return Refuse(fmt::format("model.{}", name));
  }
  for (const std::string_view name : {"byte_fallback", "fuse_unk"}) {
    if (!IsAbsentOrFalse(model.Find(name))) return Refuse(fmt::format("model.{}", name));
  }
  return {};
}

std::vector<std::string> AddedContents(const Json& document) {
  std::vector<std::string> contents;
  const Json* tokens = document.Find("added_tokens");
  if (tokens == nullptr || !tokens->is_array()) return contents;
  for (const Json& token : tokens->as_array()) {
    const Json* content = token.Find("content");
    if (content != nullptr && content->is_string()) contents.push_back(content->as_string());
  }
  return contents;
}

Status ReadSharedConfig(const Json& document, const VocabularyFacts& vocabulary, SharedConfig& config) {
  const Json* version = document.Find("version");
  if (version != nullptr && *version != Json("1.0")) return Refuse(fmt::format("version {}", version->Dump()));
  WEIR_TRY(ReadPostProcessor(document.Find("post_processor"), config));
  return ReadAddedTokens(document.Find("added_tokens"), vocabulary, config);
}

Status CheckPatternsDiffer(std::vector<std::string> patterns) {
  std::sort(patterns.begin(), patterns.end());
  const auto twin = std::adjacent_find(patterns.begin(), patterns.end());
  if (twin != patterns.end()) return InvalidArgument(fmt::format("two added tokens normalise to {}", JsonQuote(*twin)));
  return {};
}

Result<TokenizerConfig> ResolveConfig(const Json& document, const VocabularyFacts& vocabulary) {
  if (!IsAbsent(document.Find("truncation"))) return Refuse("truncation");
  if (!IsAbsent(document.Find("padding"))) return Refuse("padding");
  TokenizerConfig config;
  WEIR_ASSIGN(config.nfc, ReadNormalizer(document.Find("normalizer")));
  const Json* pre_tokenizer = document.Find("pre_tokenizer");
  if (IsAbsent(pre_tokenizer)) return Refuse("BPE without a pre_tokenizer");
  config.pre_tokenizer = *pre_tokenizer;
  WEIR_TRY(CheckDecoder(document.Find("decoder")));
  WEIR_TRY(ReadSharedConfig(document, vocabulary, config));
  std::vector<std::string> patterns;  // of normalised tokens
  for (const AddedToken& token : config.added_tokens) {
    if (!token.normalized) continue;
    patterns.push_back(config.nfc ? unicode::NormalizeNfc(token.content).text : token.content);
  }
  WEIR_TRY(CheckPatternsDiffer(std::move(patterns)));
  return config;
}

void SetSharedJson(const SharedConfig& config, Json& json) {
  Json tokens = Json::MakeArray();
  for (const AddedToken& token : config.added_tokens) {
    Json row = Json::MakeArray();
    row.Append(Json(token.content));
    row.Append(int64_t{token.id});
    row.Append(int64_t{token.left_strip} | int64_t{token.right_strip} << 1 | int64_t{token.normalized} << 2 |
               int64_t{token.single_word} << 3);
    tokens.Append(std::move(row));
  }
  json.Set("added_tokens", std::move(tokens));
  for (const auto& [name, ids] : {std::pair("prefix", &config.prefix), std::pair("suffix", &config.suffix)}) {
    Json list = Json::MakeArray();
    for (const uint32_t id : *ids) list.Append(int64_t{id});
    json.Set(name, std::move(list));
  }
}

Json ConfigToJson(const TokenizerConfig& config) {
  Json json = Json::MakeObject();
  json.Set("nfc", config.nfc);
  json.Set("pre_tokenizer", config.pre_tokenizer);
  SetSharedJson(config, json);
  return json;
}

Result<TokenizerConfig> ConfigFromJson(const Json& json) {
  const Error wrong = Corrupt("the configuration of a flat tokenizer file is malformed");
  const Json* nfc = json.Find("nfc");
  const Json* pre_tokenizer = json.Find("pre_tokenizer");
  const Json* tokens = json.Find("added_tokens");
  if (nfc == nullptr || !nfc->is_bool() || pre_tokenizer == nullptr || tokens == nullptr || !tokens->is_array())
    return wrong;
  TokenizerConfig config;
  config.nfc = nfc->as_bool();
  config.pre_tokenizer = *pre_tokenizer;
  for (const Json& row : tokens->as_array()) {
    if (!row.is_array() || row.as_array().size() != 3) return wrong;
    const Json::Array& cells = row.as_array();
    if (!cells[0].is_string() || !cells[1].is_integer() || !cells[2].is_integer()) return wrong;
    const int64_t flags = cells[2].as_int();
    config.added_tokens.push_back({cells[0].as_string(), static_cast<uint32_t>(cells[1].as_int()), (flags & 1) != 0,
                                   (flags & 2) != 0, (flags & 8) != 0, (flags & 4) != 0});
  }
  for (const auto& [name, ids] : {std::pair("prefix", &config.prefix), std::pair("suffix", &config.suffix)}) {
    const Json* list = json.Find(name);
    if (list == nullptr || !list->is_array()) return wrong;
    for (const Json& id : list->as_array()) {
      if (!id.is_integer()) return wrong;
      ids->push_back(static_cast<uint32_t>(id.as_int()));
    }
  }
  return config;
}

}  // namespace weir::bpe
