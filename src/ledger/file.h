#pragma once
// LedgerFile: the live file, its lock and its rotated predecessors; knows lines only by their ends.
//
// One thread at a time.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/result.h"

namespace weir::ledger {

inline constexpr uint32_t kFilesMax = 1000;

// The numbers N of the existing FILE.N, ascending; only those below kFilesMax belong to a ledger (FILE.20260101 does not).
// Errors: the folder is absent or cannot be read.
Result<std::vector<uint32_t>> RotatedNumbers(const std::filesystem::path& path);
std::filesystem::path RotatedPath(const std::filesystem::path& path, uint32_t number);

// Owns a file descriptor; -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

Error SystemError(const std::filesystem::path& path, std::string_view action, int number);

class LedgerFile {
 public:
  // Takes the lock and opens or creates the live file. Errors as Ledger::Open.
  static Result<LedgerFile> Open(std::filesystem::path path, uint64_t bytes_max, uint32_t files_max);

  // Cuts off what stands behind the last line end; returns how many bytes that were.
  Result<uint64_t> CutTornLine();
  // The newest whole line without its end, of the live file or, while that is empty, of the newest rotated one; empty: none.
  Result<std::string> NewestLine() const;

  // Writes whole lines, rotating where the next would make the file too long. `written` counts the bytes of lines that are
  // in a file for good; on an error the file ends with the last of them (or is brought to that by the next call).
  // REQUIRES: lines ends with a line end; no line is longer than bytes_max.
  Status Write(std::string_view lines, size_t& written);
  Status Sync();

  uint64_t size() const { return size_; }
  uint64_t rotations() const { return rotations_; }
  uint64_t files_dropped() const { return files_dropped_; }

 private:
  LedgerFile(std::filesystem::path path, uint64_t bytes_max, uint32_t files_max)
      : path_(std::move(path)), bytes_max_(bytes_max), files_max_(files_max) {}

  Status OpenLive();
  Status ComeBack();
  Status Rotate();
  Status MakeRoomForRotated();
  Status CutBack();

  std::filesystem::path path_;
  uint64_t bytes_max_;
  uint32_t files_max_;
  Descriptor lock_;
  Descriptor live_;
  uint64_t size_ = 0;     // bytes of whole lines in the live file
  bool is_torn_ = false;  // more bytes may stand behind size_
  uint64_t rotations_ = 0;
  uint64_t files_dropped_ = 0;
};

}  // namespace weir::ledger
