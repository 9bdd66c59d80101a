// Ledger files as anybody may leave them: verifying never strays, and what verifies can be opened and goes on.

#include "fuzz_input.h"
#include "line.h"
#include "weir/ledger/ledger.h"
#include "weir/ledger/verify.h"

namespace {

// A line that reads well is the very line that the ledger writes for what was read.
void CheckFirstLine(std::string_view input) {
  weir::ledger::Line line;
  const std::string_view text = input.substr(0, input.find('\n'));
  if (const auto fault = weir::ledger::ParseLine(text, line)) {
    WEIR_FUZZ_CHECK(!weir::LedgerFaultKindName(fault->kind).empty() && !fault->what.empty());
    return;
  }
  WEIR_FUZZ_CHECK(text.size() < weir::ledger::kLineBytesMax);
  WEIR_FUZZ_CHECK(weir::Json::Parse(text).has_value());
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  CheckFirstLine(input);
  const std::filesystem::path path = InputFile(input, "ledger.jsonl");
  const Result<LedgerVerdict> before = VerifyLedger(path);
  WEIR_FUZZ_CHECK(before.has_value());
  WEIR_FUZZ_CHECK(ReadLedgerTail(path, 3)->size() <= 3);
  if (before->fault && before->fault->kind != LedgerFaultKind::kTruncated) return;
  LedgerOptions options;
  options.path = path;
  options.flush_interval_ms = 0;
  options.sync = LedgerSync::kNone;
  options.buffer_bytes_max = kLedgerBufferBytesMin;
  {
    const Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(options);
    WEIR_FUZZ_CHECK(ledger.has_value());
    WEIR_FUZZ_CHECK((*ledger)->Append({.kind = DecisionKind::kReuse, .reason = "fuzz", .agent = "a"}).has_value());
  }
  const Result<LedgerVerdict> after = VerifyLedger(path);
  WEIR_FUZZ_CHECK(after.has_value() && after->clean());
  WEIR_FUZZ_CHECK(after->lines == before->lines + 1 + (before->fault ? 1 : 0));
}
