#include "weir/ledger/ledger.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "file.h"
#include "line.h"
#include "weir/base/log.h"

namespace weir {
namespace {

int64_t SystemUnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Status OutOfRange(std::string_view field, std::string_view range) {
  return InvalidArgument(fmt::format("ledger option {}: {}", field, range));
}

}  // namespace

Status LedgerOptions::Validate() const {
  if (path.empty() || !path.has_filename()) return OutOfRange("path", "a file name is needed");
  if (file_bytes_max < kLedgerFileBytesMin)
    return OutOfRange("file_bytes_max", fmt::format("at least {}", kLedgerFileBytesMin));
  if (files_max < 2 || files_max > ledger::kFilesMax) {
    return OutOfRange("files_max", fmt::format("2 to {}", ledger::kFilesMax));
  }
  if (buffer_bytes_max < kLedgerBufferBytesMin || buffer_bytes_max > (uint64_t{1} << 30)) {
    return OutOfRange("buffer_bytes_max", fmt::format("{} to 1 GiB", kLedgerBufferBytesMin));
  }
  return {};
}

static_assert(kLedgerFileBytesMin >= ledger::kLineBytesMax, "a file must hold any line");
static_assert(kLedgerBufferBytesMin >= 2 * ledger::kLineBytesMax, "the buffer must hold a gap and any line");

// Two locks: turn_ is held by whoever writes out (the thread or a Flush()) and guards the file; state_ guards the buffer
// that Append() fills and is never held during a system call on the file. turn_ is taken first.
class Ledger::Core {
 public:
  Core(LedgerOptions options, ledger::LedgerFile file)
      : options_(std::move(options)), file_(std::move(file)), unix_ms_(options_.unix_ms ? options_.unix_ms : SystemUnixMs) {
    filling_.reserve(options_.buffer_bytes_max);
    writing_.reserve(options_.buffer_bytes_max);
  }

