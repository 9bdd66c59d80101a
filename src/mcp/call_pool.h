#pragma once
// CallPool: the threads that run handlers, made when they are needed, bounded in number and in what waits for them.
// Thread-safe. Private to the room.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weir::mcp {

class CallPool {
 public:
  CallPool(uint32_t threads_max, uint32_t waiting_max) : threads_max_(threads_max), waiting_max_(waiting_max) {}
  // Runs what waits, then joins.
  ~CallPool();
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  // False: too much waits already; the task was not taken. Tasks must not throw.
  bool Run(std::function<void()> task);

  uint64_t running() const;
  uint64_t waiting() const;

 private:
  void Work();

  const uint32_t threads_max_;
  const uint32_t waiting_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // under mutex_, as all below
  std::vector<std::thread> threads_;
  uint64_t busy_ = 0;
  bool ending_ = false;
};

}  // namespace weir::mcp
