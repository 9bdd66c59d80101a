#pragma once
// What the command takes from its surroundings: environment variables and the folders that follow from them.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// A copy of the process's variables, or a made-up set in tests. A plain value.
class Environment {
 public:
  static Environment OfProcess();
  explicit Environment(std::map<std::string, std::string, std::less<>> variables) : variables_(std::move(variables)) {}

  // Unset and empty are the same, as the XDG and NO_COLOR rules want it.
  std::optional<std::string> Get(std::string_view name) const;
  // Names that begin with `prefix`, sorted.
  std::vector<std::string> NamesWith(std::string_view prefix) const;

  // ${WEIR_CACHE_DIR}, else ${XDG_CACHE_HOME}/weir, else ~/.cache/weir.
  std::filesystem::path CacheFolder() const;
  // ${WEIR_CONFIG}, else ${XDG_CONFIG_HOME}/weir/config.toml, else ~/.config/weir/config.toml.
  std::filesystem::path ConfigFile() const;

 private:
  std::map<std::string, std::string, std::less<>> variables_;
};

}  // namespace weir
