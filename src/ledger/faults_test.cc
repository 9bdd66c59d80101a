// What disks, crashes and other hands do to a ledger.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "folder.h"
#include "ledger_lines.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using namespace testing;  // NOLINT: the shared parts of these tests
using ::testing::HasSubstr;

// While it lives no file of this process grows beyond `bytes`: the kernel writes what fits and refuses the rest, as a full
// disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &limit_), 0);
    rlimit lower = limit_;
    lower.rlim_cur = bytes;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &lower), 0);
  }
  ~FileSizeLimit() {
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit_), 0);
    std::signal(SIGXFSZ, before_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*before_)(int);
  rlimit limit_{};
};

TEST(LedgerFaults, ATornLineIsCutOffAndSaid) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 3);
  const std::string good = ReadText(path);
  const size_t last = HeadOf(good, 2).size();
  for (size_t size = last; size < good.size(); ++size) {
    WriteText(path, good.substr(0, size));
    {
      const auto ledger = Ledger::Open(OptionsFor(path));
      ASSERT_TRUE(ledger) << ledger.error().ToString();
      ASSERT_EQ((*ledger)->stats().repaired_bytes, size - last);
      ASSERT_TRUE((*ledger)->Append(Reuse("after", 1)));
    }
    const LedgerVerdict verdict = Verified(path);
    ASSERT_EQ(FaultOf(verdict), "clean") << size;
    ASSERT_EQ(verdict.repairs, size > last ? 1u : 0u);
    ASSERT_EQ(verdict.lines, size > last ? 4u : 3u);
  }
  EXPECT_THAT(ReadLedgerTail(path, 2).value()[0], HasSubstr("\"kind\":\"repair\""));
}

TEST(LedgerFaults, ATornFirstLineLeavesAnEmptyLedger) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteText(path, "{\"v\":1,\"n\":1,");
  auto ledger = Ledger::Open(OptionsFor(path)).value();
  EXPECT_EQ(ledger->stats().repaired_bytes, 13u);
  const LedgerVerdict verdict = Verified(path);
  EXPECT_EQ(FaultOf(verdict), "clean");
  EXPECT_EQ(verdict.lines, 1u);  // the repair, on the disk before Open returned
  EXPECT_EQ(verdict.start, LedgerStart::kGenesis);
}

TEST(LedgerFaults, ABrokenLastLineIsNotOverwritten) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 2);
  const std::string good = ReadText(path);
  for (const auto& [from, to, code] : {std::tuple("\"tokens\":1}", "\"tokens\":2}", ErrorCode::kCorrupt),
                                       std::tuple("{\"v\":1,\"n\":2", "{\"v\":2,\"n\":2", ErrorCode::kUnsupported)}) {
    std::string text = good;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string(from).size(), to);
    WriteText(path, text);
    const auto ledger = Ledger::Open(OptionsFor(path));
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code, code);
    EXPECT_EQ(ReadText(path), text);
  }
}

TEST(LedgerFaults, AFullDiskLeavesAValidFileAndLosesNothingAccepted) {
  const Folder folder;
  for (const uint64_t limit : {700u, 2000u, 5001u}) {
    SCOPED_TRACE(limit);
    const auto path = folder / (std::to_string(limit) + ".jsonl");
    auto ledger = Ledger::Open(OptionsFor(path)).value();
    uint64_t accepted = 0;
    {
      const FileSizeLimit full(limit);
      for (int i = 0; i < 50; ++i, ++accepted) ASSERT_TRUE(ledger->Append(Reuse("a", accepted)));
      const Status status = ledger->Flush();
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
      EXPECT_EQ(FaultOf(Verified(path)), "clean");  // no half line
      const Status refused = ledger->Append(Reuse("a", 0));
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
      EXPECT_FALSE(ledger->Flush());
      EXPECT_EQ(FaultOf(Verified(path)), "clean");
      EXPECT_EQ(ledger->stats().write_failures, 2u);
    }
    ASSERT_TRUE(ledger->Flush());
    EXPECT_EQ(Verified(path).lines, accepted);
    ASSERT_TRUE(ledger->Append(Reuse("a", 1)));
    ledger.reset();
    const LedgerVerdict verdict = Verified(path);
    EXPECT_EQ(FaultOf(verdict), "clean");
    EXPECT_EQ(verdict.lines, accepted + 2);
    EXPECT_EQ(verdict.gaps, 1u);
  }
}

