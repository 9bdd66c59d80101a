#pragma once
// The test binary's operator new: counts what the allocator hands out, and refuses on demand (while one thread runs).

#include <cstddef>
#include <cstdint>

namespace weir::testing {

// Bytes (malloc_usable_size) that operator new has given and delete has not taken back.
uint64_t BytesHandedOut();
// Operator new throws std::bad_alloc once, after `successes` more calls; a negative number: never.
void RefuseAllocationAfter(int64_t successes);
// Whether the refusal asked for has happened.
bool AllocationWasRefused();

}  // namespace weir::testing
