#pragma once
// Diagnosis: the checks of `weir doctor`, each with what to do when it does not pass.

#include <optional>
#include <string>
#include <vector>

#include "session.h"

namespace weir {

enum class CheckStatus { kOk, kWarn, kFail };
std::string_view CheckStatusName(CheckStatus status);  // "ok", "warn", "fail"

struct CheckResult {
  std::string name;  // "tokenizer"
  CheckStatus status = CheckStatus::kOk;
  std::string detail;
  std::string advice;  // what to do; empty when ok
};

// Runs every check, in order. Writes one small file into the cache folder and removes it.
std::vector<CheckResult> Diagnose(const Session& session);

}  // namespace weir
