#pragma once
// OriginRules: against pages that reach a local daemon through a browser (DNS rebinding, cross-site requests). Internal to
// `api`. Immutable; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/http/message.h"

namespace weir::api {

enum class OriginVerdict : uint8_t { kFine, kWrongHost, kWrongOrigin };

class OriginRules {
 public:
  // As in ApiOptions.
  OriginRules(const std::vector<std::string>& hosts, const std::vector<std::string>& origins);

  // The Host must be a loopback name or address, or allowed; over a unix socket anything goes. An Origin, which browsers
  // send, must be of that very host, or allowed.
  OriginVerdict Check(const HttpRequest& request) const;

 private:
  bool IsAllowedHost(std::string_view name) const;

  std::vector<std::string> hosts_;  // lower case
  std::vector<std::string> origins_;
  bool any_host_ = false;
  bool any_origin_ = false;
};

}  // namespace weir::api
