#pragma once
// The extra keys of one vLLM block, as values, before any encoding. Private to this room.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weir/tokens/engine_keys.h"

namespace weir::internal {

// A leaf of an extra key. Views borrow from the options.
struct VllmTag {  // text that is one object however often it occurs
  std::string_view text;
};
struct VllmText {
  std::string_view text;
};
struct VllmBytes {
  std::string_view bytes;
};
using VllmLeaf = std::variant<VllmTag, VllmText, VllmBytes, int64_t>;

// One entry: several leaves are a tuple, a lone one stands by itself.
struct VllmExtra {
  std::vector<VllmLeaf> leaves;
  bool is_tuple = false;
};

// In vLLM's order: LoRA, multimodal items, cache salt, prompt embeddings. Empty: the block is hashed with null.
std::vector<VllmExtra> VllmExtrasOfBlock(const VllmKeyOptions& options, uint64_t block);

// True when every block from `block` on has the same extras.
bool VllmExtrasSettled(const VllmKeyOptions& options, uint64_t block);

// invalid_argument: items out of order, text that is not UTF-8, digests of the wrong size.
Status CheckVllmExtras(const VllmKeyOptions& options);

}  // namespace weir::internal
