#pragma once
// The models that Weir knows by name: what they are called, where they come from and how they want to be used.
//
// An alias resolves to one entry, so a model loads once and caches never split over spellings. Immutable; safe from all
// threads.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weir/base/result.h"
#include "weir/model/embedder.h"

namespace weir {

// How weights are stored in a model's file.
enum class WeightType { kF32, kF16, kQ8 };

// "f32", "f16", "q8_0".
std::string_view WeightTypeName(WeightType type);

// One stored form of a model, as the conversion makes it from the package.
struct ModelFile {
  WeightType type = WeightType::kF32;
  std::string_view sha256;  // of the file; lower-case hexadecimal
  uint64_t bytes = 0;
};

struct ModelEntry {
  std::string_view name;                      // canonical, for example "all-minilm-l6-v2"
  std::span<const std::string_view> aliases;  // lower-case, besides the name itself
  std::string_view package;                   // the registry package that carries it, with its version and checksum
  std::string_view package_version;
  std::string_view package_sha256;
  std::string_view licence;  // SPDX, of the weights
  uint32_t dimensions = 0;
  std::span<const uint32_t> matryoshka;  // smaller sizes that the authors trained; may be empty
  std::string_view query_prefix;         // put before a text that asks; may be empty
  std::string_view passage_prefix;       // put before a text that is searched; may be empty
  Pooling pooling = Pooling::kMean;
  uint32_t tokens_max = 0;  // as the authors use it, special tokens included
  uint32_t positions = 0;   // what the weights allow
  std::span<const ModelFile> files;

  // The file's entry, or null when the model is not kept in that form.
  const ModelFile* file(WeightType wanted) const;
};

std::span<const ModelEntry> ModelTable();

// By canonical name or alias; upper and lower case, "_" and "-" are alike. not_found names the nearest.
Result<const ModelEntry*> FindModel(std::string_view name);

// Names of a model's parts inside its folder: the converted weights ("f32.gguf", ...) and the tokenizer.
std::string ModelFileName(WeightType type);
inline constexpr std::string_view kModelTokenizerFile = "tokenizer.json";

}  // namespace weir
