// The C++ engines of the comparison: RocksDB's LRUCache and HyperClockCache, and a list, a map and a mutex.
//
// usage: cache_peers keys FILE OPERATIONS       writes the keys and operations for engines in other languages:
//                                               u64 counts (keys, operations per stream), the digest, then the words
//        cache_peers ENGINE CASE FILE           runs one case on the contents of FILE, one JSON object a figure
// Engines: list-map, rocksdb-lru, rocksdb-hyperclock. Cases: see src/bench/cache_workload.h, and "shrink".

#include <malloc.h>
#include <rocksdb/cache.h>
#include <rocksdb/version.h>

#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cache_workload.h"

namespace {

using weir::CacheOperations;

// What every engine on malloc keeps: one block with the value, behind a pointer.
std::byte* NewValue(std::span<const std::byte> value) {
  auto* const copy = static_cast<std::byte*>(std::malloc(value.size()));
  std::memcpy(copy, value.data(), value.size());
  return copy;
}

// The naive cache: one mutex over a map and a list in order of use. A handle is a counted reference.
class ListMap {
 public:
  static constexpr const char* kName = "list + map + mutex";

  ListMap(uint64_t capacity, uint64_t) : capacity_(capacity) {}

  template <typename Read>
  bool Get(uint64_t key, Read read) {
    std::shared_ptr<const std::byte[]> value;
    {
      const std::lock_guard lock(mutex_);
      const auto found = map_.find(key);
      if (found == map_.end()) return false;
      list_.splice(list_.begin(), list_, found->second);
      value = found->second->value;
    }
    read(value.get());
    return true;
  }

  void Put(uint64_t key, std::span<const std::byte> value) {
    auto copy = std::make_shared<std::byte[]>(value.size());
    std::memcpy(copy.get(), value.data(), value.size());
    std::shared_ptr<const std::byte[]> old;
    const std::lock_guard lock(mutex_);
    const auto [at, added] = map_.try_emplace(key);
    if (!added) {
      list_.splice(list_.begin(), list_, at->second);
      old = std::exchange(at->second->value, std::move(copy));
      return;
    }
    list_.push_front({key, std::move(copy)});
    at->second = list_.begin();
    if (list_.size() > capacity_) DropLast();
  }

  uint64_t Entries() {
    const std::lock_guard lock(mutex_);
    return list_.size();
  }

  void ShrinkToHalf() {
    const std::lock_guard lock(mutex_);
    for (uint64_t left = list_.size() / 2; left > 0; --left) DropLast();
  }

 private:
  struct Node {
    uint64_t key;
    std::shared_ptr<const std::byte[]> value;
  };

  void DropLast() {
    map_.erase(list_.back().key);
    list_.pop_back();
  }

  const uint64_t capacity_;
  std::mutex mutex_;
  std::list<Node> list_;
  std::unordered_map<uint64_t, std::list<Node>::iterator> map_;
};

// Either cache of RocksDB; each entry is charged 1, so that a capacity is a number of entries. HyperClockCache takes keys
// of 16 bytes only, and both get the same.
class RocksCache {
 public:
  explicit RocksCache(std::shared_ptr<rocksdb::Cache> cache) : cache_(std::move(cache)) {}

  template <typename Read>
  bool Get(uint64_t key, Read read) {
    const Key name(key);
    rocksdb::Cache::Handle* const handle = cache_->Lookup(name.slice());
    if (handle == nullptr) return false;
    read(static_cast<const std::byte*>(cache_->Value(handle)));
    cache_->Release(handle);
    return true;
  }

  void Put(uint64_t key, std::span<const std::byte> value) {
    const Key name(key);
    const auto free_value = [](const rocksdb::Slice&, void* bytes) { std::free(bytes); };
    if (!cache_->Insert(name.slice(), NewValue(value), 1, free_value).ok()) ++refused_;
  }

  uint64_t Entries() { return cache_->GetUsage(); }
  void ShrinkToHalf() { cache_->SetCapacity(cache_->GetUsage() / 2); }

 private:
  struct Key {
    explicit Key(uint64_t key) : words{key, key * 0x9e3779b97f4a7c15u} {}
    rocksdb::Slice slice() const { return {reinterpret_cast<const char*>(words), sizeof(words)}; }
    uint64_t words[2];
  };

