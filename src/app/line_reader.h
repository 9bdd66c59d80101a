#pragma once
// LineReader: standard input or a file, line by line, as the bytes arrive.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

// One thread. Owns the descriptor unless it is standard input.
class LineReader {
 public:
  // "-" is standard input. not_found, unavailable (permission) or invalid_argument (a folder).
  static Result<LineReader> Open(const std::filesystem::path& path);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  // The next line without its end, valid until the next call; nothing at the end. `before_wait` runs before more bytes
  // are waited for. exhausted: a line longer than bytes_max.
  Result<std::optional<std::string_view>> Next(size_t bytes_max, const std::function<void()>& before_wait);

 private:
  LineReader(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  int descriptor_;
  std::string name_;
  std::string buffer_;
  size_t begin_ = 0;    // of the next line in buffer_
  size_t scanned_ = 0;  // up to here there is no line end
  bool ended_ = false;
};

}  // namespace weir
