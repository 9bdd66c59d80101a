#include <algorithm>
#include <vector>

#include "file_record.h"
#include "weir/indexer/indexer.h"

namespace weir {

Result<uint64_t> DropUnindexedVectors(EmbedCache& cache, const Store& store) {
  std::vector<EmbedKey> wanted;
  WEIR_TRY(store.Scan(StoreTable::kSetting, [&](const StoreKey&, std::string_view bytes) -> Status {
    if (!indexer::IsFileRecord(bytes)) return {};
    const Result<indexer::FileRecord> record = indexer::ReadFileRecord(bytes);
    if (!record) return record.error().code == ErrorCode::kUnsupported ? Status(record.error()) : Status();
    for (const indexer::KeptChunk& kept : record->chunks) wanted.push_back(kept.key);
    return {};
  }));
  std::ranges::sort(wanted);
  return cache.ForgetStored([&](const EmbedKey& key) { return std::ranges::binary_search(wanted, key); });
}

}  // namespace weir
