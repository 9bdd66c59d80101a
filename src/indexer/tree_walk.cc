#include "weir/indexer/tree_walk.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "weir/base/file.h"
#include "weir/indexer/ignore_rules.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kRulesBytesMax = 4u << 20;

std::string Join(const std::string& folder, const std::string& name) { return folder.empty() ? name : folder + "/" + name; }

bool IsThere(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// Where a work tree's .git leads: itself, or what it names as a file (work trees beside the first one, submodules).
fs::path CommonGitFolder(const fs::path& dot_git) {
  std::error_code ignored;
  if (fs::is_directory(dot_git, ignored)) return dot_git;
  const auto first_line = [](const fs::path& file) {
    const Result<std::string> text = ReadFile(file, 1 << 16);
    return text ? text->substr(0, text->find_first_of("\r\n")) : std::string();
  };
  constexpr std::string_view kMark = "gitdir: ";
  const std::string line = first_line(dot_git);
  if (!line.starts_with(kMark)) return dot_git;
  const fs::path folder = dot_git.parent_path() / line.substr(kMark.size());
  const std::string common = first_line(folder / "commondir");
  return common.empty() ? folder : folder / common;
}

class Walk {
 public:
  Walk(const WalkOptions& options, fs::path root) : options_(options), root_(std::move(root)) {}

  Result<WalkedTree> Run() {
    LoadRulesAbove();
    std::error_code error;
    fs::directory_iterator probe(root_, error);
    if (error) return Unavailable(fmt::format("cannot read {}: {}", root_.string(), error.message()));
    Enter("", 0);
    std::ranges::sort(tree_.files, {}, &WalkedFile::path);
    return std::move(tree_);
  }

 private:
  struct Level {
    std::string base;  // of its rules: relative to the top, with a slash behind unless empty
    IgnoreRules rules;
  };

  void LoadRules(const fs::path& file, std::string base, const std::string& shown) {
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    const Result<std::string> text = ReadFile(file, kRulesBytesMax);
    if (!text) {
      tree_.problems.push_back({shown, text.error()});
      return;
    }
    levels_.push_back({std::move(base), IgnoreRules(*text)});
  }

  // Of the work tree that the root lies in; paths are compared relative to its top.
  void LoadRulesAbove() {
    fs::path top = root_;
    while (!IsThere(top / ".git")) {
      if (top == top.parent_path()) return;
      top = top.parent_path();
    }
    const std::string below = top == root_ ? std::string() : root_.lexically_relative(top).generic_string();
    root_prefix_ = below.empty() ? "" : below + "/";
    LoadRules(CommonGitFolder(top / ".git") / "info/exclude", "", ".git/info/exclude");
    for (size_t at = 0; at < root_prefix_.size(); at = root_prefix_.find('/', at) + 1) {
      const std::string base = root_prefix_.substr(0, at);
      LoadRules(top / base / ".gitignore", base, (top / base / ".gitignore").string());
    }
  }

  bool IsIgnored(const std::string& path, bool is_folder) const {
    const std::string whole = root_prefix_ + path;
    for (size_t i = levels_.size(); i-- > 0;) {
      const std::string_view inside = std::string_view(whole).substr(levels_[i].base.size());
      if (const auto decided = levels_[i].rules.Decide(inside, is_folder)) return *decided;
    }
    return false;
  }

  bool IsSkipped(const fs::path& folder) const {
    std::error_code ignored;
    return std::ranges::any_of(options_.skipped, [&](const fs::path& one) { return fs::equivalent(one, folder, ignored); });
  }

  void Enter(const std::string& folder, uint32_t depth) {
    if (depth > options_.depth_max) {
      tree_.problems.push_back({folder, Unsupported(fmt::format("more than {} folders deep", options_.depth_max))});
      return;
    }
    const size_t levels = levels_.size();
    const fs::path place = folder.empty() ? root_ : root_ / folder;
    LoadRules(place / ".gitignore", folder.empty() ? root_prefix_ : root_prefix_ + folder + "/", Join(folder, ".gitignore"));
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator entry(place, error); !error && entry != fs::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) {
      tree_.problems.push_back({folder, Unavailable(fmt::format("cannot read the folder: {}", error.message()))});
    }
    std::ranges::sort(names);
    for (const std::string& name : names) Visit(Join(folder, name), name, depth);
    levels_.resize(levels);
  }

  void Visit(const std::string& path, const std::string& name, uint32_t depth) {
    if (name == ".git" || name == ".weir") return;
    const fs::path place = root_ / path;
    struct stat status {};
    if (::lstat(place.c_str(), &status) != 0) return;  // gone meanwhile
    const bool is_folder = S_ISDIR(status.st_mode);
    if (S_ISLNK(status.st_mode)) ++tree_.links;
    if (!is_folder && !S_ISREG(status.st_mode)) return;
    if (is_folder && IsSkipped(place)) return;
    if (IsIgnored(path, is_folder)) {
      ++tree_.ignored;
    } else if (is_folder) {
      Enter(path, depth + 1);
    } else {
      const int64_t changed = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
      tree_.files.push_back({path, static_cast<uint64_t>(status.st_size), changed});
    }
  }

  const WalkOptions& options_;
  const fs::path root_;
  std::string root_prefix_;  // relative to the top of the work tree; with a slash behind unless empty
  std::vector<Level> levels_;
  WalkedTree tree_;
};

}  // namespace

Result<WalkedTree> WalkTree(const WalkOptions& options) {
  std::error_code error;
  const fs::path root = fs::canonical(options.root, error);
  if (error) {
    if (error == std::errc::no_such_file_or_directory) return NotFound(fmt::format("no folder {}", options.root.string()));
    return Unavailable(fmt::format("cannot read {}: {}", options.root.string(), error.message()));
  }
  if (!fs::is_directory(root, error)) return InvalidArgument(fmt::format("{} is no folder", options.root.string()));
  return Walk(options, root).Run();
}

}  // namespace weir
