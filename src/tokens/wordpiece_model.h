#pragma once
// WordPieceModel: a vocabulary and the pieces of a word: the longest that begins it, then the longest of those that go on,
// until the word is used up (Wu et al. 2016; the greedy form of BERT). A word that cannot be used up, or of too many
// characters, is one unknown token. Immutable; any number of threads.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_model.h"
#include "weir/base/result.h"

namespace weir::wordpiece {

inline constexpr uint32_t kNone = UINT32_MAX;
inline constexpr uint32_t kIdsMax = 1u << 24;  // ids of a vocabulary

struct SortedItem;

class WordPieceModel {
 public:
  struct Source {
    std::span<const bpe::VocabularyItem> vocabulary;  // texts as they are
    std::string_view unknown;                         // text of the unknown token
    std::string_view going_on;                        // what pieces that do not begin a word begin with, e.g. "##"
    uint32_t chars_max = 100;                         // of a word
  };
  // invalid_argument: a repeated string or id, no unknown token. unsupported: the limits above.
  static Result<WordPieceModel> Build(const Source& source);

  uint32_t vocab_size() const { return static_cast<uint32_t>(token_offsets_.size()) - 1; }
  bool Has(uint32_t id) const { return id < vocab_size() && present_[id]; }
  // The token's text. REQUIRES: id < vocab_size().
  std::string_view Text(uint32_t id) const {
    return std::string_view(token_bytes_).substr(token_offsets_[id], token_offsets_[id + 1] - token_offsets_[id]);
  }
  // The token of exactly this text, or kNone.
  uint32_t Find(std::string_view text) const;
  uint32_t unknown() const { return unknown_; }

  // Replaces `ids` and `begins` (bytes in the word) by the pieces of a word of `chars` characters.
  void Split(std::string_view word, size_t chars, std::vector<uint32_t>& ids, std::vector<uint32_t>& begins) const;

 private:
  enum Root : uint32_t { kStart = 0, kGoingOn = 1, kRoots = 2 };

  WordPieceModel() = default;
  Status PlaceTokens(const Source& source);
  void PlaceTries(std::string_view going_on, std::span<const SortedItem> sorted);
  // The node behind this byte, or 0.
  uint32_t Follow(uint32_t node, char byte) const;

  std::vector<uint32_t> token_offsets_;  // vocabulary size + 1
  std::string token_bytes_;
  std::vector<bool> present_;
  uint32_t unknown_ = kNone;
  size_t chars_max_ = 0;
  // Two tries, of whole tokens and of what follows going_on, in breadth-first order: the children of node n are
  // [children_[n], children_[n + 1]), by label.
  std::vector<uint32_t> children_;
  std::vector<uint32_t> ids_;  // of the token that ends at a node, or kNone
  std::vector<uint8_t> labels_;
  std::array<std::array<uint32_t, 256>, kRoots> first_{};  // node behind a first byte, or 0
};

}  // namespace weir::wordpiece
