#pragma once
// WorkerPool: the threads that run handlers, and the bounded queue before them. Thread-safe.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "weir/base/result.h"

namespace weir::http {

class Exchange;

class WorkerPool {
 public:
  using Work = std::function<void(const std::shared_ptr<Exchange>&)>;

  // `threads` 0: one for each processor. `run` must not throw.
  WorkerPool(uint32_t threads, uint32_t queue_max, Work run);
  ~WorkerPool() { Stop(); }

  Status Start();
  // False: the queue is full or the pool has ended.
  bool Submit(std::shared_ptr<Exchange> exchange);
  // Drops what waits (each is answered 500), and waits for what runs.
  void Stop();

  uint64_t queue_depth() const;
  uint64_t busy() const;
  uint64_t size() const { return threads_max_; }

 private:
  void Loop();

  const uint32_t threads_max_;
  const uint32_t queue_max_;
  const Work run_;
  mutable std::mutex mutex_;
  std::condition_variable change_;
  std::deque<std::shared_ptr<Exchange>> queue_;  // under mutex_, as all below
  uint64_t busy_ = 0;
  uint64_t idle_ = 0;
  bool is_ended_ = false;
  std::vector<std::thread> threads_;  // Start and Stop alone
};

}  // namespace weir::http
