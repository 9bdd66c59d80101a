#include "weir/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kAlreadyExists: return "already_exists";
    case ErrorCode::kExhausted: return "exhausted";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadline: return "deadline";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

std::string Error::ToString() const { return hint.empty() ? message : message + " (" + hint + ")"; }

namespace internal {

void CheckFailed(const char* file, int line, const char* condition, std::string_view text) {
  std::fprintf(stderr, "%s:%d: check failed: %s%s%.*s\n", file, line, condition, text.empty() ? "" : ": ",
               static_cast<int>(text.size()), text.data());
  std::abort();
}

}  // namespace internal
}  // namespace weir
