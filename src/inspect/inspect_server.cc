#include "weir/inspect/inspect_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include "requests.h"
#include "socket_place.h"
#include "weir/broker/broker.h"
#include "weir/inspect/inspect_client.h"

namespace weir {

using inspect::Descriptor;

// The thread's side: a poll loop over the listener and a bounded number of connections.
class InspectServer::Loop {
 public:
  Loop(Broker& broker, InspectServerOptions options, Descriptor listener, Descriptor stop)
      : broker_(broker), options_(std::move(options)), listener_(std::move(listener)), stop_(std::move(stop)) {}

  void Run();
  // From any thread.
  void Stop() {
    const uint64_t one = 1;
    static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  }

 private:
  struct Connection {
    Descriptor peer;
    TimePoint end;      // for what it does now: send a request, or take the answer
    std::string in{};   // until a line end comes
    std::string out{};  // the answer
    size_t sent = 0;

    bool answering() const { return !out.empty(); }
  };

  // Waits once and does what there is to do. False: the server ends.
  bool Round();
  void Accept();
  // False: the connection is over.
  bool Serve(Connection& connection);
  bool Receive(Connection& connection);
  bool Send(Connection& connection) const;
  int TimeoutMs() const;

  Broker& broker_;
  const InspectServerOptions options_;
  const Descriptor listener_;
  const Descriptor stop_;
  const SteadyClock clock_;
  std::vector<Connection> connections_;
};

void InspectServer::Loop::Run() {
  while (true) {
    try {
      if (!Round()) return;
    } catch (const std::exception&) {  // no memory for a connection: the peers ask again
      connections_.clear();
    }
  }
}

bool InspectServer::Loop::Round() {
  std::vector<pollfd> waits;
  const bool full = connections_.size() >= options_.connections_max;
  waits.assign({{stop_.get(), POLLIN, 0}, {listener_.get(), static_cast<short>(full ? 0 : POLLIN), 0}});
  for (const Connection& connection : connections_) {
    waits.push_back({connection.peer.get(), static_cast<short>(connection.answering() ? POLLOUT : POLLIN), 0});
  }
  if (::poll(waits.data(), waits.size(), TimeoutMs()) < 0 && errno != EINTR) return false;
  if (waits[0].revents != 0) return false;
  const TimePoint now = clock_.Now();
  std::vector<Connection> open;
  for (size_t i = 0; i < connections_.size(); ++i) {
    const bool goes_on = now < connections_[i].end && (waits[i + 2].revents == 0 || Serve(connections_[i]));
    if (goes_on) open.push_back(std::move(connections_[i]));
  }
  connections_ = std::move(open);
  // The time of peers does not run while the server itself is busy, as with a relief.
  const Duration busy = clock_.Now() - now;
  for (Connection& connection : connections_) connection.end += busy;
  if (waits[1].revents != 0) Accept();
  return true;
}

int InspectServer::Loop::TimeoutMs() const {
  if (connections_.empty()) return -1;
  TimePoint first = TimePoint::max();
  for (const Connection& connection : connections_) first = std::min(first, connection.end);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(first - clock_.Now()).count() + 1;
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

// Only this user and the superuser are heard, whatever the file's mode.
void InspectServer::Loop::Accept() {
  Descriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) return;
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
  if (who.uid != ::geteuid() && who.uid != 0) return;
  connections_.push_back({std::move(peer), clock_.Now() + options_.request_time});
}

bool InspectServer::Loop::Serve(Connection& connection) {
  if (!connection.answering() && !Receive(connection)) return false;
  return !connection.answering() || Send(connection);
}

bool InspectServer::Loop::Receive(Connection& connection) {
  std::array<char, 4096> piece;
  const ssize_t count = ::recv(connection.peer.get(), piece.data(), piece.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.in.append(piece.data(), static_cast<size_t>(count));
  const size_t end = connection.in.find('\n');
  if (end == std::string::npos && connection.in.size() <= options_.request_bytes_max) return true;
  Json answer;
  if (std::min(end, connection.in.size()) > options_.request_bytes_max) {
    answer = inspect::ErrorAnswer(InvalidArgument(fmt::format("a request is at most {} bytes", options_.request_bytes_max)));
  } else {
    answer = inspect::AnswerTo(std::string_view(connection.in).substr(0, end), broker_, options_.process);
  }
  connection.in = {};
  connection.out = answer.Dump() + '\n';
  connection.end = clock_.Now() + options_.request_time;
  return true;
}

bool InspectServer::Loop::Send(Connection& connection) const {
  const std::string_view rest = std::string_view(connection.out).substr(connection.sent);
  const ssize_t count = ::send(connection.peer.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<size_t>(count);
  return connection.sent < connection.out.size();
}

InspectServer::InspectServer(std::filesystem::path path, std::unique_ptr<Loop> loop)
    : path_(std::move(path)), loop_(std::move(loop)) {}

Result<std::unique_ptr<InspectServer>> InspectServer::Start(Broker& broker, InspectServerOptions options) {
  if (options.folder.empty()) options.folder = InspectFolder();
  WEIR_TRY(inspect::MakePrivateFolder(options.folder));
  const std::filesystem::path path = options.folder / fmt::format("{}.sock", ::getpid());
  WEIR_ASSIGN(const sockaddr_un address, inspect::AddressOf(path));
  const auto failed = [&](std::string_view what) {
    return Unavailable(fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(errno)));
  };
  if (inspect::IsAnswered(path)) {
    return Error{ErrorCode::kAlreadyExists, fmt::format("this process answers on {} already", path.string()), {}};
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove");
  Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Descriptor stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener || !stop) return failed("open");
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("bind");
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), 64) != 0) {
    const Error error = failed("listen on");
    ::unlink(path.c_str());
    return error;
  }
  auto loop = std::make_unique<Loop>(broker, std::move(options), std::move(listener), std::move(stop));
  std::unique_ptr<InspectServer> server(new InspectServer(path, std::move(loop)));
  try {
    server->thread_ = std::thread([&running = *server->loop_] { running.Run(); });
  } catch (const std::system_error& error) {
    return Unavailable(fmt::format("cannot start a thread: {}", error.what()));
  }
  return server;
}

InspectServer::~InspectServer() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  ::unlink(path_.c_str());
}

}  // namespace weir
