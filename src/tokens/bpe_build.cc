// Building the tables of a BpeModel from a vocabulary and its merges.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "bpe_merge.h"
#include "bpe_model.h"
#include "byte_alphabet.h"
#include "char_joints.h"
#include "weir/codec/json.h"
#include "weir/codec/utf8.h"

namespace weir::bpe {
namespace {

// Finds vocabulary items by their text while the tables are built. Far larger than a core's caches, so callers work on
// runs of items and touch what the next ones need (Touch...) before they come to them.
class TextIndex {
 public:
  explicit TextIndex(std::span<const VocabularyItem> items)
      : items_(items), slots_(std::bit_ceil(items.size() * 2 + 2), kFreePair) {}

  static uint64_t Hash(std::string_view text) {
    return text.size() <= kShortWordBytes ? HashWord(MakeWordKey(text)) : HashLongWord(text.data(), text.size());
  }
  void TouchSlot(uint64_t hash) const { __builtin_prefetch(&slots_[SlotOf(hash)]); }
  void TouchItem(uint64_t hash) const {
    const uint64_t entry = slots_[SlotOf(hash)];
    if (entry != kFreePair) __builtin_prefetch(&items_[static_cast<uint32_t>(entry)]);
  }
  void TouchText(uint64_t hash) const {
    const uint64_t entry = slots_[SlotOf(hash)];
    if (entry != kFreePair) __builtin_prefetch(items_[static_cast<uint32_t>(entry)].text.data());
  }

  // The item with this text, or kNone. REQUIRES: hash == Hash(text).
  uint32_t Find(std::string_view text, uint64_t hash) const {
    for (size_t slot = SlotOf(hash);; slot = (slot + 1) & (slots_.size() - 1)) {
      const uint64_t entry = slots_[slot];
      if (entry == kFreePair) return kNone;
      if ((entry >> 32) == (hash & 0xffffffff) && items_[static_cast<uint32_t>(entry)].text == text) {
        return static_cast<uint32_t>(entry);
      }
    }
  }
  // False when an item with its text is there already.
  bool Add(uint32_t item, uint64_t hash) {
    if (Find(items_[item].text, hash) != kNone) return false;
    size_t slot = SlotOf(hash);
    while (slots_[slot] != kFreePair) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = (hash << 32) | item;
    return true;
  }

 private:
  size_t SlotOf(uint64_t hash) const { return (hash >> 32) & (slots_.size() - 1); }

  std::span<const VocabularyItem> items_;
  HugeVector<uint64_t> slots_;  // low half of the hash, item
};

constexpr size_t kRun = 64;  // items that are worked on together

}  // namespace

class ModelBuilder {
 public:
  explicit ModelBuilder(const ModelSource& source) : source_(source), index_(source.vocabulary) {}

  Result<BpeModel> Build() {
    if (source_.merges.size() >= kMergesMax) {
      return Unsupported(
          fmt::format("model.merges has {} entries; at most {} are supported", source_.merges.size(), kMergesMax - 1));
    }
    model_.owned_ = std::make_unique<BpeModel::Owned>();
    WEIR_TRY(PlaceTokens());
    WEIR_TRY(PlaceBytes());
    WEIR_TRY(PlaceMerges());
    if (source_.ignore_merges) flags_ |= kIgnoreMerges;
    model_.owned_->scalars = {flags_, shift_, static_cast<uint32_t>(longest_)};
    model_.owned_->joints = CharJoints::NewTable();
    model_.UseOwned();
    JudgeTokens();
    PlaceWords();
    model_.UseOwned();
    PlaceChars();
    model_.UseOwned();
    return std::move(model_);
  }

 private:
  Status PlaceTokens();
  Status PlaceBytes();
  Status PlaceMerges();
  Status PlaceMergeRun(size_t first);
  Result<uint32_t> ProductOf(std::string_view left, std::string_view right, uint32_t guess);
  void JudgeTokens();
  void PlaceWords();
  void PlaceChars();

