#include "call_pool.h"

#include <system_error>
#include <utility>

namespace weir::mcp {

CallPool::~CallPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool CallPool::Run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    const uint64_t idle = threads_.size() - busy_;
    if (tasks_.size() >= idle && threads_.size() < threads_max_) {
      try {
        threads_.emplace_back([this] { Work(); });
      } catch (const std::system_error&) {
        if (threads_.empty()) return false;  // the system has no thread for us
      }
    }
    if (tasks_.size() >= waiting_max_ + (threads_.size() - busy_)) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void CallPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    ++busy_;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --busy_;
  }
}

uint64_t CallPool::running() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

uint64_t CallPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

}  // namespace weir::mcp
