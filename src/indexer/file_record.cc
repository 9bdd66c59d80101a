#include "file_record.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "weir/codec/cbor.h"

namespace weir::indexer {
namespace {

constexpr std::string_view kMark = "weir indexed file";
constexpr uint64_t kFormat = 1;
constexpr uint64_t kFields = 14;
constexpr uint64_t kChunkFields = 6;

// The first bytes of every record.
std::string RecordStart() {
  std::string start;
  CborWriter writer(start);
  writer.Array(kFields);
  writer.Text(kMark);
  return start;
}

Result<uint32_t> Number32(CborReader& reader) {
  WEIR_ASSIGN(const uint64_t number, reader.Unsigned());
  if (number > std::numeric_limits<uint32_t>::max()) return Corrupt("record of a file: a number is too large");
  return static_cast<uint32_t>(number);
}

Result<KeptChunk> ReadChunk(CborReader& reader, const FileRecord& record) {
  WEIR_ASSIGN(const uint64_t fields, reader.Array());
  if (fields != kChunkFields) return Corrupt("record of a file: a chunk with other fields");
  KeptChunk kept;
  WEIR_ASSIGN(kept.chunk.begin, Number32(reader));
  WEIR_ASSIGN(kept.chunk.end, Number32(reader));
  WEIR_ASSIGN(kept.chunk.first_line, Number32(reader));
  WEIR_ASSIGN(kept.chunk.last_line, Number32(reader));
  WEIR_ASSIGN(kept.key.high, reader.Unsigned());
  WEIR_ASSIGN(kept.key.low, reader.Unsigned());
  const uint32_t before = record.chunks.empty() ? 0 : record.chunks.back().chunk.end;
  const Chunk& chunk = kept.chunk;
  if (chunk.begin < before || chunk.begin >= chunk.end || chunk.end > record.bytes || chunk.first_line == 0 ||
      chunk.first_line > chunk.last_line) {
    return Corrupt("record of a file: its chunks do not lie one after the other");
  }
  return kept;
}

Status ReadOrigin(CborReader& reader, ChunkOrigin& origin) {
  WEIR_ASSIGN(origin.fingerprint, reader.Bytes());
  WEIR_ASSIGN(origin.tokenizer, reader.Bytes());
  WEIR_ASSIGN(origin.prefix, reader.Bytes());
  WEIR_ASSIGN(origin.dimensions, Number32(reader));
  WEIR_ASSIGN(origin.tokens_max, Number32(reader));
  WEIR_ASSIGN(origin.rule, Number32(reader));
  return {};
}

}  // namespace

StoreKey FileKeyOf(std::string_view root, std::string_view path) {
  std::string named;
  CborWriter writer(named);
  writer.Text(kMark);
  writer.Bytes(root);
  writer.Bytes(path);
  const Sha256Digest digest = Sha256(named);
  StoreKey key;
  std::memcpy(&key.high, digest.data(), 8);
  std::memcpy(&key.low, digest.data() + 8, 8);
  return key;
}

std::string WriteFileRecord(const FileRecord& record) {
  std::string bytes = RecordStart();
  CborWriter writer(bytes);
  writer.Unsigned(kFormat);
  writer.Bytes(record.root);
  writer.Bytes(record.path);
  writer.Unsigned(record.bytes);
  writer.Integer(record.changed_ns);
  writer.Bytes({reinterpret_cast<const char*>(record.content.data()), record.content.size()});
  writer.Bytes(record.origin.fingerprint);
  writer.Bytes(record.origin.tokenizer);
  writer.Bytes(record.origin.prefix);
  writer.Unsigned(record.origin.dimensions);
  writer.Unsigned(record.origin.tokens_max);
  writer.Unsigned(record.origin.rule);
  writer.Array(record.chunks.size());
  for (const KeptChunk& kept : record.chunks) {
    writer.Array(kChunkFields);
    writer.Unsigned(kept.chunk.begin);
    writer.Unsigned(kept.chunk.end);
    writer.Unsigned(kept.chunk.first_line);
    writer.Unsigned(kept.chunk.last_line);
    writer.Unsigned(kept.key.high);
    writer.Unsigned(kept.key.low);
  }
  return bytes;
}

bool IsFileRecord(std::string_view bytes) { return bytes.starts_with(RecordStart()); }

Result<FileRecord> ReadFileRecord(std::string_view bytes) {
  if (!IsFileRecord(bytes)) return Corrupt("no record of a file");
  CborReader reader(bytes.substr(RecordStart().size()));
  WEIR_ASSIGN(const uint64_t format, reader.Unsigned());
  if (format > kFormat) return Unsupported("the index was written by a newer weir");
  if (format != kFormat) return Corrupt("record of a file: format 0");
  FileRecord record;
  WEIR_ASSIGN(record.root, reader.Bytes());
  WEIR_ASSIGN(record.path, reader.Bytes());
  WEIR_ASSIGN(record.bytes, reader.Unsigned());
  WEIR_ASSIGN(record.changed_ns, reader.Integer());
  WEIR_ASSIGN(const std::string_view content, reader.Bytes());
  if (content.size() != record.content.size()) return Corrupt("record of a file: no digest of its content");
  std::ranges::copy(content, record.content.begin());
  WEIR_TRY(ReadOrigin(reader, record.origin));
  WEIR_ASSIGN(const uint64_t count, reader.Array());
  for (uint64_t i = 0; i < count; ++i) {
    WEIR_ASSIGN(KeptChunk kept, ReadChunk(reader, record));
    record.chunks.push_back(kept);
  }
  if (!reader.ended()) return Corrupt("record of a file: more bytes than it says");
  return record;
}

}  // namespace weir::indexer
