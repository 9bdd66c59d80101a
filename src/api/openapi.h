#pragma once
// What the table of routes says, for programs and for people. Internal to `api`. Pure functions.

#include <string>
#include <string_view>

#include "weir/codec/json.h"

namespace weir::api {

Json OpenApiJson(std::string_view version);
std::string ReferenceMarkdown();

}  // namespace weir::api
