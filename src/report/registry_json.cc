#include <fmt/format.h>

#include <cmath>
#include <type_traits>
#include <utility>

#include "weir/report/registry_view.h"

namespace weir {
namespace {

template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  if (!value) return {};
  if constexpr (std::is_same_v<Value, uint32_t>) {
    return uint64_t{*value};
  } else {
    return *value;
  }
}

Json NoteJson(const std::string& note) { return note.empty() ? Json() : Json(note); }

Json SystemJson(const SystemIdentity& system) {
  Json divergence;
  if (system.divergence) {
    divergence = Json::Object{{"token", uint64_t{system.divergence->token}},
                              {"block", uint64_t{system.divergence->block}},
                              {"byte", uint64_t{system.divergence->byte}},
                              {"lost_tokens", uint64_t{system.divergence->lost_tokens}}};
  }
  return Json::Object{{"has_system", system.has_system},
                      {"identical", system.identical},
                      {"members", uint64_t{system.members}},
                      {"same", uint64_t{system.same}},
                      {"divergence", std::move(divergence)}};
}

Json MovedJson(const SharedContext& result) {
  if (!result.moved_tokens) return {};
  Json spans = Json::MakeArray();
  for (const MovedSpan& span : result.moved) {
    spans.Append(Json::Object{{"target_token", uint64_t{span.target_token}},
                              {"agent_token", uint64_t{span.agent_token}},
                              {"tokens", uint64_t{span.tokens}}});
  }
  return Json::Object{
      {"tokens", uint64_t{*result.moved_tokens}}, {"spans", std::move(spans)}, {"truncated", result.moved_truncated}};
}

Json NearJson(const SharedContext& result) {
  if (!result.near_blocks) return {};
  Json pairs = Json::MakeArray();
  for (const NearBlock& near : result.near) {
    pairs.Append(Json::Object{{"target_block", uint64_t{near.target_block}},
                              {"agent_block", uint64_t{near.agent_block}},
                              {"distance", uint64_t{near.distance}},
                              {"tokens_differ", uint64_t{near.tokens_differ}}});
  }
  return Json::Object{{"blocks", uint64_t{*result.near_blocks}}, {"pairs", std::move(pairs)}};
}

Json ExactJson(const ExactPrefix& exact) {
  return Json::Object{{"tokens", uint64_t{exact.tokens}}, {"blocks", uint64_t{exact.blocks}}};
}

// A figure of single precision as people would write it: 0.85, not 0.8500000238.
Json ShortJson(float value) { return std::round(static_cast<double>(value) * 1e6) / 1e6; }

Json ResultJson(const SharedContext& result) {
  Json exact = ExactJson(result.exact);
  exact.Set("last_key", result.exact.blocks == 0
                            ? Json()
                            : Json(fmt::format("{:016x}{:016x}", result.last_key.high, result.last_key.low)));
  return Json::Object{{"agent", result.agent},
                      {"revision", result.revision},
                      {"confidence", result.confidence},
                      {"exact", std::move(exact)},
                      {"tokens_saved", uint64_t{result.tokens_saved}},
                      {"moved", MovedJson(result)},
                      {"near", NearJson(result)},
                      {"similarity", result.similarity ? ShortJson(*result.similarity) : Json()},
                      {"cold", result.cold}};
}

Json NearestJson(const std::optional<NearestSegment>& nearest) {
  if (!nearest) return {};
  return Json::Object{
      {"segment", uint64_t{nearest->segment}}, {"name", nearest->name}, {"similarity", ShortJson(nearest->similarity)}};
}

}  // namespace

Json RegisteredJson(const Registered& registered) {
  return Json::Object{{"agent", registered.agent},
                      {"revision", registered.revision},
                      {"tokens", uint64_t{registered.tokens}},
                      {"blocks", uint64_t{registered.blocks}},
                      {"tokens_encoded", uint64_t{registered.tokens_encoded}},
                      {"shared_blocks", uint64_t{registered.shared_blocks}},
                      {"shared_with", OrNull(registered.shared_with)},
                      {"system", SystemJson(registered.system)},
                      {"has_vector", registered.has_vector},
                      {"vector_note", NoteJson(registered.vector_note)}};
}

Json ContextTermsJson(const ContextTerms& terms) {
  return Json::Object{{"agent", terms.agent},
                      {"group", terms.group},
                      {"role", terms.role.empty() ? Json() : Json(terms.role)},
                      {"revision", terms.revision},
                      {"model", terms.space.model.empty() ? Json() : Json(terms.space.model)},
                      {"lora", terms.space.lora.empty() ? Json() : Json(terms.space.lora)},
                      {"salted", !terms.space.salt.empty()},
                      {"pinned", terms.pinned},
                      {"dense", terms.dense},
                      {"created_ms", terms.created_ms},
                      {"updated_ms", terms.updated_ms},
                      {"expires_ms", terms.expires_ms == 0 ? Json() : Json(terms.expires_ms)}};
}

Json SegmentsJson(std::span<const Segment> segments) {
  Json parts = Json::MakeArray();
  for (const Segment& segment : segments) {
    parts.Append(Json::Object{{"name", segment.name},
                              {"kind", SegmentKindName(segment.kind)},
                              {"fixed", segment.fixed},
                              {"bytes", Json::Array{uint64_t{segment.bytes.begin}, uint64_t{segment.bytes.end}}},
                              {"tokens", Json::Array{uint64_t{segment.tokens.begin}, uint64_t{segment.tokens.end}}}});
  }
  return parts;
}

Json SharedReportJson(const SharedReport& report) {
  Json results = Json::MakeArray();
  for (const SharedContext& result : report.results) results.Append(ResultJson(result));
  return Json::Object{{"target", report.target.empty() ? Json() : Json(report.target)},
                      {"target_tokens", uint64_t{report.target_tokens}},
                      {"target_blocks", uint64_t{report.target_blocks}},
                      {"tokens_saved", OrNull(report.tokens_saved)},
                      {"results", std::move(results)},
                      {"truncated", report.truncated},
                      {"compared", uint64_t{report.compared}},
                      {"cold", uint64_t{report.cold}},
                      {"other_space", uint64_t{report.other_space}},
                      {"near_note", NoteJson(report.near_note)},
                      {"semantic_note", NoteJson(report.semantic_note)}};
}

Json SimilarReportJson(const SimilarReport& report) {
  Json results = Json::MakeArray();
  for (const SimilarContext& result : report.results) {
    results.Append(Json::Object{{"agent", result.agent},
                                {"revision", result.revision},
                                {"similarity", ShortJson(result.similarity)},
                                {"equal_blocks", OrNull(result.equal_blocks)},
                                {"near_blocks", OrNull(result.near_blocks)},
                                {"exact", result.shared_prefix ? Json(ExactJson(*result.shared_prefix)) : Json()},
                                {"nearest_segment", NearestJson(result.nearest_segment)}});
  }
  return Json::Object{{"results", std::move(results)},
                      {"by_vector", report.by_vector},
                      {"cold", uint64_t{report.cold}},
                      {"note", NoteJson(report.note)}};
}

}  // namespace weir
