// Single flight: of the callers that miss one key at the same time, one loads and the others wait.
//
// A flight is linked into its shard from the miss until it lands, both under the shard's lock, so no caller can slip
// between. The leader alone stores; its entry stays pinned by the flight until the last waiter has taken its own pin.

#include <exception>
#include <string>
#include <utility>

#include "core.h"
#include "weir/base/check.h"

namespace weir::pool {
namespace {

Error ErrorOf(InsertStatus status, const std::string& pool) {
  switch (status) {
    case InsertStatus::kTooLarge: return InvalidArgument("the value can never fit pool " + pool, "raise the pool's budget");
    case InsertStatus::kBadCost: return InvalidArgument("a cost must be finite and not negative");
    case InsertStatus::kNoMemory: return Unavailable("the system gave pool " + pool + " no memory");
    default:
      return Exhausted("pool " + pool + " is full of entries that are pinned, kept or being loaded",
                       "drop pins, or raise the pool's budget");
  }
}

}  // namespace

// What a loader has filled so far; gives back what was not published.
class Filling {
 public:
  Filling(Core& core, uint64_t hash) : core_(core), hash_(hash) {}
  ~Filling() {
    if (slot_ != kNoSlot) core_.ReturnRoom(slot_);
  }

  Status ReserveAhead(uint64_t bytes) {
    WEIR_ASSIGN(const std::span<std::byte> room, Take(bytes));
    ahead_ = room;
    return {};
  }

  Result<std::span<std::byte>> Bytes(uint64_t size) {
    if (given_) return InvalidArgument("a loader asked twice for room");
    if (slot_ != kNoSlot && ahead_.size() != size) {
      core_.ReturnRoom(std::exchange(slot_, kNoSlot));
      ahead_ = {};
    }
    if (slot_ == kNoSlot) {
      WEIR_ASSIGN(ahead_, Take(size));
    }
    given_ = true;
    return ahead_;
  }

  Status Adopt(Resource resource) {
    if (given_) return InvalidArgument("a loader asked twice for room");
    if (slot_ != kNoSlot) core_.ReturnRoom(std::exchange(slot_, kNoSlot));
    const Core::Room room = core_.ReserveResource(resource, hash_);
    if (!room.ok()) return Refused(room.status);
    slot_ = room.slot;
    given_ = true;
    return {};
  }

  bool given() const { return given_; }
  Slot Release() { return std::exchange(slot_, kNoSlot); }
  Cost cost;

 private:
  Result<std::span<std::byte>> Take(uint64_t size) {
    const Core::Room room = core_.ReserveBytes(size, hash_);
    if (!room.ok()) return Refused(room.status);
    slot_ = room.slot;
    const std::span<const std::byte> bytes = core_.BytesOf(core_.extents_.At(slot_));
    return std::span<std::byte>(const_cast<std::byte*>(bytes.data()), bytes.size());
  }
  Error Refused(InsertStatus status) { return core_.Refuse(status), ErrorOf(status, core_.options_.name); }

