#pragma once
// The few Asio types that this room uses, bound to one concrete executor: no type erasure on the way of a request.
//
// Only for .cc files that talk to sockets: this header is slow to compile.

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace weir::http {

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;
template <typename T>
using Awaitable = asio::awaitable<T, Executor>;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using ErrorOf = boost::system::error_code;

inline constexpr asio::use_awaitable_t<Executor> kAwait{};

// Lets one coroutine wait until somebody on the same thread notifies it. A notification without a waiter is kept.
//   if (!signal.Consume()) co_await signal.Wait();
class Signal {
 public:
  // True: it was notified; there is nothing to wait for.
  bool Consume() { return std::exchange(is_notified_, false); }
  // REQUIRES: nothing to consume. Resumes inside Notify().
  auto Wait() {
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
        [this](Handler&& handler) { handler_.emplace(std::move(handler)); }, kAwait);
  }
  void Notify() {
    if (!handler_) {
      is_notified_ = true;
      return;
    }
    Handler handler = std::move(*handler_);
    handler_.reset();
    std::move(handler)();
  }

 private:
  using Handler = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

  std::optional<Handler> handler_;
  bool is_notified_ = false;
};

}  // namespace weir::http
