#pragma once
// ByteTokenizer: a tokenizer for tests that need ids but no model. One id per byte (0..255), and one id from 256 on for
// each special token that it was made with, found first and longest first.
//
// Immutable and shared by threads, like every Tokenizer.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/tokens/tokenizer.h"

namespace weir::testing {

class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(std::vector<std::string> specials = {}) : specials_(std::move(specials)) {
    std::sort(specials_.begin(), specials_.end(),
              [](const std::string& a, const std::string& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    for (const std::string& special : specials_) {
      for (const char c : special + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    for (int digit = 0; digit < 32; ++digit) fingerprint_ += "0123456789abcdef"[(hash >> (digit % 16 * 4)) & 15];
  }

  const std::string& fingerprint() const override { return fingerprint_; }
  uint32_t vocab_size() const override { return 256 + static_cast<uint32_t>(specials_.size()); }
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<ByteEncoder>(*this); }

  Result<std::string> Decode(std::span<const TokenId> ids) const override {
    std::string text;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= vocab_size()) return InvalidArgument("id at index " + std::to_string(i) + " is not in the vocabulary");
      if (ids[i] < 256) {
        text += static_cast<char>(ids[i]);
      } else {
        text += specials_[ids[i] - 256];
      }
    }
    return text;
  }

  std::optional<TokenId> IdOf(std::string_view token) const override {
    for (size_t i = 0; i < specials_.size(); ++i) {
      if (specials_[i] == token) return static_cast<TokenId>(256 + i);
    }
    if (token.size() == 1) return static_cast<TokenId>(static_cast<unsigned char>(token[0]));
    return std::nullopt;
  }

 private:
  class ByteEncoder final : public Encoder {
   public:
    explicit ByteEncoder(const ByteTokenizer& tokenizer) : tokenizer_(tokenizer) {}

    Status Encode(std::string_view text, const EncodeOptions&, Encoding& out) override {
      out.Clear();
      for (size_t at = 0; at < text.size();) {
        const std::vector<std::string>& specials = tokenizer_.specials_;
        const auto found = std::find_if(specials.begin(), specials.end(), [&](const std::string& special) {
          return !special.empty() && text.substr(at).starts_with(special);
        });
        if (found != specials.end()) {
          out.ids.push_back(256 + static_cast<TokenId>(found - specials.begin()));
          out.begins.push_back(static_cast<uint32_t>(at));
          at += found->size();
          continue;
        }
        const size_t size = CharacterSize(text.substr(at));
        if (size == 0) return InvalidArgument("byte " + std::to_string(at) + " is not UTF-8");
        for (size_t i = 0; i < size; ++i, ++at) {
          out.ids.push_back(static_cast<unsigned char>(text[at]));
          out.begins.push_back(static_cast<uint32_t>(at));
        }
      }
      return {};
    }

    // Where the first special token begins that later text could complete or lengthen.
    size_t FindStableCut(std::string_view text) override {
      const std::vector<std::string>& specials = tokenizer_.specials_;
      for (size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        size_t size = 0;
        for (const std::string& special : specials) {
          if (special.size() > rest.size() && special.starts_with(rest)) return at;
          if (size == 0 && !special.empty() && rest.starts_with(special)) size = special.size();
        }
        at += size > 0 ? size : std::max<size_t>(1, CharacterSize(rest));
      }
      return text.size();
    }

   private:
    // Bytes of the character that `text` starts with; 0 when it is not UTF-8.
    static size_t CharacterSize(std::string_view text) {
      const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
      const unsigned lead = byte(0);
      if (lead < 0x80) return 1;
      const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
      if (lead < 0xc2 || lead > 0xf4) return 0;
      for (size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
      }
      if (lead == 0xe0 && byte(1) < 0xa0) return 0;
      if (lead == 0xed && byte(1) > 0x9f) return 0;
      if (lead == 0xf0 && byte(1) < 0x90) return 0;
      if (lead == 0xf4 && byte(1) > 0x8f) return 0;
      return size;
    }

    const ByteTokenizer& tokenizer_;
  };

  std::vector<std::string> specials_;
  std::string fingerprint_;
};

}  // namespace weir::testing
