#include "table_check.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "little_endian.h"
#include "weir/codec/xxh3.h"

namespace weir::store {
namespace {

constexpr size_t kFooterBytes = 53;
constexpr size_t kHandlesBytes = 40;
constexpr size_t kTrailerBytes = 5;
constexpr uint64_t kMagic = 0x88e241b785f4cff7u;
constexpr uint32_t kFormatVersion = 5;
constexpr char kXxh3 = 4;
constexpr char kUncompressed = 0;

std::optional<uint64_t> TakeVarint(std::string_view& bytes) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

// The block that a handle points to, without its trailer; nullopt: it is not whole, or fails its checksum.
std::optional<std::string_view> TakeBlock(std::string_view table, std::string_view& handle) {
  const std::optional<uint64_t> offset = TakeVarint(handle);
  const std::optional<uint64_t> size = offset ? TakeVarint(handle) : std::nullopt;
  const uint64_t room = table.size() - kFooterBytes;
  if (!size || *offset > room || *size > room - *offset || kTrailerBytes > room - *offset - *size) return std::nullopt;
  const std::string_view block = table.substr(*offset, *size);
  const char* const trailer = block.data() + block.size();
  // Of the block, with its compression type mixed in (0 here, which changes nothing).
  const uint32_t checksum = static_cast<uint32_t>(Xxh3_64(block));
  if (trailer[0] != kUncompressed || LoadLittle<uint32_t>(trailer + 1) != checksum) return std::nullopt;
  return block;
}

// The metaindex: entries (shared and own length of the key, length of the value: varints; key, value), then their restarts.
bool AreNamedBlocksSound(std::string_view table, std::string_view metaindex) {
  if (metaindex.size() < sizeof(uint32_t)) return false;
  const uint64_t restarts = LoadLittle<uint32_t>(metaindex.data() + metaindex.size() - sizeof(uint32_t));
  if ((restarts + 1) * sizeof(uint32_t) > metaindex.size()) return false;
  std::string_view entries = metaindex.substr(0, metaindex.size() - (restarts + 1) * sizeof(uint32_t));
  while (!entries.empty()) {
    const auto shared = TakeVarint(entries), own = TakeVarint(entries), value = TakeVarint(entries);
    if (!shared || !own || !value || *own > entries.size() || *value > entries.size() - *own) return false;
    std::string_view handle = entries.substr(*own, *value);
    if (!TakeBlock(table, handle)) return false;
    entries.remove_prefix(*own + *value);
  }
  return true;
}

}  // namespace

bool IsTableEndSound(std::string_view table) {
  if (table.size() < kFooterBytes) return false;
  const std::string_view footer = table.substr(table.size() - kFooterBytes);
  const char* const version = footer.data() + 1 + kHandlesBytes;
  if (footer[0] != kXxh3 || LoadLittle<uint32_t>(version) != kFormatVersion) return false;
  if (LoadLittle<uint64_t>(version + sizeof(uint32_t)) != kMagic) return false;
  std::string_view handles = footer.substr(1, kHandlesBytes);
  const std::optional<std::string_view> metaindex = TakeBlock(table, handles);
  if (!metaindex || !TakeBlock(table, handles)) return false;
  if (handles.find_first_not_of('\0') != std::string_view::npos) return false;
  return AreNamedBlocksSound(table, *metaindex);
}

}  // namespace weir::store
