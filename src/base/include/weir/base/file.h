#pragma once
// Files: reading whole, mapping read-only, and writing so that a reader sees the old bytes or all of the new ones.
//
// Errors carry the path and the system's reason: not_found, unavailable (permission, I/O, no space), invalid_argument
// (a folder where a file is needed).

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/result.h"

namespace weir {

// The whole file ("-" is standard input). exhausted when it is larger than bytes_max.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t bytes_max = UINT64_MAX);

// Writes to a temporary name in the same folder, syncs, renames. On failure the old file stands and no partial file is
// left. `mode` as of open(2), less what the process's umask takes.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes, uint32_t mode = 0666);

// A read-only mapping of a regular file; owns it; move-only. The file must not shrink while mapped.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  // Valid while this object lives; page-aligned.
  std::string_view bytes() const { return bytes_; }
  // What was read once leaves this process's memory; it comes back, from the system's cache, where it is read again.
  void LetPagesGo() const;

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

}  // namespace weir
