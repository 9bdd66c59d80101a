#pragma once
// SharedBlocks: the paragraphs and sections of a text that other calls have too, and a text with those in front.
//
// Learned from the texts that a class of pieces has in several calls. A block is a paragraph between blank lines; a
// heading takes everything up to the next heading with it, a paragraph that ends in a colon the one behind it, and fenced
// code is never divided. Immutable after construction.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir {

class SharedBlocks {
 public:
  explicit SharedBlocks(std::span<const std::string_view> texts);

  // The blocks that most texts have first, those of equal number in the order in which they were first seen; the text
  // unchanged where that is its order already.
  std::string Apply(std::string_view text) const;

 private:
  struct Seen {
    size_t texts = 0;
    size_t last_text = 0;  // index + 1
    size_t first_seen = 0;
  };
  std::unordered_map<std::string, Seen> seen_;
};

// The blocks of a text, without the blank lines behind them; for tests.
std::vector<std::string_view> BlocksOf(std::string_view text);

}  // namespace weir
