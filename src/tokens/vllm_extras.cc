#include "vllm_extras.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/codec/utf8.h"

namespace weir::internal {
namespace {

constexpr size_t kEmbedsDigestBytes = 32;

VllmExtra Lone(VllmLeaf leaf) { return {{leaf}, false}; }

VllmExtra Named(std::string_view tag, VllmLeaf leaf) { return {{VllmTag{tag}, leaf}, true}; }

// Items whose placeholders reach into [begin, end).
void AddItems(const VllmKeyOptions& options, uint64_t begin, uint64_t end, std::vector<VllmExtra>& extras) {
  for (const VllmMultimodalItem& item : options.items) {
    if (item.offset >= end) break;
    if (item.offset + item.length <= begin) continue;
    const VllmText identifier{item.identifier};
    // Relative to the block: negative when the item began in an earlier one.
    const auto offset = static_cast<int64_t>(item.offset - begin);
    switch (options.extras) {
      case VllmExtras::kBare: extras.push_back(Lone(identifier)); break;
      case VllmExtras::kUntagged: extras.push_back({{identifier, offset}, true}); break;
      case VllmExtras::kTagged: extras.push_back({{VllmTag{"mm"}, identifier, offset}, true}); break;
    }
  }
}

}  // namespace

std::vector<VllmExtra> VllmExtrasOfBlock(const VllmKeyOptions& options, uint64_t block) {
  const bool tagged = options.extras == VllmExtras::kTagged;
  std::vector<VllmExtra> extras;
  if (!options.lora_name.empty()) {
    const VllmText name{options.lora_name};
    extras.push_back(tagged ? VllmExtra{{VllmTag{"lora"}, name, VllmText{options.lora_path}}, true} : Lone(name));
  }
  AddItems(options, block * options.block_size, (block + 1) * options.block_size, extras);
  if (block == 0 && !options.cache_salt.empty()) {
    const VllmText salt{options.cache_salt};
    extras.push_back(tagged ? Named("cache_salt", salt) : Lone(salt));
  }
  if (block < options.prompt_embeds.size()) {
    const VllmBytes digest{options.prompt_embeds[block]};
    extras.push_back(tagged ? Named("prompt_embeds", digest) : Lone(digest));
  }
  return extras;
}

bool VllmExtrasSettled(const VllmKeyOptions& options, uint64_t block) {
  if (block == 0 || block < options.prompt_embeds.size()) return false;
  return options.items.empty() || options.items.back().offset + options.items.back().length <= block * options.block_size;
}

Status CheckVllmExtras(const VllmKeyOptions& options) {
  for (const std::string* text : {&options.lora_name, &options.lora_path, &options.cache_salt}) {
    if (!IsValidUtf8(*text)) return InvalidArgument("a LoRA name, LoRA path or cache salt is not UTF-8");
  }
  uint64_t end = 0;
  for (const VllmMultimodalItem& item : options.items) {
    if (!IsValidUtf8(item.identifier)) return InvalidArgument("a multimodal identifier is not UTF-8");
    if (item.offset < end || item.length > UINT64_MAX - item.offset) {
      return InvalidArgument(fmt::format("the multimodal item at token {} overlaps the one before", item.offset),
                             "list items by rising offset");
    }
    end = item.offset + item.length;
  }
  for (const std::string& digest : options.prompt_embeds) {
    if (digest.size() != kEmbedsDigestBytes) {
      return InvalidArgument(
          fmt::format("a prompt-embeds digest of {} bytes, {} are due", digest.size(), kEmbedsDigestBytes));
    }
  }
  return {};
}

}  // namespace weir::internal
