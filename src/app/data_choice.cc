#include "data_choice.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace weir {
namespace {

Result<LoadedTokenizer> Load(Session& session, TokenizerChoice choice) {
  const auto progress = session.StartProgress("loading the tokenizer");
  TokenizerLoadOptions options;
  options.cache_folder = session.environment().CacheFolder() / "flat";
  WEIR_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(choice.file, options));
  return LoadedTokenizer{std::move(choice), std::move(tokenizer)};
}

}  // namespace

Result<LoadedTokenizer> LoadChosenTokenizer(Session& session) {
  Result<TokenizerChoice> chosen = ChooseTokenizer(session.settings().Text("tokenizer"), session.environment());
  if (!chosen) {
    Error error = std::move(chosen).error();
    return error.code == ErrorCode::kInvalidArgument ? session.As(ExitCode::kUsage, std::move(error)) : error;
  }
  return Load(session, *std::move(chosen));
}

Result<LoadedTokenizer> LoadFolderTokenizer(Session& session, const std::filesystem::path& folder) {
  WEIR_ASSIGN(const DataFolderSettings settings, ReadDataFolderSettings(folder));
  const bool is_given = IsGiven(session.settings().Get("tokenizer"));
  LoadedTokenizer loaded;
  if (is_given) {
    WEIR_ASSIGN(loaded, LoadChosenTokenizer(session));
  } else {
    Result<TokenizerChoice> chosen = ChooseTokenizer(settings.tokenizer, session.environment());
    if (!chosen) {
      return NotFound(
          fmt::format("the tokenizer '{}' that {} was made with is not here", settings.tokenizer, folder.string()),
          "say where it is: --tokenizer path/to/tokenizer.json");
    }
    WEIR_ASSIGN(loaded, Load(session, *std::move(chosen)));
  }
  if (loaded.tokenizer->fingerprint() == settings.fingerprint) return loaded;
  if (is_given) {
    return InvalidArgument(fmt::format("{} was made with the tokenizer '{}', and '{}' is another one", folder.string(),
                                       settings.tokenizer, loaded.choice.name),
                           "leave --tokenizer out, or use another data folder");
  }
  return InvalidArgument(
      fmt::format("the tokenizer '{}' is not the one any more that {} was made with (fingerprint {}, now {})",
                  settings.tokenizer, folder.string(), settings.fingerprint, loaded.tokenizer->fingerprint()),
      "say where the earlier one is: --tokenizer path/to/tokenizer.json; or register anew in another folder");
}

std::string LastingName(const Session& session, const TokenizerChoice& choice) {
  for (const std::string& fetched : FetchedTokenizers(session.environment())) {
    if (choice.name == fetched) return fetched;
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(choice.file, error);
  return error ? choice.file.string() : absolute.lexically_normal().string();
}

void DeclareSpaceFlags(Flags& flags, SpaceFlags& space, const std::string& what) {
  flags.Text("--model", space.model, "NAME", what + " of this model");
  flags.Text("--lora", space.lora, "NAME", what + " of this LoRA adapter");
  flags.Text("--salt", space.salt, "TEXT", what + " under this salt, which keeps tenants apart");
}

bool IsGiven(const Setting& setting) { return setting.origin.starts_with("flag "); }

int64_t WallMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace weir
