#include "index_place.h"

#include <fmt/format.h>

#include <system_error>

#include "embed_setup.h"
#include "weir/base/file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

}  // namespace

Result<fs::path> PrepareIndexPlace(Session& session, const fs::path& root) {
  if (const std::string& data = session.settings().Text("data"); !data.empty()) return fs::path(data);
  const fs::path place = root / kIndexFolder;
  std::error_code error;
  const bool is_new = fs::create_directory(place, error);
  if (error) {
    return session.As(ExitCode::kCannotCreate,
                      Unavailable(fmt::format("cannot make {}: {}", place.string(), error.message()),
                                  "keep the index elsewhere: --data DIR"));
  }
  if (is_new) {
    if (Status written = WriteFileAtomically(place / ".gitignore", "*\n"); !written) {
      return session.As(ExitCode::kCannotCreate, std::move(written).error());
    }
  }
  return place;
}

Result<fs::path> FindIndexPlace(Session& session) {
  constexpr const char* kHint = "'weir index DIR' makes one; --data DIR says where it is";
  std::error_code error;
  if (const std::string& data = session.settings().Text("data"); !data.empty()) {
    if (fs::exists(VectorFolder(data), error)) return fs::path(data);
    return NotFound(fmt::format("nothing is indexed in {}", data), kHint);
  }
  fs::path folder = fs::current_path(error);
  while (!error) {
    std::error_code ignored;
    if (fs::exists(VectorFolder(folder / kIndexFolder), ignored)) return folder / kIndexFolder;
    if (folder == folder.parent_path()) break;
    folder = folder.parent_path();
  }
  return NotFound("there is no index in this folder or above it", kHint);
}

}  // namespace weir
