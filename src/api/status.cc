#include "status.h"

#include <cmath>
#include <utility>

#include "weir/codec/utf8.h"
#include "weir/report/index_view.h"

namespace weir::api {
namespace {

Json ErrorOf(const Error& error) {
  return Json::Object{{"code", ErrorCodeName(error.code)},
                      {"message", error.message},
                      {"hint", error.hint.empty() ? Json() : Json(error.hint)}};
}

Json NoteJson(const std::string& note) { return note.empty() ? Json() : Json(note); }

Json CountsJson(std::initializer_list<std::pair<std::string_view, uint64_t>> counts) {
  Json json = Json::MakeObject();
  for (const auto& [name, count] : counts) json.Set(name, count);
  return json;
}

}  // namespace

double RoundedScore(float value) { return std::round(static_cast<double>(value) * 1e6) / 1e6; }

Json ShortNumber(float value) { return RoundedScore(value); }

Json EmbeddingsJson(Service& service) {
  const EmbedStats stats = service.embeddings().stats();
  Json json = CountsJson({{"calls", stats.calls},
                          {"texts", stats.texts},
                          {"hits", stats.hits},
                          {"stored", stats.stored},
                          {"computed", stats.computed},
                          {"coalesced", stats.coalesced},
                          {"failed", stats.failed},
                          {"batches", stats.batches},
                          {"model_loads", stats.model_loads},
                          {"not_kept", stats.not_kept},
                          {"waiting", stats.waiting},
                          {"entries", stats.pool.entries},
                          {"bytes", stats.pool.mapped_bytes},
                          {"budget_bytes", stats.pool.budget_bytes}});
  const uint64_t known = stats.hits + stats.stored;
  json.Set("hit_rate", stats.texts == 0 ? Json() : Json(static_cast<double>(known) / static_cast<double>(stats.texts)));
  return json;
}

Json StatusJson(Service& service, Workspace& workspace) {
  const RegistryStats stats = workspace.registry().stats();
  Json registry = CountsJson({{"contexts", stats.contexts},
                              {"cold", stats.cold},
                              {"pinned", stats.pinned},
                              {"spaces", stats.spaces},
                              {"groups", stats.groups},
                              {"tokens", stats.tokens},
                              {"text_bytes", stats.text_bytes},
                              {"held_bytes", stats.held_bytes},
                              {"index_bytes", stats.index_bytes()},
                              {"registered", stats.registered},
                              {"replaced", stats.replaced},
                              {"removed", stats.removed},
                              {"expired", stats.expired},
                              {"refused", stats.refused},
                              {"evicted", stats.evicted},
                              {"reloaded", stats.reloaded},
                              {"restored", stats.restored},
                              {"set_aside", stats.set_aside}});
  const DataFolderSettings& settings = workspace.settings();
  return Json::Object{{"workspace", workspace.name()},
                      {"state", ServiceStateName(service.state())},
                      {"tokenizer", settings.tokenizer},
                      {"fingerprint", settings.fingerprint},
                      {"block_size", uint64_t{settings.block_size}},
                      {"accepts_new", service.broker().accepts_new()},
                      {"registry", std::move(registry)},
                      {"embeddings", EmbeddingsJson(service)}};
}

Json IndexReportJson(const IndexReport& report) {
  Json json = IndexCountsJson(report);
  Json problems = Json::MakeArray();
  for (const FileProblem& problem : report.problems) {
    Json one = ErrorOf(problem.error);
    one.Set("path", ReplaceInvalidUtf8(problem.path));
    problems.Append(std::move(one));
  }
  json.Set("problems", std::move(problems));
  return json;
}

Json JobJson(const IndexJob& job) {
  return Json::Object{{"id", job.id},
                      {"path", ReplaceInvalidUtf8(job.request.root.string())},
                      {"state", JobStateName(job.state)},
                      {"progress", CountsJson({{"files_done", job.progress.files_done},
                                               {"files", job.progress.files},
                                               {"chunks_done", job.progress.chunks_done}})},
                      {"report", job.report ? IndexReportJson(*job.report) : Json()},
                      {"error", job.error ? ErrorOf(*job.error) : Json()},
                      {"created_ms", job.created_ms},
                      {"ended_ms", job.ended_ms == 0 ? Json() : Json(job.ended_ms)}};
}

Json SearchJson(const SearchAnswer& answer) {
  Json hits = Json::MakeArray();
  for (const SearchHit& hit : answer.hits) {
    hits.Append(Json::Object{{"root", ReplaceInvalidUtf8(hit.root)},
                             {"path", ReplaceInvalidUtf8(hit.path)},
                             {"first_line", uint64_t{hit.chunk.first_line}},
                             {"last_line", uint64_t{hit.chunk.last_line}},
                             {"score", ShortNumber(hit.score)},
                             {"state", ChunkStateName(hit.state)},
                             {"text", hit.state == ChunkState::kSame ? Json(hit.text) : Json()}});
  }
  Json json = CountsJson({{"files", answer.files},
                          {"chunks", answer.chunks},
                          {"missing", answer.missing},
                          {"other_model", answer.other_model}});
  json.Set("hits", std::move(hits));
  return json;
}

Json OptimizedJson(const OptimizedContext& optimized) {
  Json order = Json::MakeArray();
  for (const std::string& name : optimized.order) order.Append(name);
  Json normalisations = Json::MakeArray();
  for (const std::string& name : optimized.normalisations) normalisations.Append(name);
  return Json::Object{
      {"agent", optimized.agent},
      {"group", optimized.group},
      {"text", optimized.text},
      {"changed", optimized.changed},
      {"tokens", CountsJson({{"before", optimized.tokens_before}, {"after", optimized.tokens_after}})},
      {"reusable_tokens", CountsJson({{"before", optimized.reusable_before}, {"after", optimized.reusable_after}})},
      {"order", std::move(order)},
      {"normalisations", std::move(normalisations)},
      {"note", NoteJson(optimized.note)}};
}

}  // namespace weir::api
