#pragma once
// Output: buffered standard output that knows whether its bytes arrived.

#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

// One thread. Writes nothing more after a failure; ask Flush() at the end.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}

  void Write(std::string_view bytes);
  void Line(std::string_view text) {
    Write(text);
    Write("\n");
  }

  // Writes what is buffered; unavailable when that or an earlier write failed.
  Status Flush();
  // The failure is that nobody reads any more (a closed pipe).
  bool reader_gone() const;
  // The reader went away or the device refuses: no use in producing more.
  bool failed() const { return failure_ != 0; }

 private:
  void WriteOut();

  int descriptor_;
  int failure_ = 0;  // errno of the first failed write
  std::string buffer_;
};

}  // namespace weir
