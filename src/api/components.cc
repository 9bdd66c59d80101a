// The named schemas of answers.

#include <utility>

#include "route.h"
#include "schema.h"

namespace weir::api {
namespace {

Json Count() { return CountSchema(""); }
Json Text() { return TextSchema(""); }
Json Number() { return NumberSchema(""); }
Json Flag() { return BoolSchema(""); }
Json Time() { return CountSchema("Milliseconds since 1970-01-01 UTC."); }

std::vector<Member> Terms() {
  return {{"agent", Text(), true},      {"group", Text(), true},         {"role", OrNull(Text()), true},
          {"revision", Count(), true},  {"model", OrNull(Text()), true}, {"lora", OrNull(Text()), true},
          {"salted", Flag(), true},     {"pinned", Flag(), true},        {"dense", Flag(), true},
          {"created_ms", Time(), true}, {"updated_ms", Time(), true},    {"expires_ms", OrNull(Time()), true}};
}

Json With(std::vector<Member> first, std::vector<Member> more) {
  for (Member& member : more) first.push_back(std::move(member));
  return OpenObjectSchema(std::move(first));
}

Json Exact() { return OpenObjectSchema({{"tokens", Count(), true}, {"blocks", Count(), true}}); }

void AddContexts(Json& all) {
  all.Set("ContextTerms", OpenObjectSchema(Terms()));
  all.Set("ContextSummary", With(Terms(), {{"tokens", Count(), true},
                                           {"blocks", Count(), true},
                                           {"text_bytes", Count(), true},
                                           {"cold", Flag(), true},
                                           {"steps_to_execution", OrNull(Count()), true}}));
  const Json range = ListSchema(Count(), "Begin and end.", 2, 2);
  const Json segment = OpenObjectSchema({{"name", Text(), true},
                                         {"kind", Text(), true},
                                         {"fixed", Flag(), true},
                                         {"bytes", range, true},
                                         {"tokens", range, true}});
  all.Set("Context", With(Terms(), {{"fingerprint", TextSchema("Of the tokenizer."), true},
                                    {"block_size", Count(), true},
                                    {"tokens", Count(), true},
                                    {"blocks", Count(), true},
                                    {"text_bytes", Count(), true},
                                    {"segments", ListSchema(segment), true},
                                    {"text", Text()},
                                    {"ids", ListSchema(Count())}}));
  const Json divergence = OpenObjectSchema(
      {{"token", Count(), true}, {"block", Count(), true}, {"byte", Count(), true}, {"lost_tokens", Count(), true}});
  const Json system = OpenObjectSchema({{"has_system", Flag(), true},
                                        {"identical", BoolSchema("With the group's."), true},
                                        {"members", Count(), true},
                                        {"same", Count(), true},
                                        {"divergence", OrNull(divergence), true}});
  all.Set("Registered",
          OpenObjectSchema({{"agent", Text(), true},
                            {"revision", Count(), true},
                            {"tokens", Count(), true},
                            {"blocks", CountSchema("Full ones."), true},
                            {"tokens_encoded", CountSchema("That had to be tokenized."), true},
                            {"shared_blocks", CountSchema("Of the longest exact prefix that another has."), true},
                            {"shared_with", OrNull(Text()), true},
                            {"system", system, true}}));
  const Json before_after = OpenObjectSchema({{"before", Count(), true}, {"after", Count(), true}});
  all.Set("OptimizedContext", OpenObjectSchema({{"agent", Text(), true},
                                                {"group", Text(), true},
                                                {"text", Text(), true},
                                                {"changed", Flag(), true},
                                                {"tokens", before_after, true},
                                                {"reusable_tokens", before_after, true},
                                                {"order", ListSchema(Text()), true},
                                                {"normalisations", ListSchema(Text()), true},
                                                {"note", OrNull(Text()), true}}));
}

void AddAdvice(Json& all) {
  Json exact = Exact();
  exact.Find("properties")->Set("last_key", OrNull(Text()));
  const Json moved = OpenObjectSchema({{"tokens", Count(), true},
                                       {"spans", ListSchema(Json::Object{{"type", "object"}}), true},
                                       {"truncated", Flag(), true}});
  const Json near =
      OpenObjectSchema({{"blocks", Count(), true}, {"pairs", ListSchema(Json::Object{{"type", "object"}}), true}});
  const Json shared = OpenObjectSchema({{"agent", Text(), true},
                                        {"revision", Count(), true},
                                        {"confidence", NumberSchema("Exact tokens over the target's.", 0, 1), true},
                                        {"exact", exact, true},
                                        {"tokens_saved", Count(), true},
                                        {"moved", OrNull(moved), true},
                                        {"near", OrNull(near), true},
                                        {"similarity", OrNull(Number()), true},
                                        {"cold", Flag(), true}});
  all.Set("SharedReport", OpenObjectSchema({{"target", OrNull(Text()), true},
                                            {"target_tokens", Count(), true},
                                            {"target_blocks", Count(), true},
                                            {"tokens_saved", OrNull(Count()), true},
                                            {"results", ListSchema(shared), true},
                                            {"truncated", Flag(), true},
                                            {"compared", Count(), true},
                                            {"cold", Count(), true},
                                            {"other_space", Count(), true},
                                            {"near_note", OrNull(Text()), true},
                                            {"semantic_note", OrNull(Text()), true}}));
  const Json similar = OpenObjectSchema({{"agent", Text(), true},
                                         {"revision", Count(), true},
                                         {"similarity", Number(), true},
                                         {"equal_blocks", OrNull(Count()), true},
                                         {"near_blocks", OrNull(Count()), true},
                                         {"exact", OrNull(Exact()), true}});
  all.Set("SimilarReport", OpenObjectSchema({{"results", ListSchema(similar), true},
                                             {"by_vector", Flag(), true},
                                             {"cold", Count(), true},
                                             {"note", OrNull(Text()), true}}));
  const Json object = Json::Object{{"type", "object"}};
  all.Set("ShareReport",
          OpenObjectSchema(
              {{"agents", ListSchema(object), true}, {"pairs", ListSchema(object), true}, {"totals", object, true}}));
  all.Set("Explanation",
          OpenObjectSchema(
              {{"divergence", OrNull(object), true}, {"lost_tokens", Count(), true}, {"fix", OrNull(object), true}}));
  all.Set("Breaks", OpenObjectSchema({{"breaks", ListSchema(object), true}}));
  all.Set("Layout", OpenObjectSchema({{"order", ListSchema(Text()), true},
                                      {"normalisations", ListSchema(object), true},
                                      {"reusable_tokens", object, true}}));
}

void AddEmbeddings(Json& all) {
  const Json vector = EitherSchema("Numbers, or base64 of little-endian 32-bit floats.", {ListSchema(Number()), Text()});
  all.Set(
      "EmbeddingList",
      OpenObjectSchema(
          {{"object", ChoiceSchema("", {"list"}), true},
           {"data",
            ListSchema(OpenObjectSchema(
                {{"object", ChoiceSchema("", {"embedding"}), true}, {"index", Count(), true}, {"embedding", vector, true}})),
            true},
           {"model", Text(), true},
           {"usage", OpenObjectSchema({{"prompt_tokens", Count(), true}, {"total_tokens", Count(), true}}), true}}));
  all.Set("Cluster", OpenObjectSchema({{"texts", ListSchema(Count()), true},
                                       {"representative", Count(), true},
                                       {"strength", NumberSchema("Mean similarity of its pairs."), true}}));
  std::vector<Member> counters;
  for (const std::string_view name : {"calls", "texts", "hits", "stored", "computed", "coalesced", "failed", "batches",
                                      "model_loads", "not_kept", "waiting", "entries", "bytes", "budget_bytes"}) {
    counters.push_back({name, Count(), true});
  }
  counters.push_back({"hit_rate", OrNull(Number()), true});
  all.Set("EmbeddingCache", OpenObjectSchema(std::move(counters)));
  all.Set("Model", OpenObjectSchema({{"id", Text(), true},
                                     {"object", ChoiceSchema("", {"model"}), true},
                                     {"created", Count(), true},
                                     {"owned_by", Text(), true},
                                     {"dimensions", Count(), true},
                                     {"tokens_max", Count(), true},
                                     {"loaded", Flag(), true},
                                     {"memory_bytes", OrNull(Count()), true}}));
}

void AddIndex(Json& all) {
  const Json object = Json::Object{{"type", "object"}};
  all.Set("IndexJob",
          OpenObjectSchema({{"id", Text(), true},
                            {"path", Text(), true},
                            {"state", ChoiceSchema("", {"queued", "running", "done", "failed", "cancelled"}), true},
                            {"progress", object, true},
                            {"report", OrNull(object), true},
                            {"error", OrNull(object), true},
                            {"created_ms", Time(), true},
                            {"ended_ms", OrNull(Time()), true}}));
  const Json hit = OpenObjectSchema({{"root", Text(), true},
                                     {"path", Text(), true},
                                     {"first_line", Count(), true},
                                     {"last_line", Count(), true},
                                     {"score", Number(), true},
                                     {"state", ChoiceSchema("", {"same", "changed", "gone"}), true},
                                     {"text", OrNull(Text()), true}});
  all.Set("SearchAnswer", OpenObjectSchema({{"hits", ListSchema(hit), true},
                                            {"files", Count(), true},
                                            {"chunks", Count(), true},
                                            {"missing", Count(), true},
                                            {"other_model", Count(), true}}));
}

void AddMemory(Json& all) {
  const Json object = Json::Object{{"type", "object"}};
  const Json step = OpenObjectSchema({{"agent", Text(), true},
                                      {"depends_on", ListSchema(Text()), true},
                                      {"optional", Flag(), true},
                                      {"state", ChoiceSchema("", {"pending", "running", "done", "skipped", "failed"}), true},
                                      {"steps_to_execution", OrNull(Count()), true}});
  all.Set("Workflow", OpenObjectSchema({{"name", Text(), true},
                                        {"outcome", ChoiceSchema("", {"open", "complete", "failed"}), true},
                                        {"next", OrNull(Text()), true},
                                        {"steps", ListSchema(step), true}}));
  all.Set("Status", OpenObjectSchema({{"workspace", Text(), true},
                                      {"state", Text(), true},
                                      {"tokenizer", Text(), true},
                                      {"block_size", Count(), true},
                                      {"accepts_new", BoolSchema("false: memory is in an emergency."), true},
                                      {"registry", object, true},
                                      {"embeddings", Ref("EmbeddingCache"), true}}));
  all.Set("Pool", OpenObjectSchema({{"name", Text(), true}}));
  all.Set("Pressure", OpenObjectSchema({{"pools", ListSchema(Ref("Pool")), true}, {"devices", ListSchema(object), true}}));
  all.Set("ReliefPlan", OpenObjectSchema({{"wanted_bytes", Count(), true}, {"steps", ListSchema(object), true}}));
  all.Set("Relief", OpenObjectSchema({{"released_bytes", Count(), true}, {"steps", ListSchema(object), true}}));
}

void AddErrors(Json& all) {
  all.Set("Error", OpenObjectSchema({{"error",
                                      OpenObjectSchema({{"code", TextSchema("Stable, for programs."), true},
                                                        {"message", TextSchema("What is wrong."), true},
                                                        {"hint", OrNull(TextSchema("What to do.")), true}}),
                                      true}}));
  all.Set("OpenAiError", OpenObjectSchema({{"error",
                                            OpenObjectSchema({{"message", Text(), true},
                                                              {"type", Text(), true},
                                                              {"param", OrNull(Text()), true},
                                                              {"code", OrNull(Text()), true}}),
                                            true}}));
}

}  // namespace

Json Components() {
  Json all = Json::MakeObject();
  AddContexts(all);
  AddAdvice(all);
  AddEmbeddings(all);
  AddIndex(all);
  AddMemory(all);
  AddErrors(all);
  return all;
}

}  // namespace weir::api
