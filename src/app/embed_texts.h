#pragma once
// The texts of `weir embed`: from the command line or a file, and their vectors.

#include <string>
#include <vector>

#include "embed_setup.h"
#include "session.h"
#include "weir/base/result.h"
#include "weir/embed/embed_cache.h"
#include "weir/embed/vector_operations.h"

namespace weir {

struct TextFlags {
  std::vector<std::string> words;  // each a text
  std::string file;                // one text a line; "-" is standard input
  bool jsonl = false;              // lines are {"text"}
};

// One entry a text; `faults` of those that could not be read, whose text is then empty.
struct ReadTexts {
  std::vector<std::string> texts;
  std::vector<Status> faults;
};
// Blank lines are no texts. kUsage when neither words nor a file are given; exhausted beyond kTextsMax.
inline constexpr size_t kTextsMax = 1'000'000;
Result<ReadTexts> ReadTextInput(Session& session, const TextFlags& flags);

// What came of each text, in order; a failed one has a row of 0.
struct EmbeddedTexts {
  std::vector<std::string> texts;
  std::vector<EmbedItem> items;
  std::vector<float> vectors;
  uint32_t dimensions = 0;
  double elapsed_ms = 0;

  VectorRows rows() const { return {vectors, dimensions}; }
  uint64_t Count(EmbedSource source) const;
  const Error* FirstFault() const;  // null: there is none
};
// Shows progress. Fails as a whole for what concerns all texts; dimensions that the model lacks end with kUsage.
Result<EmbeddedTexts> EmbedAll(Session& session, EmbedSetup& setup, ReadTexts read, const EmbedCall& call);

// kOk, kPartial, or when no text is left the code of the first fault.
ExitCode ExitCodeOf(const EmbeddedTexts& embedded);

// The rows that are vectors, and which texts they are of.
struct GoodRows {
  std::vector<float> vectors;
  std::vector<uint32_t> texts;
  uint32_t dimensions = 0;

  VectorRows rows() const { return {vectors, dimensions}; }
};
GoodRows GoodRowsOf(const EmbeddedTexts& embedded);

}  // namespace weir
