#include "wordpiece_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/codec/hex.h"
#include "weir/codec/xxh3.h"
#include "wordpiece_encoder.h"

namespace weir::wordpiece {
namespace {

constexpr std::string_view kFingerprintVersion = "weir wordpiece 1";

// Over what decides ids: vocabulary, configuration, and the version of this code's behaviour.
std::string FingerprintOf(const WordPieceModel& model, const WordPieceConfig& config) {
  Xxh3Stream hash;
  const auto add = [&hash](std::string_view bytes) {
    const uint64_t size = bytes.size();
    hash.Update({reinterpret_cast<const char*>(&size), sizeof size});
    hash.Update(bytes);
  };
  add(kFingerprintVersion);
  add(WordPieceConfigToJson(config).Dump());
  for (uint32_t id = 0; id < model.vocab_size(); ++id) {
    if (!model.Has(id)) continue;
    add({reinterpret_cast<const char*>(&id), sizeof id});
    add(model.Text(id));
  }
  const auto digest = DigestBytes(hash.Finish128());
  return HexOf(std::span<const uint8_t>(digest));
}

bpe::AddedTokenFinder MakeFinder(const WordPieceConfig& config, const CharacterFolder& folder, bool normalized) {
  std::vector<bpe::AddedTokenFinder::Pattern> patterns;
  for (const bpe::AddedToken& token : config.added_tokens) {
    if (token.normalized != normalized) continue;
    patterns.push_back({normalized ? NormalizeBert(folder, token.content).text : token.content, token.id, token.left_strip,
                        token.right_strip, token.single_word});
  }
  return bpe::AddedTokenFinder(std::move(patterns));
}

void ReplaceAll(std::string& text, std::string_view what, std::string_view by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

// What the reference's decoder takes out of each token's text, in its order.
void CleanUp(std::string& text) {
  for (const char* sign : {".", "?", "!", ","}) ReplaceAll(text, std::string(" ") + sign, sign);
  ReplaceAll(text, " ' ", "'");
  ReplaceAll(text, " n't", "n't");
  ReplaceAll(text, " 'm", "'m");
  ReplaceAll(text, " do not", " don't");
  for (const char* tail : {"'s", "'ve", "'re"}) ReplaceAll(text, std::string(" ") + tail, tail);
}

WordPieceParts MakeParts(LoadedWordPiece loaded) {
  CharacterFolder folder(loaded.config.rules);
  bpe::AddedTokenFinder raw = MakeFinder(loaded.config, folder, false);
  bpe::AddedTokenFinder normalized = MakeFinder(loaded.config, folder, true);
  std::optional<CharacterFolder> plain_folder;
  if (!normalized.empty()) plain_folder.emplace(BertRules{});
  return {std::move(loaded.model), std::move(loaded.config), std::move(folder),
          std::move(plain_folder), std::move(raw),           std::move(normalized)};
}

class WordPieceTokenizer final : public Tokenizer {
 public:
  explicit WordPieceTokenizer(LoadedWordPiece loaded)
      : parts_(MakeParts(std::move(loaded))),
        fingerprint_(FingerprintOf(parts_.model, parts_.config)),
        vocab_size_(parts_.model.vocab_size()) {
    for (uint32_t i = 0; i < parts_.config.added_tokens.size(); ++i) {
      const bpe::AddedToken& token = parts_.config.added_tokens[i];
      vocab_size_ = std::max(vocab_size_, token.id + 1);
      added_by_id_.emplace_back(token.id, i);
      // As the reference decodes them.
      added_texts_.push_back(token.normalized ? NormalizeBert(parts_.folder, token.content).text : token.content);
    }
    std::sort(added_by_id_.begin(), added_by_id_.end());
  }

  const std::string& fingerprint() const override { return fingerprint_; }
  uint32_t vocab_size() const override { return vocab_size_; }
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<WordPieceEncoder>(parts_); }

  Result<std::string> Decode(std::span<const TokenId> ids) const override {
    const WordPieceConfig& config = parts_.config;
    std::string text;
    std::string token;
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto found = TextOf(ids[i]);
      if (!found) return InvalidArgument(fmt::format("id {} at index {} is not in the vocabulary", ids[i], i));
      const bool goes_on = config.has_decoder && found->starts_with(config.decoder_prefix);
      token.assign(i > 0 && !goes_on ? " " : "");
      token += i > 0 && goes_on ? found->substr(config.decoder_prefix.size()) : *found;
      if (config.cleans_up) CleanUp(token);
      text += token;
    }
    return text;
  }

  std::optional<TokenId> IdOf(std::string_view token) const override {
    const auto& added = parts_.config.added_tokens;
    const auto found =
        std::lower_bound(added.begin(), added.end(), token,
                         [](const bpe::AddedToken& a, std::string_view content) { return a.content < content; });
    if (found != added.end() && found->content == token) return found->id;
    const uint32_t id = parts_.model.Find(token);
    return id == kNone ? std::nullopt : std::optional<TokenId>(id);
  }

 private:
  std::optional<std::string_view> TextOf(TokenId id) const {
    const auto found = std::lower_bound(added_by_id_.begin(), added_by_id_.end(), std::pair(id, uint32_t{0}));
    if (found != added_by_id_.end() && found->first == id) return added_texts_[found->second];
    return parts_.model.Has(id) ? std::optional(parts_.model.Text(id)) : std::nullopt;
  }

  WordPieceParts parts_;
  std::string fingerprint_;
  uint32_t vocab_size_;
  std::vector<std::pair<uint32_t, uint32_t>> added_by_id_;  // id, index in added_texts_
  std::vector<std::string> added_texts_;                    // by index in the configuration's added_tokens
};

}  // namespace

std::unique_ptr<Tokenizer> MakeWordPieceTokenizer(LoadedWordPiece loaded) {
  return std::make_unique<WordPieceTokenizer>(std::move(loaded));
}

}  // namespace weir::wordpiece
