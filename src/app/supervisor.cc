#include "supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstring>

namespace weir {

bool TellSupervisor(const Environment& environment, std::string_view message) {
  const auto path = environment.Get("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || path->size() >= sizeof(address.sun_path) || (path->front() != '/' && path->front() != '@')) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path->data(), path->size());
  // An abstract name begins with NUL and ends where its length says.
  if (path->front() == '@') address.sun_path[0] = '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path->size() + (path->front() == '/' ? 1 : 0));
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const ssize_t sent =
      ::sendto(socket, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  ::close(socket);
  return sent == static_cast<ssize_t>(message.size());
}

uint64_t WatchdogPeriodUs(const Environment& environment) {
  const auto text = environment.Get("WATCHDOG_USEC");
  uint64_t period = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), period).ec != std::errc()) return 0;
  if (const auto pid = environment.Get("WATCHDOG_PID"); pid && *pid != std::to_string(::getpid())) return 0;
  return period / 2;
}

}  // namespace weir
