#pragma once
// What the fuzz targets share: their entry, and a file for readers that take a path.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "weir/base/check.h"

namespace weir::fuzz {

// Fails the run: something that must hold does not.
#define WEIR_FUZZ_CHECK(condition) WEIR_CHECK(condition)

// Writes the input to a file of this process and returns its path; the next call overwrites it.
inline const std::filesystem::path& InputFile(std::string_view bytes, const char* name) {
  static const std::filesystem::path kFolder = [] {
    const std::filesystem::path shared_memory = "/dev/shm";
    const auto folder =
        (std::filesystem::is_directory(shared_memory) ? shared_memory : std::filesystem::temp_directory_path()) /
        ("weir-fuzz-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    return folder;
  }();
  static std::filesystem::path path;
  path = kFolder / name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  WEIR_CHECK(file != nullptr, "cannot write {}", path.string());
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
  return path;
}

// Defined by each target.
void Run(std::string_view input);

}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  weir::fuzz::Run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
