#pragma once
// What the registry's tests share: a byte-level tokenizer, a store in memory, clocks set by hand.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "byte_tokenizer.h"
#include "weir/base/random.h"
#include "weir/registry/registry.h"

namespace weir::testing {

inline ContextInput TextInput(std::string agent, std::string text) {
  ContextInput input;
  input.agent = std::move(agent);
  input.text = std::move(text);
  return input;
}

// A registry and what it stands on. The store outlives the registry, so that Reopen() is a restart.
struct RegistryCase {
  RegistryCase() : store(NewMemoryStore()) {
    options.tokenizers.push_back({"bytes", std::make_shared<ByteTokenizer>()});
    options.contexts_bytes = 64 << 20;
    options.store = store.get();
    options.clock = &clock;
    options.wall_ms = [this] { return now_ms.load(); };
  }

  Registry& Open() {
    registry.reset();
    Result<std::unique_ptr<Registry>> opened = Registry::Open(options);
    if (!opened) ADD_FAILURE() << opened.error().ToString();
    registry = *std::move(opened);
    return *registry;
  }

  ManualClock clock;
  std::atomic<int64_t> now_ms{1'000'000};
  std::unique_ptr<Store> store;
  RegistryOptions options;
  std::unique_ptr<Registry> registry;
};

// `size` bytes of words that depend on the seed alone.
inline std::string Words(uint64_t seed, size_t size) {
  static constexpr const char* kWords[] = {"memory ", "prompt ", "agent ",   "cache ",  "block ", "prefix ",
                                           "token ",  "share ",  "context ", "engine ", "weigh ", "answer ",
                                           "search ", "report ", "critic ",  "tool "};
  Random random(seed);
  std::string text;
  while (text.size() < size) text += kWords[random.Below(16)];
  text.resize(size);
  return text;
}

}  // namespace weir::testing
