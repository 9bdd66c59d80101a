#include "bpe_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "unicode.h"
#include "weir/codec/utf8.h"
#include "wide_steps.h"

namespace weir::bpe {
namespace {

constexpr size_t kSlack = 8;  // tokens that bulk copies may write past the last one

// Marks the key of a word's part where parts are not looked up like words.
constexpr uint64_t kPartMark = uint64_t{0x80} << 56;
// The key of a long word: no length, so that no entry of a short word equals it.
constexpr WordKey kLongWordKey{0, uint64_t{0x7f} << 56};

}  // namespace

BpeEncoder::BpeEncoder(const TokenizerParts& parts)
    : parts_(&parts),
      model_(&parts.model),
      joints_(parts.model.tables().joints),
      parts_differ_(parts.model.ignore_merges()),
      merger_(parts.model),
      bulk_merger_(parts.model) {}

template <typename Emit>
void BpeEncoder::ForEachPart(std::string_view word, const Emit& emit) const {
  size_t begin = 0;
  size_t length = CharLength(static_cast<uint8_t>(word[0]));
  char32_t left = DecodeChar(word.data(), length);
  for (size_t at = length; at < word.size(); at += length) {
    const auto lead = static_cast<uint8_t>(word[at]);
    length = CharLength(lead);
    const char32_t right = DecodeChar(word.data() + at, length);
    if (!joints_.MayJoin(left, right, static_cast<uint8_t>(word[at - 1]), lead)) {
      emit(begin, at);
      begin = at;
    }
    left = right;
  }
  emit(begin, word.size());
}

Status BpeEncoder::Encode(std::string_view text, const EncodeOptions& options, Encoding& out) {
  if (text.size() >= UINT32_MAX)
    return InvalidArgument(fmt::format("text of {} bytes; at most 4 GiB - 2 are supported", text.size()));
  if (const auto fault = FindInvalidUtf8(text)) return InvalidArgument(fmt::format("text is not UTF-8 at byte {}", *fault));
  // Tokens are written in place; the vectors keep their old elements until they are overwritten, so that a caller who
  // passes the same Encoding again pays for no clearing.
  out_ = &out;
  count_ = 0;
  room_ = std::min(out.ids.size(), out.begins.size());
  ids_ = out.ids.data();
  begins_ = out.begins.data();
  EnsureRoom(text.size() / 4 + 16);

  const TokenizerConfig& config = parts_->config;
  if (options.add_special_tokens) {
    for (const uint32_t id : config.prefix) EmitToken(id, 0);
  }
  AddedTokenFinder::Walk walk(parts_->raw_finder, text);
  size_t at = 0;
  while (const auto match = walk.Next()) {
    EncodeStretch(text.substr(at, match->begin - at), static_cast<uint32_t>(at));
    EmitToken(match->id, static_cast<uint32_t>(match->begin));
    at = match->end;
  }
  EncodeStretch(text.substr(at), static_cast<uint32_t>(at));
  if (options.add_special_tokens) {
    for (const uint32_t id : config.suffix) EmitToken(id, static_cast<uint32_t>(text.size()));
  }
  out.ids.resize(count_);
  out.begins.resize(count_);
  return {};
}

void BpeEncoder::EnsureRoom(size_t count) {
  if (count_ + count + kSlack <= room_) return;
  room_ = std::max(count_ + count + kSlack, room_ + room_ / 2);
  out_->ids.resize(room_);
  out_->begins.resize(room_);
  ids_ = out_->ids.data();
  begins_ = out_->begins.data();
}

void BpeEncoder::EmitToken(uint32_t id, uint32_t begin) {
  EnsureRoom(1);
  ids_[count_] = id;
  begins_[count_++] = begin;
}

void BpeEncoder::EncodeStretch(std::string_view stretch, uint32_t base) {
  if (stretch.empty()) return;
  if (!parts_->config.nfc || unicode::IsNfc(stretch)) return EncodeNormalized(stretch, base);
  const unicode::Normalized normalized = unicode::NormalizeNfc(stretch);
  const size_t first = count_;
  EncodeNormalized(normalized.text, 0);
  for (size_t i = first; i < count_; ++i) begins_[i] = base + normalized.origins[begins_[i]];
}

void BpeEncoder::EncodeNormalized(std::string_view stretch, uint32_t base) {
  AddedTokenFinder::Walk walk(parts_->normalized_finder, stretch);
  size_t at = 0;
  while (const auto match = walk.Next()) {
    EncodePlain(stretch.substr(at, match->begin - at), base + static_cast<uint32_t>(at));
    EmitToken(match->id, base + static_cast<uint32_t>(match->begin));
    at = match->end;
  }
  EncodePlain(stretch.substr(at), base + static_cast<uint32_t>(at));
}

void BpeEncoder::EncodePlain(std::string_view stretch, uint32_t base) {
  if (stretch.empty()) return;
  if (!parts_->pretokenizer.add_prefix_space() || stretch.front() == ' ') return EncodeWords(stretch, base);
  prefixed_.assign(1, ' ').append(stretch);
  const size_t first = count_;
  EncodeWords(prefixed_, 0);
  for (size_t i = first; i < count_; ++i) begins_[i] = base + (begins_[i] == 0 ? 0 : begins_[i] - 1);
}

void BpeEncoder::EncodeWords(std::string_view text, uint32_t base) {
  Pretokenizer::Cursor cursor;
  size_t begin = 0;
  while (const size_t count = parts_->pretokenizer.Next(text, cursor, ends_)) {
    EncodeBatch(text.data(), text.data() + text.size(), begin, count, base);
    begin = ends_[count - 1];
  }
}

void BpeEncoder::EncodeBatch(const char* text, const char* text_end, size_t begin, size_t count, uint32_t base) {
  cache_.Reserve(count);
  EnsureRoom(ends_[count - 1] - begin);
  const WordEntry* const slots = cache_.slots();
  const size_t mask = cache_.mask();
  size_t from = begin;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = ends_[i] - from;
    const char* const word = text + from;
    if (size <= kShortWordBytes) [[likely]] {
      const WordKey key = word + kKeyReadBytes <= text_end ? LoadWordKey(word, size) : MakeWordKey({word, size});
      const uint64_t hash = HashWord(key);
      keys_[i] = key;
      hashes_[i] = hash;
      __builtin_prefetch(&slots[hash & mask]);
    } else {
      const uint64_t hash = HashLongWord(word, size);
      keys_[i] = kLongWordKey;
      hashes_[i] = hash;
      cache_.PrefetchLong(hash);
    }
    from = ends_[i];
  }
  EmitBatch(text, begin, count, base);
}

