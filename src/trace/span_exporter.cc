#include "weir/trace/span_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <system_error>
#include <utility>

#include "exporter_core.h"
#include "otlp_json.h"
#include "retry.h"
#include "weir/base/log.h"

namespace weir {
namespace {

constexpr uint64_t kAnswerBytesMax = 4 << 20;  // the specification's limit
// Beyond this a time is taken for "never": sums with it must not overflow.
constexpr Duration kTimeMax = std::chrono::hours(24 * 366);

std::chrono::steady_clock::time_point After(Duration timeout) {
  return std::chrono::steady_clock::now() + std::clamp(timeout, Duration::zero(), kTimeMax);
}

}  // namespace

Status SpanExporterOptions::Validate() const {
  if (endpoint.target.host.empty() && endpoint.target.socket_path.empty()) return InvalidArgument("endpoint: no host");
  if (queue_max == 0) return InvalidArgument("queue_max: must not be 0");
  if (batch_max == 0 || batch_max > queue_max) return InvalidArgument("batch_max: must be from 1 to queue_max");
  const std::pair<const char*, Duration> times[] = {
      {"schedule_delay", schedule_delay}, {"attempt_timeout", attempt_timeout},
      {"export_timeout", export_timeout}, {"first_pause", first_pause},
      {"longest_pause", longest_pause},   {"longest_retry_after", longest_retry_after}};
  for (const auto& [name, time] : times) {
    if (time <= Duration::zero() || time > kTimeMax) {
      return InvalidArgument(fmt::format("{}: must be more than 0 and at most a year", name));
    }
  }
  return {};
}

Result<std::unique_ptr<SpanExporter>> SpanExporter::Create(SpanExporterOptions options) {
  WEIR_TRY(options.Validate());
  HttpClientOptions client_options;
  client_options.connect_timeout = options.attempt_timeout;
  client_options.write_timeout = options.attempt_timeout;
  client_options.answer_timeout = options.attempt_timeout;
  client_options.read_timeout = options.attempt_timeout;
  client_options.body_bytes_max = kAnswerBytesMax;
  client_options.idle_connections_max = 1;
  client_options.certificate_authorities = options.certificate_authorities;
  WEIR_ASSIGN(auto client, HttpClient::Create(std::move(client_options)));
  try {
    return std::unique_ptr<SpanExporter>(new SpanExporter(std::make_unique<Core>(std::move(options), std::move(client))));
  } catch (const std::system_error& error) {
    return Unavailable(fmt::format("no thread for sending traces: {}", error.what()));
  }
}

SpanExporter::SpanExporter(std::unique_ptr<Core> core) : core_(std::move(core)) {}
SpanExporter::~SpanExporter() = default;
SpanOutcome SpanExporter::Add(Span span) { return core_->Add(std::move(span)); }
bool SpanExporter::Flush(Duration timeout) { return core_->Flush(timeout); }
bool SpanExporter::Shutdown(Duration timeout) { return core_->Shutdown(timeout); }
SpanExporterStats SpanExporter::stats() const { return core_->stats(); }

SpanExporter::Core::Core(SpanExporterOptions options, std::unique_ptr<HttpClient> client)
    : options_(std::move(options)), client_(std::move(client)), random_(UnixNanoseconds()), thread_([this] { Run(); }) {}

SpanExporter::Core::~Core() { Shutdown(Duration::zero()); }

SpanOutcome SpanExporter::Core::Add(Span span) {
  const bool is_valid = span.IsValid();
  const std::lock_guard lock(mutex_);
  if (is_closed_) {
    ++stats_.spans_closed;
    return SpanOutcome::kClosed;
  }
  if (!is_valid) {
    ++stats_.spans_invalid;
    return SpanOutcome::kInvalid;
  }
  if (queue_.size() >= options_.queue_max) {
    ++stats_.spans_full;
    return SpanOutcome::kFull;
  }
  const bool was_empty = queue_.empty();
  if (was_empty) oldest_since_ = Time::now();
  queue_.push_back(std::move(span));
  ++stats_.spans_added;
  // In between, the thread has nothing new to look at.
  if (was_empty || queue_.size() == options_.batch_max) work_.notify_one();
  return SpanOutcome::kQueued;
}

bool SpanExporter::Core::Flush(Duration timeout) {
  const Time::time_point deadline = After(timeout);
  std::unique_lock lock(mutex_);
  const uint64_t upto = stats_.spans_added;
  flush_upto_ = std::max(flush_upto_, upto);
  work_.notify_one();
  return settled_.wait_until(lock, deadline,
                             [&] { return stats_.spans_sent + stats_.spans_refused + stats_.spans_lost >= upto; });
}

bool SpanExporter::Core::Shutdown(Duration timeout) {
  const std::lock_guard one_at_a_time(shutdown_mutex_);
  const Time::time_point deadline = After(timeout);
  {
    std::unique_lock lock(mutex_);
    is_closed_ = true;
    work_.notify_one();
    settled_.wait_until(lock, deadline, [&] { return has_ended_; });
    is_stopped_ = true;
    work_.notify_one();
  }
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  const size_t left = queue_.size();
  stats_.spans_lost += left;
  queue_.clear();
  settled_.notify_all();
  if (left > 0) cut_off_ = true;
  return !cut_off_;
}

SpanExporterStats SpanExporter::Core::stats() const {
  const std::lock_guard lock(mutex_);
  SpanExporterStats now = stats_;
  now.spans_queued = queue_.size();
  return now;
}

void SpanExporter::Core::Run() {
  for (;;) {
    const std::vector<Span> batch = NextBatch();
    if (batch.empty()) break;
    Verdict verdict;
    try {
      verdict = Export(batch);
    } catch (const std::exception& error) {
      verdict.why = error.what();  // no memory for the body: this batch is lost, the next may be smaller
    }
    Settle(batch.size(), verdict);
  }
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  settled_.notify_all();
}

bool SpanExporter::Core::IsDue() const {
  if (queue_.empty()) return false;
  const uint64_t settled = stats_.spans_sent + stats_.spans_refused + stats_.spans_lost;
  return is_closed_ || queue_.size() >= options_.batch_max || flush_upto_ > settled;
}

std::vector<Span> SpanExporter::Core::NextBatch() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (is_stopped_ || (is_closed_ && queue_.empty())) return {};
    const Time::time_point now = Time::now();
    if (queue_.empty()) {
      work_.wait(lock);
    } else if (now < hold_off_until_) {
      work_.wait_until(lock, hold_off_until_);
    } else if (!IsDue() && now < oldest_since_ + options_.schedule_delay) {
      work_.wait_until(lock, oldest_since_ + options_.schedule_delay);
    } else {
      break;
    }
  }
  const size_t count = std::min<size_t>(queue_.size(), options_.batch_max);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Span> batch(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  oldest_since_ = Time::now();
  stats_.spans_in_flight = count;
  return batch;
}

