#pragma once
// Loads an embedding model from a GGUF file; llama.cpp computes behind it, on the CPU or what this build adds.
//
// The file is checked before the library sees it, which then reads its weights into memory. The library's aborts come back
// as errors; after one the model refuses further work. Its log goes to ours. Functions are safe from all threads.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/model/embedder.h"

namespace weir {

struct EmbedderOptions {
  // Workers, each with scratch of its own and one thread: two small contexts get more done than one with two threads.
  // 0: one for each processor that this process may use.
  uint32_t threads = 0;
  // Texts of more tokens are refused or cut; 0: what the model was trained for, at most kTokensMaxDefault. Scratch grows
  // with it.
  uint32_t tokens_max = 0;
  // Overrides the file's pooling, or supplies it where the file has none.
  std::optional<Pooling> pooling;
  // Matryoshka sizes that the model's authors trained.
  std::vector<uint32_t> dimensions_allowed;
  // Lower-case hexadecimal; when not empty, a file of another SHA-256 is refused as corrupt.
  std::string file_sha256;

  static constexpr uint32_t kTokensMaxDefault = 2048;
};

// not_found or unavailable: the file; corrupt: no GGUF, cut short, bytes that do not add up, or another checksum;
// unsupported: not an embedding model, or an architecture that the library lacks; exhausted: memory refused.
Result<std::unique_ptr<Embedder>> LoadEmbedder(const std::filesystem::path& file, const EmbedderOptions& options);

// A model's file, known without loading it.
struct ModelFileOutline {
  std::string architecture;
  uint32_t dimensions = 0;
  Pooling pooling = Pooling::kMean;
  uint32_t positions = 0;  // tokens that the model was trained for
  uint64_t bytes = 0;
  std::string sha256;       // lower-case hexadecimal
  std::string fingerprint;  // that LoadEmbedder's result would have
};
// Reads the file once, in pieces. Errors as LoadEmbedder's; what only the library can find is found on loading.
Result<ModelFileOutline> OutlineModelFile(const std::filesystem::path& file, std::optional<Pooling> pooling = std::nullopt);

// The fingerprint that LoadEmbedder's result would have, from the file's SHA-256 (lower-case hexadecimal) and pooling.
std::string EmbedderFingerprint(std::string_view file_sha256, Pooling pooling);

// Lower-case hexadecimal; reads the file once, in pieces.
Result<std::string> FileSha256(const std::filesystem::path& file);

// The level of instruction set that CPU kernels are taken from: "avx512", "avx2" or "baseline".
std::string_view CpuLevelName();

}  // namespace weir
