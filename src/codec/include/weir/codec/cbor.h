#pragma once
// Canonical CBOR (RFC 8949 section 4.2.1; RFC 7049 section 3.9 for the key order): the subset that block hashes are made
// of. Integers, byte strings, text, arrays, maps, false, true and null; no floats, tags or indefinite lengths.
//
// The writer appends to a string of the caller. The reader pulls one item after the other out of bytes that it borrows,
// allocates nothing, and refuses whatever the writer would not have written. One thread at a time each.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

enum class CborKind : uint8_t {  // CBOR's major types; simple values apart
  kUnsigned = 0,
  kNegative = 1,
  kBytes = 2,
  kText = 3,
  kArray = 4,
  kMap = 5,
  kFalse = 20,
  kTrue = 21,
  kNull = 22,
};

class CborWriter {
 public:
  // Borrows `out` and appends to it.
  explicit CborWriter(std::string& out) : out_(out) {}

  void Unsigned(uint64_t value) { Head(CborKind::kUnsigned, value); }
  void Integer(int64_t value);
  void Bytes(std::string_view bytes);
  void Text(std::string_view text);                              // REQUIRES: UTF-8
  void Array(uint64_t count) { Head(CborKind::kArray, count); }  // `count` items follow
  void Map(uint64_t count) { Head(CborKind::kMap, count); }      // `count` pairs follow, keys in canonical order
  void Bool(bool value) { out_.push_back(value ? '\xf5' : '\xf4'); }
  void Null() { out_.push_back('\xf6'); }

 private:
  void Head(CborKind kind, uint64_t value);
  std::string& out_;
};

class CborReader {
 public:
  static constexpr size_t kDepthMax = 64;  // of Skip()

  // Borrows `bytes`.
  explicit CborReader(std::string_view bytes) : bytes_(bytes) {}

  bool ended() const { return at_ == bytes_.size(); }
  size_t offset() const { return at_; }

  // What comes next. Every error is corrupt and names the byte offset; after one the reader stands where it stood.
  Result<CborKind> Peek() const;

  Result<uint64_t> Unsigned();
  Result<int64_t> Integer();  // either sign; an integer beyond int64 is an error
  Result<std::string_view> Bytes();
  Result<std::string_view> Text();  // checked to be UTF-8
  Result<uint64_t> Array();         // number of items; never more than there are bytes left
  Result<uint64_t> Map();           // number of pairs; ditto. Key order is checked by Skip() only
  Result<bool> Bool();
  Status Null();

  // One whole item, with all that canonical form demands: shortest heads, map keys sorted by length and bytes and
  // unique, UTF-8, at most kDepthMax containers inside one another.
  Status Skip();

 private:
  struct Head {
    CborKind kind;
    uint64_t value;
    size_t size;  // bytes
  };
  Result<Head> ReadHead() const;
  Result<uint64_t> Take(CborKind kind);
  Result<uint64_t> TakeCount(CborKind kind, uint64_t bytes_each);
  Result<std::string_view> TakeString(CborKind kind);
  Status SkipItem(size_t depth);
  Status SkipMap(uint64_t count, size_t depth);

  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace weir
