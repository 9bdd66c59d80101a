#include "weir/ledger/ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "folder.h"
#include "ledger_lines.h"
#include "line.h"
#include "weir/codec/hex.h"
#include "weir/ledger/verify.h"

namespace weir {
namespace {

using namespace testing;  // NOLINT: the shared parts of these tests

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
  EXPECT_EQ(FaultOf(verdict), "clean");
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
  EXPECT_EQ(FaultOf(verdict), "clean");
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

TEST(Ledger, OneWriterAtATime) {
  const Folder folder;
  auto first = Ledger::Open(OptionsFor(folder / "ledger.jsonl")).value();
  const auto second = Ledger::Open(OptionsFor(folder / "ledger.jsonl"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  first.reset();
  EXPECT_TRUE(Ledger::Open(OptionsFor(folder / "ledger.jsonl")));
}

TEST(Ledger, AFullBufferRefusesAndTheGapIsWritten) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.buffer_bytes_max = kLedgerBufferBytesMin;
  auto ledger = Ledger::Open(options).value();
  uint64_t accepted = 0;
  while (ledger->Append(Reuse("a", accepted))) ++accepted;
  ASSERT_GT(accepted, 10u);
  EXPECT_EQ(ledger->Append(Reuse("a", 0)).error().code, ErrorCode::kExhausted);
  EXPECT_LE(ledger->stats().buffered_bytes, options.buffer_bytes_max);
  EXPECT_EQ(ledger->stats().refused, 2u);
  ASSERT_TRUE(ledger->Flush());
  ASSERT_TRUE(ledger->Append(Reuse("a", 1)));
  ASSERT_TRUE(ledger->Flush());
  EXPECT_EQ(ledger->stats().gaps, 1u);
  const LedgerVerdict verdict = Verified(options.path);
  EXPECT_EQ(FaultOf(verdict), "clean");
  EXPECT_EQ(verdict.gaps, 1u);
  EXPECT_EQ(verdict.lines, accepted + 2);
  const auto tail = ReadLedgerTail(options.path, 2).value();
  EXPECT_NE(tail[0].find(R"("kind":"gap","agent":"","reason":"refused","fields":{"decisions":2})"), std::string::npos);
}

TEST(Ledger, ManyThreadsOneChain) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.flush_interval_ms = 1;
  options.file_bytes_max = 1 << 16;
  options.files_max = 100;
  std::atomic<uint64_t> refused{0};
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kEach = 1000;
  uint64_t lines = 0;
  {
    auto ledger = Ledger::Open(options).value();
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const std::string agent = "agent" + std::to_string(t);
        for (uint64_t i = 0; i < kEach; ++i) {
          if (!ledger->Append(Reuse(agent, i))) refused.fetch_add(1, std::memory_order_relaxed);
          if (i % 100 == t) {
            EXPECT_TRUE(ledger->Flush());
            (void)ledger->stats();
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(ledger->Flush());
    const LedgerStats stats = ledger->stats();
    EXPECT_EQ(stats.refused, refused.load());
    EXPECT_EQ(stats.appended - stats.gaps + stats.refused, kThreads * kEach);
    EXPECT_GT(stats.rotations, 3u);
    EXPECT_EQ(stats.files_dropped, 0u);
    lines = stats.appended;
  }
  const LedgerVerdict verdict = Verified(options.path);
  EXPECT_EQ(FaultOf(verdict), "clean");
  EXPECT_EQ(verdict.lines, lines);
  EXPECT_EQ(verdict.start, LedgerStart::kGenesis);
}

TEST(Ledger, ItsThreadWritesWithoutBeingAsked) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.flush_interval_ms = 1;
  options.sync = LedgerSync::kWrites;
  auto ledger = Ledger::Open(options).value();
  for (uint64_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(ledger->Append(Reuse("a", round)));
    while (ledger->stats().buffered_bytes > 0) std::this_thread::yield();
    EXPECT_EQ(Verified(options.path).lines, round);
  }
}

// An interval that never passes: only the half-full buffer can have woken the thread.
TEST(Ledger, AHalfFullBufferIsWrittenAtOnce) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.flush_interval_ms = 3'600'000;
  options.buffer_bytes_max = kLedgerBufferBytesMin;
  auto ledger = Ledger::Open(options).value();
  for (int round = 0; round < 3; ++round) {
    const uint64_t before = ledger->stats().file_bytes;
    ASSERT_TRUE(ledger->Append(Reuse("a", 1)));
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // its thread most likely waits for the interval now
    while (ledger->stats().buffered_bytes < options.buffer_bytes_max / 2 && ledger->stats().file_bytes == before) {
      ASSERT_TRUE(ledger->Append(Reuse("a", 1)));
    }
    while (ledger->stats().file_bytes == before) std::this_thread::yield();
  }
  EXPECT_EQ(FaultOf(Verified(options.path)), "clean");
}

}  // namespace
}  // namespace weir
