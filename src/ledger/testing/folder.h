#pragma once
// A folder that goes away with the test.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "weir/base/check.h"

namespace weir::testing {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-ledger-XXXXXX").string();
    WEIR_CHECK(::mkdtemp(pattern.data()) != nullptr, "cannot make {}", pattern);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace weir::testing
