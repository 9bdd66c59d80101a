#include "wordpiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "weir/codec/json.h"

namespace weir::wordpiece {

Status WordPieceModel::PlaceTokens(const Source& source) {
  uint32_t vocab_size = 0;
  for (const bpe::VocabularyItem& item : source.vocabulary) {
    if (item.id >= kIdsMax) {
      return Unsupported(fmt::format("model.vocab has id {}; ids of {} and above are not supported", item.id, kIdsMax));
    }
    vocab_size = std::max(vocab_size, item.id + 1);
  }
  std::vector<uint32_t> item_of_id(vocab_size, kNone);
  for (uint32_t i = 0; i < source.vocabulary.size(); ++i) {
    uint32_t& item = item_of_id[source.vocabulary[i].id];
    if (item != kNone) {
      return InvalidArgument(fmt::format("model.vocab gives id {} to two tokens", source.vocabulary[i].id));
    }
    item = i;
  }
  token_offsets_.reserve(vocab_size + 1);
  present_.assign(vocab_size, false);
  for (uint32_t id = 0; id < vocab_size; ++id) {
    token_offsets_.push_back(static_cast<uint32_t>(token_bytes_.size()));
    if (item_of_id[id] == kNone) continue;
    token_bytes_ += source.vocabulary[item_of_id[id]].text;
    present_[id] = true;
  }
  token_offsets_.push_back(static_cast<uint32_t>(token_bytes_.size()));
  return {};
}

// The vocabulary by text. Most comparisons end at the first eight bytes, which lie beside each other here.
struct SortedItem {
  uint64_t start = 0;  // of the text, big-endian, zeros behind
  const bpe::VocabularyItem* item = nullptr;
  std::string_view text() const { return item->text; }
};

static std::vector<SortedItem> SortByText(std::span<const bpe::VocabularyItem> vocabulary) {
  std::vector<SortedItem> sorted;
  sorted.reserve(vocabulary.size());
  for (const bpe::VocabularyItem& item : vocabulary) {
    uint64_t start = 0;
    std::memcpy(&start, item.text.data(), std::min(item.text.size(), sizeof start));
    sorted.push_back({__builtin_bswap64(start), &item});
  }
  std::sort(sorted.begin(), sorted.end(), [](const SortedItem& a, const SortedItem& b) {
    return a.start != b.start ? a.start < b.start : a.text() < b.text();
  });
  return sorted;
}

void WordPieceModel::PlaceTries(std::string_view going_on, std::span<const SortedItem> sorted) {
  struct Open {  // a node whose tokens, [first, last) of `sorted`, share their first `depth` bytes
    uint32_t first, last;
    size_t depth;
  };
  const auto first = std::lower_bound(
      sorted.begin(), sorted.end(), going_on,
      [](const SortedItem& a, std::string_view prefix) { return a.text().substr(0, prefix.size()) < prefix; });
  const auto last = std::upper_bound(first, sorted.end(), going_on, [](std::string_view prefix, const SortedItem& a) {
    return prefix < a.text().substr(0, prefix.size());
  });
  std::vector<Open> open = {
      {0, static_cast<uint32_t>(sorted.size()), 0},
      {static_cast<uint32_t>(first - sorted.begin()), static_cast<uint32_t>(last - sorted.begin()), going_on.size()}};
  labels_.assign(kRoots, 0);
  for (size_t node = 0; node < open.size(); ++node) {
    auto [at, end, depth] = open[node];
    ids_.push_back(at < end && sorted[at].text().size() == depth ? sorted[at].item->id : kNone);
    if (ids_.back() != kNone) ++at;
    children_.push_back(static_cast<uint32_t>(open.size()));
    while (at < end) {
      const char label = sorted[at].text()[depth];
      uint32_t next = at + 1;
      while (next < end && sorted[next].text()[depth] == label) ++next;
      if (node < kRoots) first_[node][static_cast<uint8_t>(label)] = static_cast<uint32_t>(open.size());
      open.push_back({at, next, depth + 1});
      labels_.push_back(static_cast<uint8_t>(label));
      at = next;
    }
  }
  children_.push_back(static_cast<uint32_t>(open.size()));
}

Result<WordPieceModel> WordPieceModel::Build(const Source& source) {
  WordPieceModel model;
  WEIR_TRY(model.PlaceTokens(source));
  const std::vector<SortedItem> sorted = SortByText(source.vocabulary);
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end(),
                                       [](const SortedItem& a, const SortedItem& b) { return a.text() == b.text(); });
  if (twin != sorted.end()) return InvalidArgument(fmt::format("model.vocab has {} twice", JsonQuote(twin->text())));
  model.PlaceTries(source.going_on, sorted);
  model.chars_max_ = source.chars_max;
  model.unknown_ = model.Find(source.unknown);
  if (model.unknown_ == kNone) {
    return InvalidArgument(fmt::format("model.unk_token {} is not in model.vocab", JsonQuote(source.unknown)));
  }
  return model;
}

uint32_t WordPieceModel::Follow(uint32_t node, char byte) const {
  const uint32_t begin = children_[node];
  const uint32_t count = children_[node + 1] - begin;
  if (count == 0) return 0;
  const void* found = std::memchr(labels_.data() + begin, static_cast<uint8_t>(byte), count);
  return found == nullptr ? 0 : static_cast<uint32_t>(static_cast<const uint8_t*>(found) - labels_.data());
}

uint32_t WordPieceModel::Find(std::string_view text) const {
  uint32_t node = kStart;
  for (const char byte : text) {
    node = node == kStart ? first_[kStart][static_cast<uint8_t>(byte)] : Follow(node, byte);
    if (node == 0) return kNone;
  }
  return ids_[node];
}

void WordPieceModel::Split(std::string_view word, size_t chars, std::vector<uint32_t>& ids,
                           std::vector<uint32_t>& begins) const {
  ids.clear();
  begins.clear();
  for (size_t at = 0; at < word.size() && chars <= chars_max_;) {
    uint32_t node = first_[at == 0 ? kStart : kGoingOn][static_cast<uint8_t>(word[at])];
    uint32_t found = kNone;
    size_t found_end = at;
    for (size_t end = at + 1; node != 0; node = Follow(node, word[end++])) {
      if (ids_[node] != kNone) {
        found = ids_[node];
        found_end = end;
      }
      if (end == word.size()) break;
    }
    if (found == kNone) break;
    ids.push_back(found);
    begins.push_back(static_cast<uint32_t>(at));
    at = found_end;
    if (at == word.size()) return;
  }
  ids.assign(1, unknown_);
  begins.assign(1, 0);
}

}  // namespace weir::wordpiece
