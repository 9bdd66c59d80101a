#pragma once
// How names become keys of the store. Internal to `registry`.

#include <string_view>

#include "weir/codec/sha256.h"
#include "weir/store/store.h"

namespace weir::registry {

// The first 128 bits of the name's SHA-256.
inline StoreKey StoreKeyOf(std::string_view name) {
  const Sha256Digest digest = Sha256(name);
  StoreKey key;
  for (size_t i = 0; i < 8; ++i) key.high = key.high << 8 | digest[i];
  for (size_t i = 8; i < 16; ++i) key.low = key.low << 8 | digest[i];
  return key;
}

}  // namespace weir::registry