void BpeEncoder::EmitBatch(const char* text, size_t begin, size_t count, uint32_t base) {
  const WordEntry* slots = cache_.slots();
  size_t mask = cache_.mask();
  bool learnt = false;
  // In registers: the stores below could alias the members.
  uint32_t* ids = ids_ + count_;
  uint32_t* begins = begins_ + count_;
  size_t from = begin;
  for (size_t i = 0; i < count; ++i) {
    const WordEntry* entry = &slots[hashes_[i] & mask];
    const auto place = base + static_cast<uint32_t>(from);
    uint32_t tokens = entry->layout >> 24;
    if (!(entry->key == keys_[i]) || tokens == kManyTokens) [[unlikely]] {
      count_ = static_cast<size_t>(ids - ids_);
      const std::string_view word(text + from, ends_[i] - from);
      const bool is_short = word.size() <= kShortWordBytes;
      if (!learnt &&
          !(is_short ? cache_.Find(keys_[i], hashes_[i]) != nullptr : cache_.FindLong(word, hashes_[i]) != nullptr)) {
        LearnBatch(text, from, i, count);
        slots = cache_.slots();
        mask = cache_.mask();
        learnt = true;
      }
      if (is_short) {
        EmitShort(keys_[i], hashes_[i], word, place, false);
      } else {
        EmitLong(word, hashes_[i], place);
      }
      ids = ids_ + count_;
      begins = begins_ + count_;
    } else {
      StoreEntry(*entry, place, ids, begins);
      ids += tokens;
      begins += tokens;
    }
    from = ends_[i];
  }
  count_ = static_cast<size_t>(ids - ids_);
}

