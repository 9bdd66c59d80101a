#include "weir/inspect/inspect_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "socket_place.h"

namespace weir {
namespace {

using inspect::Descriptor;

constexpr size_t kAnswerBytesMax = 8u << 20;
constexpr Duration kHelloTime = std::chrono::milliseconds(500);

Error Broken(const std::filesystem::path& socket) {
  return Unavailable(fmt::format("the process behind {} does not answer: {}", socket.string(), std::strerror(errno)));
}

// Waits until the descriptor is ready or the time is over.
Status Await(int descriptor, short events, TimePoint end, const std::filesystem::path& socket) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - SteadyClock().Now()).count();
    pollfd wait{descriptor, events, 0};
    const int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return Broken(socket);
    return Error{ErrorCode::kDeadline, fmt::format("the process behind {} did not answer in time", socket.string()), {}};
  }
}

Result<Descriptor> Connect(const std::filesystem::path& socket) {
  WEIR_ASSIGN(const sockaddr_un address, inspect::AddressOf(socket));
  Descriptor peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!peer) return Broken(socket);
  if (::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return peer;
  if (errno == ENOENT) return NotFound(fmt::format("there is no socket {}", socket.string()));
  if (errno == ECONNREFUSED) return Unavailable(fmt::format("nobody listens on {} any more", socket.string()));
  return Broken(socket);
}

Status SendLine(int peer, const std::string& line, TimePoint end, const std::filesystem::path& socket) {
  for (size_t sent = 0; sent < line.size();) {
    WEIR_TRY(Await(peer, POLLOUT, end, socket));
    const ssize_t count = ::send(peer, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return Broken(socket);
    sent += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return {};
}

Result<std::string> ReceiveLine(int peer, TimePoint end, const std::filesystem::path& socket) {
  std::string line;
  std::array<char, 16384> piece;
  while (true) {
    WEIR_TRY(Await(peer, POLLIN, end, socket));
    const ssize_t count = ::recv(peer, piece.data(), piece.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return Broken(socket);
    if (count == 0) return Unavailable(fmt::format("the process behind {} closed the connection", socket.string()));
    line.append(piece.data(), static_cast<size_t>(count));
    if (line.back() == '\n') return line;
    if (line.size() > kAnswerBytesMax) return Corrupt(fmt::format("the answer from {} has no end", socket.string()));
  }
}

std::string TextOf(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_string() ? member->as_string() : std::string();
}

Error ErrorOf(const Json& answered) {
  Error error{ErrorCode::kInternal, TextOf(answered, "message"), TextOf(answered, "hint")};
  const std::string code = TextOf(answered, "code");
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    if (ErrorCodeName(static_cast<ErrorCode>(i)) == code) error.code = static_cast<ErrorCode>(i);
  }
  return error;
}

}  // namespace

Result<Json> AskProcess(const std::filesystem::path& socket, const Json& request, Duration timeout) {
  const TimePoint end = SteadyClock().Now() + timeout;
  WEIR_ASSIGN(const Descriptor peer, Connect(socket));
  WEIR_TRY(SendLine(peer.get(), request.Dump() + '\n', end, socket));
  WEIR_ASSIGN(const std::string line, ReceiveLine(peer.get(), end, socket));
  Result<Json> answer = Json::Parse(line);
  if (!answer || !answer->is_object()) return Corrupt(fmt::format("the answer from {} is no JSON object", socket.string()));
  if (const Json* const error = answer->Find("error")) return ErrorOf(*error);
  return answer;
}

std::vector<InspectedProcess> FindInspected(const std::filesystem::path& folder) {
  std::vector<InspectedProcess> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::filesystem::path& socket = at->path();
    const std::string stem = socket.stem().string();
    int64_t pid = 0;
    const auto parsed = std::from_chars(stem.data(), stem.data() + stem.size(), pid);
    if (socket.extension() != ".sock" || parsed.ec != std::errc() || parsed.ptr != stem.data() + stem.size()) continue;
    if (!inspect::IsAnswered(socket)) {
      std::error_code ignored;
      std::filesystem::remove(socket, ignored);
      continue;
    }
    const Result<Json> hello = AskProcess(socket, Json(Json::Object{{"op", "hello"}}), kHelloTime);
    found.push_back({pid, hello ? TextOf(*hello, "process") : std::string(), socket});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  return found;
}

}  // namespace weir
