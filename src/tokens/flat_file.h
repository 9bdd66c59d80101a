#pragma once
// The flat tokenizer file: a loaded tokenizer's tables as they lie in memory, mapped instead of parsed.
//
// All numbers little-endian; sections begin at multiples of 64 bytes:
//   0  magic "WEIRTOK1"      8  version (u32)      12  sections (u32)      16  file size (u64)
//   24 XXH3-128 of the tokenizer.json it was made from (high, low: u64)
//   40 XXH3-128 of everything from byte 56 on (high, low: u64)
//   56 per section: offset, size (u64, bytes); then the sections: those of ModelTables in order, then the configuration
//      as JSON (ConfigToJson).
// A file of another version, of another tokenizer.json, cut short or changed is refused (corrupt) and made anew by the
// caller. Writers of one file do not disturb each other: it is replaced by renaming.

#include <filesystem>
#include <string>

#include "tokenizer_json.h"
#include "weir/base/result.h"
#include "weir/codec/xxh3.h"

namespace weir::bpe {

// Where the file for a tokenizer.json with this hash lies.
std::filesystem::path FlatFilePath(const std::filesystem::path& folder, Hash128 json_hash);

Status WriteFlatFile(const std::filesystem::path& path, Hash128 json_hash, const LoadedTokenizer& tokenizer);
Result<LoadedTokenizer> ReadFlatFile(const std::filesystem::path& path, Hash128 json_hash);

}  // namespace weir::bpe
