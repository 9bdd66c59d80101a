#include "environment.h"

#include <unistd.h>

namespace weir {

Environment Environment::OfProcess() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return Environment(std::move(variables));
}

std::optional<std::string> Environment::Get(std::string_view name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::vector<std::string> Environment::NamesWith(std::string_view prefix) const {
  std::vector<std::string> names;
  for (auto it = variables_.lower_bound(prefix); it != variables_.end() && it->first.starts_with(prefix); ++it) {
    names.push_back(it->first);
  }
  return names;
}

std::filesystem::path Environment::CacheFolder() const {
  if (const auto folder = Get("WEIR_CACHE_DIR")) return *folder;
  if (const auto folder = Get("XDG_CACHE_HOME")) return std::filesystem::path(*folder) / "weir";
  return std::filesystem::path(Get("HOME").value_or("/")) / ".cache/weir";
}

std::filesystem::path Environment::ConfigFile() const {
  if (const auto file = Get("WEIR_CONFIG")) return *file;
  if (const auto folder = Get("XDG_CONFIG_HOME")) return std::filesystem::path(*folder) / "weir/config.toml";
  return std::filesystem::path(Get("HOME").value_or("/")) / ".config/weir/config.toml";
}

}  // namespace weir
