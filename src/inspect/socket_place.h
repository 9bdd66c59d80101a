#pragma once
// Where sockets lie, and what of a unix socket both sides need.

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <utility>

#include "weir/base/result.h"

namespace weir::inspect {

// A file descriptor that is closed with its owner. Move-only.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

// invalid_argument: the path is longer than a socket's name may be.
Result<sockaddr_un> AddressOf(const std::filesystem::path& path);

// The folder exists, is this user's own, and nobody else may enter it. Made when absent.
Status MakePrivateFolder(const std::filesystem::path& folder);

// Somebody listens on it.
bool IsAnswered(const std::filesystem::path& socket);

}  // namespace weir::inspect
