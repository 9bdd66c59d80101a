// CBOR: an item that Skip() accepts must be the very bytes that the writer gives for what the reader reads.

#include "fuzz_input.h"
#include "weir/codec/cbor.h"

namespace {

void Copy(std::string_view input, weir::CborReader& reader, weir::CborWriter& writer, std::string& out) {
  switch (*reader.Peek()) {
    case weir::CborKind::kUnsigned: return writer.Unsigned(*reader.Unsigned());
    case weir::CborKind::kNegative: {
      const weir::Result<int64_t> value = reader.Integer();
      if (value) return writer.Integer(*value);
      const size_t begin = reader.offset();
      WEIR_FUZZ_CHECK(reader.Skip().has_value());  // below int64: valid, but the reader does not hold it
      out += input.substr(begin, reader.offset() - begin);
      return;
    }
    case weir::CborKind::kBytes: return writer.Bytes(*reader.Bytes());
    case weir::CborKind::kText: return writer.Text(*reader.Text());
    case weir::CborKind::kArray:
    case weir::CborKind::kMap: {
      const bool is_map = *reader.Peek() == weir::CborKind::kMap;
      const uint64_t count = is_map ? *reader.Map() : *reader.Array();
      is_map ? writer.Map(count) : writer.Array(count);
      for (uint64_t i = 0; i < count * (is_map ? 2 : 1); ++i) Copy(input, reader, writer, out);
      return;
    }
    case weir::CborKind::kNull: WEIR_FUZZ_CHECK(reader.Null().has_value()); return writer.Null();
    default: return writer.Bool(*reader.Bool());
  }
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  CborReader skipping(input);
  const bool accepted = skipping.Skip().has_value();
  CborReader probing(input);  // no call may stray, whatever comes
  (void)probing.Unsigned();
  (void)probing.Integer();
  (void)probing.Text();
  (void)probing.Bytes();
  (void)probing.Map();
  (void)probing.Array();
  (void)probing.Bool();
  (void)probing.Null();
  if (!accepted) return;
  std::string copy;
  CborReader reader(input);
  CborWriter writer(copy);
  Copy(input, reader, writer, copy);
  WEIR_FUZZ_CHECK(reader.offset() == skipping.offset());
  WEIR_FUZZ_CHECK(copy == input.substr(0, skipping.offset()));
}
