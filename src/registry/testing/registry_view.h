#pragma once
// Everything that a caller can see of a registry, as text: two that show the same hold the same.

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "registry_cases.h"
#include "weir/registry/registry.h"

namespace weir::testing {

// Whether it is pinned, the registry says: a view says what was true when it was made.
inline std::string ViewOf(const ContextView& view, bool pinned) {
  const ContextTerms terms = view.Terms();
  std::string text = terms.agent + "|" + terms.group + "|" + terms.role + "|" + terms.space.tokenizer_fingerprint + "|" +
                     terms.space.model + "|" + terms.space.lora + "|" + terms.space.salt;
  for (const int64_t number :
       {static_cast<int64_t>(terms.revision), terms.created_ms, terms.updated_ms, terms.expires_ms,
        static_cast<int64_t>(terms.block_size), static_cast<int64_t>(pinned), static_cast<int64_t>(terms.dense)}) {
    text += "|" + std::to_string(number);
  }
  for (const Segment& segment : view.Segments()) {
    text += "|" + segment.name + ":" + std::string(SegmentKindName(segment.kind)) + ":" + std::to_string(segment.bytes.end) +
            ":" + std::to_string(segment.tokens.end);
  }
  for (const float value : view.vector()) text += "|" + std::to_string(value);
  for (const float value : view.segment_vectors()) text += "|" + std::to_string(value);
  text += "|";
  for (const TokenId token : view.tokens()) text += std::to_string(token) + ",";
  return text + "|" + std::string(view.text()) + "\n";
}

// Contexts and workflows. Reads cold contexts back.
inline std::string ViewOf(Registry& registry) {
  std::string text;
  for (const ContextSummary& line : registry.List()) {
    const auto held = registry.Get(line.terms.agent);
    EXPECT_TRUE(held) << held.error().ToString();
    if (held) text += ViewOf(**held, line.terms.pinned);
  }
  for (const std::string& name : registry.WorkflowNames()) {
    const auto run = registry.GetWorkflow(name);
    text += "workflow " + name;
    for (const WorkflowState::Step& step : run->state().steps)
      text += "|" + step.agent + ":" + std::string(StepStateName(step.state));
    text += "\n";
  }
  const RegistryStats stats = registry.stats();
  for (const uint64_t number : {stats.contexts, stats.pinned, stats.tokens, stats.text_bytes}) {
    text += std::to_string(number) + "|";
  }
  return text;
}

// What a process that starts now would find in the store.
inline std::string ViewAfterRestart(RegistryOptions options, Store& store) {
  options.store = &store;
  options.ledger = nullptr;
  auto opened = Registry::Open(std::move(options));
  EXPECT_TRUE(opened) << opened.error().ToString();
  if (!opened) return "not opened";
  (*opened)->CheckInvariants();
  return ViewOf(**opened);
}

}  // namespace weir::testing
