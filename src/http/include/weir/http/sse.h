#pragma once
// Server-sent events: writing them and reading them, by the HTML standard (section "Server-sent events").
//
// Thread rule: plain values; a parser belongs to one thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

struct SseEvent {
  std::string event{};              // empty: "message"
  std::optional<std::string> id{};  // written if set; on reading: the last id seen so far, if any
  std::string data{};               // lines are split on writing and joined by '\n' on reading
  std::optional<uint32_t> retry_ms{};
};

// The bytes of one event, its closing empty line included. Line ends in `event` and NULs and line ends in `id`, which the
// format cannot carry, are left out. An event without data is still written with one empty data line.
std::string FormatSse(const SseEvent& event);
// A comment line, which readers ignore: keeps a connection alive.
std::string FormatSseComment(std::string_view text = {});

// Reads events out of bytes that come in pieces of any size: CR, LF and CRLF, a leading byte order mark, comments, data of
// several lines. An event without data is not reported, as the standard says; what the stream leaves unfinished is dropped.
class SseParser {
 public:
  static constexpr size_t kEventBytesMax = size_t{16} << 20;

  explicit SseParser(size_t event_bytes_max = kEventBytesMax) : event_bytes_max_(event_bytes_max) {}

  // Calls `on_event` for each event that these bytes complete. exhausted: an event or a line is longer than the limit; the
  // parser takes nothing more.
  Status Feed(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event);

  // The value of the last `retry` field, if any.
  std::optional<uint32_t> retry_ms() const { return retry_ms_; }
  // To send as Last-Event-ID when connecting again; empty: none.
  const std::string& last_event_id() const { return last_id_; }

 private:
  void TakeLine(std::string_view line, const std::function<void(const SseEvent&)>& on_event);
  void TakeField(std::string_view name, std::string_view value);

  const size_t event_bytes_max_;
  std::string line_;  // what came of a line that has not ended
  std::string event_;
  std::string data_;
  std::string last_id_;
  bool has_id_ = false;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
  bool is_full_ = false;
  std::optional<uint32_t> retry_ms_;
};

}  // namespace weir
