#pragma once
// Data folder: a registry on disk.
//
//   DIR/registry.json   what must not change while contexts are kept: tokenizer (name, fingerprint), block size,
//                       and the format of the folder; and what its vectors are made with
//   DIR/contexts/       the store
//   DIR/embeddings/     vectors of texts, when there are any: a store of its own, that a registry does not open
//   DIR/ledger.jsonl    decisions, with its rotated files beside it; one that was damaged is set aside as
//                       ledger.jsonl.damaged-N, and a new one goes on
//
// One process changes a folder at a time, which the store's lock sees to; any number read beside it, each a state as of its
// opening. Plain functions, from any thread.
// Errors of all: not_found (no such folder), invalid_argument (a folder that holds something else, another tokenizer, block
// size or vectors than its own), unsupported (a newer format), corrupt, unavailable (locked, permission, disk); each with a
// hint that says what to do.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/ledger/ledger.h"
#include "weir/registry/context_record.h"
#include "weir/registry/registry.h"
#include "weir/store/store.h"
#include "weir/tokens/context.h"

namespace weir {

inline constexpr uint32_t kDataFolderFormat = 1;

// registry.json.
struct DataFolderSettings {
  std::string tokenizer;    // its name when the folder was made; the fingerprint is what counts
  std::string fingerprint;  // of that tokenizer: the default of the registry
  uint32_t block_size = kDefaultBlockSize;
  uint32_t vector_dimensions = 0;  // 0: contexts have no vectors
  // The embedding model that vectors are made with now, by name and LongTextFingerprint; empty: callers supply them. Those
  // in the folder that another one made do not count.
  std::string vector_model{};
  std::string vector_fingerprint{};

  bool has_callers_vectors() const { return vector_dimensions > 0 && vector_fingerprint.empty(); }
};

std::filesystem::path DataFolderStore(const std::filesystem::path& folder);
std::filesystem::path DataFolderLedger(const std::filesystem::path& folder);

// Whether the path is a folder with a registry.json of ours, of whatever format.
bool IsDataFolder(const std::filesystem::path& folder);
Result<DataFolderSettings> ReadDataFolderSettings(const std::filesystem::path& folder);

struct DataFolderOptions {
  std::filesystem::path folder;
  // Looks only: no lock is taken, nothing is written, changes are refused with invalid_argument, there is no ledger.
  bool read_only = false;
  bool create = true;  // make it when absent; not with read_only
  bool sync = true;    // see StoreOptions
  // Unset: the folder's own, and for a new one kDefaultBlockSize and 0.
  std::optional<uint32_t> block_size{};
  std::optional<uint32_t> vector_dimensions{};
  // Limits and tokenizers; block size, dimensions, store and ledger are filled in. The first tokenizer must be the folder's.
  // None at all: what needs no text tokenized works (list, get, find_shared, remove), the rest is refused as unsupported; a
  // new folder cannot be made so. With an embedding model, vectors are made with it from now on, which registry.json says
  // then; refused where callers supply them. Without one, those that are there count as they did.
  RegistryOptions registry{};
};

// A registry with what it stands on. Move-constructible only: its parts end in the right order.
struct DataFolder {
  DataFolder() = default;
  DataFolder(DataFolder&&) = default;
  DataFolder& operator=(DataFolder&&) = delete;

  DataFolderSettings settings;
  std::unique_ptr<Store> store;
  std::unique_ptr<Ledger> ledger;  // null when read only
  std::unique_ptr<Registry> registry;
};
Result<DataFolder> OpenDataFolder(DataFolderOptions options);

struct StoredContext {
  ContextTerms terms;
  std::shared_ptr<const Context> context;
};

struct StoredContexts {
  DataFolderSettings settings;
  std::vector<StoredContext> contexts;  // by agent
  std::vector<Error> problems;          // records that were left out
  uint64_t expired = 0;                 // left out as well
};
// What the folder holds, for advice and reports: no tokenizer, no registry, no lock. `now_ms`: milliseconds since 1970-01-01
// UTC, for what has expired.
Result<StoredContexts> ReadContexts(const std::filesystem::path& folder, int64_t now_ms);

}  // namespace weir
