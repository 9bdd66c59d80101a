#pragma once
// Where an index lies: the data folder that the settings name, or one inside the tree.

#include <filesystem>
#include <optional>

#include "session.h"
#include "weir/base/result.h"

namespace weir {

// In the root of an indexed tree, when no data folder is named; git ignores it.
inline constexpr const char* kIndexFolder = ".weir";

// The data folder for an index of `root`; made when it is the usual one. Errors end with kCannotCreate.
Result<std::filesystem::path> PrepareIndexPlace(Session& session, const std::filesystem::path& root);

// The data folder to search in: the named one, else the .weir of the current folder or the nearest above it. not_found when
// nothing was indexed there.
Result<std::filesystem::path> FindIndexPlace(Session& session);

}  // namespace weir
