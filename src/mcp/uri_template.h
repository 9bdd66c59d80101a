#pragma once
// UriTemplate: RFC 6570 level 1, and {+name} of level 2, read backwards: which values make a template this URI? Private to
// the room.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir::mcp {

class UriTemplate {
 public:
  // invalid_argument: other expressions, two variables side by side, a name twice, more than 8 variables.
  static Result<UriTemplate> Parse(std::string_view text);

  // An object of the variables, percent-decoded, or nothing. The shortest values for the variables that come first.
  std::optional<Json> Match(std::string_view uri) const;
  bool Names(std::string_view variable) const;

 private:
  struct Part {
    std::string text;  // literal, or the name of the variable
    bool is_variable = false;
    bool takes_slash = false;
  };
  bool MatchFrom(size_t part, std::string_view rest, std::vector<std::string_view>& values, int& steps) const;

  std::vector<Part> parts_;
};

}  // namespace weir::mcp
