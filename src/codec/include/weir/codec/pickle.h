#pragma once
// The part of Python's pickle protocol 5 that vLLM's default block hash is taken over: None, booleans, integers, byte
// strings, text and tuples, byte for byte as CPython's C pickler (3.8 to 3.14) writes them.
//
// What decides the bytes beyond the values: every string and non-empty tuple is memoized; a second use of the same
// *object* becomes a reference. CPython shares the empty string and strings of one byte or one character below U+0100,
// so the writer refers back to those; every other value is taken for a fresh object, unless the caller says Again().
// Frames of at least 64 KiB and strings of at least 64 KiB outside of frames follow PEP 3154. Write only: nothing of
// ours ever reads a pickle. One thread at a time.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

class PickleWriter {
 public:
  PickleWriter();

  void None();
  void Bool(bool value);
  void Integer(int64_t value);
  void Unsigned(uint64_t value);
  // Both return the value's place in the memo, for Again().
  size_t Bytes(std::string_view bytes);
  size_t Text(std::string_view text);  // REQUIRES: UTF-8
  // The same object once more.
  void Again(size_t memo);

  // Values between the two calls are the tuple's items. REQUIRES: EndTuple after exactly `count` items.
  void BeginTuple(size_t count);
  void EndTuple();

  // Ends the pickle. REQUIRES: exactly one value was written and every tuple ended. Valid until the next call of a
  // member; Reset() starts anew and keeps the memory.
  std::string_view Finish();
  void Reset();

 private:
  void Begin();  // where the pickler checks whether the frame is full
  void Write(std::string_view bytes);
  void WriteString(std::string_view header, std::string_view payload);
  void CommitFrame();
  size_t Memoize();
  size_t String(bool is_text, std::string_view payload);

  std::string out_;
  size_t frame_begin_ = 0;  // of the frame's head; kNoFrame when none is open
  size_t memo_count_ = 0;
  std::vector<size_t> tuples_;                             // item counts of the open ones
  std::map<std::pair<bool, std::string>, size_t> shared_;  // CPython's shared objects in the memo: (is text, value)
};

}  // namespace weir
