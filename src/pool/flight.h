#pragma once
// Flight: one load in progress, and those who wait for it.
//
// Linked into its shard while it is in progress (guarded by the shard's lock), owned by reference count, and done once:
// the leader alone lands it. Waiters sleep on a futex; no waiter spins and none is lost when it is cancelled.

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/pool/pool.h"

namespace weir::pool {

enum class Waited : uint8_t { kLanded, kDeadline, kStopped };

struct Flight;

// A thread that leads loads, and the load of somebody else that it waits for meanwhile. Guarded by one lock for all.
struct LoadingThread {
  Flight* waits_for = nullptr;
  int leads = 0;
};

struct Flight {
  Flight(const PoolKey& flown_key, uint64_t hash) : key(flown_key), key_hash(hash) {}

  const PoolKey key;
  const uint64_t key_hash;
  // Guarded by the shard's lock.
  Flight* next = nullptr;
  bool retired = false;  // erased or cleared meanwhile: its value must not stay in the pool

  std::atomic<uint32_t> references{1};
  // Bit 0: landed. Above it: counts nudges, so that a waiter that looked before a stop request does not sleep through it.
  std::atomic<uint32_t> progress{0};

  // Written by the leader before it lands, read by waiters afterwards.
  Entry* entry = nullptr;  // pinned by the flight
  std::optional<Error> error;

  LoadingThread* led_by = nullptr;  // null before and after

  // Who leads and who waits, so that loaders which wait for each other in a circle are told instead of hanging. Called by
  // the leader around its load, and by a follower around its wait; BeginWait is false when the wait would close a circle.
  void BeginLead();
  void EndLead();
  bool BeginWait();
  void EndWait();

  void Land();
  Waited Wait(const Clock& clock, TimePoint deadline, const std::stop_token& stop);
};

}  // namespace weir::pool
