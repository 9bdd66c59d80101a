#include <fmt/format.h>

#include <algorithm>

#include "command.h"
#include "diagnosis.h"
#include "session.h"

namespace weir {
namespace {

Ink InkOf(CheckStatus status) {
  return status == CheckStatus::kOk ? Ink::kGreen : status == CheckStatus::kWarn ? Ink::kYellow : Ink::kRed;
}

void WriteResultsJson(Session& session, const std::vector<CheckResult>& results, bool ok) {
  Json checks = Json::MakeArray();
  for (const CheckResult& result : results) {
    Json object = Json::MakeObject();
    object.Set("name", result.name);
    object.Set("status", CheckStatusName(result.status));
    object.Set("detail", result.detail);
    object.Set("advice", result.advice.empty() ? Json() : Json(result.advice));
    checks.Append(std::move(object));
  }
  Json out = Json::MakeObject();
  out.Set("ok", ok);
  out.Set("checks", std::move(checks));
  session.WriteJson(out);
}

Result<ExitCode> Run(Session& session) {
  const std::vector<CheckResult> results = Diagnose(session);
  const bool ok = std::none_of(results.begin(), results.end(), [](const auto& r) { return r.status == CheckStatus::kFail; });
  if (session.json()) {
    WriteResultsJson(session, results, ok);
  } else {
    for (const CheckResult& result : results) {
      const std::string status =
          Paint(session.style(), InkOf(result.status), fmt::format("{:<4}", CheckStatusName(result.status)));
      session.out().Line(fmt::format("  {}  {:<14} {}", status, result.name, Visible(result.detail)));
      if (!result.advice.empty()) session.out().Line(fmt::format("        {:<14} -> {}", "", Visible(result.advice)));
    }
  }
  return ok ? ExitCode::kOk : ExitCode::kFailure;
}

CommandBody Declare(Flags& flags) {
  flags.Setting("tokenizer");
  flags.Setting("chat_template");
  return Run;
}

}  // namespace

Command DoctorCommand() {
  return {.name = "doctor",
          .summary = "check this machine and configuration, and say what to do",
          .description =
              "Checks the processor, configuration, cache folder, disk space, tokenizer (it is loaded and its known "
              "ids compared), chat template and terminal. Exit code 1 when a check fails; warnings do not count.",
          .examples = {{"weir doctor", "all checks"},
                       {"weir doctor --tokenizer path/to/tokenizer.json", "with that tokenizer"},
                       {"weir doctor --json", "for scripts"}},
          .declare = Declare,
          .needs_settings = false};
}

}  // namespace weir
