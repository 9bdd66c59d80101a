#include "flat_file.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string_view>

#include "weir/base/file.h"
#include "weir/codec/hex.h"

namespace weir::bpe {
namespace {

constexpr std::string_view kMagic = "WEIRTOK1";
constexpr uint32_t kVersion = 1;  // of the layout and of what the tables mean
constexpr size_t kAlignment = 64;
constexpr size_t kSections = kTableCount + 1;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t file_size;
  uint64_t json_hash[2];
  uint64_t checksum[2];
  struct {
    uint64_t offset, size;
  } section[kSections];
};
constexpr size_t kChecked = offsetof(Header, section);  // the checksum covers the file from here on
static_assert(kChecked == 56 && sizeof(Header) == 56 + kSections * 16);
static_assert(sizeof(WordEntry) == 32);

template <typename T>
std::string_view AsBytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

std::array<std::string_view, kTableCount> SectionsOf(const ModelTables& t) {
  return {AsBytes(t.scalars),     AsBytes(t.token_offsets), AsBytes(t.token_bytes), AsBytes(t.token_kinds),
          AsBytes(t.short_words), AsBytes(t.long_words),    AsBytes(t.pairs),       AsBytes(t.products),
          AsBytes(t.byte_ids),    AsBytes(t.char_starts),   AsBytes(t.joints)};
}

template <typename T>
bool Take(std::string_view section, std::span<const T>& out) {
  if (section.size() % sizeof(T) != 0) return false;
  out = {reinterpret_cast<const T*>(section.data()), section.size() / sizeof(T)};
  return true;
}

bool TakeAll(const std::array<std::string_view, kSections>& s, ModelTables& t) {
  return Take(s[0], t.scalars) && Take(s[1], t.token_offsets) && Take(s[2], t.token_bytes) && Take(s[3], t.token_kinds) &&
         Take(s[4], t.short_words) && Take(s[5], t.long_words) && Take(s[6], t.pairs) && Take(s[7], t.products) &&
         Take(s[8], t.byte_ids) && Take(s[9], t.char_starts) && Take(s[10], t.joints);
}

}  // namespace

std::filesystem::path FlatFilePath(const std::filesystem::path& folder, Hash128 json_hash) {
  const auto digest = DigestBytes(json_hash);
  return folder / fmt::format("tokenizer-{}-v{}.flat", HexOf(std::span<const uint8_t>(digest)), kVersion);
}

Status WriteFlatFile(const std::filesystem::path& path, Hash128 json_hash, const LoadedTokenizer& tokenizer) {
  const std::string config = ConfigToJson(tokenizer.config).Dump();
  const auto tables = SectionsOf(tokenizer.model.tables());
  Header header{};
  std::memcpy(header.magic, kMagic.data(), sizeof header.magic);
  header.version = kVersion;
  header.sections = kSections;
  header.json_hash[0] = json_hash.high;
  header.json_hash[1] = json_hash.low;
  std::string bytes(sizeof header, '\0');
  for (size_t i = 0; i < kSections; ++i) {
    const std::string_view section = i < kTableCount ? tables[i] : std::string_view(config);
    bytes.resize((bytes.size() + kAlignment - 1) / kAlignment * kAlignment);
    header.section[i] = {bytes.size(), section.size()};
    bytes += section;
  }
  header.file_size = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  const Hash128 checksum = Xxh3_128(std::string_view(bytes).substr(kChecked));
  header.checksum[0] = checksum.high;
  header.checksum[1] = checksum.low;
  std::memcpy(bytes.data(), &header, sizeof header);
  return WriteFileAtomically(path, bytes);
}

Result<LoadedTokenizer> ReadFlatFile(const std::filesystem::path& path, Hash128 json_hash) {
  WEIR_ASSIGN(MappedFile file, MappedFile::Open(path));
  const std::string_view bytes = file.bytes();
  const auto wrong = [&path](std::string_view what) { return Corrupt(fmt::format("{}: {}", path.string(), what)); };
  Header header;
  if (bytes.size() < sizeof header) return wrong("too short for a flat tokenizer file");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != kMagic || header.version != kVersion ||
      header.sections != kSections) {
    return wrong("not a flat tokenizer file of this version");
  }
  if (header.file_size != bytes.size()) return wrong("its size is not what it says");
  if (header.json_hash[0] != json_hash.high || header.json_hash[1] != json_hash.low)
    return wrong("made from another tokenizer.json");
  if (Xxh3_128(bytes.substr(kChecked)) != Hash128{header.checksum[0], header.checksum[1]})
    return wrong("its checksum is wrong");

  std::array<std::string_view, kSections> sections;
  for (size_t i = 0; i < kSections; ++i) {
    const auto& [offset, size] = header.section[i];
    if (offset % kAlignment != 0 || offset > bytes.size() || size > bytes.size() - offset)
      return wrong("a section lies outside it");
    sections[i] = bytes.substr(offset, size);
  }
  ModelTables tables;
  if (!TakeAll(sections, tables)) return wrong("a section has a broken size");
  WEIR_ASSIGN(const Json json, Json::Parse(sections[kTableCount]));
  WEIR_ASSIGN(TokenizerConfig config, ConfigFromJson(json));
  WEIR_ASSIGN(BpeModel model, BpeModel::Attach(tables, std::move(file)));
  return LoadedTokenizer{std::move(model), std::move(config)};
}

}  // namespace weir::bpe
