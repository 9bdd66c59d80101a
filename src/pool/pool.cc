#include "weir/pool/pool.h"

#include <bit>
#include <new>

#include "core.h"
#include "pool_internal.h"
#include "weir/base/check.h"

namespace weir {

std::string_view StatusName(InsertStatus status) {
  switch (status) {
    case InsertStatus::kInserted: return "inserted";
    case InsertStatus::kReplaced: return "replaced";
    case InsertStatus::kTooLarge: return "too_large";
    case InsertStatus::kExhausted: return "exhausted";
    case InsertStatus::kNoMemory: return "no_memory";
    case InsertStatus::kBadCost: return "bad_cost";
  }
  WEIR_CHECK(false, "status {}", static_cast<int>(status));
  return {};
}

std::span<const std::byte> Pin::bytes() const { return core_->BytesOf(entry_); }
PoolKey Pin::key() const { return entry_->key(); }
uint64_t Pin::charged_bytes() const { return core_->ChargedBytes(entry_); }
void Pin::Drop() { core_->Drop(entry_); }
void* Pin::object() const {
  WEIR_CHECK(entry_->slack == pool::kBodyResource, "resource() of an entry that holds bytes");
  return entry_->resource().get();
}

Status PoolOptions::Validate() const {
  if (name.empty()) return InvalidArgument("a pool needs a name");
  if (shards != 0 && (!std::has_single_bit(shards) || shards > 256)) {
    return InvalidArgument("shards of pool " + name + " must be a power of two up to 256, not " + std::to_string(shards));
  }
  const uint64_t extent = extent_bytes;
  if (extent != 0 && (!std::has_single_bit(extent) || extent < (64u << 10) || extent > (2u << 20))) {
    return InvalidArgument("extent_bytes of pool " + name + " must be a power of two from 65536 to 2097152, not " +
                           std::to_string(extent));
  }
  return {};
}

Pool::Pool(std::unique_ptr<pool::Core> core) : core_(std::move(core)) {}
Pool::~Pool() = default;

Result<std::unique_ptr<Pool>> Pool::Create(PoolOptions options) {
  return pool::CreateOn(pool::KernelPages(), std::move(options));
}

Result<std::unique_ptr<Pool>> pool::CreateOn(PageSource& source, PoolOptions options) {
  WEIR_TRY(options.Validate());
  try {
    auto core = std::make_unique<Core>(std::move(options), source);
    WEIR_TRY(core->Open());
    return std::unique_ptr<Pool>(new Pool(std::move(core)));
  } catch (const std::bad_alloc&) {
    return Unavailable("no memory for a pool");
  }
}

bool Pool::Contains(const PoolKey& key) const { return core_->Contains(key); }
InsertOutcome Pool::Insert(const PoolKey& key, std::span<const std::byte> bytes, const Cost& cost) {
  return core_->Insert(key, bytes, cost);
}
InsertOutcome Pool::Insert(const PoolKey& key, Resource resource, const Cost& cost) {
  return core_->Insert(key, std::move(resource), cost);
}
Result<Loaded> Pool::LoadOrShare(const PoolKey& key, const Loader& loader, const LoadOptions& options) {
  return core_->LoadOrShare(key, loader, options);
}
bool Pool::SetCost(const PoolKey& key, const Cost& cost) { return core_->SetCost(key, cost); }
bool Pool::Erase(const PoolKey& key) { return core_->Erase(key); }
uint64_t Pool::EraseUnpinned(const PoolKey& key) { return core_->EraseUnpinned(key); }
uint64_t Pool::Clear() { return core_->Clear(); }
std::string_view Pool::name() const { return core_->name(); }
PoolStats Pool::Stats() const { return core_->Stats(); }
double Pool::PricePerByte() const { return core_->PricePerByte(); }
Reclaimed Pool::Reclaim(uint64_t bytes, TimePoint deadline) { return core_->Reclaim(bytes, deadline); }
Reclaimed Pool::DropIdle(Duration idle, uint64_t bytes_max, TimePoint deadline) {
  return core_->DropIdle(idle, bytes_max, deadline);
}
void Pool::SetBudget(uint64_t bytes) { core_->SetBudget(bytes); }
void Pool::SetPolicy(EvictionPolicy policy) { core_->SetPolicy(policy); }
uint64_t Pool::CountPinned() const { return core_->CountPinned(); }
void Pool::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace weir
