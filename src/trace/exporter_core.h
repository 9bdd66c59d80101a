#pragma once
// SpanExporter's queue and its thread. Internal to `trace`.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "weir/base/random.h"
#include "weir/trace/span_exporter.h"

namespace weir {

class SpanExporter::Core {
 public:
  Core(SpanExporterOptions options, std::unique_ptr<HttpClient> client);
  ~Core();

  SpanOutcome Add(Span span);
  bool Flush(Duration timeout);
  bool Shutdown(Duration timeout);
  SpanExporterStats stats() const;

 private:
  // Times of the process itself: the thread and the network wait by them.
  using Time = std::chrono::steady_clock;

  struct Verdict {
    bool is_taken = false;
    bool may_try_again = false;
    uint64_t refused = 0;             // of those taken
    std::optional<Duration> pause{};  // asked for by the collector
    std::string why{};                // for the log
  };

  void Run();
  // Waits for something to send; empty: closed and nothing left, or stopped.
  std::vector<Span> NextBatch();
  bool IsDue() const;  // under mutex_
  // Tries until the batch is taken or given up.
  Verdict Export(const std::vector<Span>& batch);
  Verdict Attempt(const std::string& body, Duration time_left);
  // False: stopped meanwhile, or there is no time for it.
  bool Pause(Duration pause, Time::time_point deadline);
  void Settle(size_t spans, const Verdict& verdict);

  const SpanExporterOptions options_;
  const std::unique_ptr<HttpClient> client_;
  std::stop_source stop_;  // cuts off the request under way

  mutable std::mutex mutex_;
  std::condition_variable work_;     // something for the thread to look at
  std::condition_variable settled_;  // a batch is settled, or the thread has ended
  // Under mutex_:
  std::deque<Span> queue_;
  Time::time_point oldest_since_{};    // when the queue's first span began to wait
  Time::time_point hold_off_until_{};  // the collector asked for silence
  uint64_t flush_upto_ = 0;            // of spans_added: those before are due at once
  bool is_closed_ = false;
  bool is_stopped_ = false;
  bool has_ended_ = false;
  bool cut_off_ = false;  // spans were lost because a Shutdown had no more time
  SpanExporterStats stats_;

  // The thread's own.
  Random random_;
  bool is_failing_ = false;

  std::mutex shutdown_mutex_;  // one Shutdown at a time
  std::thread thread_;         // under shutdown_mutex_ but for its start
};

}  // namespace weir
