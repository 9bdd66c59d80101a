#pragma once
// Fakes for the broker's two seams: a machine whose memory is what its pools hold and what others hold, and pools made of
// entries with a price, an age and a pin.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/base/clock.h"
#include "weir/pool/pool_key.h"
#include "weir/pool/reclaimable.h"
#include "weir/sensors/headroom.h"

namespace weir {

// A sensor whose figures a test sets. Thread-safe.
class FakeSensor final : public Sensor {
 public:
  Headroom Read() override {
    ++reads;
    const std::function<Headroom()> read = [this] {
      const std::lock_guard lock(mutex_);
      return read_;
    }();
    return read ? read() : Headroom{};
  }
  void Set(std::function<Headroom()> read) {
    const std::lock_guard lock(mutex_);
    read_ = std::move(read);
  }
  void SetBound(uint64_t limit, uint64_t used) {
    Set([=] {
      Headroom headroom;
      headroom.bounds.push_back({"fake", limit, used, std::nullopt});
      headroom.resident_bytes = used;
      return headroom;
    });
  }

  Wake WaitForEvent(Duration timeout) override {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    const bool ended = changed_.wait_for(lock, timeout, [&] { return event_ || interrupted_; });
    waiting_ = false;
    if (!ended) return Wake::kTimeout;
    const Wake wake = event_ ? Wake::kEvent : Wake::kInterrupted;
    event_ = interrupted_ = false;
    return wake;
  }
  void Interrupt() override {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    changed_.notify_all();
  }
  // As if the kernel reported that a limit was touched.
  void SendEvent() {
    const std::lock_guard lock(mutex_);
    event_ = true;
    changed_.notify_all();
  }
  // Returns when somebody waits for an event.
  void AwaitWaiter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_; });
  }

  std::atomic<uint64_t> reads{0};

 private:
  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  bool event_ = false;
  bool interrupted_ = false;
  bool waiting_ = false;
  std::function<Headroom()> read_;
};

// Gives up unpinned entries, cheapest per byte first, whole entries until enough is back. Thread-safe.
class FakePool final : public Reclaimable {
 public:
  struct Entry {
    uint64_t bytes = 1;
    double price = 1;  // per byte
    bool pinned = false;
    Duration idle{0};
  };

  FakePool(std::string name, uint64_t budget) : name_(std::move(name)) { stats_.budget_bytes = budget; }

  void Add(Entry entry) {
    const std::lock_guard lock(mutex_);
    entries_.emplace(next_key_++, entry);
  }
  // `count` entries of one byte each.
  void Fill(uint64_t count, double price = 1) {
    for (uint64_t i = 0; i < count; ++i) Add({.price = price});
  }
  uint64_t used() const {
    const std::lock_guard lock(mutex_);
    return Used();
  }
  uint64_t budget() const { return Stats().budget_bytes; }
  uint64_t EraseUnpinned(const PoolKey& key) {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(key.low);
    if (entry == entries_.end() || entry->second.pinned) return 0;
    const uint64_t bytes = entry->second.bytes;
    stats_.released_bytes += bytes;
    entries_.erase(entry);
    return bytes;
  }
  std::vector<uint64_t> keys() const {
    const std::lock_guard lock(mutex_);
    std::vector<uint64_t> keys;
    for (const auto& [key, entry] : entries_) keys.push_back(key);
    return keys;
  }

  std::string_view name() const override { return name_; }
  PoolStats Stats() const override {
    if (before_stats) before_stats();
    const std::lock_guard lock(mutex_);
    PoolStats stats = stats_;
    stats.name = name_;
    stats.mapped_bytes = Used();
    stats.entries = entries_.size();
    return stats;
  }
  double PricePerByte() const override {
    if (price_said) return *price_said;
    const std::lock_guard lock(mutex_);
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [key, entry] : entries_) {
      if (!entry.pinned) least = std::min(least, entry.price);
    }
    return least;
  }
  Reclaimed Reclaim(uint64_t bytes, TimePoint deadline) override {
    if (before_reclaim) before_reclaim(bytes);
    const std::lock_guard lock(mutex_);
    asked.push_back(bytes);
    Reclaimed done;
    while (done.bytes_released < bytes) {
      auto least = entries_.end();
      for (auto at = entries_.begin(); at != entries_.end(); ++at) {
        if (!at->second.pinned && (least == entries_.end() || at->second.price < least->second.price)) least = at;
      }
      if (least == entries_.end()) break;
      Give(least, done);
    }
    static_cast<void>(deadline);
    return done;
  }
  Reclaimed DropIdle(Duration idle, uint64_t bytes_max, TimePoint) override {
    const std::lock_guard lock(mutex_);
    idle_asked.push_back(idle);
    Reclaimed done;
    for (auto at = entries_.begin(); at != entries_.end() && done.bytes_released < bytes_max;) {
      const auto here = at++;
      if (!here->second.pinned && here->second.idle >= idle) Give(here, done);
    }
    return done;
  }
  void SetBudget(uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    stats_.budget_bytes = bytes;
  }

  std::optional<double> price_said;  // instead of the true one
  std::function<void(uint64_t)> before_reclaim;
  std::function<void()> before_stats;
  std::vector<uint64_t> asked;           // of each Reclaim
  std::vector<Duration> idle_asked;      // of each DropIdle
  std::atomic<bool> keeps_pages{false};  // evicts by its books, gives nothing back to the machine

  // What the kernel sees of it.
  uint64_t resident() const {
    const std::lock_guard lock(mutex_);
    return Used() + kept_;
  }

 private:
  uint64_t Used() const {
    uint64_t used = 0;
    for (const auto& [key, entry] : entries_) used += entry.bytes;
    return used;
  }
  void Give(std::map<uint64_t, Entry>::iterator at, Reclaimed& done) {
    ++done.entries;
    done.bytes_accounted += at->second.bytes;
    done.bytes_released += at->second.bytes;
    stats_.released_bytes += at->second.bytes;
    if (keeps_pages) kept_ += at->second.bytes;
    entries_.erase(at);
  }

  const std::string name_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Entry> entries_;
  PoolStats stats_;
  uint64_t next_key_ = 0;
  uint64_t kept_ = 0;
};

}  // namespace weir
