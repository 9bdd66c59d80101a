#pragma once
// The registry's part of the demo: the five agents registered on disk, what their next prompts would reuse, a restart, and a
// removal. Everything happens in a temporary folder that goes away.

#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/demo/advisor_demo.h"
#include "weir/registry/registry.h"
#include "weir/report/text.h"

namespace weir {

struct RegistryDemo {
  size_t block_size = kDefaultBlockSize;
  // The five, with their prompts for the last question but one.
  std::vector<Registered> registered;
  double register_ms = 0;  // with tokenizing, indexes and the disk
  // Their prompts for the last question, which are not registered: what each would reuse.
  std::vector<std::string> asking;
  std::vector<SharedReport> matches;
  double match_us = 0;  // of one, without tokenizing
  // Closed and opened again.
  uint64_t restored = 0;
  double restart_ms = 0;
  bool same_answers = false;
  // One agent leaves.
  std::string removed;
  uint64_t index_bytes_before = 0;
  uint64_t index_bytes_after = 0;
  uint64_t found_after = 0;  // answers that still name it
  uint64_t ledger_lines = 0;
};

// REQUIRES: `tokenizer` is the one that the prompts were tokenized with.
Result<RegistryDemo> RunRegistryDemo(const DemoPrompts& prompts, const NamedTokenizer& tokenizer);

// {"registered":[...],"matches":[{"agent",...}],"restart":{...},"removal":{...},...}
Json RegistryDemoJson(const RegistryDemo& demo);
std::string DrawRegistryDemo(const RegistryDemo& demo, const TextStyle& style);

}  // namespace weir
