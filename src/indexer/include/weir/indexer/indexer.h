#pragma once
// IndexTree and SearchIndex: the files of a folder by meaning.
//
// Files are cut into chunks (chunks.h) that are embedded through an EmbedCache, so that a chunk that is known is never
// embedded again, wherever it stands. The store keeps, for every file, where its chunks lie, the keys of their vectors and
// the digest of the content; no text. A file whose size and time of change are as recorded is not read; one whose content is
// the same is not cut. One store holds the indexes of many trees.
//
// Functions are safe from all threads; two runs over one tree at once cost work but spoil nothing. Borrowed: cache, store
// and tokenizer, for the call.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/embed/embed_cache.h"
#include "weir/indexer/chunks.h"
#include "weir/indexer/tree_walk.h"
#include "weir/store/store.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// The model of an index: one that the cache knows.
struct IndexModel {
  std::string name;                            // or an alias
  std::shared_ptr<const Tokenizer> tokenizer;  // its own
  uint32_t tokens_max = 256;                   // of a text, special tokens included
  std::string passage_prefix{};
  std::string owner{};  // whose vectors, as in EmbedCall
};

struct IndexProgress {
  uint64_t files_done = 0;
  uint64_t files = 0;
  uint64_t chunks_done = 0;
};

struct IndexOptions {
  std::filesystem::path root;
  std::vector<std::filesystem::path> skipped{};  // folders that are not entered: where the data lie
  uint64_t file_bytes_max = 1 << 20;             // larger files are skipped; below 1 GiB
  uint32_t chunk_tokens = 256;  // most tokens of a chunk, special tokens included; fewer where the model wants it
  std::function<void(const IndexProgress&)> progress{};  // called between files and batches
  // Asked between files and batches; true ends the run with `deadline`.
  std::function<bool()> cancelled{};
  const Clock* clock = nullptr;  // of elapsed; borrowed; null: the steady clock

  Status Validate() const;
};

// total = processed + skipped + failed; skipped = unchanged + not_text + too_large; hits + computed + coalesced are the
// chunks of all files that did not fail.
struct IndexReport {
  uint64_t total = 0;      // files that no rule leaves out
  uint64_t processed = 0;  // new or changed: cut, and all chunks embedded
  uint64_t skipped = 0;
  uint64_t failed = 0;  // named in `problems`; what was recorded of them before stays
  uint64_t unchanged = 0;
  uint64_t not_text = 0;  // a NUL byte in the first 8 KiB, or not UTF-8
  uint64_t too_large = 0;
  uint64_t ignored = 0;  // files and whole folders that rules leave out; not in total
  uint64_t removed = 0;  // files that the index had and that are gone, ignored, no text or too large now
  uint64_t chunks = 0;   // of the tree, in the index after this run
  // Chunks by where their vectors came from.
  uint64_t hits = 0;       // known before; those of unchanged files, looked up in the cache as well, included
  uint64_t computed = 0;   // embedded in this run
  uint64_t coalesced = 0;  // embedded in this run for an equal chunk
  uint64_t elapsed_ms = 0;
  std::vector<FileProblem> problems{};  // of the files that failed, and of folders that could not be read

  uint64_t chunks_asked() const { return hits + computed + coalesced; }
};

// Errors as a whole: the root (as WalkTree), options, a model that the cache does not know or that does not load, the
// store. What was done until then stays and is found by the next run.
Result<IndexReport> IndexTree(EmbedCache& cache, Store& store, const IndexModel& model, const IndexOptions& options);

// Forgets every vector in `store`, of any model, that no file of any index there has a chunk for: those of chunks that were
// edited or are gone, and all that others keep in the same store (texts of `weir embed`, of contexts, questions), which are
// embedded again when they are wanted. Number of vectors forgotten. unsupported: a newer Weir wrote a record; nothing is
// forgotten.
//
// REQUIRES: `store` is the cache's own and holds the records of all indexes whose vectors it keeps; no IndexTree
// runs with it.
Result<uint64_t> DropUnindexedVectors(EmbedCache& cache, const Store& store);

enum class ChunkState : uint8_t { kSame, kChanged, kGone };
// "same", "changed", "gone".
std::string_view ChunkStateName(ChunkState state);

struct SearchOptions {
  uint32_t k = 10;
  float threshold = -1;          // the least cosine
  std::filesystem::path root{};  // only of this tree; empty: all trees in the store
};

struct SearchHit {
  std::string root;  // absolute
  std::string path;  // relative to it
  Chunk chunk;       // where it lay when the file was indexed
  float score = 0;   // cosine
  // Whether the file is as it was indexed; the text is read from it, and only then.
  ChunkState state = ChunkState::kSame;
  std::string text{};
};

struct SearchAnswer {
  std::vector<SearchHit> hits;  // best first; of equals by root, path and line
  uint64_t files = 0;           // looked at
  uint64_t chunks = 0;          // compared: every one, exactly
  uint64_t missing = 0;         // chunks whose vectors are not kept any more; indexing again brings them back
  uint64_t other_model = 0;     // files that another model indexed
};

// invalid_argument: no words, k of 0, a threshold outside -1 to 1; not_found: nothing is indexed; else as EmbedCache::Embed.
Result<SearchAnswer> SearchIndex(EmbedCache& cache, const Store& store, const IndexModel& model, std::string_view query,
                                 const SearchOptions& options = {});

}  // namespace weir
