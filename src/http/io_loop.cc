#include "io_loop.h"

#include <fmt/format.h>

#include <ctime>
#include <exception>
#include <system_error>

#include "weir/base/log.h"

namespace weir::http {

IoLoop::IoLoop() : context_(std::make_unique<asio::io_context>(1)), work_(asio::make_work_guard(*context_)) {}
IoLoop::~IoLoop() { Join(); }

Status IoLoop::Start() {
  try {
    thread_ = std::thread([this, &context = *context_] {
      thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
      while (true) {
        try {
          context.run();
          return;
        } catch (const std::exception& error) {  // out of memory in a callback: that connection's timer cuts it off
          Log(LogLevel::kError, fmt::format("http: {}", error.what()));
        }
      }
    });
  } catch (const std::system_error& error) {
    return Unavailable(fmt::format("cannot start a thread: {}", error.what()));
  }
  return {};
}

void IoLoop::Join() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
  std::unique_ptr<asio::io_context> ended;
  const std::lock_guard lock(mutex_);
  ended.swap(context_);
}

std::string_view IoLoop::date() {
  const std::time_t now = std::time(nullptr);
  if (now == date_second_) return date_;
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  date_ = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                      utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  date_second_ = now;
  return date_;
}

}  // namespace weir::http
