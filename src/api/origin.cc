#include "origin.h"

#include <algorithm>

namespace weir::api {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

// "[::1]:80" is "::1", "localhost:80" is "localhost". Empty: neither a name nor an address.
std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    const bool is_address = end != std::string_view::npos && end > 1 &&
                            host.substr(1, end - 1).find_first_not_of("0123456789abcdef:.") == std::string_view::npos &&
                            (end + 1 == host.size() || host[end + 1] == ':');
    return is_address ? host.substr(1, end - 1) : std::string_view();
  }
  return host.substr(0, host.find(':'));
}

bool IsLoopbackName(std::string_view name) { return name == "localhost" || name.ends_with(".localhost") || name == "::1"; }

}  // namespace

OriginRules::OriginRules(const std::vector<std::string>& hosts, const std::vector<std::string>& origins) {
  for (const std::string& host : hosts) hosts_.push_back(Lower(host));
  for (const std::string& origin : origins) origins_.push_back(Lower(origin));
  any_host_ = std::ranges::find(hosts_, "*") != hosts_.end();
  any_origin_ = std::ranges::find(origins_, "*") != origins_.end();
}

bool OriginRules::IsAllowedHost(std::string_view name) const {
  return any_host_ || IsLoopbackName(name) || std::ranges::find(hosts_, name) != hosts_.end();
}

OriginVerdict OriginRules::Check(const HttpRequest& request) const {
  if (request.peer != nullptr && request.peer->is_unix) return OriginVerdict::kFine;
  const std::string host = Lower(request.host);
  // An address cannot be rebound: a page would have to come from it.
  const std::string name(WithoutPort(host));
  const bool is_address =
      !name.empty() && (name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos);
  if (!is_address && !IsAllowedHost(name)) return OriginVerdict::kWrongHost;
  const auto origin = request.headers.Find("origin");
  if (!origin || any_origin_) return OriginVerdict::kFine;
  const std::string given = Lower(*origin);
  if (std::ranges::find(origins_, given) != origins_.end()) return OriginVerdict::kFine;
  const size_t scheme = given.find("://");
  const bool is_own = scheme != std::string::npos && std::string_view(given).substr(scheme + 3) == host;
  return is_own ? OriginVerdict::kFine : OriginVerdict::kWrongOrigin;
}

}  // namespace weir::api
