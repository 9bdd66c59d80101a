#include <utility>

#include "weir/store/store.h"

namespace weir {

std::string_view StoreTableName(StoreTable table) {
  switch (table) {
    case StoreTable::kContext: return "context";
    case StoreTable::kWorkflow: return "workflow";
    case StoreTable::kSetting: return "setting";
    case StoreTable::kEmbedding: return "embedding";
  }
  return "unknown";
}

void StoreBatch::Put(StoreTable table, const StoreKey& key, std::string_view bytes) {
  PutString(table, key, std::string(bytes));
}

void StoreBatch::PutString(StoreTable table, const StoreKey& key, std::string bytes) {
  bytes_ += bytes.size() + kStoreRecordOverheadBytes;
  changes_.push_back({table, key, std::move(bytes)});
}

void StoreBatch::Erase(StoreTable table, const StoreKey& key) { changes_.push_back({table, key, std::nullopt}); }

void StoreBatch::Clear() {
  changes_.clear();
  bytes_ = 0;
}

}  // namespace weir
