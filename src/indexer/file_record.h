#pragma once
// FileRecord: what the index keeps of one file: where its chunks lie and the keys of their vectors, and none of its text.
//
// Records stand in the store's table of settings, under a key of the tree's root and the file's path; in canonical CBOR, so
// that one state has one form. Internal to `indexer`; pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/sha256.h"
#include "weir/embed/embed_cache.h"
#include "weir/indexer/chunks.h"
#include "weir/store/store.h"

namespace weir::indexer {

// Decides, with the content, which chunks and vectors a file has.
struct ChunkOrigin {
  std::string fingerprint;  // of the model
  std::string tokenizer;    // its fingerprint
  std::string prefix;       // that the model puts before passages
  uint32_t dimensions = 0;
  uint32_t tokens_max = 0;  // of a chunk
  uint32_t rule = kChunkRule;
  friend bool operator==(const ChunkOrigin&, const ChunkOrigin&) = default;
};

struct KeptChunk {
  Chunk chunk;
  EmbedKey key{};
  friend bool operator==(const KeptChunk&, const KeptChunk&) = default;
};

struct FileRecord {
  std::string root;  // absolute; bytes as the file system gives them
  std::string path;  // relative to it
  uint64_t bytes = 0;
  int64_t changed_ns = 0;  // 0: not to be relied upon; the content decides
  Sha256Digest content{};
  ChunkOrigin origin;
  std::vector<KeptChunk> chunks;
  friend bool operator==(const FileRecord&, const FileRecord&) = default;
};

StoreKey FileKeyOf(std::string_view root, std::string_view path);

std::string WriteFileRecord(const FileRecord& record);

// Settings of others stand in the same table.
bool IsFileRecord(std::string_view bytes);

// corrupt, with the place; unsupported: written by a newer Weir.
Result<FileRecord> ReadFileRecord(std::string_view bytes);

}  // namespace weir::indexer