TEST(LedgerFaults, OtherHandsMoveTheLiveFile) {
  const Folder folder;
  const auto path = folder / "deep" / "ledger.jsonl";
  std::filesystem::create_directory(folder / "deep");
  auto ledger = Ledger::Open(OptionsFor(path)).value();
  const auto append = [&] {
    EXPECT_TRUE(ledger->Append(Reuse("a", 1)));
    return ledger->Flush();
  };
  ASSERT_TRUE(append());
  std::filesystem::rename(path, path.string() + ".1");  // as a rotating tool does
  ASSERT_TRUE(append());
  EXPECT_EQ(FaultOf(Verified(path)), "clean");
  EXPECT_EQ(Verified(path).lines, 2u);

  std::filesystem::remove_all(folder / "deep");
  const Status gone = append();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(ledger->Append(Reuse("a", 1)).error().code, ErrorCode::kUnavailable);
  std::filesystem::create_directory(folder / "deep");
  ASSERT_TRUE(ledger->Flush());
  EXPECT_EQ(FaultOf(Verified(path)), "clean");
  EXPECT_EQ(Verified(path).start, LedgerStart::kContinues);
  EXPECT_EQ(Verified(path).first_number, 3u);

  WriteText(path, "somebody's");
  const Status replaced = append();
  ASSERT_FALSE(replaced);
  EXPECT_THAT(replaced.error().message, HasSubstr("replaced by another file"));
  EXPECT_EQ(ReadText(path), "somebody's");
}

// Numbers of the existing FILE.N.
std::vector<uint32_t> Rotated(const std::filesystem::path& path) {
  std::vector<uint32_t> numbers;
  for (uint32_t n = 1; n < 50; ++n) {
    if (std::filesystem::exists(path.string() + "." + std::to_string(n))) numbers.push_back(n);
  }
  return numbers;
}

