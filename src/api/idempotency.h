#pragma once
// Idempotency: a request that is sent again under the same key gets the first answer and is not done twice. Internal to
// `api`.
//
// Answers live in memory, bounded by count, bytes and a day. Threads: from any thread.

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/sha256.h"
#include "weir/http/message.h"

namespace weir::api {

class Idempotency {
 public:
  static constexpr size_t kEntriesMax = 10'000;
  static constexpr uint64_t kBytesMax = uint64_t{32} << 20;
  static constexpr Duration kLifetime = std::chrono::hours(24);

  explicit Idempotency(const Clock& clock) : clock_(clock) {}

  // `name` holds whose key it is. Nothing: this caller does the work, and says Finish or Abandon. A response: the first
  // answer. already_exists: the first is at work still; invalid_argument: the key was used for another request.
  Result<std::optional<HttpResponse>> Begin(const std::string& name, const Sha256Digest& request);
  void Finish(const std::string& name, const HttpResponse& response);
  // It failed in a way that may pass: the key is free again.
  void Abandon(const std::string& name);

 private:
  struct Entry {
    std::string name;
    Sha256Digest request{};
    std::optional<HttpResponse> response{};  // null: at work
    TimePoint begun{};
    uint64_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  void DropLocked(Entries::iterator entry);
  void ForgetOldLocked(TimePoint now);

  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  Entries entries_;   // by age
  std::unordered_map<std::string, Entries::iterator> by_name_;
  uint64_t bytes_ = 0;
};

}  // namespace weir::api
