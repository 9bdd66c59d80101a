// A context record: what Check() accepts must be the very bytes that the writer gives for what the view reads.

#include <cstring>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "weir/registry/context_record.h"

void weir::fuzz::Run(std::string_view input) {
  if (!ContextView::Check(std::as_bytes(std::span(input)))) return;
  // A view wants its bytes aligned.
  std::vector<uint64_t> words((input.size() + 7) / 8);
  std::memcpy(words.data(), input.data(), input.size());
  const ContextView view(std::as_bytes(std::span(words)).first(input.size()));

  const ContextTerms terms = view.Terms();
  const std::vector<Segment> segments = view.Segments();
  const std::vector<uint32_t> begins = view.Begins();
  WEIR_FUZZ_CHECK(begins.size() == view.tokens().size());
  WEIR_FUZZ_CHECK(segments.back().bytes.end == view.text().size());
  WEIR_FUZZ_CHECK(view.agent() == terms.agent && view.revision() == terms.revision && view.pinned() == terms.pinned);
  const auto tokens = static_cast<uint32_t>(begins.size());
  const Range bytes = view.BytesOf({tokens / 2, tokens});
  WEIR_FUZZ_CHECK(bytes.begin <= bytes.end && bytes.end == view.text().size());
  (void)view.ToContext();

  const ContextParts parts{terms,    view.text(),   view.tokens(),          begins,
                           segments, view.vector(), view.segment_vectors(), view.vector_fingerprint()};
  WEIR_FUZZ_CHECK(ContextRecordBytes(parts) == input.size());
  std::vector<uint64_t> again(words.size());
  const std::span<std::byte> out = std::as_writable_bytes(std::span(again)).first(input.size());
  WriteContextRecord(parts, out);
  WEIR_FUZZ_CHECK(std::memcmp(out.data(), input.data(), input.size()) == 0);
}
