#include "weir/indexer/tree_walk.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "scratch_tree.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using testing::ScratchTree;

class TreeWalk : public ::testing::Test {
 protected:
  std::vector<std::string> Paths(const std::string& below = "") {
    WalkOptions options;
    options.root = tree_.root() / below;
    walked_ = *WalkTree(options);
    std::vector<std::string> paths;
    for (const WalkedFile& file : walked_.files) paths.push_back(file.path);
    return paths;
  }

  ScratchTree tree_;
  WalkedTree walked_;
};

using Names = std::vector<std::string>;

TEST_F(TreeWalk, RulesOfEveryFolderCountTheDeepestFirst) {
  tree_.Write(".gitignore", "*.log\nout/\n");
  tree_.Write("a/.gitignore", "!keep.log\n/x\n");
  for (const char* path : {"1.log", "a/keep.log", "a/2.log", "a/x", "a/b/x", "out/y", "a/out/y", ".hidden"}) {
    tree_.Write(path, "text");
  }
  EXPECT_EQ(Paths(), (Names{".gitignore", ".hidden", "a/.gitignore", "a/b/x", "a/keep.log"}));
  EXPECT_EQ(walked_.ignored, 5u);
  EXPECT_TRUE(walked_.problems.empty());
}

TEST_F(TreeWalk, RulesAboveTheRootAndTheirExcludesCount) {
  tree_.Write(".git/info/exclude", "secret\n");
  tree_.Write(".git/config", "x");
  tree_.Write(".gitignore", "a/b/gone\nlow\n");
  tree_.Write("a/.gitignore", "b/alsogone\n");
  for (const char* path : {"a/b/gone", "a/b/alsogone", "a/b/low", "a/b/secret", "a/b/stays", "secret"}) {
    tree_.Write(path, "text");
  }
  EXPECT_EQ(Paths("a/b"), (Names{"stays"}));
  EXPECT_EQ(Paths(), (Names{".gitignore", "a/.gitignore", "a/b/stays"}));
}

TEST_F(TreeWalk, ExcludesOfAWorkTreeBesideTheFirst) {
  tree_.Write("main/.git/info/exclude", "secret\n");
  tree_.Write("main/.git/worktrees/side/commondir", "../..\n");
  tree_.Write("side/.git", "gitdir: ../main/.git/worktrees/side\n");
  tree_.Write("side/secret", "text");
  tree_.Write("side/stays", "text");
  EXPECT_EQ(Paths("side"), (Names{"stays"}));
}

TEST_F(TreeWalk, LinksAndFoldersToSkipAreNotEntered) {
  tree_.Write("a/one", "text");
  tree_.Write("data/two", "text");
  tree_.Write(".weir/three", "text");
  std::filesystem::create_symlink("a/one", tree_.root() / "link");
  std::filesystem::create_directory_symlink("..", tree_.root() / "a/up");
  WalkOptions options;
  options.root = tree_.root();
  options.skipped = {tree_.root() / "data"};
  const WalkedTree walked = *WalkTree(options);
  ASSERT_EQ(walked.files.size(), 1u);
  EXPECT_EQ(walked.files[0].path, "a/one");
  EXPECT_EQ(walked.files[0].bytes, 4u);
  EXPECT_EQ(walked.links, 2u);
}

TEST_F(TreeWalk, WhatCannotBeWalked) {
  WalkOptions options;
  options.root = tree_.root() / "nothing";
  EXPECT_EQ(WalkTree(options).error().code, ErrorCode::kNotFound);
  tree_.Write("file", "x");
  options.root = tree_.root() / "file";
  EXPECT_EQ(WalkTree(options).error().code, ErrorCode::kInvalidArgument);
  tree_.Write("deep/a/b/c/file", "x");
  options.root = tree_.root() / "deep";
  options.depth_max = 2;
  const WalkedTree walked = *WalkTree(options);
  EXPECT_TRUE(walked.files.empty());
  ASSERT_EQ(walked.problems.size(), 1u);
  EXPECT_EQ(walked.problems[0].path, "a/b/c");
}

// Random trees and rules, against git itself where it is installed.
class AgainstGit : public TreeWalk {
 protected:
  bool Git(const std::string& arguments) {
    // Neither the user's nor the machine's settings.
    return std::system(("cd '" + tree_.root().string() +
                        "' && HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 git " + arguments)
                           .c_str()) == 0;
  }
};

std::string RandomPattern(Random& random) {
  static constexpr const char* kParts[] = {"a",    "b",    "ab",  "*",   "**",  "?",   "/",    "/",   "/**/",   "*b", "a**",
                                           "[ab]", "[!a]", "\\a", "***", "**/", "[a-", "[]b]", "/**", "[^b-c]", "\\"};
  std::string pattern = random.Below(5) == 0 ? "!" : "";
  for (uint64_t i = 1 + random.Below(5); i > 0; --i) pattern += kParts[random.Below(std::size(kParts))];
  if (random.Below(6) == 0) pattern += " ";
  return pattern + "\n";
}

std::string RandomPath(Random& random) {
  std::string path;
  for (uint64_t i = 1 + random.Below(4); i > 0; --i) {
    path += path.empty() ? "" : "/";
    for (uint64_t n = 1 + random.Below(2); n > 0; --n) path += "abc"[random.Below(3)];
  }
  return path;
}

TEST_F(AgainstGit, TheSameFilesStay) {
  if (!Git("init -q . >/dev/null 2>&1")) GTEST_SKIP() << "git is not installed";
  const uint64_t seed = 20'260'301;
  Random random(seed);
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ", round " << round);
    for (const auto& entry : std::filesystem::directory_iterator(tree_.root())) {
      if (entry.path().filename() != ".git") std::filesystem::remove_all(entry.path());
    }
    for (int i = 0; i < 40; ++i) tree_.TryWrite(RandomPath(random), "x");
    std::string rules;
    for (const char* place : {".gitignore", "a/.gitignore", "b/a/.gitignore"}) {
      std::string text;
      for (uint64_t i = random.Below(4); i > 0; --i) text += RandomPattern(random);
      if (tree_.TryWrite(place, text)) rules += std::string(place) + ":\n" + text;
    }
    ASSERT_TRUE(Git("ls-files -z --others --exclude-per-directory=.gitignore > .git/listed"));
    std::ifstream listed(tree_.root() / ".git/listed");
    std::set<std::string> expected;
    for (std::string path; std::getline(listed, path, '\0');) expected.insert(path);
    const Names paths = Paths();
    ASSERT_EQ(std::set<std::string>(paths.begin(), paths.end()), expected) << rules;
  }
}

}  // namespace
}  // namespace weir
