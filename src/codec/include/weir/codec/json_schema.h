#pragma once
// JsonSchema: checks a JSON value against a schema and says where and why it does not fit.
//
// JSON Schema 2020-12 for the keywords that request bodies and tool arguments use:
//   type, enum, const, properties, required, additionalProperties, propertyNames, minProperties, maxProperties,
//   dependentRequired, items, prefixItems, contains, minContains, maxContains, minItems, maxItems, uniqueItems,
//   minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
//   allOf, anyOf, oneOf, not, if/then/else, $ref to "#", "#/pointer" or "#anchor", $defs, $anchor; true and false.
// Annotations (title, description, default, examples, format, x-..., ...) are kept in the document and check nothing.
// Any other keyword is refused at construction, so that no rule is silently ignored.
//
// Thread rule: immutable once made; a copy shares the compiled form.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

namespace internal {
struct SchemaProgram;
}

struct SchemaViolation {
  std::string pointer;  // RFC 6901, "" for the whole value; a long member name is cut to 64 bytes
  std::string message;  // "expected string, got number"; never a piece of the value
  std::string hint;     // for example the names that would be known; may be empty

  // "/texts/3: expected string, got number"; the pointer of the whole value is left out.
  std::string ToString() const;
};

class JsonSchema {
 public:
  // unsupported: an unknown keyword, a reference outside the document, schemas nested deeper than 100; invalid_argument:
  // a keyword whose value has the wrong form. The message names the keyword by its pointer into the schema.
  static Result<JsonSchema> Compile(Json document);

  // The first thing that does not fit as invalid_argument "POINTER: message" with its hint.
  Status Check(const Json& value) const;
  // The first `limit` of them, in document order. A value that would need more than 600 schemas inside one another
  // (a recursive schema), or more than five million applications of a schema, does not fit.
  std::vector<SchemaViolation> Violations(const Json& value, size_t limit) const;

  // The schema as it was given.
  const Json& document() const;

 private:
  explicit JsonSchema(std::shared_ptr<const internal::SchemaProgram> program) : program_(std::move(program)) {}

  std::shared_ptr<const internal::SchemaProgram> program_;  // never null, save in a moved-from object
};

}  // namespace weir
