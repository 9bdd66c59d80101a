#pragma once
// InspectServer: lets the commands `weir pools`, `weir pressure` and `weir top` look into this process.
//
// A unix socket for the same user alone, named by process id, in InspectFolder(). One request, a line of JSON, and one
// answer, a line of JSON, per connection:
//   {"op":"hello"}                      {"pid","process"}
//   {"op":"snapshot"}                   BrokerJson() with "pid" and "process"
//   {"op":"plan","bytes":N|null}        PlanJson(): what the next tick, or relief by hand of N bytes, would do
//   {"op":"relieve","bytes":N}          ReliefJson(); 0: as much as the fill rule says
//   anything else                       {"error":{"code","message","hint"}}
// Request size, time and connections are bounded; what peers send is never trusted. One thread of its own.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir {

class Broker;

struct InspectServerOptions {
  std::filesystem::path folder{};  // empty: InspectFolder()
  std::string process = "weir";    // what this process is called: "weir demo"
  uint64_t request_bytes_max = 4096;
  Duration request_time = std::chrono::seconds(2);  // for a peer to send its request, and to take its answer
  uint32_t connections_max = 16;
};

class InspectServer {
 public:
  // Makes the folder (mode 0700) and the socket (mode 0600) and begins to answer. `broker` is borrowed. Errors: unavailable
  // (what the system says; a folder that others may write to), already_exists (this process has one), invalid_argument (the
  // path is too long for a socket).
  static Result<std::unique_ptr<InspectServer>> Start(Broker& broker, InspectServerOptions options = {});
  // Ends the thread and removes the socket.
  ~InspectServer();
  InspectServer(const InspectServer&) = delete;
  InspectServer& operator=(const InspectServer&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  class Loop;
  InspectServer(std::filesystem::path path, std::unique_ptr<Loop> loop);

  const std::filesystem::path path_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace weir
