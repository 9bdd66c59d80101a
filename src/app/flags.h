#pragma once
// Flags: how a command declares its flags and arguments.
//
// One call declares a flag to the parser and to the documentation at once: help, completions, the man page and
// docs/commands.md all read docs(). Targets are borrowed and must outlive parsing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weir {

// What a flag's value is, for completion.
enum class ValueKind { kNone, kText, kFile, kFolder, kTokenizer, kModel };

struct FlagDoc {
  std::vector<std::string> names{};  // "-h", "--help"; empty for a positional argument
  std::string value_name{};          // empty: the flag takes none
  std::string description{};
  std::string default_value{};  // empty: none
  std::string environment{};    // empty: none
  std::vector<std::string> choices{};
  ValueKind kind = ValueKind::kNone;
  bool required = false;
  bool repeated = false;

  bool positional() const { return names.empty(); }
};

class Flags {
 public:
  Flags(CLI::App& app, Settings::FlagValues& settings) : app_(app), settings_(settings) {}

  // `names` as "-a,--all".
  void Switch(const std::string& names, bool& target, std::string description);
  void Text(const std::string& names, std::string& target, std::string value_name, std::string description,
            ValueKind kind = ValueKind::kText);
  void Count(const std::string& names, std::optional<uint64_t>& target, std::string description);
  // The target's value is the default; empty: none.
  void Choice(const std::string& names, std::string& target, std::string value_name, std::vector<std::string> choices,
              std::string description);
  // A flag that overrides a setting, described by its SettingDoc.
  void Setting(std::string_view key);

  void Argument(const std::string& name, std::string& target, std::string description, bool required, ValueKind kind,
                std::vector<std::string> choices = {});
  void Arguments(const std::string& name, std::vector<std::string>& target, std::string description, bool required,
                 ValueKind kind);

  const std::vector<FlagDoc>& docs() const { return docs_; }

 private:
  void Record(FlagDoc doc) { docs_.push_back(std::move(doc)); }

  CLI::App& app_;
  Settings::FlagValues& settings_;
  std::vector<FlagDoc> docs_;
};

}  // namespace weir
