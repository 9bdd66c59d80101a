#pragma once
// What indexing and searching share. Internal to `indexer`.

#include "file_record.h"
#include "weir/indexer/indexer.h"

namespace weir::indexer {

// Of the model; tokens_max is left open. not_found: the cache does not know it.
Result<ChunkOrigin> OriginOf(const EmbedCache& cache, const IndexModel& model);

}  // namespace weir::indexer
