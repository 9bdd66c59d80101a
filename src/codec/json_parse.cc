#include <simdjson.h>

#include <new>

#include "json_scan.h"
#include "weir/codec/json.h"

namespace weir {
namespace {

namespace dom = simdjson::dom;

// `depth`: containers around the element. The reader's own bound does not count an innermost empty one.
Json Convert(const dom::element& element, size_t depth, size_t& folded) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE: return Json();
    case dom::element_type::BOOL: return Json(bool(element));
    case dom::element_type::INT64: return Json(int64_t(element));
    case dom::element_type::UINT64: return Json(uint64_t(element));
    case dom::element_type::DOUBLE: return Json(double(element));
    case dom::element_type::STRING: return Json(std::string_view(element));
    case dom::element_type::ARRAY: {
      if (depth == Json::kDepthMax) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
      const dom::array items = element;
      Json::Array out;
      out.reserve(items.size());
      for (const dom::element item : items) out.push_back(Convert(item, depth + 1, folded));
      return Json(std::move(out));
    }
    case dom::element_type::OBJECT: break;
  }
  if (depth == Json::kDepthMax) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
  const dom::object members = element;
  Json::Object out;
  out.reserve(members.size());
  for (const auto& [name, value] : members) out.emplace_back(std::string(name), Convert(value, depth + 1, folded));
  folded += internal::FoldDuplicates(out);
  return Json(std::move(out));
}

Result<Json> ParseCounting(std::string_view text, size_t& folded) try {
  // The fast reader accepts; whatever it declines is read again by the plain one, which knows place and reason.
  if (!text.empty() && !internal::HasLoneSurrogateEscape(text)) {
    dom::parser parser;
    dom::element root;
    if (parser.allocate(text.size(), Json::kDepthMax + 1) == simdjson::SUCCESS &&
        parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS) {
      return Convert(root, 0, folded);
    }
  }
  return internal::ScanJson(text, folded);
} catch (const simdjson::simdjson_error&) {
  return internal::ScanJson(text, folded = 0);
} catch (const std::bad_alloc&) {
  return Exhausted("no memory left to read JSON of this size");
}

}  // namespace

Result<Json> Json::Parse(std::string_view text) {
  size_t folded = 0;
  return ParseCounting(text, folded);
}

Result<Json> Json::ParseUnique(std::string_view text) {
  size_t folded = 0;
  Result<Json> json = ParseCounting(text, folded);
  if (json && folded > 0) return InvalidArgument("not accepted: an object has two members of one name");
  return json;
}

}  // namespace weir
