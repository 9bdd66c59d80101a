#include "http_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "weir/codec/hex.h"

namespace weir::mcp {
namespace {

// A session that was used within this time is not ended for the sake of a new one.
constexpr Duration kFresh = std::chrono::minutes(1);
constexpr size_t kIdBytes = 16;

}  // namespace

HttpSession::HttpSession(std::string id, std::shared_ptr<Session> session, SessionLimits limits, TimePoint now)
    : id_(std::move(id)),
      session_(std::move(session)),
      limits_(std::move(limits)),
      push_(NewChannel(0)),
      used_ns_(now.time_since_epoch().count()) {}

std::shared_ptr<SseChannel> HttpSession::NewChannel(uint64_t id) const {
  // Clients of earlier versions take an event without data for a broken message.
  const bool primes = session_->version() >= "2025-11-25";
  return std::make_shared<SseChannel>(id, limits_.channel, primes, limits_.retry_ms);
}

std::shared_ptr<SseChannel> HttpSession::OpenChannel() {
  const std::lock_guard lock(mutex_);
  while (channels_.size() >= limits_.streams_max) {
    const auto ended =
        std::find_if(channels_.begin(), channels_.end(), [](const auto& one) { return one.second->has_ended(); });
    if (ended == channels_.end()) break;
    channels_.erase(ended);
  }
  const uint64_t id = next_channel_++;
  std::shared_ptr<SseChannel> channel = NewChannel(id);
  // One beyond the limit still works; it only cannot be resumed.
  if (channels_.size() < limits_.streams_max) channels_.emplace(id, channel);
  return channel;
}

std::shared_ptr<SseChannel> HttpSession::FindChannel(uint64_t id) const {
  if (id == 0) return push_;
  const std::lock_guard lock(mutex_);
  const auto place = channels_.find(id);
  return place == channels_.end() ? nullptr : place->second;
}

void HttpSession::End() {
  in_flight_.End();
  session_->End();
  push_->End();
  std::map<uint64_t, std::shared_ptr<SseChannel>> channels;
  {
    const std::lock_guard lock(mutex_);
    channels.swap(channels_);
  }
  for (const auto& [id, channel] : channels) channel->End();
}

SessionTable::SessionTable(Core& core, const McpHttpOptions& options)
    : core_(core),
      limits_{{options.replay_events_max, options.replay_bytes_max, options.replay_total_bytes_max},
              options.streams_max,
              options.retry_ms} {}

bool SessionTable::IsExpired(const HttpSession& session) const {
  return !session.IsBusy() && session.IdleAt(core_.clock().Now()) > core_.options().session_idle;
}

void SessionTable::CountOpen() { core_.counters().sessions_open.store(sessions_.size(), std::memory_order_relaxed); }

void SessionTable::MakeRoom(std::vector<std::shared_ptr<HttpSession>>& ended) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if (IsExpired(*it->second)) {
      ended.push_back(std::move(it->second));
      it = sessions_.erase(it);
    } else {
      ++it;
    }
  }
  if (sessions_.size() < core_.options().sessions_max) return;
  const TimePoint now = core_.clock().Now();
  auto idlest = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->second->IsBusy() || it->second->IdleAt(now) < kFresh) continue;
    if (idlest == sessions_.end() || it->second->IdleAt(now) > idlest->second->IdleAt(now)) idlest = it;
  }
  if (idlest == sessions_.end()) return;
  ended.push_back(std::move(idlest->second));
  sessions_.erase(idlest);
}

std::shared_ptr<HttpSession> SessionTable::Add(std::shared_ptr<Session> session) {
  const Result<std::string> random = RandomBytes32();
  if (!random) return nullptr;
  auto added = std::make_shared<HttpSession>(HexOf(std::string_view(*random).substr(0, kIdBytes)), std::move(session),
                                             limits_, core_.clock().Now());
  std::vector<std::shared_ptr<HttpSession>> ended;
  {
    const std::lock_guard lock(mutex_);
    if (sessions_.size() >= core_.options().sessions_max) MakeRoom(ended);
    if (sessions_.size() < core_.options().sessions_max) {
      sessions_.emplace(added->id(), added);
      core_.counters().sessions_total.fetch_add(1, std::memory_order_relaxed);
    } else {
      added = nullptr;
    }
    CountOpen();
  }
  for (const auto& one : ended) one->End();
  return added;
}

std::shared_ptr<HttpSession> SessionTable::Find(std::string_view id, const McpCaller& caller) {
  std::shared_ptr<HttpSession> found;
  {
    const std::lock_guard lock(mutex_);
    const auto place = sessions_.find(std::string(id));
    if (place == sessions_.end() || CallerKey(place->second->session()->caller()) != CallerKey(caller)) return nullptr;
    found = place->second;
    if (!IsExpired(*found)) {
      found->Touch(core_.clock().Now());
      return found;
    }
    sessions_.erase(place);
    CountOpen();
  }
  found->End();
  return nullptr;
}

bool SessionTable::Remove(std::string_view id, const McpCaller& caller) {
  std::shared_ptr<HttpSession> removed;
  {
    const std::lock_guard lock(mutex_);
    const auto place = sessions_.find(std::string(id));
    if (place == sessions_.end() || CallerKey(place->second->session()->caller()) != CallerKey(caller)) return false;
    removed = std::move(place->second);
    sessions_.erase(place);
    CountOpen();
  }
  removed->End();
  return true;
}

void SessionTable::EndAll() {
  Sessions all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(sessions_);
    CountOpen();
  }
  for (const auto& [id, session] : all) session->End();
}

}  // namespace weir::mcp
