#include "bpe_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace weir::bpe {

uint32_t BpeModel::FindShortWord(WordKey key) const {
  const WordEntry* const words = tables_.short_words.data();
  const size_t size = tables_.short_words.size();
  for (size_t slot = ScaledIndex(HashWord(key), size);;) {
    const WordEntry& entry = words[slot];
    if (entry.key == key) return entry.ids[0];
    if (entry.layout == 0) return kNone;
    if (++slot == size) slot = 0;
  }
}

uint32_t BpeModel::FindLongWord(std::string_view bytes) const {
  if (bytes.size() > longest_token()) return kNone;
  const size_t mask = tables_.long_words.size() - 1;
  for (size_t slot = HashLongWord(bytes.data(), bytes.size());; ++slot) {
    const uint32_t id = tables_.long_words[slot & mask];
    if (id == kNone || Bytes(id) == bytes) return id;
  }
}

uint32_t BpeModel::FindToken(std::string_view text) const {
  if (!text.empty()) {
    if (const uint32_t id = FindWord(text); id != kNone) return id;
  }
  for (uint32_t id = 0; id < vocab_size(); ++id) {
    const uint8_t kind = tables_.token_kinds[id];
    if ((kind & kKindMask) != kAbsent && (kind & kStandsAlone) == 0 && Bytes(id) == text) return id;
  }
  return kNone;
}

uint32_t BpeModel::ReadRankBeyond(PairQuery query) const {
  if (query.key == NoQuery().key) return kNone;
  const size_t mask = tables_.pairs.size() - 1;
  for (size_t slot = query.slot + 2;; ++slot) {
    const uint64_t entry = tables_.pairs[slot & mask];
    if (entry >> 20 == query.key) return static_cast<uint32_t>(entry & 0xfffff);
    if (entry == kFreePair) return kNone;
  }
}

size_t BpeModel::LoadSymbols(std::string_view word, uint32_t* ids, uint32_t* begins) const {
  const uint32_t* const byte_ids = tables_.byte_ids.data();
  const bool has_chars = !tables_.char_starts.empty();
  size_t count = 0;
  for (size_t i = 0; i < word.size();) {
    const auto lead = static_cast<uint8_t>(word[i]);
    const size_t length = has_chars && lead >= 0xc0 && lead < 0xf0 ? CharLength(lead) : 1;
    if (length > 1) {
      const uint32_t start = tables_.char_starts[DecodeChar(word.data() + i, length)];
      uint32_t wanted = 0;
      if (i > 0) wanted |= static_cast<uint8_t>(word[i - 1]) < 0x80 ? kBesideLeftAscii : kBesideLeftOther;
      const size_t end = i + length;
      if (end < word.size()) wanted |= static_cast<uint8_t>(word[end]) < 0x80 ? kBesideRightAscii : kBesideRightOther;
      if ((start >> 20) != 0 && (start & wanted) == wanted) {
        ids[count] = start & (kSymbolsMax - 1);
        begins[count++] = static_cast<uint32_t>(i);
        i = end;
        continue;
      }
    }
    for (const size_t end = i + length; i < end; ++i) {
      const uint32_t id = byte_ids[static_cast<uint8_t>(word[i])];
      if (id == kNone) continue;
      ids[count] = id;
      begins[count++] = static_cast<uint32_t>(i);
    }
  }
  return count;
}

bool BpeModel::LacksByteOf(std::string_view bytes) const {
  return std::any_of(bytes.begin(), bytes.end(),
                     [this](char c) { return tables_.byte_ids[static_cast<uint8_t>(c)] == kNone; });
}

size_t BpeModel::MemoryBytes() const {
  const auto& t = tables_;
  return t.scalars.size_bytes() + t.token_offsets.size_bytes() + t.token_bytes.size_bytes() + t.token_kinds.size_bytes() +
         t.short_words.size_bytes() + t.long_words.size_bytes() + t.pairs.size_bytes() + t.products.size_bytes() +
         t.byte_ids.size_bytes() + t.char_starts.size_bytes() + t.joints.size_bytes();
}

void BpeModel::UseOwned() {
  const Owned& o = *owned_;
  tables_ = {o.scalars, o.token_offsets, o.token_bytes, o.token_kinds, o.short_words, o.long_words,
             o.pairs,   o.products,      o.byte_ids,    o.char_starts, o.joints};
  pair_shift_ = o.scalars[kScalarPairShift];
}

Result<BpeModel> BpeModel::Attach(const ModelTables& tables, MappedFile keeper) {
  const auto wrong = [](std::string_view what) {
    return Corrupt(fmt::format("tokenizer tables contradict each other: {}", what));
  };
  const size_t tokens = tables.token_kinds.size();
  if (tables.scalars.size() != kScalarCount) return wrong("scalars");
  if (tokens > kSymbolsMax || tables.token_offsets.size() != tokens + 1) return wrong("token offsets");
  for (size_t i = 0; i < tokens; ++i) {
    if (tables.token_offsets[i] > tables.token_offsets[i + 1]) return wrong("token offsets");
  }
  if (tables.token_offsets[tokens] != tables.token_bytes.size()) return wrong("token bytes");
  if (tables.byte_ids.size() != 256 || tables.joints.size() != CharJoints::kWords) return wrong("table sizes");
  if (!std::has_single_bit(tables.pairs.size()) || !std::has_single_bit(tables.long_words.size()))
    return wrong("table sizes");
  if (tables.scalars[kScalarPairShift] != 64u - static_cast<unsigned>(std::countr_zero(tables.pairs.size())))
    return wrong("pairs");
  const auto is_token = [tokens](uint32_t id) { return id < tokens; };
  const auto is_token_or_none = [tokens](uint32_t id) { return id < tokens || id == kNone; };
  for (const uint32_t id : tables.products) {
    if (!is_token(id)) return wrong("products");
  }
  for (const uint32_t id : tables.byte_ids) {
    if (!is_token_or_none(id)) return wrong("bytes");
  }
  if (tables.char_starts.size() != kCharStarts) return wrong("table sizes");
  for (const uint32_t start : tables.char_starts) {
    if ((start >> 20) != 0 && !is_token(start & (kSymbolsMax - 1))) return wrong("characters");
  }
  size_t free_slots = 0;
  for (const uint32_t id : tables.long_words) {
    if (!is_token_or_none(id)) return wrong("long words");
    free_slots += id == kNone;
  }
  if (free_slots == 0) return wrong("long words");
  free_slots = 0;
  for (const WordEntry& entry : tables.short_words) {
    if (entry.layout != 0 && !is_token(entry.ids[0])) return wrong("short words");
    free_slots += entry.layout == 0;
  }
  if (free_slots == 0) return wrong("short words");
  free_slots = 0;
  for (const uint64_t entry : tables.pairs) {
    if (entry != kFreePair && (entry & 0xfffff) >= tables.products.size()) return wrong("pairs");
    free_slots += entry == kFreePair;
  }
  if (free_slots == 0) return wrong("pairs");

  BpeModel model;
  model.tables_ = tables;
  model.pair_shift_ = tables.scalars[kScalarPairShift];
  model.mapped_ = std::make_unique<MappedFile>(std::move(keeper));
  // Checking read all of it; encoding comes back for little.
  model.mapped_->LetPagesGo();
  return model;
}

}  // namespace weir::bpe
