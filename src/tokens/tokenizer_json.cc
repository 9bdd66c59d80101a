#include "tokenizer_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bitset>
#include <unordered_map>
#include <utility>

namespace weir::bpe {
namespace {

namespace ondemand = simdjson::ondemand;

// The large parts as views into the parser's buffer, the rest as JSON text.
struct Parts {
  std::vector<VocabularyItem> vocabulary;
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  bool has_vocabulary = false;
  bool has_merges = false;
  bool vocabulary_is_object = true;
  std::string model_options = "{";
  std::string document = "{";
};

void AppendMember(std::string& object, std::string_view name, std::string_view raw) {
  if (object.size() > 1) object += ',';
  object += JsonQuote(name);
  object += ':';
  object += raw;
}

std::string_view RawText(ondemand::value value) {
  const ondemand::json_type type = value.type();
  if (type == ondemand::json_type::object) return value.get_object().value().raw_json();
  if (type == ondemand::json_type::array) return value.get_array().value().raw_json();
  return value.raw_json_token();
}

void ReadVocabulary(ondemand::value value, Parts& parts) {
  parts.has_vocabulary = true;
  if (value.type() != ondemand::json_type::object) {
    parts.vocabulary_is_object = false;
    return;
  }
  for (ondemand::field field : value.get_object()) {
    const std::string_view text = field.unescaped_key();
    const uint64_t id = field.value().get_uint64();
    if (id > UINT32_MAX) throw simdjson::simdjson_error(simdjson::NUMBER_OUT_OF_RANGE);
    parts.vocabulary.push_back({text, static_cast<uint32_t>(id)});
  }
}

// A pair of strings, or both in one string with a blank between them.
Status ReadMerges(ondemand::value value, Parts& parts) {
  parts.has_merges = true;
  size_t index = 0;
  for (ondemand::value merge : value.get_array()) {
    std::string_view sides[2];
    size_t count = 0;
    if (merge.type() == ondemand::json_type::array) {
      for (ondemand::value side : merge.get_array()) {
        const std::string_view text = side.get_string();
        if (count < 2) sides[count] = text;
        ++count;
      }
    } else {
      const std::string_view text = merge.get_string();
      if (text.starts_with("#version")) continue;
      const size_t blank = text.find(' ');
      if (blank != std::string_view::npos && text.find(' ', blank + 1) == std::string_view::npos) {
        sides[0] = text.substr(0, blank);
        sides[1] = text.substr(blank + 1);
        count = 2;
      }
    }
    if (count != 2) return InvalidArgument(fmt::format("model.merges[{}] is not a pair", index));
    parts.merges.emplace_back(sides[0], sides[1]);
    ++index;
  }
  return {};
}

Status ReadModel(ondemand::object model, Parts& parts) {
  for (ondemand::field field : model) {
    const std::string name(std::string_view(field.unescaped_key()));
    if (name == "vocab" && !parts.has_vocabulary) {
      ReadVocabulary(field.value(), parts);
    } else if (name == "merges" && !parts.has_merges) {
      WEIR_TRY(ReadMerges(field.value(), parts));
    } else if (name == "vocab" || name == "merges") {
      return InvalidArgument(fmt::format("model has {} twice", name));
    } else {
      AppendMember(parts.model_options, name, RawText(field.value()));
    }
  }
  parts.model_options += '}';
  return {};
}

Status ReadDocument(ondemand::document& json, Parts& parts) {
  bool has_model = false;
  for (ondemand::field field : json.get_object()) {
    const std::string name(std::string_view(field.unescaped_key()));
    if (name != "model") {
      AppendMember(parts.document, name, RawText(field.value()));
      continue;
    }
    if (has_model) return InvalidArgument("tokenizer.json has two models");
    has_model = true;
    WEIR_TRY(ReadModel(field.value().get_object(), parts));
  }
  if (!json.at_end()) throw simdjson::simdjson_error(simdjson::TRAILING_CONTENT);
  if (!has_model) return InvalidArgument("not a tokenizer.json: it has no model");
  parts.document += '}';
  return {};
}

// The vocabulary's ids of a few strings.
std::unordered_map<std::string_view, uint32_t> IdsOf(const std::vector<std::string>& wanted, const Parts& parts) {
  std::unordered_map<std::string_view, uint32_t> ids;
  std::bitset<256 * 256> lengths_and_starts;
  const auto kind_of = [](std::string_view text) { return static_cast<uint8_t>(text[0]) * 256u + (text.size() & 255); };
  for (const std::string& text : wanted) {
    if (text.empty()) continue;
    ids.emplace(text, kNone);
    lengths_and_starts.set(kind_of(text));
  }
  for (const VocabularyItem& item : parts.vocabulary) {
    if (item.text.empty() || !lengths_and_starts.test(kind_of(item.text))) continue;
    if (const auto found = ids.find(item.text); found != ids.end()) found->second = item.id;
  }
  return ids;
}

Result<LoadedTokenizer> Assemble(const Parts& parts) {
  WEIR_ASSIGN(const Json options, Json::Parse(parts.model_options));
  WEIR_TRY(CheckModelOptions(options));
  if (!parts.has_vocabulary || !parts.vocabulary_is_object) return InvalidArgument("model.vocab is not an object");
  if (!parts.has_merges) return InvalidArgument("model.merges is not an array");
  WEIR_ASSIGN(const Json document, Json::Parse(parts.document));

  const std::vector<std::string> contents = AddedContents(document);
  const auto ids = IdsOf(contents, parts);
  const VocabularyFacts facts{parts.vocabulary.size(), [&ids](std::string_view text) { return ids.at(text); }};
  WEIR_ASSIGN(TokenizerConfig config, ResolveConfig(document, facts));

  ModelSource source;
  source.vocabulary = parts.vocabulary;
  source.merges = parts.merges;
  const Json* ignore_merges = options.Find("ignore_merges");
  source.ignore_merges = ignore_merges != nullptr && ignore_merges->is_bool() && ignore_merges->as_bool();
  const Json* unknown = options.Find("unk_token");
  source.has_unknown_token = unknown != nullptr && !unknown->is_null();
  WEIR_ASSIGN(BpeModel model, BpeModel::Build(source));
  return LoadedTokenizer{std::move(model), std::move(config)};
}

}  // namespace

Result<LoadedTokenizer> ReadTokenizerJson(std::string_view json) {
  const simdjson::padded_string padded(json);
  ondemand::parser parser;
  ondemand::document document;
  Parts parts;
  if (const auto error = parser.iterate(padded).get(document); error != simdjson::SUCCESS) {
    return InvalidArgument(fmt::format("not a valid tokenizer.json: {}", simdjson::error_message(error)));
  }
  try {
    WEIR_TRY(ReadDocument(document, parts));
  } catch (const simdjson::simdjson_error& error) {
    const char* place = nullptr;
    const bool known = document.current_location().get(place) == simdjson::SUCCESS && place >= padded.data() &&
                       place <= padded.data() + padded.size();
    return InvalidArgument(known ? fmt::format("not a valid tokenizer.json at byte {}: {}", place - padded.data(), error.what())
                                 : fmt::format("not a valid tokenizer.json: {}", error.what()));
  }
  return Assemble(parts);
}

}  // namespace weir::bpe
