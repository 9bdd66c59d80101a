// What the index keeps of a file: what is read is written as the same bytes.

#include "file_record.h"
#include "fuzz_input.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<indexer::FileRecord> record = indexer::ReadFileRecord(input);
  if (!record) return;
  WEIR_FUZZ_CHECK(indexer::IsFileRecord(input));
  WEIR_FUZZ_CHECK(indexer::WriteFileRecord(*record) == input);
}
