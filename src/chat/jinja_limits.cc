#include "jinja_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace weir::jinja_rendering {
namespace {

using jinja::token;

constexpr size_t kBracketsMax = 100;  // nested in one tag
constexpr size_t kBlocksMax = 200;    // nested in each other; each elif nests in its if
constexpr size_t kTagTokensMax = 1000;

Error TooDeep(std::string_view what, size_t limit) {
  return Unsupported(fmt::format("chat template: more than {} {}", limit, what));
}

bool OneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Status CheckLimits(const jinja::lexer_result& source) {
  std::vector<size_t> blocks;  // how deep each open block nests by itself
  size_t depth = 0;
  size_t brackets = 0;
  size_t tag_begin = 0;
  for (size_t i = 0; i < source.tokens.size(); ++i) {
    switch (source.tokens[i].t) {
      case token::open_statement:
      case token::open_expression:
        tag_begin = i;
        brackets = 0;
        break;
      case token::open_paren:
      case token::open_square_bracket:
      case token::open_curly_bracket:
        if (++brackets > kBracketsMax) return TooDeep("nested brackets", kBracketsMax);
        break;
      case token::close_paren:
      case token::close_square_bracket:
      case token::close_curly_bracket: brackets -= brackets > 0 ? 1 : 0; break;
      case token::close_statement: {
        const std::string_view name = source.tokens[tag_begin + 1].value;
        const auto end = source.tokens.begin() + static_cast<std::ptrdiff_t>(i);
        const bool assigns = std::any_of(source.tokens.begin() + static_cast<std::ptrdiff_t>(tag_begin), end,
                                         [](const token& part) { return part.t == token::equals; });
        if (OneOf(name, {"if", "for", "macro", "call", "filter"}) || (name == "set" && !assigns)) {
          blocks.push_back(1);
          ++depth;
        } else if (name == "elif" && !blocks.empty()) {
          ++blocks.back();
          ++depth;
        } else if (name.starts_with("end") && name != "endgeneration" && !blocks.empty()) {
          depth -= blocks.back();
          blocks.pop_back();
        }
        if (depth > kBlocksMax) return TooDeep("nested blocks", kBlocksMax);
        break;
      }
      default: break;
    }
    if (source.tokens[i].t != token::text && source.tokens[i].t != token::comment && i - tag_begin > kTagTokensMax) {
      return TooDeep("words and signs in one tag", kTagTokensMax);
    }
  }
  return {};
}

}  // namespace weir::jinja_rendering
