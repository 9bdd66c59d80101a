#pragma once
// The engine as a process-wide thing: set up once, its log led into ours, its aborts turned into exceptions that do not
// leave this room. Safe from all threads.

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/result.h"

namespace weir {

// Registers the best CPU level, the log and the abort hook. The first caller does it; cheap afterwards.
void SetUpLlama();

// An assertion of the library that failed. What it was working on is in an unknown state and may hold locks: give it up,
// free nothing of it.
struct LlamaAborted : std::exception {
  explicit LlamaAborted(std::string text) : message(std::move(text)) {}
  const char* what() const noexcept override { return message.c_str(); }
  std::string message;
};

// What the library last logged as an error in this thread since the last call; "" if nothing.
std::string TakeLibraryError();

// Runs work() -> Result<T>; what the library throws becomes an Error with `doing` before it: exhausted for refused
// memory, else `code`. Sets *aborted when the library gave up.
template <typename Work>
auto Contained(ErrorCode code, std::string_view doing, bool* aborted, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const LlamaAborted& abort) {
    if (aborted) *aborted = true;
    return Error{code, std::string(doing) + ": " + abort.message, {}};
  } catch (const std::bad_alloc&) {
    return Exhausted(std::string(doing) + ": memory was refused");
  } catch (const std::exception& problem) {
    return Error{code, std::string(doing) + ": " + problem.what(), {}};
  }
}

}  // namespace weir
