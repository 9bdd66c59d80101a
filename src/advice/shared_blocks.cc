#include "shared_blocks.h"

#include <algorithm>
#include <numeric>

namespace weir {
namespace {

std::string_view WithoutBlankEnd(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

bool IsBlankLine(std::string_view line) { return line.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

std::vector<std::string_view> BlocksOf(std::string_view text) {
  std::vector<std::string_view> blocks;
  size_t block_begin = std::string_view::npos;  // none is open
  size_t block_end = 0;
  bool in_fence = false;
  bool in_section = false;  // the open block began with a heading
  const auto close = [&] {
    if (block_begin != std::string_view::npos)
      blocks.push_back(WithoutBlankEnd(text.substr(block_begin, block_end - block_begin)));
    block_begin = std::string_view::npos;
    in_section = false;
  };
  bool after_blank = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    const std::string_view line = text.substr(begin, end - begin);
    const bool is_heading = !in_fence && line.starts_with('#');
    if (!IsBlankLine(line)) {
      const bool introduced = block_begin != std::string_view::npos &&
                              WithoutBlankEnd(text.substr(block_begin, block_end - block_begin)).ends_with(':');
      if (is_heading || (after_blank && !in_fence && !in_section && !introduced)) close();
      if (block_begin == std::string_view::npos) {
        block_begin = begin;
        in_section = is_heading;
      }
      if (line.starts_with("```") || line.starts_with("~~~")) in_fence = !in_fence;
      block_end = end;
      after_blank = false;
    } else {
      after_blank = true;
    }
    begin = end;
  }
  close();
  return blocks;
}

SharedBlocks::SharedBlocks(std::span<const std::string_view> texts) {
  size_t place = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (const std::string_view block : BlocksOf(texts[i])) {
      Seen& seen = seen_[std::string(block)];
      if (seen.texts == 0) seen.first_seen = place++;
      if (seen.last_text == i + 1) continue;
      seen.last_text = i + 1;
      ++seen.texts;
    }
  }
}

std::string SharedBlocks::Apply(std::string_view text) const {
  const std::vector<std::string_view> blocks = BlocksOf(text);
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rank = [&](size_t i) {
    const auto found = seen_.find(std::string(blocks[i]));
    const Seen seen = found == seen_.end() ? Seen() : found->second;
    return std::pair(-static_cast<ptrdiff_t>(seen.texts), seen.first_seen);
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return rank(x) < rank(y); });
  if (std::is_sorted(order.begin(), order.end())) return std::string(text);
  std::string out;
  for (const size_t i : order) {
    if (!out.empty()) out += "\n\n";
    out += blocks[i];
  }
  if (text.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace weir
