#pragma once
// CacheSimulator: the prefix cache of an inference engine, request by request.
//
// Models vLLM's block pool (v1 engine) for requests that run one after the other: only full blocks are cached, under
// chained keys; a request takes the cached blocks of its longest known prefix, but never its last token, which is always
// computed; further blocks come from the head of the free queue, which forgets what they held; a finished request's blocks
// go to the end of the queue in reverse, so its tail is forgotten first. A prompt that needs more blocks than there are
// cannot run and changes nothing.
// Not thread-safe. Constant time per block; memory grows with the blocks in use, not with the capacity.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

#include "weir/tokens/block_keys.h"

namespace weir {

class CacheSimulator {
 public:
  static constexpr size_t kEndless = std::numeric_limits<uint32_t>::max() - 1;  // blocks

  // REQUIRES: block_size > 0. A capacity beyond kEndless counts as kEndless.
  CacheSimulator(size_t capacity_blocks, size_t block_size);

  struct Outcome {
    uint32_t cached_tokens = 0;  // whole blocks
    bool ran = true;             // false: more blocks needed than the cache has
  };
  // Allocates, computes and frees one prompt of `tokens` tokens. REQUIRES: keys.size() == tokens / block_size.
  Outcome Run(std::span<const BlockKey> keys, size_t tokens);

  struct Counters {
    uint64_t requests = 0;
    uint64_t refused = 0;  // prompts that could not run
    uint64_t tokens = 0;
    uint64_t cached_tokens = 0;
    uint64_t evicted_blocks = 0;  // cached blocks that were forgotten for new ones
  };
  const Counters& counters() const { return counters_; }
  size_t block_size() const { return block_size_; }
  // Blocks whose key is known, duplicates included.
  size_t cached_blocks() const { return cached_blocks_; }

  // Stops the process when the queue and the key index disagree. Linear.
  void CheckInvariants() const;

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct Slot {
    BlockKey key;
    bool has_key = false;
    uint32_t newer = kNone;      // free queue, towards its end
    uint32_t older = kNone;      // free queue, towards its head
    uint32_t same_next = kNone;  // slots with the same key, oldest first
    uint32_t same_previous = kNone;
  };
  struct SameKey {
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
  };

  uint32_t TakeFree();
  void Unqueue(uint32_t slot);
  void Enqueue(uint32_t slot);
  void Forget(uint32_t slot);
  void Remember(uint32_t slot, const BlockKey& key);

  size_t capacity_blocks_;
  size_t block_size_;
  std::vector<Slot> slots_;
  uint32_t queue_head_ = kNone;  // next to be taken once no fresh slot is left
  uint32_t queue_tail_ = kNone;
  std::unordered_map<BlockKey, SameKey> known_;
  size_t cached_blocks_ = 0;
  std::vector<uint32_t> held_;  // scratch of Run
  Counters counters_;
};

}  // namespace weir