void BpeEncoder::LearnBatch(const char* text, size_t from, size_t first, size_t count) {
  // Candidates without a branch: most words are known, and where the others lie is not predictable.
  const WordEntry* const slots = cache_.slots();
  const size_t mask = cache_.mask();
  size_t candidates = 0;
  for (size_t i = first; i < count; ++i) {
    candidates_[candidates] = {static_cast<uint32_t>(i), static_cast<uint32_t>(from)};
    candidates += slots[hashes_[i] & mask].key == keys_[i] ? 0 : 1;
    from = ends_[i];
  }
  unknown_.clear();
  for (size_t c = 0; c < candidates; ++c) {
    const auto [i, begin] = candidates_[c];
    const std::string_view word(text + begin, ends_[i] - begin);
    if (word.size() <= kShortWordBytes) {
      if (cache_.Find(keys_[i], hashes_[i]) == nullptr) unknown_.push_back({keys_[i], hashes_[i], word, false});
    } else if (word.size() <= kLongWordBytes && cache_.FindLong(word, hashes_[i]) == nullptr) {
      CollectParts(word, hashes_[i]);
    }
  }
  cache_.Reserve(unknown_.size() + count);
  for (const Unknown& unknown : unknown_) {
    if (unknown.word.size() > kShortWordBytes) continue;
    __builtin_prefetch(&cache_.slots()[unknown.hash & cache_.mask()]);
    __builtin_prefetch(model_->ShortWordSlot(unknown.key));
  }
  unmerged_.clear();
  size_t kept = 0;
  for (const Unknown& unknown : unknown_) {
    const bool is_short = unknown.word.size() <= kShortWordBytes;
    if (is_short && cache_.Find(unknown.key, unknown.hash) != nullptr) continue;
    const uint32_t id =
        is_short ? FindDirect(unknown.key, unknown.word, unknown.is_part) : model_->FindLongWord(unknown.word);
    const uint32_t zero = 0;
    if (id != kNone && is_short) {
      cache_.Add(unknown.key, unknown.hash, &id, &zero, 1);
    } else if (id != kNone) {
      cache_.AddLong(unknown.word, unknown.hash, &id, &zero, 1);
    } else {
      unmerged_.push_back(unknown.word);
      unknown_[kept++] = unknown;
    }
  }
  bulk_merger_.Merge(unmerged_, [this](size_t i, const uint32_t* ids, const uint32_t* begins, size_t tokens) {
    const Unknown& unknown = unknown_[i];
    if (unknown.word.size() > kShortWordBytes) {
      if (cache_.FindLong(unknown.word, unknown.hash) == nullptr)
        cache_.AddLong(unknown.word, unknown.hash, ids, begins, tokens);
      return;
    }
    if (cache_.Find(unknown.key, unknown.hash) == nullptr) cache_.Add(unknown.key, unknown.hash, ids, begins, tokens);
  });
}

WordKey BpeEncoder::PartKey(std::string_view part) const {
  WordKey key = MakeWordKey(part);
  if (parts_differ_) key.high |= kPartMark;
  return key;
}

void BpeEncoder::CollectParts(std::string_view word, uint64_t hash) {
  ForEachPart(word, [&](size_t begin, size_t end) {
    const std::string_view part = word.substr(begin, end - begin);
    if (part.size() > kShortWordBytes) {
      const bool is_whole = part.size() == word.size() && part.size() <= BulkMerger::kSymbolsMax;
      if (is_whole) unknown_.push_back({kLongWordKey, hash, part, false});
      return;
    }
    const WordKey key = PartKey(part);
    unknown_.push_back({key, HashWord(key), part, true});
  });
}

