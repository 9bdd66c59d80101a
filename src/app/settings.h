#pragma once
// Settings: values that flags, the environment and one TOML file can give, and where each came from.
//
// Precedence: flag > environment (WEIR_...) > file > default. An unknown key, a value of the wrong type or out of range
// is an error; nothing is ignored. A plain value.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "environment.h"
#include "weir/base/result.h"

namespace weir {

enum class SettingKind { kText, kCount, kBytes, kChoice };

struct SettingDoc {
  std::string_view key{};          // in the file, for example "block_size"; the flag is --block-size
  std::string_view environment{};  // WEIR_BLOCK_SIZE
  std::string_view value_name{};   // N
  std::string_view description{};
  std::string_view default_value{};
  SettingKind kind = SettingKind::kText;
  uint64_t least = 0;  // kCount, kBytes
  uint64_t most = 0;   // ditto
  std::vector<std::string> choices{};
};

// All settings, in the order people read them.
std::span<const SettingDoc> SettingDocs();
const SettingDoc& SettingDocOf(std::string_view key);  // REQUIRES: key exists

// "--block-size" for "block_size".
std::string FlagOf(std::string_view key);

struct Setting {
  std::string value;
  std::string origin;  // "default", "flag --block-size", "environment WEIR_BLOCK_SIZE", "/path/config.toml:3"
};

class Settings {
 public:
  using FlagValues = std::map<std::string, std::string, std::less<>>;  // key -> text as given

  // A missing file is an error only when `file_required`. Errors are invalid_argument, not_found or unavailable.
  static Result<Settings> Load(const Environment& environment, const std::filesystem::path& file, bool file_required,
                               const FlagValues& flags);

  // REQUIRES: key exists.
  const Setting& Get(std::string_view key) const;
  const std::string& Text(std::string_view key) const { return Get(key).value; }
  uint64_t Count(std::string_view key) const;  // REQUIRES: a kCount setting
  uint64_t Bytes(std::string_view key) const;  // REQUIRES: a kBytes setting
  // What commas separate, without blanks around; nothing empty.
  std::vector<std::string> List(std::string_view key) const;

 private:
  Status ReadFile(const std::filesystem::path& file, bool required);
  Status Put(const SettingDoc& doc, std::string value, std::string origin);

  std::map<std::string, Setting, std::less<>> values_;
};

// Why the text is no value for that setting, or success.
Status CheckSetting(const SettingDoc& doc, std::string_view text);

}  // namespace weir
