#pragma once
// Small tokenizer.json files for tests, and the rules of byte-level BPE once more in the plainest way.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "byte_alphabet.h"
#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/tokenizer.h"

namespace weir::testing {

// The text that stands for bytes in a vocabulary.
inline std::string ToAlphabet(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    for (uint32_t code_point = 0; code_point < bpe::kAlphabetEnd; ++code_point) {
      if (bpe::kByteOfCodePoint[code_point] == static_cast<uint8_t>(c)) AppendUtf8(code_point, text);
    }
  }
  return text;
}

// A model under construction: the 256 bytes have the ids of their values, merges and added tokens follow.
struct BpeSample {
  BpeSample() {
    for (int byte = 0; byte < 256; ++byte) AddWord(ToAlphabet(std::string(1, static_cast<char>(byte))));
  }

  void AddWord(const std::string& text) { vocabulary.emplace(text, static_cast<TokenId>(vocabulary.size())); }
  // Each "left right", in the alphabet of vocabularies.
  void AddMerges(const std::vector<std::string>& pairs) {
    for (const std::string& pair : pairs) {
      const size_t blank = pair.find(' ');
      merges.emplace_back(pair.substr(0, blank), pair.substr(blank + 1));
      AddWord(merges.back().first + merges.back().second);
    }
  }
  // Merges of letters and of what was merged before; products may repeat.
  void AddRandomMerges(Random& random, std::string_view letters, size_t count) {
    std::vector<std::string> known;
    for (const char c : letters) known.push_back(ToAlphabet(std::string(1, c)));
    while (merges.size() < count) {
      const std::pair pair(known[random.Below(known.size())], known[random.Below(known.size())]);
      if (std::find(merges.begin(), merges.end(), pair) != merges.end()) continue;
      merges.push_back(pair);
      AddWord(pair.first + pair.second);
      known.push_back(pair.first + pair.second);
    }
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

  Json ToJson() const {
    Json vocab = Json::MakeObject();
    for (const auto& [text, id] : vocabulary) vocab.as_object().emplace_back(text, Json(int64_t{id}));
    Json list = Json::MakeArray();
    for (const auto& [left, right] : merges) {
      if (merges_as_pairs) {
        Json pair = Json::MakeArray();
        pair.Append(Json(left));
        pair.Append(Json(right));
        list.Append(std::move(pair));
      } else {
        list.Append(Json(left + " " + right));
      }
    }
    Json model = Json::MakeObject();
    model.Set("type", "BPE");
    model.Set("ignore_merges", ignore_merges);
    model.Set("vocab", std::move(vocab));
    model.Set("merges", std::move(list));
    Json document = Json::MakeObject();
    document.Set("version", "1.0");
    document.Set("added_tokens", added_tokens);
    document.Set("normalizer", normalizer);
    document.Set("pre_tokenizer", pre_tokenizer);
    document.Set("post_processor", post_processor);
    document.Set("model", std::move(model));
    return document;
  }
  std::string Text() const { return ToJson().Dump(); }

  // The ids of one word: the leftmost pair of least rank, again and again.
  std::vector<TokenId> PlainWord(std::string_view bytes) const {
    if (const auto whole = vocabulary.find(ToAlphabet(bytes)); ignore_merges && whole != vocabulary.end())
      return {whole->second};
    std::vector<std::string> symbols;
    for (const char c : bytes) symbols.push_back(ToAlphabet(std::string(1, c)));
    while (true) {
      size_t best_rank = merges.size();
      size_t best = 0;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto found = std::find(merges.begin(), merges.end(), std::pair(symbols[i], symbols[i + 1]));
        const auto rank = static_cast<size_t>(found - merges.begin());
        if (rank < best_rank) {
          best_rank = rank;
          best = i;
        }
      }
      if (best_rank == merges.size()) break;
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
    std::vector<TokenId> ids;
    for (const std::string& symbol : symbols) ids.push_back(vocabulary.at(symbol));
    return ids;
  }

  std::map<std::string, TokenId> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
  bool ignore_merges = false;
  bool merges_as_pairs = true;
  Json added_tokens = Json::MakeArray();
  Json normalizer;
  Json pre_tokenizer = *Json::Parse(R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})");
  Json post_processor;
};

// A folder of its own, removed with everything in it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-tokens-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Result<std::unique_ptr<Tokenizer>> TryLoadText(const std::string& json) {
  const ScratchFolder folder;
  WEIR_TRY(WriteFileAtomically(folder.path() / "tokenizer.json", json));
  return LoadTokenizer(folder.path() / "tokenizer.json", {});
}

inline std::unique_ptr<Tokenizer> LoadText(const std::string& json) {
  auto tokenizer = TryLoadText(json);
  EXPECT_TRUE(tokenizer) << tokenizer.error().ToString();
  return *std::move(tokenizer);
}

inline Encoding EncodeText(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  Encoding encoding;
  const Status status = tokenizer.NewEncoder()->Encode(text, options, encoding);
  EXPECT_TRUE(status) << status.error().ToString();
  return encoding;
}

}  // namespace weir::testing
