#include "idempotency.h"

#include <utility>

namespace weir::api {

Result<std::optional<HttpResponse>> Idempotency::Begin(const std::string& name, const Sha256Digest& request) {
  const TimePoint now = clock_.Now();
  const std::lock_guard lock(mutex_);
  ForgetOldLocked(now);
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    const Entry& entry = *found->second;
    if (entry.request != request) {
      return InvalidArgument("Idempotency-Key: used before for another request", "take a new key for each request");
    }
    if (!entry.response) {
      return Error{ErrorCode::kAlreadyExists, "the first request with this Idempotency-Key is at work still",
                   "send it again in a moment"};
    }
    return entry.response;
  }
  entries_.push_back({name, request, std::nullopt, now, name.size() + sizeof(Entry)});
  bytes_ += entries_.back().bytes;
  by_name_.emplace(name, std::prev(entries_.end()));
  return std::optional<HttpResponse>();
}

void Idempotency::Finish(const std::string& name, const HttpResponse& response) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  Entry& entry = *found->second;
  entry.response = response;
  entry.bytes += response.body.size();
  bytes_ += response.body.size();
  ForgetOldLocked(clock_.Now());
}

void Idempotency::Abandon(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_name_.find(name); found != by_name_.end()) DropLocked(found->second);
}

void Idempotency::DropLocked(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_name_.erase(entry->name);
  entries_.erase(entry);
}

// The oldest go first; one at work stays, since somebody will finish it.
void Idempotency::ForgetOldLocked(TimePoint now) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool is_over = entries_.size() > kEntriesMax || bytes_ > kBytesMax || now - entry->begun > kLifetime;
    if (!is_over) return;
    const auto next = std::next(entry);
    if (entry->response) DropLocked(entry);
    entry = next;
  }
}

}  // namespace weir::api
