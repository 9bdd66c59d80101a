#pragma once
// ScratchTree: a folder of files that lives as long as a test. One thread.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace weir::testing {

class ScratchTree {
 public:
  ScratchTree() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-tree-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
  }
  ~ScratchTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  ScratchTree(const ScratchTree&) = delete;
  ScratchTree& operator=(const ScratchTree&) = delete;

  const std::filesystem::path& root() const { return root_; }

  // False when a file stands where a folder would have to, or the other way round.
  bool TryWrite(const std::string& path, std::string_view text) {
    std::error_code error;
    std::filesystem::create_directories((root_ / path).parent_path(), error);
    if (error || std::filesystem::is_directory(root_ / path)) return false;
    std::ofstream file(root_ / path, std::ios::binary | std::ios::trunc);
    file << text;
    return file.good();
  }
  void Write(const std::string& path, std::string_view text) { ASSERT_TRUE(TryWrite(path, text)) << path; }

 private:
  std::filesystem::path root_;
};

}  // namespace weir::testing
