#pragma once
// A folder of its own for a test, gone with the object. In memory (/dev/shm) where there is such a place.

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "weir/base/check.h"

namespace weir::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code ignored;
    const bool has_memory = ::access("/dev/shm", W_OK) == 0;
    std::string pattern = (has_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path(ignored)) /
                          "weir-store-test-XXXXXX";
    WEIR_CHECK(::mkdtemp(pattern.data()) != nullptr, "no temporary folder {}", pattern);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace weir::testing
