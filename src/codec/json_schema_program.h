#pragma once
// The compiled form of a JsonSchema: nodes that name one another by index. Private to the room.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/codec/json.h"

namespace weir::internal {

using SchemaIndex = uint32_t;
inline constexpr SchemaIndex kNoSchema = UINT32_MAX;

enum SchemaType : uint8_t {
  kNullType = 1,
  kBooleanType = 2,
  kIntegerType = 4,
  kNumberType = 8,  // implies integers
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
};

struct SchemaNode {
  struct Named {
    std::string name;
    SchemaIndex schema = kNoSchema;
  };
  struct Dependency {
    std::string name;
    std::vector<std::string> needs;
  };

  bool never = false;  // the schema `false`
  uint8_t types = 0;   // SchemaType bits; 0 means any
  SchemaIndex reference = kNoSchema;

  bool has_allowed = false;
  std::vector<std::string> allowed;  // canonical texts of enum and const, see CanonicalText()

  std::vector<Named> properties;
  std::vector<std::string> required;
  std::vector<Dependency> dependencies;
  SchemaIndex additional = kNoSchema;
  SchemaIndex names = kNoSchema;
  uint64_t properties_min = 0, properties_max = UINT64_MAX;

  std::vector<SchemaIndex> prefix_items;
  SchemaIndex items = kNoSchema;
  SchemaIndex contains = kNoSchema;
  uint64_t contains_min = 1, contains_max = UINT64_MAX;
  uint64_t items_min = 0, items_max = UINT64_MAX;
  bool unique = false;

  uint64_t length_min = 0, length_max = UINT64_MAX;  // code points
  std::optional<Json> minimum, maximum, above, below;
  std::optional<double> multiple_of;

  std::vector<SchemaIndex> all_of, any_of, one_of;
  SchemaIndex not_this = kNoSchema, if_this = kNoSchema, then_this = kNoSchema, else_this = kNoSchema;
};

struct SchemaProgram {
  Json document;
  std::vector<SchemaNode> nodes;  // nodes[0] is the root
};

// Equal for values that JSON Schema holds to be equal: members sorted, 1.0 written as 1.
std::string CanonicalText(const Json& value);

}  // namespace weir::internal
