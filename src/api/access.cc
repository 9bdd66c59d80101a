#include "weir/api/access.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "weir/base/file.h"
#include "weir/codec/base64.h"
#include "weir/codec/hex.h"
#include "weir/codec/json.h"
#include "weir/codec/utf8.h"
#include "weir/service/service.h"

namespace weir {
namespace {

constexpr std::string_view kSecretPrefix = "weir_";
constexpr uint64_t kFileBytesMax = uint64_t{16} << 20;
constexpr size_t kTokensMax = 10'000;

Result<std::string> RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (::getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count)) {
    return Unavailable("the system gives no random bytes");
  }
  return bytes;
}

bool Same(const Sha256Digest& a, const Sha256Digest& b) {
  uint8_t differs = 0;
  for (size_t i = 0; i < a.size(); ++i) differs |= static_cast<uint8_t>(a[i] ^ b[i]);
  return differs == 0;
}

std::string_view View(const Sha256Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

Error Wrong(const std::filesystem::path& file, size_t index, std::string_view what) {
  return Corrupt(fmt::format("{}: token {}: {}", file.string(), index + 1, what), "'weir token' writes this file");
}

Result<AccessToken> TokenOf(const std::filesystem::path& file, size_t index, const Json& json) {
  AccessToken token;
  const auto text = [&](std::string_view name) -> const std::string* {
    const Json* member = json.Find(name);
    return member != nullptr && member->is_string() ? &member->as_string() : nullptr;
  };
  const std::string* const id = text("id");
  const std::string* const hash = text("sha256");
  const std::string* const workspace = text("workspace");
  const Json* const scopes = json.Find("scopes");
  if (id == nullptr || id->empty()) return Wrong(file, index, "no id");
  token.id = *id;
  const Result<std::string> digest = hash == nullptr ? Result<std::string>(std::string()) : ParseHex(*hash);
  if (!digest || digest->size() != token.secret_sha256.size()) return Wrong(file, index, "no sha256 of 64 digits");
  std::ranges::copy(*digest, reinterpret_cast<char*>(token.secret_sha256.data()));
  if (workspace == nullptr || !IsWorkspaceName(*workspace)) return Wrong(file, index, "no workspace, or not a name of one");
  token.workspace = *workspace;
  if (scopes == nullptr || !scopes->is_array()) return Wrong(file, index, "no list of scopes");
  for (const Json& scope : scopes->as_array()) {
    const std::optional<Scope> known = scope.is_string() ? ParseScope(scope.as_string()) : std::nullopt;
    if (!known) return Wrong(file, index, "a scope that is not read, write or admin");
    token.scopes |= static_cast<uint8_t>(*known);
  }
  if (const std::string* note = text("note")) token.note = *note;
  const auto count = [&](std::string_view name) -> int64_t {
    const Json* member = json.Find(name);
    return member != nullptr && member->get_if_int() != nullptr ? *member->get_if_int() : 0;
  };
  const int64_t rate = count("requests_per_second");
  if (rate < 0 || rate > 1'000'000) return Wrong(file, index, "requests_per_second outside 0 to 1,000,000");
  token.requests_per_second = static_cast<uint32_t>(rate);
  token.created_ms = count("created_ms");
  return token;
}

// "Bearer X", the scheme in any case.
std::optional<std::string_view> BearerOf(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size() || !EqualsIgnoringCase(header.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  header.remove_prefix(kScheme.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

}  // namespace

std::string_view ScopeName(Scope scope) {
  switch (scope) {
    case Scope::kRead: return "read";
    case Scope::kWrite: return "write";
    case Scope::kAdmin: return "admin";
  }
  return "?";
}

std::optional<Scope> ParseScope(std::string_view name) {
  for (const Scope scope : kScopes) {
    if (ScopeName(scope) == name) return scope;
  }
  return std::nullopt;
}

Result<FreshToken> MakeAccessToken(std::string workspace, uint8_t scopes, std::string note) {
  FreshToken fresh;
  WEIR_ASSIGN(const std::string secret, RandomBytes(32));
  WEIR_ASSIGN(const std::string id, RandomBytes(6));
  fresh.secret = std::string(kSecretPrefix) + Base64UrlOf(secret);
  fresh.token.id = "t-" + HexOf(id);
  fresh.token.note = std::move(note);
  fresh.token.secret_sha256 = Sha256(fresh.secret);
  fresh.token.workspace = std::move(workspace);
  fresh.token.scopes = scopes;
  fresh.token.created_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return fresh;
}

Result<std::vector<AccessToken>> ReadAccessTokens(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return InvalidArgument(fmt::format("{} may be read by others", file.string()),
                           fmt::format("chmod 600 {}", file.string()));
  }
  const Result<std::string> text = ReadFile(file, kFileBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<AccessToken>();
  if (!text) return text.error();
  const Result<Json> json = Json::Parse(*text);
  const Json* const list = json ? json->Find("tokens") : nullptr;
  if (list == nullptr || !list->is_array()) {
    return Corrupt(fmt::format("{} holds no list of tokens", file.string()), "'weir token' writes this file");
  }
  std::vector<AccessToken> tokens;
  for (size_t i = 0; i < list->as_array().size(); ++i) {
    WEIR_ASSIGN(AccessToken token, TokenOf(file, i, list->as_array()[i]));
    tokens.push_back(std::move(token));
  }
  if (tokens.size() > kTokensMax) return Exhausted(fmt::format("{} tokens, more than {}", tokens.size(), kTokensMax));
  return tokens;
}

Status WriteAccessTokens(const std::filesystem::path& file, const std::vector<AccessToken>& tokens) {
  Json list = Json::MakeArray();
  for (const AccessToken& token : tokens) {
    Json scopes = Json::MakeArray();
    for (const Scope scope : kScopes) {
      if ((token.scopes & static_cast<uint8_t>(scope)) != 0) scopes.Append(ScopeName(scope));
    }
    list.Append(Json::Object{{"id", token.id},
                             {"note", token.note},
                             {"sha256", HexOf(View(token.secret_sha256))},
                             {"workspace", token.workspace},
                             {"scopes", std::move(scopes)},
                             {"requests_per_second", uint64_t{token.requests_per_second}},
                             {"created_ms", token.created_ms}});
  }
  return WriteFileAtomically(file, Json(Json::Object{{"tokens", std::move(list)}}).Dump(2) + "\n", 0600);
}

Access::Access(std::vector<AccessToken> tokens, const Clock* clock) : clock_(clock != nullptr ? *clock : steady_) {
  Replace(std::move(tokens));
}

void Access::Replace(std::vector<AccessToken> tokens) {
  auto shared = std::make_shared<const std::vector<AccessToken>>(std::move(tokens));
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(shared);
  std::erase_if(buckets_, [&](const auto& bucket) {
    return std::ranges::none_of(*tokens_, [&](const AccessToken& token) { return token.id == bucket.first; });
  });
}

bool Access::open() const {
  const std::lock_guard lock(mutex_);
  return tokens_->empty();
}

std::vector<std::string> Access::workspaces() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const AccessToken& token : *tokens_) names.push_back(token.workspace);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool Access::TakeOne(const AccessToken& token, uint32_t& retry_after_s) {
  if (token.requests_per_second == 0) return true;
  const double rate = token.requests_per_second;
  const TimePoint now = clock_.Now();
  const std::lock_guard lock(mutex_);
  const auto [entry, fresh] = buckets_.try_emplace(token.id);
  Bucket& bucket = entry->second;
  if (fresh) {
    bucket.tokens = rate;
  } else {
    const double passed = std::chrono::duration<double>(now - bucket.filled).count();
    bucket.tokens = std::min(rate, bucket.tokens + passed * rate);
  }
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return true;
  }
  retry_after_s = static_cast<uint32_t>(std::max(1.0, std::ceil((1 - bucket.tokens) / rate)));
  return false;
}

Admission Access::Admit(const HttpRequest& request, bool counts) {
  Admission admission;
  const bool is_owner = request.peer != nullptr && request.peer->is_unix && request.peer->uid &&
                        (*request.peer->uid == ::geteuid() || *request.peer->uid == 0);
  std::shared_ptr<const std::vector<AccessToken>> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  const std::optional<std::string_view> header = request.headers.Find("authorization");
  const std::optional<std::string_view> secret = header ? BearerOf(*header) : std::nullopt;
  if (tokens->empty() || (is_owner && !secret)) {
    admission.caller = {std::string(kDefaultWorkspace), kAllScopes, {}};
    return admission;
  }
  if (!secret) {
    admission.refusal = Refusal::kNoToken;
    return admission;
  }
  const Sha256Digest digest = Sha256(*secret);
  const AccessToken* found = nullptr;
  for (const AccessToken& token : *tokens) {
    if (Same(token.secret_sha256, digest)) found = &token;
  }
  if (found == nullptr) {
    admission.refusal = Refusal::kWrongToken;
    return admission;
  }
  if (counts && !TakeOne(*found, admission.retry_after_s)) {
    admission.refusal = Refusal::kTooMany;
    return admission;
  }
  admission.caller = {found->workspace, found->scopes, found->id};
  return admission;
}

}  // namespace weir
