#pragma once
// Access: who may do what. Bearer tokens are kept as SHA-256, in a file that only its owner reads; each opens one workspace
// with some scopes and a limit of requests a second.
//
// Without any token everybody who can connect may do everything in the workspace "default"; a daemon that listens beyond
// loopback refuses to start so. Whoever connects over the unix socket as the daemon's own user (or root) needs no token.
//
// Threads: Access from any thread; the file functions are plain.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/sha256.h"
#include "weir/http/message.h"

namespace weir {

enum class Scope : uint8_t { kRead = 1, kWrite = 2, kAdmin = 4 };
std::string_view ScopeName(Scope scope);  // "read", "write", "admin"
std::optional<Scope> ParseScope(std::string_view name);
inline constexpr std::array kScopes = {Scope::kRead, Scope::kWrite, Scope::kAdmin};
inline constexpr uint8_t kAllScopes = 7;

// Whom a request is from, once admitted.
struct Caller {
  std::string workspace;
  uint8_t scopes = 0;
  std::string token;  // its id, for logs and limits; empty: none was needed

  bool may(Scope scope) const { return (scopes & static_cast<uint8_t>(scope)) != 0; }
};

// A token as it is kept. The secret itself is nowhere.
struct AccessToken {
  std::string id;  // "t-" and 12 hexadecimal digits: says nothing about the secret
  std::string note;
  Sha256Digest secret_sha256{};
  std::string workspace;
  uint8_t scopes = 0;
  uint32_t requests_per_second = 0;  // 0: no limit
  int64_t created_ms = 0;            // since 1970-01-01 UTC
};

struct FreshToken {
  AccessToken token;
  std::string secret;  // "weir_" and 43 characters: 256 random bits. Shown once
};
// unavailable: the system has no randomness.
Result<FreshToken> MakeAccessToken(std::string workspace, uint8_t scopes, std::string note = {});

// A JSON file of mode 0600. A missing one holds no tokens. corrupt names what is wrong with it; invalid_argument: others may
// read it.
Result<std::vector<AccessToken>> ReadAccessTokens(const std::filesystem::path& file);
Status WriteAccessTokens(const std::filesystem::path& file, const std::vector<AccessToken>& tokens);

// Why a request is not admitted. Decides the status: 401, 403 or 429.
enum class Refusal : uint8_t { kNone, kNoToken, kWrongToken, kTooMany };

struct Admission {
  Refusal refusal = Refusal::kNone;
  Caller caller{};
  uint32_t retry_after_s = 0;  // kTooMany
};

class Access {
 public:
  explicit Access(std::vector<AccessToken> tokens, const Clock* clock = nullptr);

  // Takes other tokens from now on; limits of tokens that stay go on counting.
  void Replace(std::vector<AccessToken> tokens);
  bool open() const;                            // there are no tokens
  std::vector<std::string> workspaces() const;  // that tokens name, each once

  // By the Authorization header and the peer. Compares in a time that does not depend on the secret. `counts`: the request
  // counts towards the token's limit.
  Admission Admit(const HttpRequest& request, bool counts = true);

 private:
  struct Bucket {
    double tokens = 0;
    TimePoint filled{};
  };
  bool TakeOne(const AccessToken& token, uint32_t& retry_after_s);

  SteadyClock steady_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const std::vector<AccessToken>> tokens_;
  std::map<std::string, Bucket, std::less<>> buckets_;  // by token id
};

}  // namespace weir
