#pragma once
// Volatile fields: the parts of a text that change from run to run, found by their grammar. Pure functions on UTF-8.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

enum class VolatileKind {
  kTimestamp,  // ISO 8601 and RFC 2822 dates and times, clock times, written dates, Unix seconds to nanoseconds
  kId,         // UUIDs, ULIDs, hexadecimal and other mixed ids of 8 or more characters
  kNumber,     // any other run of digits, with its separators
};

struct VolatileField {
  VolatileKind kind = VolatileKind::kNumber;
  uint32_t begin = 0;  // bytes
  uint32_t end = 0;
};

// Rising and disjoint; each as long as its grammar allows. Timestamps and ids start where no
// letter, digit or underscore stands in front of them.
std::vector<VolatileField> FindVolatileFields(std::string_view text);

// The text with every field replaced by a mark of its kind: equal masks mean texts that differ in nothing but fields.
std::string MaskVolatileFields(std::string_view text);

// Whether the whole of `word` is the name of a weekday or a month, long or short, in English.
bool IsCalendarName(std::string_view word);

}  // namespace weir