  Core& core_;
  const uint64_t hash_;
  Slot slot_ = kNoSlot;
  std::span<std::byte> ahead_;
  bool given_ = false;
};

Flight* Core::FindFlightLocked(Shard& shard, const PoolKey& key) const {
  Flight* flight = shard.flights;
  while (flight != nullptr && (flight->key != key || flight->retired)) flight = flight->next;
  return flight;
}

// Null: of every key. Their callers still get the value; it will not stay.
void Core::RetireFlightsLocked(Shard& shard, const PoolKey* key) {
  for (Flight* flight = shard.flights; flight != nullptr; flight = flight->next) {
    if (key == nullptr || flight->key == *key) flight->retired = true;
  }
}

void Core::Release(Flight* flight) {
  if (flight->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (flight->entry != nullptr) Drop(flight->entry);
  delete flight;
}

Result<Loaded> Core::LoadOrShare(const PoolKey& key, const Loader& loader, const LoadOptions& options) {
  if (Pin pin = Get(key); pin) return Loaded{std::move(pin), LoadedBy::kHit};
  const Hashed place = Place(key);
  auto own = std::unique_ptr<Flight>(new (std::nothrow) Flight(key, place.hash));
  if (own == nullptr) return Unavailable("no memory to begin a load");
  Flight* joined = nullptr;
  {
    std::lock_guard lock(place.shard.mutex);
    // Published since the look-up without the lock?
    if (const Slot slot = FindLocked(place.shard, key, place.hash); slot != kNoSlot) {
      Entry* entry = extents_.At(slot);
      entry->word.fetch_add(1, std::memory_order_acq_rel);
      NoteUse(*entry);
      counters_.Add(Count::kPinsTaken);
      return Loaded{Pin(this, entry), LoadedBy::kHit};
    }
    joined = FindFlightLocked(place.shard, key);
    if (joined != nullptr) {
      joined->references.fetch_add(1, std::memory_order_relaxed);
    } else {
      own->next = place.shard.flights;
      place.shard.flights = own.get();
    }
  }
  return joined != nullptr ? Follow(joined, options) : Lead(own.release(), loader, options);
}

Result<Loaded> Core::Follow(Flight* flight, const LoadOptions& options) {
  const auto release = [this](Flight* held) { Release(held); };
  const std::unique_ptr<Flight, decltype(release)> hold(flight, release);
  if (!flight->BeginWait())
    return InvalidArgument("a loader waits for a load that waits for it", "load one key inside another in one order");
  waiting_.fetch_add(1, std::memory_order_relaxed);
  const Waited waited = flight->Wait(clock_, options.deadline, options.stop);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  flight->EndWait();
  if (waited == Waited::kStopped) return Unavailable("the wait for a load was cancelled");
  if (waited == Waited::kDeadline) return Error{ErrorCode::kDeadline, "the load did not end before the deadline", {}};
  counters_.Add(Count::kCoalesced);
  if (flight->error.has_value()) return *flight->error;
  // The flight's pin holds it until this one is taken.
  flight->entry->word.fetch_add(1, std::memory_order_acq_rel);
  counters_.Add(Count::kPinsTaken);
  return Loaded{Pin(this, flight->entry), LoadedBy::kCoalesced};
}

Result<Loaded> Core::Lead(Flight* flight, const Loader& loader, const LoadOptions& options) {
  counters_.Add(Count::kLoads);
  flight->BeginLead();
  loading_.fetch_add(1, std::memory_order_relaxed);
  Result<Loaded> result = Error{};
  // Whatever happens, even no memory for the text of an error, the flight lands.
  try {
    result = RunLoader(flight, loader, options);
    if (!result) flight->error = result.error();
  } catch (...) {
    flight->error.emplace();
  }
  if (!result) {
    counters_.Add(Count::kLoadFailures);
    Shard& shard = ShardOf(flight->key_hash);
    std::lock_guard lock(shard.mutex);
    UnlinkFlightLocked(shard, flight);
  }
  loading_.fetch_sub(1, std::memory_order_relaxed);
  flight->EndLead();
  flight->Land();
  Release(flight);
  return result;
}

Result<Loaded> Core::RunLoader(Flight* flight, const Loader& loader, const LoadOptions& options) {
  Filling filling(*this, flight->key_hash);
  try {
    if (options.bytes_expected != 0) WEIR_TRY(filling.ReserveAhead(options.bytes_expected));
    Filler filler(filling);
    WEIR_TRY(loader(filler));
  } catch (const std::exception& thrown) {
    return Error{ErrorCode::kInternal, std::string("a loader threw: ") + thrown.what(), {}};
  } catch (...) {
    return Error{ErrorCode::kInternal, "a loader threw", {}};
  }
  if (!filling.given()) return InvalidArgument("a loader succeeded without a value");
  if (!IsValid(filling.cost)) return ErrorOf(InsertStatus::kBadCost, options_.name);
  InsertOutcome outcome = Publish(flight->key, flight->key_hash, filling.Release(), filling.cost, flight);
  if (!outcome.stored()) return ErrorOf(outcome.status, options_.name);
  // One pin for the flight beside the leader's own.
  flight->entry = outcome.pin.entry_;
  flight->entry->word.fetch_add(1, std::memory_order_acq_rel);
  counters_.Add(Count::kPinsTaken);
  return Loaded{std::move(outcome.pin), LoadedBy::kComputed};
}

void Core::UnlinkFlightLocked(Shard& shard, Flight* flight) {
  Flight** link = &shard.flights;
  while (*link != flight) link = &(*link)->next;
  *link = flight->next;
}

}  // namespace weir::pool

namespace weir {

Result<std::span<std::byte>> Filler::Bytes(uint64_t size) { return filling_.Bytes(size); }
Status Filler::Adopt(Resource resource) { return filling_.Adopt(std::move(resource)); }
void Filler::SetCost(const Cost& cost) { filling_.cost = cost; }

}  // namespace weir
