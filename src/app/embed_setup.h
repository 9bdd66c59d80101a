#pragma once
// Which embedding model a command works with, and the cache of vectors beneath it.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "flags.h"
#include "session.h"
#include "weir/base/result.h"
#include "weir/embed/embed_cache.h"
#include "weir/model/model_table.h"
#include "weir/store/store.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct EmbedFlags {
  std::string model;      // empty: the setting's
  std::string weights;    // empty: the setting's
  std::string tokenizer;  // of a GGUF file; empty: the tokenizer.json beside it
};
// Declares --model, --weights, --tokenizer and --data.
void DeclareEmbedFlags(Flags& flags, EmbedFlags& target);

// Where models that were fetched lie.
std::filesystem::path ModelsFolder(const Environment& environment);

// A model that was asked for by name or by path; found, not loaded.
struct ModelChoice {
  const ModelEntry* entry = nullptr;  // null: a file
  std::filesystem::path file;         // a GGUF file; empty when it goes by name
  WeightType weights = WeightType::kF32;

  // What people read: the canonical name, or the file as it was given.
  std::string name() const { return entry != nullptr ? std::string(entry->name) : file.string(); }
};
// A name of the table wins over a file of that name. Unknown names end with kUsage and the nearest; --weights and
// --tokenizer are refused where they mean nothing.
Result<ModelChoice> ChooseModel(Session& session, const EmbedFlags& flags);

// As the setting stored_vectors says.
VectorPrecision StoredPrecision(const Session& session);

// The folder inside a data folder that vectors are kept in.
std::filesystem::path VectorFolder(const std::filesystem::path& data);

enum class VectorAccess { kReadWrite, kReadOnly };
// The store of vectors in the data folder, made when absent. A loss of power may lose the last vectors, never more: they can
// be computed again, so no write waits for the disk. Another process has it: see EmbedSetup::is_borrowed.
Result<std::unique_ptr<Store>> OpenVectors(Session& session, const std::filesystem::path& data, VectorAccess access);

// The model as a cache takes it; no weights are loaded. not_found with what to do when it was not fetched.
Result<EmbedModel> DescribeModel(Session& session, const EmbedFlags& flags);

// Move-construct only: the cache ends before the store it writes to.
struct EmbedSetup {
  EmbedSetup() = default;
  EmbedSetup(EmbedSetup&&) = default;
  EmbedSetup& operator=(EmbedSetup&&) = delete;

  std::unique_ptr<Store> store;  // null: no data folder, nothing outlives the process
  // Another process writes to the folder: what it had is read, and nothing new is kept.
  bool is_borrowed = false;
  std::unique_ptr<EmbedCache> cache;
  std::string model;  // its name in the cache
  std::string fingerprint;
  uint32_t dimensions = 0;
  std::shared_ptr<const Tokenizer> tokenizer;
  uint32_t tokens_max = 0;  // of a text, special tokens included
  std::string passage_prefix;
};

// The cache with the chosen model in it, over the data folder that the settings name. The weights are loaded when a text is
// missing, not before. not_found with what to do when the model was not fetched.
Result<EmbedSetup> OpenEmbedding(Session& session, const EmbedFlags& flags);
// The same over this data folder; empty: none.
Result<EmbedSetup> OpenEmbedding(Session& session, const EmbedFlags& flags, const std::filesystem::path& data);

}  // namespace weir
