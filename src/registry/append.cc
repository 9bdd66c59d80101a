// A context that grows at its end.

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "core.h"
#include "weir/base/bytes.h"

namespace weir::registry {
namespace {

// Another segment of that name is here: "user" becomes "user 2".
std::string FreeName(std::span<const Segment> segments, std::string name) {
  const auto is_taken = [&](const std::string& candidate) {
    return std::ranges::any_of(segments, [&](const Segment& segment) { return segment.name == candidate; });
  };
  std::string candidate = name;
  for (size_t number = 2; is_taken(candidate); ++number) candidate = fmt::format("{} {}", name, number);
  return candidate;
}

}  // namespace

// Everything but text and vector.
Result<ContextInput> Core::InputLike(const AgentState& state, const ContextView& view) const {
  ContextTerms terms = view.Terms();
  ContextInput input;
  WEIR_ASSIGN(input.tokenizer, TokenizerNameOf(terms.space.tokenizer_fingerprint));
  input.agent = std::move(terms.agent);
  input.group = std::move(terms.group);
  input.role = std::move(terms.role);
  input.segments = view.Segments();
  input.model = std::move(terms.space.model);
  input.lora = std::move(terms.space.lora);
  input.salt = std::move(terms.space.salt);
  input.add_special_tokens = terms.add_special_tokens;
  input.pinned = state.pinned.load(std::memory_order_relaxed);
  input.dense = terms.dense;
  input.ttl = state.ttl;
  return input;
}

Result<ContextInput> Core::InputGrown(const AgentState& state, const ContextView& view, const AppendInput& input) const {
  const std::string& agent = state.terms.agent;
  WEIR_ASSIGN(ContextInput whole, InputLike(state, view));
  const uint64_t bytes = view.text().size() + input.text.size();
  if (bytes > options_.context_text_bytes_max) {
    return InvalidArgument(fmt::format("agent '{}': a context of {}, more than {}", agent, FormatByteSize(bytes),
                                       FormatByteSize(options_.context_text_bytes_max)),
                           "start a new context, or raise context_text_bytes_max");
  }
  whole.text.reserve(bytes);
  whole.text.append(view.text()).append(input.text);
  Segment segment;
  segment.name = FreeName(whole.segments, input.name.empty() ? std::string(SegmentKindName(input.kind)) : input.name);
  segment.kind = input.kind;
  segment.bytes = {static_cast<uint32_t>(view.text().size()), static_cast<uint32_t>(bytes)};
  whole.segments.push_back(std::move(segment));
  whole.vector = input.vector;
  whole.only_if = input.only_if;
  return whole;
}

Result<Registered> Core::Append(std::string_view agent, const AppendInput& input) {
  try {
    Result<Registered> done = [&]() -> Result<Registered> {
      const auto grown = [&](const AgentPtr& before) -> Result<ContextInput> {
        WEIR_ASSIGN(const Pin pin, Hold(before));
        WEIR_ASSIGN(ContextInput whole, InputGrown(*before, pin.resource<Body>().view(), input));
        WEIR_TRY(CheckInput(whole));
        WEIR_TRY(CheckEmergency());
        return whole;
      };
      if (input.text.empty()) return InvalidArgument(fmt::format("agent '{}': nothing to append", agent), "give it text");
      constexpr int kTriesMax = 4;
      for (int tries = 1;; ++tries) {
        AgentPtr seen;
        ContextVectors vectors;
        vectors.whole = input.vector;
        if (EmbedsAtOnce()) {
          WEIR_ASSIGN(seen, Find(agent));
          Result<ContextInput> whole = grown(seen);
          // Replaced meanwhile: as below.
          if (!whole && whole.error().code == ErrorCode::kNotFound && tries < kTriesMax) continue;
          if (!whole) return whole.error();
          vectors = VectorsFor(*whole, seen);
        }
        const std::lock_guard stripe(StripeOf(agent));
        WEIR_ASSIGN(const AgentPtr before, Find(agent));
        if (EmbedsAtOnce() && before != seen) {
          if (tries < kTriesMax) continue;
          vectors = {};
          vectors.note = "the context changed faster than it could be embedded";
        }
        WEIR_ASSIGN(const ContextInput whole, grown(before));
        return Change(whole, vectors, before);
      }
    }();
    if (!done) Refuse(agent, done.error());
    return done;
  } catch (const std::bad_alloc&) {
    Error error = NoMemory("a context that grows");
    Refuse(agent, error);
    return error;
  }
}

}  // namespace weir::registry