  ~Core() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(state_);
        stopping_ = true;
      }
      wake_.notify_all();
      thread_.join();
    }
    if (const Status status = Flush(); !status) {
      Log(LogLevel::kError, fmt::format("ledger: decisions are lost at its end: {}", status.error().message));
    }
  }

  Status Recover() {
    WEIR_ASSIGN(const uint64_t cut, file_.CutTornLine());
    WEIR_ASSIGN(const std::string newest, file_.NewestLine());
    if (!newest.empty()) {
      ledger::Line line;
      if (const auto fault = ledger::ParseLine(newest, line)) {
        const std::string message =
            fmt::format("the last line of the ledger {} is bad: {}", options_.path.string(), fault->what);
        if (fault->kind == LedgerFaultKind::kVersion) return Unsupported(message, "use a newer build, or another file");
        return Corrupt(message, "see 'weir ledger verify'; move the file away to begin a new one");
      }
      stats_.last_number = line.number;
      stats_.last_hash = line.hash;
    }
    stats_.file_bytes = file_.size();
    if (cut == 0) return {};
    stats_.repaired_bytes = cut;
    WEIR_TRY(Append({.kind = DecisionKind::kRepair, .reason = "torn_line", .fields = {{"bytes_cut", cut}}}));
    return Flush();
  }

  Status StartThread() {
    if (options_.flush_interval_ms == 0) return {};
    try {
      thread_ = std::thread([this] { Run(); });
    } catch (const std::system_error& error) {
      return Unavailable(fmt::format("cannot start the ledger's thread: {}", error.what()));
    }
    return {};
  }

  Status Append(const Decision& decision) {
    WEIR_ASSIGN(const std::string content, ledger::WriteContent(decision));
    const int64_t now = unix_ms_();
    bool wake = false;
    {
      const std::lock_guard lock(state_);
      const size_t lines_bytes_max = (missing_ > 0 ? 2 : 1) * ledger::kLineBytesMax;
      const bool is_full = filling_.size() + lines_bytes_max > options_.buffer_bytes_max;
      if (failure_ || is_full) {
        ++stats_.refused;
        ++missing_;
        if (failure_) return *failure_;
        return Exhausted("the ledger's buffer is full", "a larger buffer_bytes_max, or a faster disk");
      }
      wake = filling_.empty();
      if (missing_ > 0) AppendGap(now);
      AppendLine(now, content);
      wake = wake || IsHalfFull();
    }
    if (wake) wake_.notify_one();
    return {};
  }

  Status Flush() {
    const std::lock_guard turn(turn_);
    // Twice: what an earlier failure left behind goes out first.
    WEIR_TRY(WriteOut());
    return WriteOut();
  }

  LedgerStats stats() const {
    const std::lock_guard lock(state_);
    LedgerStats stats = stats_;
    stats.buffered_bytes = filling_.size() + writing_bytes_;
    return stats;
  }

 private:
  // REQUIRES state_. Room was checked.
  void AppendLine(int64_t now, std::string_view content) {
    stats_.last_hash = ledger::AppendLine(stats_.last_number + 1, now, content, stats_.last_hash, filling_);
    ++stats_.last_number;
    ++stats_.appended;
  }

  // REQUIRES state_.
  void AppendGap(int64_t now) {
    const Decision gap{.kind = DecisionKind::kGap, .reason = "refused", .fields = {{"decisions", missing_}}};
    AppendLine(now, ledger::WriteContent(gap).value());
    ++stats_.gaps;
    missing_ = 0;
  }

  // REQUIRES state_.
  bool IsHalfFull() const { return filling_.size() >= options_.buffer_bytes_max / 2; }

  // REQUIRES turn_. Writes one buffer; on failure what is not in the file stays in writing_.
  Status WriteOut() {
    bool retry = false;
    {
      const std::lock_guard lock(state_);
      if (writing_.empty()) std::swap(writing_, filling_);
      writing_bytes_ = writing_.size();
      retry = failure_.has_value();
    }
    if (writing_.empty() && !retry) return {};
    size_t written = 0;
    Status status = file_.Write(writing_, written);
    writing_.erase(0, written);
    if (status && options_.sync == LedgerSync::kWrites) status = file_.Sync();
    const std::lock_guard lock(state_);
    writing_bytes_ = writing_.size();
    stats_.rotations = file_.rotations();
    stats_.files_dropped = file_.files_dropped();
    stats_.file_bytes = file_.size();
    failure_.reset();
    if (status) return {};
    ++stats_.write_failures;
    failure_ = Unavailable(status.error().message, status.error().hint);  // whatever it was, it may succeed later
    return *failure_;
  }

  void Run() {
    const std::chrono::milliseconds interval(options_.flush_interval_ms);
    std::unique_lock lock(state_);
    while (!stopping_) {
      wake_.wait(lock, [this] { return stopping_ || !filling_.empty() || failure_; });
      // While the disk refuses, a full buffer is no reason to try earlier.
      wake_.wait_for(lock, interval, [this] { return stopping_ || (IsHalfFull() && !failure_); });
      if (stopping_) return;
      lock.unlock();
      {
        const std::lock_guard turn(turn_);
        (void)WriteOut();  // kept in failure_ and counted
      }
      lock.lock();
    }
  }

  const LedgerOptions options_;

  std::mutex turn_;  // guards file_, writing_
  ledger::LedgerFile file_;
  std::string writing_;

  mutable std::mutex state_;  // guards what follows, down to the thread
  std::string filling_;
  uint64_t writing_bytes_ = 0;
  uint64_t missing_ = 0;  // refused since the last line
  std::optional<Error> failure_;
  LedgerStats stats_;
  bool stopping_ = false;

  std::condition_variable wake_;
  const std::function<int64_t()> unix_ms_;
  std::thread thread_;
};

Ledger::Ledger(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::Open(LedgerOptions options) {
  WEIR_TRY(options.Validate());
  WEIR_ASSIGN(ledger::LedgerFile file, ledger::LedgerFile::Open(options.path, options.file_bytes_max, options.files_max));
  auto core = std::make_unique<Core>(std::move(options), std::move(file));
  WEIR_TRY(core->Recover());
  WEIR_TRY(core->StartThread());
  return std::unique_ptr<Ledger>(new Ledger(std::move(core)));
}

Status Ledger::Append(const Decision& decision) { return core_->Append(decision); }
Status Ledger::Flush() { return core_->Flush(); }
LedgerStats Ledger::stats() const { return core_->stats(); }

}  // namespace weir
