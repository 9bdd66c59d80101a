#pragma once
// A tree of kernel files out of one text, for tests on recorded machines and for fuzzing.
//
// A section begins with a line "@path" and holds that file's text; "@path>target" makes a symbolic link to a name in the
// same folder, "@path/" a folder. Paths never leave the tree.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace weir::testing {

inline constexpr size_t kFilesMax = 48;
inline constexpr std::ptrdiff_t kDepthMax = 12;

// A path that stays below the tree; empty: not usable.
inline std::filesystem::path SafePath(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.find('\0') != std::string_view::npos) return {};
  const std::filesystem::path path = std::filesystem::path(text).relative_path().lexically_normal();
  if (path.empty() || *path.begin() == ".." || std::distance(path.begin(), path.end()) > kDepthMax) return {};
  return path;
}

// What cannot be made (a folder where a file stands, too long a name) is left out.
inline void MakeEntry(const std::filesystem::path& root, std::string_view head, std::string_view content) {
  std::error_code ignored;
  const size_t arrow = head.find('>');
  const std::filesystem::path path = SafePath(head.substr(0, arrow));
  if (path.empty()) return;
  std::filesystem::create_directories((root / path).parent_path(), ignored);
  if (arrow != std::string_view::npos) {
    const std::filesystem::path target = SafePath(head.substr(arrow + 1));
    if (!target.empty()) std::filesystem::create_symlink(target.filename(), root / path, ignored);
  } else if (head.ends_with('/')) {
    std::filesystem::create_directories(root / path, ignored);
  } else {
    std::ofstream(root / path, std::ios::binary) << content;
  }
}

inline void MakeKernelTree(const std::filesystem::path& root, std::string_view input) {
  for (size_t files = 0; files < kFilesMax && !input.empty(); ++files) {
    if (input.starts_with('@')) input.remove_prefix(1);
    const size_t next = std::min(input.find("\n@"), input.size());
    const std::string_view section = input.substr(0, next);
    const size_t head_end = std::min(section.find('\n'), section.size());
    MakeEntry(root, section.substr(0, head_end), section.substr(std::min(head_end + 1, section.size())));
    input.remove_prefix(std::min(next + 1, input.size()));
  }
}

}  // namespace weir::testing
