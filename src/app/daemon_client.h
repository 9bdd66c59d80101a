#pragma once
// DaemonClient: asks the daemon that serves a data folder, over its unix socket, in the daemon's REST API.
//
// Whoever runs as the daemon's user needs no token there. One thread.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "session.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/http/client.h"

namespace weir {

class DaemonClient {
 public:
  // Null when nobody answers there: a socket file alone may be what a killed daemon left behind.
  static Result<std::unique_ptr<DaemonClient>> Find(const std::filesystem::path& socket);
  // The daemon of this data folder: weir.sock in it, else the setting `socket`, which counts for the folder that was set
  // where it was set, not for one that a flag names.
  static Result<std::unique_ptr<DaemonClient>> OfFolder(const Session& session, const std::filesystem::path& folder);

  // What the daemon answers; null for an answer without content. Errors are the daemon's own, with its hint; unavailable:
  // it ended meanwhile; corrupt: what came is no answer of a daemon.
  Result<Json> Ask(const std::string& method, const std::string& path, const Json& body = {});

  const std::filesystem::path& socket() const { return target_.socket_path; }

 private:
  DaemonClient(std::filesystem::path socket, std::unique_ptr<HttpClient> http);

  HttpTarget target_;
  const std::unique_ptr<HttpClient> http_;
};

}  // namespace weir
