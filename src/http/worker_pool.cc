#include "worker_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "exchange.h"

namespace weir::http {

WorkerPool::WorkerPool(uint32_t threads, uint32_t queue_max, Work run)
    : threads_max_(threads > 0 ? threads : std::max(1u, std::thread::hardware_concurrency())),
      queue_max_(queue_max),
      run_(std::move(run)) {}

Status WorkerPool::Start() {
  try {
    while (threads_.size() < threads_max_) threads_.emplace_back([this] { Loop(); });
  } catch (const std::system_error& error) {
    Stop();
    return Unavailable(fmt::format("cannot start a worker thread: {}", error.what()));
  }
  return {};
}

bool WorkerPool::Submit(std::shared_ptr<Exchange> exchange) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_ended_ || queue_.size() >= queue_max_) return false;
    queue_.push_back(std::move(exchange));
    wake = idle_ > 0;
  }
  if (wake) change_.notify_one();
  return true;
}

void WorkerPool::Stop() {
  std::deque<std::shared_ptr<Exchange>> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    dropped.swap(queue_);
  }
  change_.notify_all();
  for (const auto& exchange : dropped) exchange->Answer({.status = 0});
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    change_.wait(lock, [&] { return is_ended_ || !queue_.empty(); });
    --idle_;
    if (is_ended_) return;
    std::shared_ptr<Exchange> exchange = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    run_(exchange);
    exchange.reset();
    lock.lock();
    --busy_;
  }
}

uint64_t WorkerPool::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

uint64_t WorkerPool::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

}  // namespace weir::http
