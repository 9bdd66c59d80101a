#include "weir/model/named_model.h"

#include <fmt/format.h>

#include <system_error>

#include "weir/base/check.h"
#include "weir/model/convert_model.h"
#include "weir/model/load_embedder.h"

namespace weir {
namespace {

Result<const ModelFile*> NeedFile(const ModelEntry& entry, WeightType type) {
  if (const ModelFile* file = entry.file(type)) return file;
  return NotFound(fmt::format("{} is not kept as {}", entry.name, WeightTypeName(type)));
}

}  // namespace

std::filesystem::path ModelFolder(const ModelEntry& entry, const std::filesystem::path& models) {
  return models / entry.name;
}

std::string FingerprintOf(const ModelEntry& entry, WeightType type) {
  const ModelFile* file = entry.file(type);
  WEIR_CHECK(file, "{} is not kept as {}", entry.name, WeightTypeName(type));
  return EmbedderFingerprint(file->sha256, entry.pooling);
}

Result<std::filesystem::path> PrepareModelFile(const ModelEntry& entry, WeightType type,
                                               const std::filesystem::path& models) {
  WEIR_ASSIGN(const ModelFile* file, NeedFile(entry, type));
  const std::filesystem::path folder = ModelFolder(entry, models);
  const std::filesystem::path path = folder / ModelFileName(type);
  std::error_code unreadable;
  if (std::filesystem::file_size(path, unreadable) == file->bytes && !unreadable) return path;
  if (!std::filesystem::exists(folder / "model.safetensors", unreadable)) {
    return NotFound(fmt::format("{} is not in {}", entry.name, folder.string()),
                    fmt::format("`weir models fetch {}` brings it", entry.name));
  }
  WEIR_TRY(ConvertBert(folder, type, path));
  WEIR_ASSIGN(const std::string sha256, FileSha256(path));
  if (sha256 != file->sha256) {
    std::filesystem::remove(path, unreadable);
    return Corrupt(
        fmt::format("{} converted to {} has SHA-256 {}, not {}", entry.name, WeightTypeName(type), sha256, file->sha256),
        "what lies there is not what the package holds: fetch the model again");
  }
  return path;
}

Result<std::unique_ptr<Embedder>> LoadNamedEmbedder(const ModelEntry& entry, WeightType type,
                                                    const std::filesystem::path& models, uint32_t threads) {
  WEIR_ASSIGN(const ModelFile* file, NeedFile(entry, type));
  WEIR_ASSIGN(const std::filesystem::path path, PrepareModelFile(entry, type, models));
  EmbedderOptions options;
  options.threads = threads;
  options.tokens_max = entry.tokens_max;
  options.pooling = entry.pooling;
  options.dimensions_allowed.assign(entry.matryoshka.begin(), entry.matryoshka.end());
  options.file_sha256 = file->sha256;
  return LoadEmbedder(path, options);
}

}  // namespace weir