uint32_t BpeEncoder::FindDirect(WordKey key, std::string_view word, bool is_part) const {
  if (!is_part || !parts_differ_) return model_->FindShortWord(key);
  const uint32_t id = model_->FindShortWord(MakeWordKey(word));
  return id != kNone && (model_->tables().token_kinds[id] & kMerges) == 0 ? kNone : id;
}

void BpeEncoder::EmitShort(WordKey key, uint64_t hash, std::string_view word, uint32_t from, bool is_part) {
  const WordEntry* entry = cache_.Find(key, hash);
  if (entry == nullptr) {
    const uint32_t id = FindDirect(key, word, is_part);
    const uint32_t zero = 0;
    if (id != kNone) {
      entry = cache_.Add(key, hash, &id, &zero, 1);
      if (entry == nullptr) {
        ids_[count_] = id;
        begins_[count_++] = from;
        return;
      }
    } else {
      const size_t count = merger_.Merge(word);
      entry = cache_.Add(key, hash, merger_.ids(), merger_.begins(), count);
      if (entry == nullptr) return EmitMerged(word, from);
    }
  }
  EmitEntry(*entry, from);
}

void BpeEncoder::EmitEntry(const WordEntry& entry, uint32_t from) {
  const uint32_t tokens = entry.layout >> 24;
  if (tokens == kManyTokens) return EmitArena(entry.ids[0], entry.ids[1], from);
  StoreEntry(entry, from, ids_ + count_, begins_ + count_);
  count_ += tokens;
}

void BpeEncoder::EmitArena(uint32_t place, size_t count, uint32_t from) {
  const uint32_t* const ids = cache_.ArenaIds(place);
  const uint8_t* const begins = cache_.ArenaBegins(place, count);
  for (size_t i = 0; i < count; i += 4) {
    std::memcpy(ids_ + count_ + i, ids + i, 16);
    for (size_t k = 0; k < 4; ++k) begins_[count_ + i + k] = from + begins[i + k];
  }
  count_ += count;
}

void BpeEncoder::EmitMerged(std::string_view word, uint32_t from) {
  const size_t count = merger_.Merge(word);
  std::memcpy(ids_ + count_, merger_.ids(), count * sizeof(uint32_t));
  for (size_t i = 0; i < count; ++i) begins_[count_ + i] = from + merger_.begins()[i];
  count_ += count;
}

void BpeEncoder::EmitLong(std::string_view word, uint64_t hash, uint32_t from) {
  const bool keeps = word.size() <= kLongWordBytes;
  if (keeps) {
    if (const LongWordEntry* entry = cache_.FindLong(word, hash)) return EmitArena(entry->place, entry->count, from);
  }
  const size_t first = count_;
  const uint32_t id = parts_differ_ || static_cast<uint8_t>(word.back()) < 0x80 ? model_->FindLongWord(word) : kNone;
  if (id != kNone) {
    ids_[count_] = id;
    begins_[count_++] = from;
  } else if (model_->drops_bytes() && model_->LacksByteOf(word)) {
    EmitMerged(word, from);  // what stands on both sides of a dropped byte may merge
  } else {
    EmitParts(word, from);
  }
  if (!keeps) return;
  std::array<uint32_t, kLongWordBytes> begins;
  for (size_t i = first; i < count_; ++i) begins[i - first] = begins_[i] - from;
  cache_.AddLong(word, hash, ids_ + first, begins.data(), count_ - first);
}

void BpeEncoder::EmitParts(std::string_view word, uint32_t from) {
  ForEachPart(word, [&](size_t begin, size_t end) {
    const std::string_view part = word.substr(begin, end - begin);
    const auto place = from + static_cast<uint32_t>(begin);
    if (part.size() > kShortWordBytes) return EmitMerged(part, place);
    const WordKey key = PartKey(part);
    EmitShort(key, HashWord(key), part, place, true);
  });
}

}  // namespace weir::bpe
