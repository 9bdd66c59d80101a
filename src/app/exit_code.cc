#include "exit_code.h"

namespace weir {

std::span<const ExitCodeDoc> ExitCodes() {
  static constexpr ExitCodeDoc kDocs[] = {
      {ExitCode::kOk, "success"},
      {ExitCode::kFailure, "an operating failure that has no code of its own"},
      {ExitCode::kPartial, "partial success: some lines or files were bad, the rest was done"},
      {ExitCode::kUsage, "usage: a wrong flag, argument or name"},
      {ExitCode::kBadData, "the input is broken, not UTF-8, empty or of an unsupported kind"},
      {ExitCode::kNoInput, "an input file is missing or unreadable"},
      {ExitCode::kInternal, "a fault of this program"},
      {ExitCode::kCannotCreate, "an output file cannot be written"},
      {ExitCode::kIo, "standard output cannot be written"},
      {ExitCode::kBadConfig, "a bad configuration file or environment variable"},
      {ExitCode::kBrokenPipe, "the reader of standard output went away"},
  };
  return kDocs;
}

ExitCode ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kUnavailable: return ExitCode::kNoInput;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kAlreadyExists: return ExitCode::kBadData;
    case ErrorCode::kExhausted:
    case ErrorCode::kDeadline: return ExitCode::kFailure;
    case ErrorCode::kInternal: return ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

}  // namespace weir
