#include "tokenizer_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bitset>
#include <unordered_map>
#include <utility>

namespace weir::bpe {
namespace {

namespace dom = simdjson::dom;

// The large parts as views into the parser's buffer, the rest as JSON text.
struct Parts {
  std::vector<VocabularyItem> vocabulary;
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  std::string model_options = "{";
  std::string document = "{";
  bool is_word_piece = false;
};

void AppendMember(std::string& object, std::string_view name, dom::element value) {
  if (object.size() > 1) object += ',';
  object += JsonQuote(name);
  object += ':';
  object += simdjson::minify(value);
}

Status ReadVocabulary(dom::element value, Parts& parts) {
  dom::object items;
  if (value.get(items) != simdjson::SUCCESS) return InvalidArgument("model.vocab is not an object");
  parts.vocabulary.reserve(items.size());
  for (const dom::key_value_pair item : items) {
    uint64_t id = 0;
    if (item.value.get(id) != simdjson::SUCCESS || id > UINT32_MAX) {
      return InvalidArgument(fmt::format("model.vocab gives {} no token id", JsonQuote(item.key)));
    }
    parts.vocabulary.push_back({item.key, static_cast<uint32_t>(id)});
  }
  return {};
}

// A pair of strings, or both in one string with a blank between them.
bool ReadMerge(dom::element merge, std::string_view& left, std::string_view& right) {
  dom::array sides;
  if (merge.get(sides) == simdjson::SUCCESS) {
    return sides.size() == 2 && sides.at(0).get(left) == simdjson::SUCCESS && sides.at(1).get(right) == simdjson::SUCCESS;
  }
  std::string_view text;
  if (merge.get(text) != simdjson::SUCCESS) return false;
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos) return false;
  left = text.substr(0, blank);
  right = text.substr(blank + 1);
  return true;
}

Status ReadMerges(dom::element value, Parts& parts) {
  dom::array merges;
  if (value.get(merges) != simdjson::SUCCESS) return InvalidArgument("model.merges is not an array");
  size_t index = 0;
  for (const dom::element merge : merges) {
    std::string_view left;
    std::string_view right;
    const bool is_header = merge.is_string() && std::string_view(merge).starts_with("#version");
    if (!is_header) {
      if (!ReadMerge(merge, left, right))
        return InvalidArgument(fmt::format("model.merges[{}] is not a pair of strings", index));
      parts.merges.emplace_back(left, right);
    }
    ++index;
  }
  return {};
}

// The model's options first, so that a model of another type is named rather than called malformed.
Status ReadModel(dom::element value, Parts& parts) {
  dom::object model;
  if (value.get(model) != simdjson::SUCCESS) return InvalidArgument("the member model is not an object");
  for (const dom::key_value_pair member : model) {
    if (member.key != "vocab" && member.key != "merges") AppendMember(parts.model_options, member.key, member.value);
  }
  parts.model_options += '}';
  WEIR_ASSIGN(const Json options, Json::Parse(parts.model_options));
  parts.is_word_piece = TypeOf(options) == "WordPiece";
  if (!parts.is_word_piece) WEIR_TRY(CheckModelOptions(options));
  int vocabularies = 0;
  int merge_lists = 0;
  for (const dom::key_value_pair member : model) {
    if (member.key == "vocab" && ++vocabularies == 1) WEIR_TRY(ReadVocabulary(member.value, parts));
    if (member.key == "merges" && !parts.is_word_piece && ++merge_lists == 1) WEIR_TRY(ReadMerges(member.value, parts));
  }
  if (vocabularies != 1 && parts.is_word_piece) return InvalidArgument("model has no vocab of its own, or has it twice");
  if (vocabularies != 1 || (merge_lists != 1 && !parts.is_word_piece))
    return InvalidArgument("model has no vocab and merges of its own, or has them twice");
  return {};
}

Status ReadDocument(dom::element root, Parts& parts) {
  dom::object document;
  if (root.get(document) != simdjson::SUCCESS) return InvalidArgument("not a tokenizer.json: no JSON object");
  int models = 0;
  for (const dom::key_value_pair member : document) {
    if (member.key != "model") {
      AppendMember(parts.document, member.key, member.value);
    } else if (++models == 1) {
      WEIR_TRY(ReadModel(member.value, parts));
    }
  }
  if (models != 1) return InvalidArgument("not a tokenizer.json: it has no model, or two");
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

Result<wordpiece::LoadedWordPiece> AssembleWordPiece(const Parts& parts, const Json& options, const Json& document,
                                                     const VocabularyFacts& facts) {
  WEIR_ASSIGN(wordpiece::WordPieceConfig config, wordpiece::ResolveWordPieceConfig(document, options, facts));
  WEIR_ASSIGN(wordpiece::WordPieceModel model,
              wordpiece::WordPieceModel::Build({parts.vocabulary, config.unknown, config.going_on, config.chars_max}));
  return wordpiece::LoadedWordPiece{std::move(model), std::move(config)};
}

Result<AnyLoadedTokenizer> Assemble(const Parts& parts) {
  WEIR_ASSIGN(const Json options, Json::Parse(parts.model_options));
  WEIR_ASSIGN(const Json document, Json::Parse(parts.document));

  const std::vector<std::string> contents = AddedContents(document);
  const auto ids = IdsOf(contents, parts);
  const VocabularyFacts facts{parts.vocabulary.size(), [&ids](std::string_view text) { return ids.at(text); }};
  if (parts.is_word_piece) {
    WEIR_ASSIGN(wordpiece::LoadedWordPiece loaded, AssembleWordPiece(parts, options, document, facts));
    return AnyLoadedTokenizer(std::move(loaded));
  }
  WEIR_ASSIGN(TokenizerConfig config, ResolveConfig(document, facts));

  ModelSource source;
  source.vocabulary = parts.vocabulary;
  source.merges = parts.merges;
  const Json* ignore_merges = options.Find("ignore_merges");
  source.ignore_merges = ignore_merges != nullptr && ignore_merges->is_bool() && ignore_merges->as_bool();
  const Json* unknown = options.Find("unk_token");
  source.has_unknown_token = unknown != nullptr && !unknown->is_null();
  WEIR_ASSIGN(BpeModel model, BpeModel::Build(source));
  return AnyLoadedTokenizer(LoadedTokenizer{std::move(model), std::move(config)});
}

}  // namespace

Result<AnyLoadedTokenizer> ReadTokenizerJson(std::string_view json) {
  if (json.empty()) return InvalidArgument("the file is empty");
  const simdjson::padded_string padded(json);
  dom::parser parser;
  dom::element root;
  if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS) {
    // The plain reader knows the place.
    if (const auto place = Json::Parse(json); !place) return place.error();
    return InvalidArgument(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  }
  Parts parts;
  WEIR_TRY(ReadDocument(root, parts));
  return Assemble(parts);
}

}  // namespace weir::bpe
