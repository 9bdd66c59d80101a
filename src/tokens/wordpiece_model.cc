#include "wordpiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

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

void WordPieceModel::PlaceTries(const Source& source, const std::vector<uint32_t>& by_text) {
  const auto text_of = [&](uint32_t index) { return source.vocabulary[by_text[index]].text; };
  struct Open {  // a node whose tokens, [first, last) of by_text, share their first `depth` bytes
    uint32_t first, last;
    size_t depth;
  };
  const auto begins = [&](uint32_t item, std::string_view prefix) {
    return source.vocabulary[item].text.substr(0, prefix.size()) < prefix;
  };
  const auto ends = [&](std::string_view prefix, uint32_t item) {
    return prefix < source.vocabulary[item].text.substr(0, prefix.size());
  };
  const auto first = std::lower_bound(by_text.begin(), by_text.end(), source.going_on, begins);
  const auto last = std::upper_bound(first, by_text.end(), source.going_on, ends);
  std::vector<Open> open = {{0, static_cast<uint32_t>(by_text.size()), 0},
                            {static_cast<uint32_t>(first - by_text.begin()), static_cast<uint32_t>(last - by_text.begin()),
                             source.going_on.size()}};
  labels_.assign(kRoots, 0);
  for (size_t node = 0; node < open.size(); ++node) {
    auto [at, end, depth] = open[node];
    ids_.push_back(at < end && text_of(at).size() == depth ? source.vocabulary[by_text[at]].id : kNone);
    if (ids_.back() != kNone) ++at;
    children_.push_back(static_cast<uint32_t>(open.size()));
    while (at < end) {
      const char label = text_of(at)[depth];
      uint32_t next = at + 1;
      while (next < end && text_of(next)[depth] == label) ++next;
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
  std::vector<uint32_t> by_text(source.vocabulary.size());
  std::iota(by_text.begin(), by_text.end(), 0u);
  const auto text_of = [&](uint32_t item) { return source.vocabulary[item].text; };
  std::sort(by_text.begin(), by_text.end(), [&](uint32_t a, uint32_t b) { return text_of(a) < text_of(b); });
  const auto twin =
      std::adjacent_find(by_text.begin(), by_text.end(), [&](uint32_t a, uint32_t b) { return text_of(a) == text_of(b); });
  if (twin != by_text.end()) return InvalidArgument(fmt::format("model.vocab has {} twice", JsonQuote(text_of(*twin))));
  model.PlaceTries(source, by_text);
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
