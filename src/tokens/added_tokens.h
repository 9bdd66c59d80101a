#pragma once
// AddedTokenFinder: where the added tokens lie in a text, leftmost first and the longest of those that begin together, as
// Hugging Face `tokenizers` splits a text before anything else. Immutable; any number of threads.

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unicode_sets.h"

namespace weir::bpe {

class AddedTokenFinder {
 public:
  struct Pattern {
    std::string text;  // not empty; no two alike
    uint32_t id = 0;
    bool left_strip = false;
    bool right_strip = false;
    bool single_word = false;  // not where a word character touches it
  };
  struct Match {
    size_t begin = 0;  // bytes, white space that the token takes along included
    size_t end = 0;
    uint32_t id = 0;
  };

  explicit AddedTokenFinder(std::vector<Pattern> patterns);

  bool empty() const { return patterns_.empty(); }
  // Whether what surrounds a token can matter: stripped white space, or single words.
  bool looks_around() const { return looks_around_; }

  // A walk over one text: the next match in order, or nothing.
  class Walk {
   public:
    Walk(const AddedTokenFinder& finder, std::string_view text) : finder_(&finder), text_(text) {}
    std::optional<Match> Next();

   private:
    const AddedTokenFinder* finder_;
    std::string_view text_;
    size_t search_ = 0;  // where the next pattern may begin
    size_t taken_ = 0;   // end of the last match
  };

  // The first byte at or after `from` where some proper prefix of a pattern reaches to the end of the text, or its size.
  // From there on, more text could still complete a token.
  size_t FindOpenTail(std::string_view text, size_t from) const;

 private:
  struct Node {
    uint32_t first_edge = 0;  // in edges_
    uint32_t edge_count = 0;
    uint32_t pattern = UINT32_MAX;  // that ends here
  };
  struct Edge {
    uint8_t byte = 0;
    uint32_t node = 0;
  };

  void AddNode(uint32_t node, size_t first, size_t last, size_t depth);
  const Edge* Follow(uint32_t node, uint8_t byte) const;
  // The first byte at or after `from` where a pattern may begin (its first two bytes are right), or the text's size.
  size_t FindCandidate(std::string_view text, size_t from) const;
  bool TouchesWord(std::string_view text, size_t begin, size_t end) const;
  // The longest pattern at `at`, or UINT32_MAX.
  uint32_t LongestAt(std::string_view text, size_t at) const;

  std::vector<Pattern> patterns_;  // sorted by text
  std::vector<Node> nodes_;        // a trie; 0 is the root
  std::vector<Edge> edges_;
  std::array<uint32_t, 256> roots_{};  // node after a first byte, or 0
  std::vector<uint8_t> first_bytes_;   // distinct
  std::bitset<256 * 256> begins_;      // by first and second byte
  size_t longest_ = 0;
  bool looks_around_ = false;
  unicode::CodePointSet word_characters_;  // \w; filled in where it is needed
};

}  // namespace weir::bpe
