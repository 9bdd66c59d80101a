#include "wordpiece_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "unicode.h"
#include "weir/codec/utf8.h"
#include "wide_steps.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::wordpiece {
namespace {

using bpe::kKeyReadBytes;
using bpe::kLongWordBytes;
using bpe::kManyTokens;
using bpe::kShortWordBytes;
using bpe::WordEntry;
using bpe::WordKey;

constexpr size_t kSlack = bpe::kStoredTokens;  // tokens that StoreEntry may write past the last one

// Eight bytes at once; only A to Z change.
uint64_t LowerBytes(uint64_t bytes) {
  constexpr uint64_t kEach = 0x0101010101010101u;
  const uint64_t low = bytes & 0x7f * kEach;
  const uint64_t from_a = low + (0x80 - 'A') * kEach;  // the high bit of each: at least 'A'
  const uint64_t past_z = low + (0x7f - 'Z') * kEach;
  return bytes | ((from_a & ~past_z & ~bytes & 0x80 * kEach) >> 2);
}

bool IsAlphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// The first byte at or after `at` that is no ASCII letter or digit, or the size. Sixteen bytes at once, so that where a word
// ends, which nothing predicts, is no branch.
size_t FindAlphanumericEnd(std::string_view text, size_t at) {
#if defined(__SSE2__)
  const auto in_range = [](__m128i bytes, char first, char count) {
    const __m128i offset = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(static_cast<char>(count - 1))), offset);
  };
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i letters = in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    const __m128i inside = _mm_or_si128(letters, in_range(bytes, '0', 10));
    const auto others = static_cast<uint32_t>(~_mm_movemask_epi8(inside)) & 0xffff;
    if (others != 0) return at + static_cast<size_t>(std::countr_zero(others));
  }
#endif
  while (at < text.size() && IsAlphanumeric(text[at])) ++at;
  return at;
}

}  // namespace

WordPieceEncoder::WordPieceEncoder(const WordPieceParts& parts) : parts_(&parts) {
  for (uint32_t byte = 0; byte < sign_ids_.size(); ++byte) {
    const char sign = static_cast<char>(byte);
    parts.model.Split({&sign, 1}, 1, pieces_, piece_begins_);
    sign_ids_[byte] = pieces_[0];
  }
}