  const ModelSource& source_;
  TextIndex index_;
  std::vector<uint32_t> item_of_id_;
  size_t longest_ = 0;
  unsigned shift_ = 0;
  uint32_t product_ = 0;  // of the merge before
  uint32_t flags_ = 0;
  std::string joined_;
  BpeModel model_;
};

Status ModelBuilder::PlaceTokens() {
  BpeModel::Owned& owned = *model_.owned_;
  uint32_t vocab_size = 0;
  size_t text_bytes = 0;
  for (const VocabularyItem& item : source_.vocabulary) {
    if (item.id >= kSymbolsMax) {
      return Unsupported(fmt::format("model.vocab has id {}; ids of {} and above are not supported", item.id, kSymbolsMax));
    }
    vocab_size = std::max(vocab_size, item.id + 1);
    text_bytes += item.text.size();
  }
  item_of_id_.assign(vocab_size, kNone);
  const auto& items = source_.vocabulary;
  std::array<uint64_t, kRun> hashes;
  for (size_t first = 0; first < items.size(); first += kRun) {
    const size_t count = std::min(kRun, items.size() - first);
    for (size_t k = 0; k < count; ++k) {
      hashes[k] = TextIndex::Hash(items[first + k].text);
      index_.TouchSlot(hashes[k]);
    }
    for (size_t k = 0; k < count; ++k) {
      const VocabularyItem& item = items[first + k];
      if (!index_.Add(static_cast<uint32_t>(first + k), hashes[k])) {
        return InvalidArgument(fmt::format("model.vocab has {} twice", JsonQuote(item.text)));
      }
      if (item_of_id_[item.id] != kNone)
        return InvalidArgument(fmt::format("model.vocab gives id {} to two tokens", item.id));
      item_of_id_[item.id] = static_cast<uint32_t>(first + k);
    }
  }
  owned.token_kinds.assign(vocab_size, kAbsent);
  owned.token_offsets.reserve(vocab_size + 1);
  std::string bytes;
  bytes.reserve(text_bytes);
  for (uint32_t id = 0; id < vocab_size; ++id) {
    const size_t begin = bytes.size();
    owned.token_offsets.push_back(static_cast<uint32_t>(begin));
    if (item_of_id_[id] == kNone) continue;
    const std::string_view text = source_.vocabulary[item_of_id_[id]].text;
    if (AppendAlphabetBytes(text, bytes) && !text.empty()) {
      owned.token_kinds[id] = kBytes;
      longest_ = std::max(longest_, bytes.size() - begin);
    } else {
      owned.token_kinds[id] = kRaw;
      bytes += text;
    }
  }
  owned.token_offsets.push_back(static_cast<uint32_t>(bytes.size()));
  owned.token_bytes.assign(bytes.begin(), bytes.end());
  return {};
}

Status ModelBuilder::PlaceBytes() {
  BpeModel::Owned& owned = *model_.owned_;
  owned.byte_ids.assign(256, kNone);
  for (uint32_t id = 0; id < owned.token_kinds.size(); ++id) {
    if (owned.token_kinds[id] != kBytes || owned.token_offsets[id + 1] - owned.token_offsets[id] != 1) continue;
    owned.byte_ids[owned.token_bytes[owned.token_offsets[id]]] = id;
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool in_text = byte < 0xc0 || (byte >= 0xc2 && byte <= 0xf4);  // in valid UTF-8
    if (!in_text || owned.byte_ids[byte] != kNone) continue;
    flags_ |= kDropsBytes;
    if (source_.has_unknown_token) {
      return Unsupported(fmt::format("model.unk_token with byte 0x{:02x} missing from model.vocab", byte));
    }
  }
  return {};
}

// The product of a merge is often that of the merge before, or the next id: look there first.
Result<uint32_t> ModelBuilder::ProductOf(std::string_view left, std::string_view right, uint32_t guess) {
  for (const uint32_t id : {guess, guess + 1}) {
    if (id >= item_of_id_.size() || item_of_id_[id] == kNone) continue;
    const std::string_view text = source_.vocabulary[item_of_id_[id]].text;
    if (text.size() == left.size() + right.size() && text.substr(0, left.size()) == left &&
        text.substr(left.size()) == right) {
      return id;
    }
  }
  joined_.assign(left).append(right);
  const uint32_t item = index_.Find(joined_, TextIndex::Hash(joined_));
  if (item == kNone) {
    return InvalidArgument(fmt::format("model.merges makes {}, which is not in model.vocab", JsonQuote(joined_)));
  }
  return source_.vocabulary[item].id;
}

Status ModelBuilder::PlaceMerges() {
  BpeModel::Owned& owned = *model_.owned_;
  const size_t slots = std::bit_ceil(source_.merges.size() * 2 + 2);
  shift_ = 64u - static_cast<unsigned>(std::countr_zero(slots));
  owned.pairs.assign(slots, kFreePair);
  owned.products.reserve(source_.merges.size());
  for (size_t first = 0; first < source_.merges.size(); first += kRun) WEIR_TRY(PlaceMergeRun(first));
  return {};
}

Status ModelBuilder::PlaceMergeRun(size_t first) {
  BpeModel::Owned& owned = *model_.owned_;
  const size_t slots = owned.pairs.size();
  const size_t count = std::min(kRun, source_.merges.size() - first);
  std::array<uint64_t, 2 * kRun> hashes;
  std::array<uint64_t, kRun> keys;
  for (size_t k = 0; k < count; ++k) {
    hashes[2 * k] = TextIndex::Hash(source_.merges[first + k].first);
    hashes[2 * k + 1] = TextIndex::Hash(source_.merges[first + k].second);
    index_.TouchSlot(hashes[2 * k]);
    index_.TouchSlot(hashes[2 * k + 1]);
  }
  for (size_t k = 0; k < 2 * count; ++k) index_.TouchItem(hashes[k]);
  for (size_t k = 0; k < 2 * count; ++k) index_.TouchText(hashes[k]);
  for (size_t k = 0; k < count; ++k) {
    const auto& [left, right] = source_.merges[first + k];
    const uint32_t left_item = index_.Find(left, hashes[2 * k]);
    const uint32_t right_item = index_.Find(right, hashes[2 * k + 1]);
    if (left_item == kNone || right_item == kNone) {
      return InvalidArgument(fmt::format("model.merges[{}] names {}, which is not in model.vocab", first + k,
                                         JsonQuote(left_item == kNone ? left : right)));
    }
    keys[k] = PairKey(source_.vocabulary[left_item].id, source_.vocabulary[right_item].id);
    __builtin_prefetch(&owned.pairs[PairHash(keys[k]) >> shift_]);
  }
  for (size_t k = 0; k < count; ++k) {
    const auto& [left, right] = source_.merges[first + k];
    WEIR_ASSIGN(product_, ProductOf(left, right, product_));
    owned.products.push_back(product_);
    size_t slot = PairHash(keys[k]) >> shift_;
    while (owned.pairs[slot] != kFreePair && owned.pairs[slot] >> 20 != keys[k]) slot = (slot + 1) & (slots - 1);
    owned.pairs[slot] = keys[k] << 20 | (first + k);  // of a repeated pair the last counts
  }
  return {};
}

void ModelBuilder::JudgeTokens() {
  BpeModel::Owned& owned = *model_.owned_;
  std::vector<std::string_view> words;
  std::vector<uint32_t> ids;
  words.reserve(owned.token_kinds.size());
  ids.reserve(owned.token_kinds.size());
  WordMerger merger(model_);
  const auto note = [&](uint32_t id, const uint32_t* symbols, size_t count) {
    if (count == 1 && symbols[0] == id) owned.token_kinds[id] |= kMerges | kStandsAlone;
  };
  for (uint32_t id = 0; id < owned.token_kinds.size(); ++id) {
    if (owned.token_kinds[id] != kBytes) continue;
    if (source_.ignore_merges) owned.token_kinds[id] |= kStandsAlone;
    const std::string_view bytes = model_.Bytes(id);
    CharJoints::AddToken(bytes, owned.joints);
    if (bytes.size() <= BulkMerger::kSymbolsMax) {
      words.push_back(bytes);
      ids.push_back(id);
    } else {
      const size_t count = merger.Merge(bytes);
      note(id, merger.ids(), count);
    }
  }
  BulkMerger(model_).Merge(
      words, [&](size_t i, const uint32_t* symbols, const uint32_t*, size_t count) { note(ids[i], symbols, count); });
}

void ModelBuilder::PlaceWords() {
  BpeModel::Owned& owned = *model_.owned_;
  size_t short_count = 0;
  size_t long_count = 0;
  for (uint32_t id = 0; id < owned.token_kinds.size(); ++id) {
    if ((owned.token_kinds[id] & kStandsAlone) == 0) continue;
    ++(model_.Bytes(id).size() <= kShortWordBytes ? short_count : long_count);
  }
  owned.short_words.resize(short_count + short_count / 2 + 2);
  owned.long_words.assign(std::bit_ceil(long_count * 2 + 2), kNone);
  for (uint32_t id = 0; id < owned.token_kinds.size(); ++id) {
    if ((owned.token_kinds[id] & kStandsAlone) == 0) continue;
    const std::string_view bytes = model_.Bytes(id);
    if (bytes.size() > kShortWordBytes) {
      size_t slot = HashLongWord(bytes.data(), bytes.size()) & (owned.long_words.size() - 1);
      while (owned.long_words[slot] != kNone) slot = (slot + 1) & (owned.long_words.size() - 1);
      owned.long_words[slot] = id;
      continue;
    }
    const WordKey key = MakeWordKey(bytes);
    size_t slot = ScaledIndex(HashWord(key), owned.short_words.size());
    while (owned.short_words[slot].layout != 0) slot = slot + 1 == owned.short_words.size() ? 0 : slot + 1;
    owned.short_words[slot] = {key, {id, 0, 0}, uint32_t{1} << 24};
  }
}

// The least rank of a merge in which a token meets each kind of neighbour.
struct NeighbourRanks {
  std::vector<std::array<uint32_t, 2>> as_right;  // by token; the left one ends with an ASCII byte, or another
  std::vector<std::array<uint32_t, 2>> as_left;   // by token; the right one begins with an ASCII byte, or another
};

static NeighbourRanks FindNeighbourRanks(const BpeModel& model) {
  const std::array<uint32_t, 2> none{kNone, kNone};
  NeighbourRanks ranks{std::vector(model.vocab_size(), none), std::vector(model.vocab_size(), none)};
  for (const uint64_t entry : model.tables().pairs) {
    if (entry == kFreePair) continue;
    const auto left = static_cast<uint32_t>(entry >> 40);
    const auto right = static_cast<uint32_t>(entry >> 20) & (kSymbolsMax - 1);
    const auto rank = static_cast<uint32_t>(entry & 0xfffff);
    if (model.Kind(left) != kBytes || model.Kind(right) != kBytes) continue;
    uint32_t& as_right = ranks.as_right[right][static_cast<uint8_t>(model.Bytes(left).back()) >= 0x80];
    uint32_t& as_left = ranks.as_left[left][static_cast<uint8_t>(model.Bytes(right).front()) >= 0x80];
    as_right = std::min(as_right, rank);
    as_left = std::min(as_left, rank);
  }
  return ranks;
}

// The char_starts entry of a character: it merges by itself, step by step, and a neighbour may interfere when a merge
// with it ranks before the step that is due, or when the whole token's merges rank before its own making.
static uint32_t JudgeChar(const BpeModel& model, const NeighbourRanks& ranks, std::string_view bytes) {
  std::vector<uint32_t> symbols;
  for (const char c : bytes) symbols.push_back(model.tables().byte_ids[static_cast<uint8_t>(c)]);
  if (std::find(symbols.begin(), symbols.end(), kNone) != symbols.end()) return 0;
  uint32_t flags = kBesideLeftAscii | kBesideLeftOther | kBesideRightAscii | kBesideRightOther;
  const auto demand_later = [&](uint32_t rank) {
    for (const unsigned other : {0u, 1u}) {
      if (ranks.as_right[symbols.front()][other] <= rank) flags &= ~(kBesideLeftAscii << other);
      if (ranks.as_left[symbols.back()][other] <= rank) flags &= ~(kBesideRightAscii << other);
    }
  };
  uint32_t last = 0;
  while (symbols.size() > 1) {
    uint32_t least = kNone;
    size_t place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const uint32_t rank = model.Rank(symbols[i], symbols[i + 1]);
      if (rank < least) least = rank, place = i;
    }
    if (least == kNone) return 0;
    demand_later(least);
    last = std::max(last, least);
    symbols[place] = model.tables().products[least];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
  demand_later(last);
  return symbols[0] | flags;
}

void ModelBuilder::PlaceChars() {
  std::vector<uint32_t> starts(kCharStarts, 0);
  const NeighbourRanks ranks = FindNeighbourRanks(model_);
  for (uint32_t id = 0; id < model_.vocab_size(); ++id) {
    if ((model_.tables().token_kinds[id] & kMerges) == 0) continue;
    const std::string_view bytes = model_.Bytes(id);
    const auto lead = static_cast<uint8_t>(bytes[0]);
    if (lead < 0xc2 || lead >= 0xf0 || bytes.size() != CharLength(lead) || !IsValidUtf8(bytes)) continue;
    starts[DecodeChar(bytes.data(), bytes.size())] = JudgeChar(model_, ranks, bytes);
  }
  model_.owned_->char_starts = std::move(starts);
}

Result<BpeModel> BpeModel::Build(const ModelSource& source) { return ModelBuilder(source).Build(); }

}  // namespace weir::bpe
