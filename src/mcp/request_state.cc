#include "request_state.h"

#include <sys/random.h>

#include "weir/codec/base64.h"
#include "weir/codec/hex.h"

namespace weir::mcp {
namespace {

constexpr size_t kBlockBytes = 64;

std::string Text(const Sha256Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

// The time does not depend on where the texts differ.
bool SameBytes(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

Sha256Digest HmacSha256(std::string_view key, std::string_view message) {
  std::string block = key.size() > kBlockBytes ? Text(Sha256(key)) : std::string(key);
  block.resize(kBlockBytes, '\0');
  std::string inner = block;
  std::string outer = block;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    inner[i] = static_cast<char>(inner[i] ^ 0x36);
    outer[i] = static_cast<char>(outer[i] ^ 0x5c);
  }
  return Sha256(outer + Text(Sha256(inner.append(message))));
}

Result<std::string> RandomBytes32() {
  std::string bytes(32, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Unavailable("the system gives no random bytes");
  }
  return bytes;
}

std::string RequestStates::Seal(std::string_view purpose, const Json& answers) const {
  Json payload = Json::MakeObject();
  payload.Set("for", HexOf(Text(Sha256(purpose))));
  payload.Set("until", static_cast<int64_t>((clock_.Now() + lifetime_).time_since_epoch().count()));
  payload.Set("answers", answers);
  const std::string text = Base64UrlOf(payload.Dump());
  return text + "." + Base64UrlOf(Text(HmacSha256(key_, text)));
}

Result<Json> RequestStates::Open(std::string_view purpose, std::string_view text) const {
  const Error fault =
      InvalidArgument("requestState is not one of this server, or was changed", "repeat the request without it");
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return fault;
  const Result<std::string> mac = ParseBase64Url(text.substr(dot + 1));
  if (!mac || !SameBytes(*mac, Text(HmacSha256(key_, text.substr(0, dot))))) return fault;
  const Result<std::string> bytes = ParseBase64Url(text.substr(0, dot));
  if (!bytes) return fault;
  WEIR_ASSIGN(Json payload, Json::Parse(*bytes));
  if (payload.Find("for")->as_string() != HexOf(Text(Sha256(purpose)))) {
    return InvalidArgument("requestState belongs to another request or another caller", "repeat the request without it");
  }
  if (clock_.Now().time_since_epoch().count() > payload.Find("until")->as_int()) {
    return InvalidArgument("requestState is too old", "repeat the request without it");
  }
  return std::move(*payload.Find("answers"));
}

}  // namespace weir::mcp
