#include "sse_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "weir/http/sse.h"

namespace weir::mcp {
namespace {

// How long the sender of something that must arrive waits for a slow reader.
constexpr Duration kPatience = std::chrono::seconds(30);

}  // namespace

std::optional<std::pair<uint64_t, uint64_t>> SseChannel::ParseEventId(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const std::optional<uint64_t> channel = number(text.substr(0, dash));
  const std::optional<uint64_t> event = number(text.substr(dash + 1));
  if (!channel || !event) return std::nullopt;
  return std::pair{*channel, *event};
}

std::string SseChannel::Written(const Event& event) const {
  SseEvent out;
  out.id = fmt::format("{}-{}", id_, event.number);
  out.data = event.data;
  return FormatSse(out);
}

bool SseChannel::Pass(const Event& event, Weight weight) {
  if (stream_ == nullptr) return false;
  const Status sent =
      weight == Weight::kNeeded ? stream_->SendWaiting(Written(event), kPatience) : stream_->Send(Written(event));
  if (sent) {
    sent_ = std::max(sent_, event.number);
    return true;
  }
  // Too slow or gone: it may come back and find the event here.
  std::exchange(stream_, nullptr)->Finish();
  return false;
}

void SseChannel::Attach(std::shared_ptr<HttpStream> stream, std::optional<uint64_t> after) {
  const std::lock_guard lock(mutex_);
  if (stream_ != nullptr) stream_->Finish();
  stream_ = std::move(stream);
  const uint64_t from = after.value_or(sent_);
  if (primes_) {
    SseEvent prime;
    prime.id = fmt::format("{}-{}", id_, from);
    prime.retry_ms = retry_ms_;
    if (!stream_->Send(FormatSse(prime))) return;
  }
  for (const Event& event : events_) {
    if (event.number > from && !Pass(event, Weight::kDroppable)) return;
  }
  if (ended_) std::exchange(stream_, nullptr)->Finish();
}

bool SseChannel::Send(const Json& message, Weight weight) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  std::string data = message.Dump();
  // News that nobody has read yet need not be kept twice.
  if (stream_ == nullptr && !events_.empty() && events_.back().number > sent_ && events_.back().data == data) return true;
  Keep(std::move(data));
  Pass(events_.back(), weight);
  Trim();
  return true;
}

void SseChannel::Keep(std::string data) {
  bytes_ += data.size();
  limits_.total->fetch_add(data.size(), std::memory_order_relaxed);
  events_.push_back({next_++, std::move(data)});
}

void SseChannel::Trim() {
  const auto is_too_much = [this] {
    if (events_.size() > 1 && (events_.size() > limits_.events_max || bytes_ > limits_.bytes_max)) return true;
    return limits_.total->load(std::memory_order_relaxed) > limits_.total_bytes_max;
  };
  while (!events_.empty() && is_too_much()) {
    const uint64_t size = events_.front().data.size();
    bytes_ -= size;
    limits_.total->fetch_sub(size, std::memory_order_relaxed);
    events_.pop_front();
  }
}

void SseChannel::LetGo(Duration retry) {
  const std::lock_guard lock(mutex_);
  if (stream_ == nullptr || !primes_) return;
  SseEvent event;
  event.id = fmt::format("{}-{}", id_, sent_);
  event.retry_ms = static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(retry).count());
  // When it does not arrive, the client comes back in its own time.
  if (!stream_->Send(FormatSse(event))) return;
  std::exchange(stream_, nullptr)->Finish();
}

void SseChannel::End() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Finish();
}

bool SseChannel::is_connected() const {
  const std::lock_guard lock(mutex_);
  return stream_ != nullptr && !stream_->closed();
}

bool SseChannel::has_ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

}  // namespace weir::mcp
