#pragma once
// IgnoreRules: the patterns of one .gitignore file, and which of them decides about a path.
//
// As git reads them (gitignore(5), git's wildmatch): comments, negation, trailing blanks, patterns for folders alone,
// anchoring by a slash, `*`, `?`, classes and `**`; the last pattern that matches decides. Bytes are compared as they are,
// case included. Matching takes time in proportion to pattern times path, whatever the pattern. Immutable; safe from all
// threads.

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class IgnoreRules {
 public:
  IgnoreRules() = default;
  // Reads the text of such a file; a pattern that is malformed matches nothing, as with git.
  explicit IgnoreRules(std::string_view text);

  // What the last matching pattern says: true: ignore, false: do not (it was negated); nullopt: none matches. `path` is
  // relative to the folder that holds the file, with slashes between, none in front or behind.
  std::optional<bool> Decide(std::string_view path, bool is_folder) const;

  bool empty() const { return patterns_.empty(); }

 private:
  enum class Kind : uint8_t {
    kByte,
    kNotSlash,     // ?
    kClass,        // [...]
    kStar,         // any number of bytes without a slash
    kAnything,     // any number of bytes
    kFolders,      // none or some whole folders and the slash behind them; kFoldersRest follows
    kFoldersRest,  // inside of such folders
    kNothing,      // malformed: matches no byte
  };
  struct Step {
    Kind kind = Kind::kByte;
    unsigned char byte = 0;
    uint32_t set = 0;  // kClass: place in `sets`
  };
  struct Pattern {
    std::string text;  // without marks; compared whole when is_literal
    bool is_literal = false;
    bool negated = false;
    bool folders_only = false;
    bool base_name_only = false;  // no slash in it: any folder below
    std::vector<Step> steps;
    std::vector<std::bitset<256>> sets;
  };

  static std::optional<Pattern> ParseLine(std::string_view line);
  static void Compile(Pattern& pattern);
  static bool CompileClass(std::string_view text, size_t& at, Pattern& pattern);
  static void CompileStars(std::string_view text, size_t& at, size_t first_special, Pattern& pattern);
  static bool Matches(const Pattern& pattern, std::string_view name);

  std::vector<Pattern> patterns_;
};

}  // namespace weir
