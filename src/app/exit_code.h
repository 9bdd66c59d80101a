#pragma once
// Exit codes of the command, after sysexits.h where it has one. Documented by `weir man`.

#include <span>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,        // an operating failure that has no code of its own
  kPartial = 3,        // some items were bad, the rest was done
  kUsage = 64,         // wrong flags, arguments or names
  kBadData = 65,       // the input is broken, not UTF-8 or of an unsupported kind
  kNoInput = 66,       // an input file is missing or unreadable
  kInternal = 70,      // a fault of this program
  kCannotCreate = 73,  // an output file cannot be written
  kIo = 74,            // standard output cannot be written
  kBadConfig = 78,     // a bad configuration file or environment variable
  kBrokenPipe = 141,   // the reader of standard output went away
};

struct ExitCodeDoc {
  ExitCode code;
  std::string_view meaning;
};

// Every code, in ascending order.
std::span<const ExitCodeDoc> ExitCodes();

// The code for an error about input that was read.
ExitCode ExitCodeOf(const Error& error);

}  // namespace weir
