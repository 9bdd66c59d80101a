#pragma once
// WalkTree: the files of a folder that an index is about.
//
// What git would ignore is left out: by .gitignore files inside the tree and, when the tree lies in a git work tree, those
// of the folders above and .git/info/exclude; the user's own list of ignored files is not read. A file that is ignored and
// committed all the same is left out, too. Hidden files count like others; .git, .weir, links and what is neither file nor
// folder do not. Pure but for reading; one call a thread.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "weir/base/result.h"

namespace weir {

struct WalkedFile {
  std::string path;  // relative to the root, with slashes; any bytes
  uint64_t bytes = 0;
  int64_t changed_ns = 0;  // time of the last change of the content, since 1970
};

// Something about one file or folder that went wrong.
struct FileProblem {
  std::string path;  // relative to the root
  Error error;
};

struct WalkedTree {
  std::vector<WalkedFile> files;      // by path
  std::vector<FileProblem> problems;  // folders and ignore files that could not be read
  uint64_t ignored = 0;               // files and whole folders that rules leave out
  uint64_t links = 0;                 // not followed
};

struct WalkOptions {
  std::filesystem::path root;
  std::vector<std::filesystem::path> skipped;  // folders that are not entered
  uint32_t depth_max = 128;                    // folders inside one another; deeper ones are problems
};

// not_found, or invalid_argument (no folder): the root. unavailable: it cannot be read.
Result<WalkedTree> WalkTree(const WalkOptions& options);

}  // namespace weir
