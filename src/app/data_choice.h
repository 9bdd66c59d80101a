#pragma once
// Which data folder, tokenizer and space a command works with.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "flags.h"
#include "session.h"
#include "tokenizer_choice.h"
#include "weir/registry/data_folder.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct LoadedTokenizer {
  TokenizerChoice choice;
  std::shared_ptr<const Tokenizer> tokenizer;
};

// Chooses and loads the tokenizer that the settings name. Shows progress.
Result<LoadedTokenizer> LoadChosenTokenizer(Session& session);

// The tokenizer of an existing data folder: by --tokenizer when that is given, else by the name it recorded. An error when
// there is none of that name, or it is another one than the folder's.
Result<LoadedTokenizer> LoadFolderTokenizer(Session& session, const std::filesystem::path& folder);

// A name that works from every folder: a fetched one, else the whole path.
std::string LastingName(const Session& session, const TokenizerChoice& choice);

struct SpaceFlags {
  std::string model;
  std::string lora;
  std::string salt;

  bool any() const { return !model.empty() || !lora.empty() || !salt.empty(); }
};
// Declares --model, --lora and --salt; `what` begins their descriptions: "Only contexts" gives "Only contexts of this
// model".
void DeclareSpaceFlags(Flags& flags, SpaceFlags& space, const std::string& what);

// The flag stands on the command line, rather than in a file, the environment or nowhere.
bool IsGiven(const Setting& setting);

// Milliseconds since 1970-01-01 UTC.
int64_t WallMs();

}  // namespace weir