void SpanExporter::Core::Settle(size_t spans, const Verdict& verdict) {
  bool is_stopped = false;
  {
    const std::lock_guard lock(mutex_);
    is_stopped = is_stopped_;
    const uint64_t refused = std::min<uint64_t>(verdict.refused, spans);
    stats_.spans_in_flight = 0;
    if (verdict.is_taken) {
      stats_.spans_sent += spans - refused;
      stats_.spans_refused += refused;
    } else {
      stats_.spans_lost += spans;
      if (is_stopped_) cut_off_ = true;
    }
    settled_.notify_all();
  }
  if (is_stopped) return;  // Shutdown says so
  const std::string where = options_.endpoint.target.Authority();
  if (!verdict.is_taken && !is_failing_) {
    Log(LogLevel::kWarning, "traces: the collector does not take spans; they are lost until it does",
        {{"collector", where}, {"reason", verdict.why}});
  } else if (verdict.is_taken && is_failing_) {
    Log(LogLevel::kInfo, "traces: the collector takes spans again", {{"collector", where}});
  }
  is_failing_ = !verdict.is_taken;
}

SpanExporter::Core::Verdict SpanExporter::Core::Export(const std::vector<Span>& batch) {
  const std::string body = trace::OtlpTraceRequest(options_.resource, options_.version, batch);
  const Time::time_point deadline = After(options_.export_timeout);
  Duration pause = options_.first_pause;
  for (;;) {
    Verdict verdict = Attempt(body, deadline - Time::now());
    if (verdict.is_taken) return verdict;
    if (verdict.pause) {
      const std::lock_guard lock(mutex_);
      hold_off_until_ = After(*verdict.pause);
    }
    if (!verdict.may_try_again) return verdict;
    // Half of it by chance, so that many processes do not come back at once.
    const Duration varied = pause / 2 + Duration(static_cast<Duration::rep>(random_.Unit() * pause.count() / 2));
    if (!Pause(verdict.pause.value_or(varied), deadline)) return verdict;
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

SpanExporter::Core::Verdict SpanExporter::Core::Attempt(const std::string& body, Duration time_left) {
  HttpCall call;
  call.method = "POST";
  call.path = options_.endpoint.path;
  call.headers = options_.headers;
  call.headers.Set("Content-Type", "application/json");
  call.body = body;
  call.answer_timeout = std::clamp<Duration>(time_left, std::chrono::milliseconds(1), options_.attempt_timeout);
  const auto answer = client_->Send(options_.endpoint.target, call, stop_.get_token());

  Verdict verdict;
  verdict.is_taken = answer && answer->status >= 200 && answer->status < 300;
  if (verdict.is_taken) {
    verdict.refused = trace::RefusedSpans(answer->body);
  } else if (answer) {
    verdict.may_try_again = trace::IsRetryable(answer->status);
    verdict.why = fmt::format("status {}", answer->status);
    const auto retry_after = answer->headers.Find("Retry-After");
    if (verdict.may_try_again && retry_after) {
      const auto now_s = static_cast<int64_t>(UnixNanoseconds() / 1'000'000'000);
      verdict.pause = trace::ParseRetryAfter(*retry_after, now_s);
      if (verdict.pause) verdict.pause = std::min(*verdict.pause, options_.longest_retry_after);
    }
  } else {
    const ErrorCode code = answer.error().code;
    verdict.may_try_again = code == ErrorCode::kUnavailable || code == ErrorCode::kDeadline || code == ErrorCode::kNotFound;
    verdict.why = answer.error().message;
  }
  const std::lock_guard lock(mutex_);
  ++stats_.requests;
  if (!verdict.is_taken) ++stats_.requests_failed;
  return verdict;
}

bool SpanExporter::Core::Pause(Duration pause, Time::time_point deadline) {
  const Time::time_point end = After(pause);
  if (end >= deadline) return false;
  std::unique_lock lock(mutex_);
  return !work_.wait_until(lock, end, [this] { return is_stopped_; });
}

}  // namespace weir
