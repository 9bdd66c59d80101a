#pragma once
// From the settings to a daemon: what the service, the server and the access rules are made with.

#include <filesystem>
#include <vector>

#include "session.h"
#include "weir/api/access.h"
#include "weir/base/result.h"
#include "weir/http/server.h"
#include "weir/service/service.h"

namespace weir {

// The setting data, else ${STATE_DIRECTORY}, else ${XDG_DATA_HOME}/weir, else ~/.local/share/weir.
std::filesystem::path DaemonFolder(const Session& session);
// The setting socket, else weir.sock in the data folder; empty: none.
std::filesystem::path DaemonSocket(const Session& session);
std::filesystem::path TokensFile(const Session& session);

// Listeners from the settings. kBadConfig: an address that is none, or beyond loopback without tokens.
Result<std::vector<HttpListener>> ListenersOf(Session& session, bool has_tokens);

// Tokenizer, embedding model where it is there, limits. kBadConfig names the setting.
Result<ServiceOptions> ServiceOptionsOf(Session& session);

}  // namespace weir
