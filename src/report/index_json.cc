#include "weir/report/index_view.h"

namespace weir {

Json IndexCountsJson(const IndexReport& report) {
  const uint64_t asked = report.chunks_asked();
  return Json::Object{
      {"total", report.total},
      {"processed", report.processed},
      {"skipped", report.skipped},
      {"failed", report.failed},
      {"hits", report.hits},
      {"computed", report.computed},
      {"coalesced", report.coalesced},
      {"hit_rate", asked == 0 ? Json() : Json(static_cast<double>(report.hits) / static_cast<double>(asked))},
      {"elapsed_ms", report.elapsed_ms},
      {"chunks", report.chunks},
      {"unchanged", report.unchanged},
      {"not_text", report.not_text},
      {"too_large", report.too_large},
      {"ignored", report.ignored},
      {"removed", report.removed}};
}

}  // namespace weir
