#pragma once
// Conversion of an embedding model as its package ships it into one GGUF file. Pure functions of their inputs: the same
// package gives the same bytes everywhere.

#include <filesystem>

#include "weir/base/result.h"
#include "weir/model/model_table.h"

namespace weir {

// Reads model.safetensors, config.json, tokenizer.json and 1_Pooling/config.json in `folder` (a BERT encoder with a
// WordPiece vocabulary) and writes `out`, old or whole new. Matrices are stored as `type`, vectors and position tables
// as f32. Errors: not_found (a file is missing), corrupt (weights of other sizes than config.json says, bytes outside
// the file), unsupported (another architecture), unavailable (the disk).
Status ConvertBert(const std::filesystem::path& folder, WeightType type, const std::filesystem::path& out);

}  // namespace weir