Status WordPieceEncoder::Encode(std::string_view text, const EncodeOptions& options, Encoding& out) {
  if (text.size() >= UINT32_MAX)
    return InvalidArgument(fmt::format("text of {} bytes; at most 4 GiB - 2 are supported", text.size()));
  if (const auto fault = FindInvalidUtf8(text)) return InvalidArgument(fmt::format("text is not UTF-8 at byte {}", *fault));
  // As in BpeEncoder: tokens are written in place over the old elements.
  out_ = &out;
  count_ = 0;
  room_ = std::min(out.ids.size(), out.begins.size());
  ids_ = out.ids.data();
  begins_ = out.begins.data();
  EnsureRoom(text.size() / 4 + 16);

  const WordPieceConfig& config = parts_->config;
  if (options.add_special_tokens) {
    for (const uint32_t id : config.prefix) EmitToken(id, 0);
  }
  bpe::AddedTokenFinder::Walk walk(parts_->raw_finder, text);
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

void WordPieceEncoder::EnsureRoom(size_t count) {
  if (count_ + count + kSlack <= room_) [[likely]]
    return;
  room_ = std::max(count_ + count + kSlack, room_ + room_ / 2);
  out_->ids.resize(room_);
  out_->begins.resize(room_);
  ids_ = out_->ids.data();
  begins_ = out_->begins.data();
}

void WordPieceEncoder::EmitToken(uint32_t id, uint32_t begin) {
  EnsureRoom(1);
  ids_[count_] = id;
  begins_[count_++] = begin;
}

void WordPieceEncoder::EncodeStretch(std::string_view stretch, uint32_t base) {
  if (parts_->normalized_finder.empty()) return EncodePlain(parts_->folder, stretch, base);
  const unicode::Normalized normalized = NormalizeBert(parts_->folder, stretch);
  const std::string_view text = normalized.text;
  const size_t first = count_;
  bpe::AddedTokenFinder::Walk walk(parts_->normalized_finder, text);
  size_t at = 0;
  while (const auto match = walk.Next()) {
    EncodePlain(*parts_->plain_folder, text.substr(at, match->begin - at), static_cast<uint32_t>(at));
    EmitToken(match->id, static_cast<uint32_t>(match->begin));
    at = match->end;
  }
  EncodePlain(*parts_->plain_folder, text.substr(at), static_cast<uint32_t>(at));
  for (size_t i = first; i < count_; ++i) begins_[i] = base + normalized.origins[begins_[i]];
}

void WordPieceEncoder::EncodePlain(const CharacterFolder& folder, std::string_view stretch, uint32_t base) {
  const char* const text = stretch.data();
  const size_t size = stretch.size();
  const bool lowercase = folder.rules().lowercase;
  for (size_t at = 0; at < size;) {
    switch (folder.ClassOf(text[at])) {
      case CharacterFolder::kBlankByte: ++at; break;
      case CharacterFolder::kSignByte:
        EmitToken(sign_ids_[static_cast<uint8_t>(text[at])], base + static_cast<uint32_t>(at));
        ++at;
        break;
      case CharacterFolder::kMixedByte: at = EncodeMixed(folder, stretch, at, base); break;
      case CharacterFolder::kWordByte: {
        size_t end = at + 1;
        if (folder.words_are_alphanumeric()) {
          end = FindAlphanumericEnd(stretch, end);
        } else {
          while (end < size && folder.ClassOf(text[end]) == CharacterFolder::kWordByte) ++end;
        }
        if (end < size && folder.ClassOf(text[end]) == CharacterFolder::kMixedByte) {
          at = EncodeMixed(folder, stretch, at, base);
          break;
        }
        EmitAscii(text + at, end - at, text + size, lowercase, base + static_cast<uint32_t>(at));
        at = end < size && text[end] == ' ' ? end + 1 : end;
      }
    }
  }
}

size_t WordPieceEncoder::EncodeMixed(const CharacterFolder& folder, std::string_view stretch, size_t at, uint32_t base) {
  const auto sink = [&](uint32_t code_point, PartKind kind, uint32_t origin) {
    if (kind != kLetter) FlushWord(base);
    if (kind == kBlank) return;
    unicode::AppendUtf8(code_point, word_);
    origins_.resize(word_.size(), origin);
    ++chars_;
    if (kind != kLetter) FlushWord(base);
  };
  do {
    at = folder.Fold(stretch, at, sink);
  } while (at < stretch.size() && (!word_.empty() || folder.ClassOf(stretch[at]) == CharacterFolder::kMixedByte));
  FlushWord(base);
  return at;
}

void WordPieceEncoder::FlushWord(uint32_t base) {
  if (word_.empty()) return;
  const size_t first = count_;
  EmitWord(word_, chars_, 0);
  for (size_t i = first; i < count_; ++i) begins_[i] = base + origins_[begins_[i]];
  word_.clear();
  origins_.clear();
  chars_ = 0;
}

void WordPieceEncoder::EmitAscii(const char* word, size_t size, const char* end, bool lowercase, uint32_t from) {
  if (size > kShortWordBytes) {
    lowered_.assign(word, size);
    if (lowercase) {
      for (char& c : lowered_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    }
    return EmitWord(lowered_, size, from);
  }
  WordKey key = word + kKeyReadBytes <= end ? bpe::LoadWordKey(word, size) : bpe::MakeWordKey({word, size});
  if (lowercase) key = {LowerBytes(key.low), LowerBytes(key.high)};  // the length is no letter
  const uint64_t hash = bpe::HashWord(key);
  const WordEntry& entry = cache_.slots()[hash & cache_.mask()];
  const uint32_t tokens = entry.layout >> 24;
  if (entry.key == key && tokens != kManyTokens) [[likely]] {
    EnsureRoom(tokens);
    bpe::StoreEntry(entry, from, ids_ + count_, begins_ + count_);
    count_ += tokens;
    return;
  }
  char bytes[kKeyReadBytes];
  std::memcpy(bytes, &key, sizeof bytes);
  EmitShort(key, hash, {bytes, size}, size, from);
}

void WordPieceEncoder::EmitWord(std::string_view word, size_t chars, uint32_t from) {
  if (word.size() <= kShortWordBytes) {
    const WordKey key = bpe::MakeWordKey(word);
    return EmitShort(key, bpe::HashWord(key), word, chars, from);
  }
  if (word.size() > kLongWordBytes) {
    parts_->model.Split(word, chars, pieces_, piece_begins_);
    return EmitSplit(from);
  }
  const uint64_t hash = bpe::HashLongWord(word.data(), word.size());
  if (const bpe::LongWordEntry* entry = cache_.FindLong(word, hash)) return EmitArena(entry->place, entry->count, from);
  parts_->model.Split(word, chars, pieces_, piece_begins_);
  EmitSplit(from);
  cache_.Reserve(1);
  cache_.AddLong(word, hash, pieces_.data(), piece_begins_.data(), pieces_.size());
}

void WordPieceEncoder::EmitShort(WordKey key, uint64_t hash, std::string_view word, size_t chars, uint32_t from) {
  if (const WordEntry* entry = cache_.Find(key, hash)) return EmitEntry(*entry, from);
  parts_->model.Split(word, chars, pieces_, piece_begins_);
  EmitSplit(from);
  cache_.Reserve(1);
  cache_.Add(key, hash, pieces_.data(), piece_begins_.data(), pieces_.size());
}

void WordPieceEncoder::EmitEntry(const WordEntry& entry, uint32_t from) {
  const uint32_t tokens = entry.layout >> 24;
  if (tokens == kManyTokens) return EmitArena(entry.ids[0], entry.ids[1], from);
  EnsureRoom(tokens);
  bpe::StoreEntry(entry, from, ids_ + count_, begins_ + count_);
  count_ += tokens;
}

void WordPieceEncoder::EmitArena(uint32_t place, size_t count, uint32_t from) {
  EnsureRoom(count);
  const uint32_t* const ids = cache_.ArenaIds(place);
  const uint8_t* const begins = cache_.ArenaBegins(place, count);
  for (size_t i = 0; i < count; ++i) {
    ids_[count_ + i] = ids[i];
    begins_[count_ + i] = from + begins[i];
  }
  count_ += count;
}

void WordPieceEncoder::EmitSplit(uint32_t from) {
  EnsureRoom(pieces_.size());
  for (size_t i = 0; i < pieces_.size(); ++i) {
    ids_[count_ + i] = pieces_[i];
    begins_[count_ + i] = from + piece_begins_[i];
  }
  count_ += pieces_.size();
}

// After white space a new word begins whatever follows, and nothing appended reaches back over it but an added token: one
// that is open at the end of the text, or one of normalised text, which may hold blanks.
size_t WordPieceEncoder::FindStableCut(std::string_view text) {
  const bpe::AddedTokenFinder& raw = parts_->raw_finder;
  if (raw.looks_around() || parts_->normalized_finder.looks_around()) return 0;
  const size_t limit = raw.FindOpenTail(text, 0);
  size_t cut = 0;
  bpe::AddedTokenFinder::Walk walk(raw, text);
  while (const auto match = walk.Next()) {
    if (match->begin >= limit) break;
    cut = match->end;
  }
  if (!parts_->normalized_finder.empty()) return cut;
  for (size_t at = limit; at > cut; --at) {
    if (parts_->folder.ClassOf(text[at - 1]) == CharacterFolder::kBlankByte) return at;
  }
  return cut;
}

}  // namespace weir::wordpiece
