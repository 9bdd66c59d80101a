#pragma once
// Models of the table on disk: a folder for each, holding what its package ships and the files converted from it.
//
// Functions are safe from all threads and processes; a file is there whole or not at all.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "weir/base/result.h"
#include "weir/model/embedder.h"
#include "weir/model/model_table.h"

namespace weir {

// Where a model's parts lie below the folder of all models.
std::filesystem::path ModelFolder(const ModelEntry& entry, const std::filesystem::path& models);

// The converted file; made from the package's parts if it is not there (about a second), and then checked against the
// table. not_found: the model was not fetched, or is not kept in that form; corrupt: the parts are not the package's.
Result<std::filesystem::path> PrepareModelFile(const ModelEntry& entry, WeightType type,
                                               const std::filesystem::path& models);

// What the embedder of this form will have; no file is read. REQUIRES: entry.file(type).
std::string FingerprintOf(const ModelEntry& entry, WeightType type);

// Prepares and loads it as its authors use it: their pooling, length and dimensions. A file whose checksum is not the
// table's is refused (corrupt). `threads` as in EmbedderOptions.
Result<std::unique_ptr<Embedder>> LoadNamedEmbedder(const ModelEntry& entry, WeightType type,
                                                    const std::filesystem::path& models, uint32_t threads = 0);

}  // namespace weir