TEST(LedgerFaults, RotationKeepsTheChainAndDropsTheOldest) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.file_bytes_max = kLedgerFileBytesMin;
  options.files_max = 3;
  WriteText(folder / "ledger.jsonl.20260101", "somebody's copy");
  for (int round = 0; round < 3; ++round) {
    auto ledger = Ledger::Open(options).value();
    for (uint64_t i = 0; i < 200; ++i) {
      ASSERT_TRUE(ledger->Append(Reuse("a", i)));
      if (i % 7 == 0) {
        ASSERT_TRUE(ledger->Flush());
      }
    }
    ASSERT_TRUE(ledger->Flush());
    EXPECT_GT(ledger->stats().rotations, 3u);
    EXPECT_EQ(ledger->stats().files_dropped, ledger->stats().rotations - (round == 0 ? 2 : 0));
    EXPECT_EQ(ledger->stats().last_number, 200u * static_cast<uint64_t>(round + 1));
  }
  EXPECT_EQ(Rotated(options.path), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(ReadText(folder / "ledger.jsonl.20260101"), "somebody's copy");
  const LedgerVerdict verdict = Verified(options.path);
  EXPECT_EQ(FaultOf(verdict), "clean");
  EXPECT_EQ(verdict.start, LedgerStart::kContinues);
  EXPECT_EQ(verdict.last_number, 600u);
  EXPECT_EQ(verdict.first_number, 600u - verdict.lines + 1);
  ASSERT_EQ(verdict.files.size(), 3u);
  for (const auto& file : verdict.files) EXPECT_LE(std::filesystem::file_size(file), options.file_bytes_max);
  EXPECT_EQ(ReadLedgerTail(options.path, 100'000).value().size(), verdict.lines);
  EXPECT_EQ(ReadLedgerTail(options.path, 30).value().size(), 30u);

  options.files_max = 2;  // fewer than there are: the next rotation drops them
  auto ledger = Ledger::Open(options).value();
  for (uint64_t i = 0; i < 60; ++i) ASSERT_TRUE(ledger->Append(Reuse("a", i)));
  ASSERT_TRUE(ledger->Flush());
  EXPECT_EQ(Rotated(options.path), (std::vector<uint32_t>{1}));
  EXPECT_EQ(FaultOf(Verified(options.path)), "clean");
}

// A ledger of four files.
void WriteFourFiles(const LedgerOptions& options) {
  auto ledger = Ledger::Open(options).value();
  for (uint64_t i = 0; Rotated(options.path).size() < 3; ++i) {
    ASSERT_TRUE(ledger->Append(Reuse("a", i)));
    ASSERT_TRUE(ledger->Flush());
  }
}

TEST(LedgerFaults, FilesLostChangedOrCut) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.file_bytes_max = kLedgerFileBytesMin;
  WriteFourFiles(options);
  const auto path = options.path;
  const auto rotated = [&](int n) { return std::filesystem::path(path.string() + "." + std::to_string(n)); };
  EXPECT_EQ(FaultOf(Verified(path)), "clean");

  const std::string first = ReadText(rotated(1));
  const std::string second = ReadText(rotated(2));
  WriteText(rotated(2), second.substr(0, second.size() - 5));
  EXPECT_EQ(FaultOf(Verified(path)), "truncated ledger.jsonl.2:" + std::to_string(LinesOf(second).size()));
  WriteText(rotated(2), HeadOf(second, LinesOf(second).size() - 1));  // its last line, cleanly
  EXPECT_EQ(FaultOf(Verified(path)), "sequence_gap ledger.jsonl.1:1");
  WriteText(rotated(2), second);

  std::filesystem::remove(rotated(2));
  EXPECT_EQ(FaultOf(Verified(path)), "sequence_gap ledger.jsonl.1:1");
  WriteText(rotated(2), first);
  WriteText(rotated(1), second);
  EXPECT_EQ(FaultOf(Verified(path)), "sequence_gap ledger.jsonl.2:1");
  WriteText(rotated(1), first);
  WriteText(rotated(2), second);
  EXPECT_EQ(FaultOf(Verified(path)), "clean");

  std::filesystem::remove(rotated(3));  // as rotation does
  EXPECT_EQ(FaultOf(Verified(path)), "clean");
  EXPECT_EQ(Verified(path).start, LedgerStart::kContinues);
}

// Every state in which a crash may leave the files while they are renamed.
TEST(LedgerFaults, ACrashInTheMiddleOfARotation) {
  for (int crash = 0; crash < 4; ++crash) {
    SCOPED_TRACE(crash);
    const Folder folder;
    LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
    options.file_bytes_max = kLedgerFileBytesMin;
    options.files_max = 5;
    WriteFourFiles(options);
    const auto path = options.path;
    const auto rotated = [&](int n) { return std::filesystem::path(path.string() + "." + std::to_string(n)); };
    const LedgerVerdict before = Verified(path);
    std::filesystem::rename(rotated(3), rotated(4));
    if (crash > 0) std::filesystem::rename(rotated(2), rotated(3));
    if (crash > 1) std::filesystem::rename(rotated(1), rotated(2));
    if (crash > 2) std::filesystem::rename(path, rotated(1));
    EXPECT_EQ(FaultOf(Verified(path)), "clean");
    EXPECT_EQ(Verified(path).lines, before.lines);
    {
      auto ledger = Ledger::Open(options).value();
      EXPECT_EQ(ledger->stats().last_number, before.last_number);
      for (uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(ledger->Append(Reuse("a", i)));
    }
    const LedgerVerdict after = Verified(path);
    EXPECT_EQ(FaultOf(after), "clean");
    EXPECT_EQ(after.last_number, before.last_number + 50);
    EXPECT_EQ(after.last_number - after.lines, after.first_number - 1);
    EXPECT_LE(after.files.size(), 5u);
  }
}

// The child appends and flushes until it is killed; it reports each number that a Flush() acknowledged.
[[noreturn]] void AppendUntilKilled(const LedgerOptions& options, int report) {
  auto ledger = Ledger::Open(options);
  if (!ledger) ::_exit(1);
  for (uint64_t i = 0;; ++i) {
    for (int k = 0; k < 3; ++k) {
      if (!(*ledger)->Append(Reuse("child", i))) ::_exit(2);
    }
    if (!(*ledger)->Flush()) ::_exit(3);
    const uint64_t number = (*ledger)->stats().last_number;
    if (::write(report, &number, sizeof(number)) != sizeof(number)) ::_exit(4);
  }
}

TEST(LedgerFaults, KilledAtAnyTimeItKeepsWhatWasFlushed) {
  const Folder folder;
  LedgerOptions options = OptionsFor(folder / "ledger.jsonl");
  options.file_bytes_max = kLedgerFileBytesMin;
  options.files_max = 500;
  Random random(17);
  uint64_t acknowledged = 0;
  for (int round = 0; round < 40; ++round) {
    int pipes[2];
    ASSERT_EQ(::pipe(pipes), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) AppendUntilKilled(options, pipes[1]);
    ::close(pipes[1]);
    uint64_t number = 0;
    for (uint64_t wanted = 1 + random.Below(40); wanted > 0; --wanted) {
      ASSERT_EQ(::read(pipes[0], &number, sizeof(number)), static_cast<ssize_t>(sizeof(number))) << "round " << round;
      acknowledged = number;
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    while (::read(pipes[0], &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number))) acknowledged = number;
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    ::close(pipes[0]);
    {
      const auto ledger = Ledger::Open(options);
      ASSERT_TRUE(ledger) << ledger.error().ToString();
      ASSERT_GE((*ledger)->stats().last_number, acknowledged);
    }
    const LedgerVerdict verdict = Verified(options.path);
    ASSERT_EQ(FaultOf(verdict), "clean");
    ASSERT_GE(verdict.last_number, acknowledged);
    ASSERT_EQ(verdict.start, LedgerStart::kGenesis);
  }
}

}  // namespace
}  // namespace weir
