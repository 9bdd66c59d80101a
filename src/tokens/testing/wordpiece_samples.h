#pragma once
// Small WordPiece tokenizer.json files for tests, and its rule once more in the plainest way.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_samples.h"
#include "weir/codec/json.h"
#include "weir/tokens/tokenizer.h"

namespace weir::testing {

// A model under construction; ids are given in order, "[UNK]" has 0.
struct WordPieceSample {
  WordPieceSample() { AddWord("[UNK]"); }

  TokenId AddWord(const std::string& text) {
    return vocabulary.emplace(text, static_cast<TokenId>(vocabulary.size())).first->second;
  }
  void AddWords(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) AddWord(text);
  }

  void AddToken(std::string_view content, std::string_view flags = "") {
    Json token = Json::MakeObject();
    token.Set("id", 0);
    token.Set("content", content);
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
      token.Set(flag, flags.find(flag) != std::string_view::npos);
    }
    added_tokens.Append(std::move(token));
  }

  // The normaliser's steps by their initials: clean, ideographs, strip accents, lower case.
  void SetRules(std::string_view steps) {
    normalizer = Json::MakeObject();
    normalizer.Set("type", "BertNormalizer");
    normalizer.Set("clean_text", steps.find('c') != std::string_view::npos);
    normalizer.Set("handle_chinese_chars", steps.find('i') != std::string_view::npos);
    normalizer.Set("strip_accents", steps.find('s') != std::string_view::npos);
    normalizer.Set("lowercase", steps.find('l') != std::string_view::npos);
  }

  Json ToJson() const {
    Json vocab = Json::MakeObject();
    for (const auto& [text, id] : vocabulary) vocab.as_object().emplace_back(text, Json(int64_t{id}));
    Json model = Json::MakeObject();
    model.Set("type", "WordPiece");
    model.Set("unk_token", "[UNK]");
    model.Set("continuing_subword_prefix", "##");
    model.Set("max_input_chars_per_word", int64_t{chars_max});
    model.Set("vocab", std::move(vocab));
    Json document = Json::MakeObject();
    document.Set("version", "1.0");
    document.Set("truncation", *Json::Parse(R"({"max_length":4,"strategy":"LongestFirst","stride":0})"));
    document.Set("added_tokens", added_tokens);
    document.Set("normalizer", normalizer);
    document.Set("pre_tokenizer", pre_tokenizer);
    document.Set("post_processor", post_processor);
    document.Set("decoder", decoder);
    document.Set("model", std::move(model));
    return document;
  }
  std::string Text() const { return ToJson().Dump(); }

  // The ids of one word of ASCII: the longest piece at each place.
  std::vector<TokenId> PlainWord(const std::string& word) const {
    std::vector<TokenId> ids;
    for (size_t at = 0; at < word.size();) {
      size_t size = word.size() - at;
      while (size > 0 && !vocabulary.contains((at > 0 ? "##" : "") + word.substr(at, size))) --size;
      if (size == 0 || word.size() > chars_max) return {0};
      ids.push_back(vocabulary.at((at > 0 ? "##" : "") + word.substr(at, size)));
      at += size;
    }
    return ids;
  }

  std::map<std::string, TokenId> vocabulary;
  uint32_t chars_max = 100;
  Json added_tokens = Json::MakeArray();
  Json normalizer = *Json::Parse(
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})");
  Json pre_tokenizer = *Json::Parse(R"({"type":"BertPreTokenizer"})");
  Json post_processor;
  Json decoder = *Json::Parse(R"({"type":"WordPiece","prefix":"##","cleanup":true})");
};

// Every character of these texts as a word and as a piece that goes on.
inline WordPieceSample SampleOf(const std::vector<std::string>& characters) {
  WordPieceSample sample;
  for (const std::string& character : characters) {
    sample.AddWord(character);
    sample.AddWord("##" + character);
  }
  return sample;
}

// The tokens' texts, one blank between them.
inline std::string TokensOf(const Tokenizer& tokenizer, std::string_view text) {
  std::string joined;
  for (const TokenId id : EncodeText(tokenizer, text).ids) {
    joined += (joined.empty() ? "" : " ") + *tokenizer.Decode(std::span(&id, 1));
  }
  return joined;
}

}  // namespace weir::testing
