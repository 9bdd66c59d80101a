// BpeTokenizer: the Tokenizer over a byte-level BPE model; and how a tokenizer of any kind is loaded.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bpe_encoder.h"
#include "flat_file.h"
#include "tokenizer_json.h"
#include "unicode.h"
#include "weir/base/file.h"
#include "weir/base/log.h"
#include "weir/codec/hex.h"
#include "weir/codec/xxh3.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace bpe {
namespace {

constexpr std::string_view kFingerprintVersion = "weir byte-level bpe 1";

template <typename T>
std::string_view AsBytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// Over what decides ids: vocabulary, merges by rank, configuration, and the version of this code's behaviour.
std::string FingerprintOf(const BpeModel& model, const std::string& config) {
  const ModelTables& tables = model.tables();
  Xxh3Stream hash;
  const auto add = [&hash](std::string_view bytes) {
    const uint64_t size = bytes.size();
    hash.Update({reinterpret_cast<const char*>(&size), sizeof size});
    hash.Update(bytes);
  };
  add(kFingerprintVersion);
  add(config);
  add(AsBytes(tables.scalars));
  add(AsBytes(tables.token_offsets));
  add(AsBytes(tables.token_bytes));
  add(AsBytes(tables.token_kinds));
  add(AsBytes(tables.products));
  add(AsBytes(tables.pairs));
  const auto digest = DigestBytes(hash.Finish128());
  return HexOf(std::span<const uint8_t>(digest));
}

AddedTokenFinder MakeFinder(const TokenizerConfig& config, bool normalized) {
  std::vector<AddedTokenFinder::Pattern> patterns;
  for (const AddedToken& token : config.added_tokens) {
    if (token.normalized != normalized) continue;
    const bool changes = normalized && config.nfc;
    patterns.push_back({changes ? unicode::NormalizeNfc(token.content).text : token.content, token.id, token.left_strip,
                        token.right_strip, token.single_word});
  }
  return AddedTokenFinder(std::move(patterns));
}

class BpeTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> Make(LoadedTokenizer loaded) {
    WEIR_ASSIGN(Pretokenizer pretokenizer, Pretokenizer::FromJson(loaded.config.pre_tokenizer));
    AddedTokenFinder raw = MakeFinder(loaded.config, false);
    AddedTokenFinder normalized = MakeFinder(loaded.config, true);
    TokenizerParts parts{std::move(loaded.model), std::move(loaded.config), std::move(pretokenizer), std::move(raw),
                         std::move(normalized)};
    return std::unique_ptr<Tokenizer>(new BpeTokenizer(std::move(parts)));
  }

  const std::string& fingerprint() const override { return fingerprint_; }
  uint32_t vocab_size() const override { return vocab_size_; }
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<BpeEncoder>(parts_); }

  Result<std::string> Decode(std::span<const TokenId> ids) const override {
    std::string text;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (const AddedToken* token = FindAdded(ids[i])) {
        text += token->content;
      } else if (parts_.model.Kind(ids[i]) != kAbsent) {
        text += parts_.model.Bytes(ids[i]);
      } else {
        return InvalidArgument(fmt::format("id {} at index {} is not in the vocabulary", ids[i], i));
      }
    }
    return text;
  }

  std::optional<TokenId> IdOf(std::string_view token) const override {
    const auto& added = parts_.config.added_tokens;
    const auto found = std::lower_bound(added.begin(), added.end(), token,
                                        [](const AddedToken& a, std::string_view content) { return a.content < content; });
    if (found != added.end() && found->content == token) return found->id;
    const uint32_t id = parts_.model.FindToken(token);
    return id == kNone ? std::nullopt : std::optional<TokenId>(id);
  }

 private:
  explicit BpeTokenizer(TokenizerParts parts)
      : parts_(std::move(parts)),
        fingerprint_(FingerprintOf(parts_.model, ConfigToJson(parts_.config).Dump())),
        vocab_size_(parts_.model.vocab_size()) {
    for (uint32_t i = 0; i < parts_.config.added_tokens.size(); ++i) {
      const uint32_t id = parts_.config.added_tokens[i].id;
      vocab_size_ = std::max(vocab_size_, id + 1);
      added_by_id_.emplace_back(id, i);
    }
    std::sort(added_by_id_.begin(), added_by_id_.end());
  }

  const AddedToken* FindAdded(TokenId id) const {
    const auto found = std::lower_bound(added_by_id_.begin(), added_by_id_.end(), std::pair(id, uint32_t{0}));
    return found == added_by_id_.end() || found->first != id ? nullptr : &parts_.config.added_tokens[found->second];
  }

  TokenizerParts parts_;
  std::string fingerprint_;
  uint32_t vocab_size_;
  std::vector<std::pair<uint32_t, uint32_t>> added_by_id_;  // id, index in added_tokens
};

}  // namespace
}  // namespace bpe

namespace {

Result<std::unique_ptr<Tokenizer>> Load(std::string_view json, const std::filesystem::path& cache_folder) {
  const Hash128 hash = cache_folder.empty() ? Hash128{} : Xxh3_128(json);
  const std::filesystem::path flat = cache_folder.empty() ? "" : bpe::FlatFilePath(cache_folder, hash);
  if (!flat.empty()) {
    if (auto loaded = bpe::ReadFlatFile(flat, hash)) return bpe::BpeTokenizer::Make(*std::move(loaded));
  }
  WEIR_ASSIGN(auto loaded, bpe::ReadTokenizerJson(json));
  if (auto* word_piece = std::get_if<wordpiece::LoadedWordPiece>(&loaded)) {
    return wordpiece::MakeWordPieceTokenizer(std::move(*word_piece));
  }
  auto& byte_pairs = std::get<bpe::LoadedTokenizer>(loaded);
  if (!flat.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(cache_folder, ignored);
    if (const Status written = bpe::WriteFlatFile(flat, hash, byte_pairs); !written) {
      Log(LogLevel::kInfo, fmt::format("no flat tokenizer file: {}", written.error().ToString()));  // it only loads slower
    }
  }
  return bpe::BpeTokenizer::Make(std::move(byte_pairs));
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::filesystem::path& path, const TokenizerLoadOptions& options) {
  const auto named = [&path](Error error) {
    error.message = fmt::format("{}: {}", path.string(), error.message);
    return error;
  };
  WEIR_ASSIGN(const MappedFile file, MappedFile::Open(path));
  auto tokenizer = Load(file.bytes(), options.cache_folder);
  if (!tokenizer) return named(std::move(tokenizer).error());
  return tokenizer;
}

}  // namespace weir
