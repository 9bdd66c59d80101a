#pragma once
// DaemonSignals: SIGINT, SIGTERM and SIGHUP as something to wait for. Made on the main thread before any other starts.

#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace weir {

// The signals that a daemon listens to, taken out of their usual course in this thread and in those that it starts.
class DaemonSignals {
 public:
  DaemonSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of that write
  }

  // The next one; 0 when `timeout_us` has passed without (0: no limit).
  int Wait(uint64_t timeout_us) const {
    for (;;) {
      if (timeout_us == 0) {
        int signal = 0;
        if (sigwait(&signals_, &signal) == 0) return signal;
        continue;
      }
      const timespec limit{static_cast<time_t>(timeout_us / 1'000'000), static_cast<long>(timeout_us % 1'000'000 * 1000)};
      const int signal = sigtimedwait(&signals_, nullptr, &limit);
      if (signal > 0) return signal;
      if (errno == EAGAIN) return 0;
    }
  }

 private:
  sigset_t signals_{};
};

}  // namespace weir
