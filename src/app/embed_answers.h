#pragma once
// What `weir embed` prints: vectors, and what was asked about them.

#include <cstdint>
#include <string>

#include "embed_setup.h"
#include "embed_texts.h"
#include "session.h"

namespace weir {

// Faults of texts for people on standard error, the first of many.
void NoteFaults(Session& session, const EmbeddedTexts& embedded);

void PrintVectors(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded);

// exhausted: too many texts for all pairs.
Status PrintSimilarity(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded);

struct NearestQuestion {
  std::string text;
  std::span<const float> vector;
  uint32_t k = 10;
  float threshold = -1;
};
Status PrintNearest(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded,
                    const NearestQuestion& question);

Status PrintClusters(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded,
                     const ClusterOptions& options);

}  // namespace weir
