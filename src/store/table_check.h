#pragma once
// Looks at the end of a table file before RocksDB does: RocksDB reads a table's properties before it checks their checksum,
// and a build of it with assertions ends the process over them.
//
// A table ends with blocks that are named by the metaindex, the index block, the metaindex block, and a footer of 53 bytes:
// checksum type (u8), metaindex and index (each offset and size, varints; padded to 40), format version (u32), magic (u64).
// A block is followed by its compression type (u8) and a checksum of block and type (u32). As in RocksDB's
// table/format.cc, format version 5, XXH3, no compression: what database.cc sets.

#include <string_view>

namespace weir::store {

// The footer, and every block that it leads to other than data blocks, are as they were written. A pure function.
bool IsTableEndSound(std::string_view table);

}  // namespace weir::store
