#include "admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/bytes.h"

namespace weir::store {

Status CheckBatch(const StoreBatch& batch) {
  for (const StoreBatch::Change& change : batch.changes()) {
    if (std::find(kStoreTables.begin(), kStoreTables.end(), change.table) == kStoreTables.end()) {
      return InvalidArgument(fmt::format("there is no table {}", static_cast<int>(change.table)));
    }
    if (change.bytes && change.bytes->size() > kStoreRecordBytesMax) {
      return InvalidArgument(fmt::format("a record of {} is too large for the store", FormatByteSize(change.bytes->size())),
                             fmt::format("at most {}", FormatByteSize(kStoreRecordBytesMax)));
    }
  }
  return {};
}

Status CheckRoom(uint64_t bytes_before, uint64_t bytes_after, uint64_t bytes_max) {
  if (bytes_max == 0 || bytes_after <= bytes_max || bytes_after <= bytes_before) return {};
  return Exhausted(fmt::format("the store holds {} of at most {}, and {} more do not fit", FormatByteSize(bytes_before),
                               FormatByteSize(bytes_max), FormatByteSize(bytes_after - bytes_before)),
                   "remove records, or raise the store's limit");
}

}  // namespace weir::store