  std::shared_ptr<rocksdb::Cache> cache_;
  std::atomic<uint64_t> refused_{0};
};

constexpr int kShardBits = 4;
static_assert(1 << kShardBits == weir::kCacheShards);
constexpr auto kEntriesOnly = rocksdb::CacheMetadataChargePolicy::kDontChargeCacheMetadata;

std::unique_ptr<RocksCache> NewRocksLru(uint64_t capacity, uint64_t) {
  return std::make_unique<RocksCache>(rocksdb::NewLRUCache(capacity, kShardBits, false, 0.0, nullptr, false, kEntriesOnly));
}

std::unique_ptr<RocksCache> NewRocksHyperClock(uint64_t capacity, uint64_t) {
  const rocksdb::HyperClockCacheOptions options(capacity, 1, kShardBits, false, nullptr, kEntriesOnly);
  return std::make_unique<RocksCache>(options.MakeSharedCache());
}

std::unique_ptr<ListMap> NewListMap(uint64_t capacity, uint64_t value_bytes) {
  return std::make_unique<ListMap>(capacity, value_bytes);
}

int Fail(const std::string& text) {
  std::fprintf(stderr, "cache_peers: %s\n", text.c_str());
  return 1;
}

int WriteKeys(const char* path, uint64_t operations_per_stream) {
  const CacheOperations made = CacheOperations::Make(1'000'000, operations_per_stream);
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) return Fail(std::string("cannot write ") + path);
  const uint64_t head[] = {made.fill.size(), operations_per_stream, made.digest};
  bool written = std::fwrite(head, sizeof(head), 1, file) == 1;
  written = written && std::fwrite(made.fill.data(), 8, made.fill.size(), file) == made.fill.size();
  for (const auto& stream : made.streams) {
    written = written && std::fwrite(stream.data(), 8, stream.size(), file) == stream.size();
  }
  return std::fclose(file) == 0 && written ? 0 : Fail(std::string("cannot write all of ") + path);
}

bool ReadKeys(const char* path, CacheOperations& read) {
  std::FILE* const file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  uint64_t head[3] = {};
  bool whole = std::fread(head, sizeof(head), 1, file) == 1;
  const auto fill = [&](std::vector<uint64_t>& words, uint64_t count) {
    words.resize(count);
    whole = whole && std::fread(words.data(), 8, count, file) == count;
  };
  if (whole) fill(read.fill, head[0]);
  for (auto& stream : read.streams) {
    if (whole) fill(stream, head[1]);
  }
  read.digest = head[2];
  std::fclose(file);
  return whole;
}

template <typename Make>
int RunCase(const char* name, std::string_view wanted, const CacheOperations& operations, Make make) {
  const weir::CacheFigure figure = [&](const std::string& metric, double value, const std::string& unit) {
    std::printf(
        "{\"bench\":\"pool\",\"case\":\"%.*s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"engine\":\"%s\","
        "\"keys\":%zu,\"operations\":%zu,\"digest\":\"%016llx\"}\n",
        static_cast<int>(wanted.size()), wanted.data(), metric.c_str(), value, unit.c_str(), name, operations.fill.size(),
        operations.streams[0].size(), static_cast<unsigned long long>(operations.digest));
  };
  if (wanted == "shrink") {
    weir::RunCacheShrink(
        operations, make, [] { malloc_trim(0); }, figure);
    return 0;
  }
  for (const weir::CacheCase& which : weir::kCacheCases) {
    if (wanted != which.name) continue;
    weir::RunCacheReads(which, operations, make, figure);
    return 0;
  }
  return Fail("no case " + std::string(wanted));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return Fail("usage: cache_peers keys FILE OPERATIONS | cache_peers ENGINE CASE FILE");
  const std::string_view engine = argv[1];
  if (engine == "keys") return WriteKeys(argv[2], std::strtoull(argv[3], nullptr, 10));
  CacheOperations operations;
  if (!ReadKeys(argv[3], operations)) return Fail(std::string("cannot read ") + argv[3]);
  const std::string version = std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR);
  if (engine == "list-map") return RunCase(ListMap::kName, argv[2], operations, NewListMap);
  if (engine == "rocksdb-lru") return RunCase(("RocksDB " + version + " LRU").c_str(), argv[2], operations, NewRocksLru);
  if (engine == "rocksdb-hyperclock") {
    return RunCase(("RocksDB " + version + " HyperClock").c_str(), argv[2], operations, NewRocksHyperClock);
  }
  return Fail("no engine " + std::string(engine));
}
