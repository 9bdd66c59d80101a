#pragma once
// What the registry answers: kinds of commonality side by side, never added up. Plain values.
//
// exact     the same tokens with the same history, from token 0, in the same space: what an engine's prefix cache can reuse.
// moved     the same tokens elsewhere: runs of at least 32 tokens that reach beyond the target's exact prefix. Not reusable
//           as they are.
// near      blocks within 8 bits of SimHash with other tokens. A hint for who writes prompts; each carries how many tokens
//           differ. A block whose tokens stand there too, outside every run of 32, is of no kind here; FindSimilar counts
//           it.
// semantic  cosine of two vectors, of whole contexts or of segments. Says nothing about tokens.
// Null means not known: not asked for, not measured (cold contexts have no tokens in memory), or forbidden by policy.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/tokens/block_keys.h"

namespace weir {

// Where a context's system prompt leaves the one of its group.
struct SystemDivergence {
  uint32_t token = 0;  // the first that differs, from the start of both contexts
  uint32_t block = 0;  // of which it is part: the first that cannot be shared
  uint32_t byte = 0;   // in this context's text
  // Tokens of this context's system prompt from the start of that block on: what identity would make shareable.
  uint32_t lost_tokens = 0;
};

// Engines share a prefix only when it is the same to the byte.
struct SystemIdentity {
  bool has_system = false;  // the context begins with a system segment
  bool identical = true;    // with the group's; true for the first of a group, and without a system prompt
  uint32_t members = 0;     // contexts of the group in this space that have one, this one included
  uint32_t same = 0;        // of those, the ones with these very bytes
  std::optional<SystemDivergence> divergence{};
};

struct ExactPrefix {
  uint32_t tokens = 0;  // equal tokens from the start; the last block may be partial
  uint32_t blocks = 0;  // whole ones
};

// Answer to a registration, a replacement and an append.
struct Registered {
  std::string agent;
  uint64_t revision = 0;
  int64_t created_ms = 0;  // since 1970-01-01 UTC: when the agent was registered
  uint32_t tokens = 0;
  uint32_t blocks = 0;          // full ones
  uint32_t tokens_encoded = 0;  // that had to be tokenized; the rest was kept from the revision before
  // The longest exact prefix in whole blocks that another context has, and one that has it.
  uint32_t shared_blocks = 0;
  std::optional<std::string> shared_with{};
  SystemIdentity system{};
  bool has_vector = false;
  // Why the embedding model gave no vector; empty otherwise, and without a model.
  std::string vector_note{};
};

struct MovedSpan {
  uint32_t target_token = 0;  // where it begins in what was asked about
  uint32_t agent_token = 0;   // and in the agent's context
  uint32_t tokens = 0;
  friend bool operator==(const MovedSpan&, const MovedSpan&) = default;
};

struct NearBlock {
  uint32_t target_block = 0;
  uint32_t agent_block = 0;
  uint32_t distance = 0;       // bits, 0 to 8
  uint32_t tokens_differ = 0;  // of block_size
};

// What one agent's context has in common with a target: another context, or a prompt.
struct SharedContext {
  std::string agent;
  uint64_t revision = 0;
  // Between 0 and 1, what the order of results goes by: exact tokens in whole blocks over the target's tokens. It counts
  // what is certain and nothing else: moved, near and semantic never raise it, they only order results of equal confidence
  // (moved tokens, then near blocks, then similarity, then the name).
  double confidence = 0;
  ExactPrefix exact;
  BlockKey last_key{};  // of the last exact block; zero when there is none
  // Whole exact blocks x block size: prefill that an engine holding this agent's context need not do again for the target,
  // but for the last token of a prompt, which is always computed.
  uint32_t tokens_saved = 0;
  std::optional<uint32_t> moved_tokens;  // of the target, each once
  std::vector<MovedSpan> moved;
  bool moved_truncated = false;         // repetitive texts: some of all; the count is a lower bound
  std::optional<uint32_t> near_blocks;  // of the target, each once
  std::vector<NearBlock> near;          // the nearest of the agent's for each
  std::optional<float> similarity;
  bool cold = false;  // its tokens are not in memory: exact is complete, moved and near are null
};

struct SharedReport {
  std::string target;  // agent; empty: a prompt
  uint32_t target_tokens = 0;
  uint32_t target_blocks = 0;
  std::vector<SharedContext> results;  // by confidence
  // Distinct blocks of the longest exact chain that any of the agents holds x block size; never a sum over agents. Null
  // when nothing was compared.
  std::optional<uint32_t> tokens_saved;
  uint32_t compared = 0;        // contexts looked at
  uint32_t cold = 0;            // of those, without moved and near
  uint32_t other_space = 0;     // agents asked for that live in another space: nothing is shared across spaces
  bool truncated = false;       // there are more results than listed
  std::string near_note{};      // why near is null though tokens are in memory; empty otherwise
  std::string semantic_note{};  // why there is no similarity; empty otherwise
};

// The segment of a context whose vector is nearest to the one that was asked about.
struct NearestSegment {
  uint32_t segment = 0;  // its place in the context
  std::string name;
  float similarity = 0;  // cosine
};

// Answer to find_similar.
struct SimilarContext {
  std::string agent;
  uint64_t revision = 0;
  // Of text or tokens: the share of the query's full blocks that the agent has exactly or nearly, anywhere: containment in
  // the sense of Broder, "On the resemblance and containment of documents", 1997, over blocks. Of a vector: the cosine.
  float similarity = 0;
  std::optional<uint32_t> equal_blocks;      // blocks of the query with the same tokens there, wherever they stand
  std::optional<uint32_t> near_blocks;       // others within the radius
  std::optional<ExactPrefix> shared_prefix;  // null by vector
  // By vector: null where no segment has one, or the context is not in memory.
  std::optional<NearestSegment> nearest_segment{};
};

struct SimilarReport {
  std::vector<SimilarContext> results;  // most similar first, then by name
  bool by_vector = false;
  uint32_t cold = 0;   // contexts that could not be looked at: their tokens are not in memory. 0 by vector
  std::string note{};  // why something is missing; empty otherwise
};

}  // namespace weir
