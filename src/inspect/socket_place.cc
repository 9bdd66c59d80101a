#include "socket_place.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "weir/inspect/inspect_client.h"

namespace weir {

std::filesystem::path InspectFolder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  std::error_code error;
  if (runtime != nullptr && runtime[0] == '/' && std::filesystem::is_directory(runtime, error)) {
    return std::filesystem::path(runtime) / "weir";
  }
  return fmt::format("/tmp/weir-{}", ::geteuid());
}

namespace inspect {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<sockaddr_un> AddressOf(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return InvalidArgument(fmt::format("{} is too long for the name of a socket: {} bytes, at most {}", path.string(),
                                       path.native().size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

Status MakePrivateFolder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Unavailable(fmt::format("cannot make {}: {}", folder.string(), std::strerror(errno)));
  }
  struct stat found {};
  if (::lstat(folder.c_str(), &found) != 0) {
    return Unavailable(fmt::format("cannot look at {}: {}", folder.string(), std::strerror(errno)));
  }
  if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 077) != 0) {
    return Unavailable(fmt::format("{} is not a folder of this user alone", folder.string()),
                       fmt::format("remove it, or make it so: chmod 700 {}", folder.string()));
  }
  return {};
}

bool IsAnswered(const std::filesystem::path& socket) {
  const Result<sockaddr_un> address = AddressOf(socket);
  if (!address) return false;
  const Descriptor peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!peer) return true;  // not known, so leave it alone
  if (::connect(peer.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0) return true;
  return errno != ECONNREFUSED && errno != ENOENT;
}

}  // namespace inspect
}  // namespace weir
