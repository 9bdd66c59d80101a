#pragma once
// IoLoop: one I/O thread with its own io_context, and what its connections share.
//
// Connections belong to one loop and are touched on its thread alone. Anything may Post from any thread, also after the end.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "asio_types.h"
#include "weir/base/result.h"

namespace weir::http {

class Connection;

class IoLoop {
 public:
  IoLoop();
  ~IoLoop();

  Status Start();
  // Lets the thread end once it has nothing left to wait for, waits for it, and drops what was posted too late.
  void Join();

  // Runs `work` on the loop's thread; drops it if the loop has ended.
  template <typename Work>
  void Post(Work work) {
    const std::lock_guard lock(mutex_);
    if (context_) asio::post(*context_, std::move(work));
  }
  bool OnThread() const { return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  // Below: on the loop's thread only.
  asio::io_context& context() { return *context_; }
  // Where bytes are read to first; valid until the next read.
  std::array<char, 64 * 1024>& scratch() { return scratch_; }
  // The value of a Date field, renewed each second.
  std::string_view date();
  std::unordered_set<Connection*>& connections() { return connections_; }

 private:
  std::mutex mutex_;
  std::unique_ptr<asio::io_context> context_;  // replaced under mutex_ alone, and by none but Join()
  std::optional<asio::executor_work_guard<Executor>> work_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  std::array<char, 64 * 1024> scratch_{};
  std::unordered_set<Connection*> connections_;
  int64_t date_second_ = 0;
  std::string date_;
};

}  // namespace weir::http
