#include "weir/ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <thread>

#include "folder.h"
#include "line.h"
#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/codec/hex.h"
#include "weir/ledger/verify.h"

namespace weir {
namespace {

using testing::Folder;

LedgerOptions OptionsFor(const std::filesystem::path& path) {
  LedgerOptions options;
  options.path = path;
  options.flush_interval_ms = 0;  // the test says when
  options.sync = LedgerSync::kNone;
  options.unix_ms = [] { return int64_t{1'700'000'000'000}; };
  return options;
}

Decision Reuse(std::string_view agent, uint64_t tokens) {
  return {.kind = DecisionKind::kReuse, .reason = "exact_prefix", .agent = agent, .fields = {{"tokens", tokens}}};
}

std::string FormatOf(const LedgerVerdict& verdict) {
  if (!verdict.fault) return "clean";
  return std::string(LedgerFaultKindName(verdict.fault->kind)) + " " + verdict.fault->file.filename().string() + ":" +
         std::to_string(verdict.fault->line) + " " + verdict.fault->what;
}

LedgerVerdict Verified(const std::filesystem::path& path) {
  const Result<LedgerVerdict> verdict = VerifyLedger(path);
  EXPECT_TRUE(verdict) << verdict.error().ToString();
  return verdict ? *verdict : LedgerVerdict();
}

TEST(Ledger, WritesLinesThatVerify) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  auto ledger = Ledger::Open(OptionsFor(path)).value();
  ASSERT_TRUE(ledger->Append(Reuse("retriever", 1024)));
  ASSERT_TRUE(
      ledger->Append({.kind = DecisionKind::kModeChange, .reason = "device_mode", .fields = {{"from", 1}, {"to", -2}}}));
  ASSERT_TRUE(ledger->Append({.kind = DecisionKind::kReuse,
                              .reason = "exact_prefix",
                              .agent = "a\"\n\u00e9",
                              .owner = "b",
                              .fields = {{"share", 0.5},
                                         {"whole", 5.0},
                                         {"unknown", std::nullopt},
                                         {"infinite", std::numeric_limits<double>::infinity()},
                                         {"largest", UINT64_MAX},
                                         {"least", INT64_MIN}}}));
  EXPECT_EQ(ledger->stats().file_bytes, 0u);
  EXPECT_GT(ledger->stats().buffered_bytes, 0u);
  ASSERT_TRUE(ledger->Flush());
  EXPECT_EQ(ledger->stats().buffered_bytes, 0u);
  EXPECT_EQ(ledger->stats().file_bytes, std::filesystem::file_size(path));

  const LedgerVerdict verdict = Verified(path);
  EXPECT_EQ(FormatOf(verdict), "clean");
  EXPECT_EQ(verdict.lines, 3u);
  EXPECT_EQ(verdict.start, LedgerStart::kGenesis);
  EXPECT_EQ(verdict.first_number, 1u);
  EXPECT_EQ(verdict.last_number, 3u);
  EXPECT_EQ(verdict.last_hash, ledger->stats().last_hash);
}

// The bytes are a format that others may check: they must not change unnoticed.
TEST(Ledger, KnownLine) {
  std::string out;
  const Decision decision = Reuse("retriever", 1024);
  ledger::AppendLine(1, 1'700'000'000'000, ledger::WriteContent(decision).value(), Sha256Digest{}, out);
  const std::string body =
      R"({"v":1,"n":1,"unix_ms":1700000000000,"kind":"reuse","agent":"retriever","reason":"exact_prefix",)"
      R"("fields":{"tokens":1024},"prev":"0000000000000000000000000000000000000000000000000000000000000000")";
  const std::string hash = HexOf(Sha256(std::string(32, '\0') + body + "}"));
  EXPECT_EQ(out, body + ",\"hash\":\"" + hash + "\"}\n");
}

TEST(Ledger, GoesOnWhereItStopped) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  for (uint64_t round = 0; round < 5; ++round) {
    auto ledger = Ledger::Open(OptionsFor(path)).value();
    EXPECT_EQ(ledger->stats().last_number, 2 * round);
    ASSERT_TRUE(ledger->Append(Reuse("a", round)));
    ASSERT_TRUE(ledger->Append(Reuse("b", round)));
  }
  const LedgerVerdict verdict = Verified(path);
  EXPECT_EQ(FormatOf(verdict), "clean");
  EXPECT_EQ(verdict.lines, 10u);
}

TEST(Ledger, RefusesWrongNamesAndOptions) {
  const Folder folder;
  auto ledger = Ledger::Open(OptionsFor(folder / "ledger.jsonl")).value();
  EXPECT_EQ(ledger->Append(Reuse(std::string(257, 'x'), 1)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ledger->Append(Reuse("\xff", 1)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(ledger->Append(Reuse(std::string(256, '\x01'), 1)));
  EXPECT_EQ(ledger->stats().appended, 1u);

  const auto refused = [&](auto change) {
    LedgerOptions options = OptionsFor(folder / "other.jsonl");
    change(options);
    const auto opened = Ledger::Open(options);
    return !opened && opened.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](LedgerOptions& options) { options.path.clear(); }));
  EXPECT_TRUE(refused([](LedgerOptions& options) { options.file_bytes_max = 100; }));
  EXPECT_TRUE(refused([](LedgerOptions& options) { options.files_max = 1; }));
  EXPECT_TRUE(refused([](LedgerOptions& options) { options.files_max = 1001; }));
  EXPECT_TRUE(refused([](LedgerOptions& options) { options.buffer_bytes_max = 100; }));
  EXPECT_TRUE(refused([&](LedgerOptions& options) { options.path = folder.path(); }));
  EXPECT_EQ(Ledger::Open(OptionsFor(folder / "absent" / "ledger.jsonl")).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weir
