// JSON Schema: two lines of JSON, a schema and a value; no crash, and the first fault is the first of the list.

#include "fuzz_input.h"
#include "weir/codec/json_schema.h"

void weir::fuzz::Run(std::string_view input) {
  const size_t end = std::min(input.find('\n'), input.size());
  Result<Json> document = Json::Parse(input.substr(0, end));
  const Result<Json> value = Json::Parse(input.substr(std::min(end + 1, input.size())));
  if (!document || !value) return;
  const Result<JsonSchema> schema = JsonSchema::Compile(*std::move(document));
  if (!schema) return;
  const Status status = schema->Check(*value);
  const std::vector<SchemaViolation> violations = schema->Violations(*value, 4);
  WEIR_FUZZ_CHECK(violations.size() <= 4);
  WEIR_FUZZ_CHECK(status.has_value() == violations.empty());
  if (!status) WEIR_FUZZ_CHECK(status.error().message == violations.front().ToString());
}
