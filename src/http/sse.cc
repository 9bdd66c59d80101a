#include "weir/http/sse.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

void AppendWithout(std::string& out, std::string_view text, std::string_view left_out) {
  for (const char c : text) {
    if (left_out.find(c) == std::string_view::npos) out.push_back(c);
  }
}

// A field for each line of the text; CR, LF and CRLF end a line.
void AppendLines(std::string& out, std::string_view prefix, std::string_view text) {
  while (true) {
    const size_t end = text.find_first_of("\r\n");
    out.append(prefix).append(text.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
}

}  // namespace

std::string FormatSse(const SseEvent& event) {
  std::string out;
  out.reserve(event.data.size() + event.event.size() + 48);
  if (!event.event.empty()) {
    AppendWithout(out.append("event: "), event.event, "\r\n");
    out.push_back('\n');
  }
  if (event.id) {
    AppendWithout(out.append("id: "), *event.id, std::string_view("\r\n\0", 3));
    out.push_back('\n');
  }
  if (event.retry_ms) out.append(fmt::format("retry: {}\n", *event.retry_ms));
  AppendLines(out, "data: ", event.data);
  out.push_back('\n');
  return out;
}

std::string FormatSseComment(std::string_view text) {
  std::string out;
  AppendLines(out, text.empty() ? ":" : ": ", text);
  out.push_back('\n');
  return out;
}

Status SseParser::Feed(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event) {
  const Error too_long = Exhausted(fmt::format("a server-sent event is longer than {} bytes", event_bytes_max_));
  if (is_full_) return too_long;
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() + data_.size() > event_bytes_max_) {
      is_full_ = true;
      line_ = {};
      data_ = {};
      return too_long;
    }
    if (end == std::string_view::npos) {
      line_.append(part);
      return {};
    }
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      TakeLine(part, on_event);
    } else {
      line_.append(part);
      const std::string line = std::exchange(line_, {});
      TakeLine(line, on_event);
    }
  }
  return {};
}

void SseParser::TakeLine(std::string_view line, const std::function<void(const SseEvent&)>& on_event) {
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (!line.empty()) {
    const size_t colon = line.find(':');
    if (colon == 0) return;  // a comment
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    TakeField(line.substr(0, colon), value);
    return;
  }
  if (has_data_) {
    data_.pop_back();  // the last line's end
    SseEvent event{.event = std::move(event_), .data = std::move(data_), .retry_ms = retry_ms_};
    if (has_id_) event.id = last_id_;
    on_event(event);
  }
  event_.clear();
  data_.clear();
  has_data_ = false;
}

void SseParser::TakeField(std::string_view name, std::string_view value) {
  if (name == "data") {
    data_.append(value).push_back('\n');
    has_data_ = true;
  } else if (name == "event") {
    event_ = value;
  } else if (name == "id") {
    if (value.find('\0') != std::string_view::npos) return;
    last_id_ = value;
    has_id_ = true;
  } else if (name == "retry") {
    const bool is_number = !value.empty() && value.size() <= 9 &&
                           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) retry_ms_ = static_cast<uint32_t>(std::stoul(std::string(value)));
  }
}

}  // namespace weir
