#pragma once
// Exchange: one request and its answer, between the connection's I/O thread and whoever answers. StreamState: the same for
// the pieces of a stream.
//
// Both may outlive the connection and the server: they hold neither, only a Waker.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "counters.h"
#include "weir/http/server.h"

namespace weir::http {

class Connection;
class IoLoop;

// Makes a connection look at its exchange, from any thread, if connection and server are still there.
class Waker {
 public:
  Waker(std::shared_ptr<IoLoop> loop, std::weak_ptr<Connection> connection)
      : loop_(std::move(loop)), connection_(std::move(connection)) {}
  void Wake() const;
  bool OnLoopThread() const;

 private:
  std::shared_ptr<IoLoop> loop_;
  std::weak_ptr<Connection> connection_;
};

// Thread-safe. The owner of the HttpStream queues; the connection takes.
class StreamState {
 public:
  StreamState(HttpStreamOptions options, Waker waker) : options_(std::move(options)), waker_(std::move(waker)) {}

  const HttpStreamOptions& options() const { return options_; }

  // The owner's side: see HttpStream.
  Status Send(std::string bytes);
  Status SendWaiting(std::string bytes, Duration timeout);
  void Finish() { End(Ending::kFinished); }
  void Abandon() { End(Ending::kAbandoned); }
  bool closed() const;
  uint64_t queued_bytes() const;
  void OnClosed(std::function<void()> callback);
  void OnDrain(std::function<void()> callback);

  // The connection's side.
  enum class Ending { kOpen, kFinished, kAbandoned };
  struct Taken {
    std::string bytes{};
    Ending ending = Ending::kOpen;  // said only once there are no bytes left
  };
  Taken Take();
  // What Take() gave was sent: there is room.
  void Settle();
  // No more will be taken. Runs the callback.
  void Close();
  void Drain();

 private:
  void End(Ending ending);
  // REQUIRES: the lock. True: the connection must be woken.
  bool Queue(std::string& bytes);
  bool HasRoomFor(size_t size) const;
  Error Closed() const { return Unavailable("the stream is closed"); }

  const HttpStreamOptions options_;
  const Waker waker_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string queued_;       // under mutex_, as all below
  uint64_t being_sent_ = 0;  // taken, not settled
  Ending ending_ = Ending::kOpen;
  bool is_woken_ = false;  // the connection will look
  bool is_closed_ = false;
  bool is_draining_ = false;
  std::function<void()> on_closed_;
  std::function<void()> on_drain_;
};

class Exchange {
 public:
  Exchange(std::shared_ptr<Counters> counters, Waker waker) : counters_(std::move(counters)), waker_(std::move(waker)) {
    request.cancellation = std::make_shared<HttpCancellation>();
  }
  ~Exchange() { LeaveFlight(); }

  HttpRequest request{};  // the connection's until it is handed to a handler, then constant

  // The answering side; one call in all.
  void Answer(HttpResponse response);
  std::shared_ptr<StreamState> AnswerWithStream(HttpStreamOptions options);

  // The connection's side. EnterFlight is before the handler; false: too many are in flight.
  bool EnterFlight(uint64_t in_flight_max);
  // True: there is an answer. False: the connection will be woken when there is.
  bool PollReady();
  bool ready() const { return state_.load(std::memory_order_acquire) == State::kReady; }
  // REQUIRES: ready().
  std::optional<HttpResponse>& response() { return response_; }
  const std::shared_ptr<StreamState>& stream() const { return stream_; }

 private:
  enum class State { kPending, kWaiting, kReady };
  void Publish();
  void LeaveFlight();

  const std::shared_ptr<Counters> counters_;
  const Waker waker_;
  std::atomic<State> state_{State::kPending};
  std::atomic<bool> in_flight_{false};
  std::optional<HttpResponse> response_;  // written before kReady, then the connection's
  std::shared_ptr<StreamState> stream_;   // the same
};

// Runs the handler and turns what it throws into 500.
void RunHandler(const HttpHandler& handler, const std::shared_ptr<Exchange>& exchange);

}  // namespace weir::http
