#pragma once
// What tests of the ledger share: options whose time stands still, decisions, files as text.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/file.h"
#include "weir/ledger/ledger.h"
#include "weir/ledger/verify.h"

namespace weir::testing {

// No thread: the test says when the ledger writes.
inline LedgerOptions OptionsFor(const std::filesystem::path& path) {
  LedgerOptions options;
  options.path = path;
  options.flush_interval_ms = 0;
  options.sync = LedgerSync::kNone;
  options.unix_ms = [] { return int64_t{1'700'000'000'000}; };
  return options;
}

inline Decision Reuse(std::string_view agent, uint64_t tokens) {
  return {.kind = DecisionKind::kReuse, .reason = "exact_prefix", .agent = agent, .fields = {{"tokens", tokens}}};
}

// A ledger of `count` lines in one file.
inline void WriteLedger(const std::filesystem::path& path, uint64_t count) {
  auto ledger = Ledger::Open(OptionsFor(path)).value();
  for (uint64_t i = 0; i < count; ++i) ASSERT_TRUE(ledger->Append(Reuse("agent", i)));
  ASSERT_TRUE(ledger->Flush());
}

inline std::string ReadText(const std::filesystem::path& path) { return ReadFile(path).value(); }

// A new file each time: some file systems wait for the disk when an old one is cut to nothing.
inline void WriteText(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// With their line ends.
inline std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

inline std::string TextOf(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

// The first `count` lines.
inline std::string HeadOf(std::string_view text, size_t count) {
  std::vector<std::string> lines = LinesOf(text);
  lines.resize(count);
  return TextOf(lines);
}

inline LedgerVerdict Verified(const std::filesystem::path& path, const LedgerNote& note = {}) {
  const Result<LedgerVerdict> verdict = VerifyLedger(path, note);
  EXPECT_TRUE(verdict) << verdict.error().ToString();
  return verdict ? *verdict : LedgerVerdict();
}

// "clean", or "wrong_hash ledger.jsonl:3".
inline std::string FaultOf(const LedgerVerdict& verdict) {
  if (!verdict.fault) return "clean";
  return std::string(LedgerFaultKindName(verdict.fault->kind)) + " " + verdict.fault->file.filename().string() + ":" +
         std::to_string(verdict.fault->line);
}

}  // namespace weir::testing
