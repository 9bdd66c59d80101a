#include "embedding_answers.h"

#include <fmt/format.h>

#include <utility>

#include "schema.h"
#include "status.h"
#include "weir/embed/vector_operations.h"

namespace weir::api {

EmbedInput InputTypeOf(const Json& body) {
  const std::string kind = TextOf(body, "input_type");
  return kind == "query" ? EmbedInput::kQuery : kind == "passage" ? EmbedInput::kPassage : EmbedInput::kPlain;
}

EmbedCall EmbedCallOf(const Question& question) {
  EmbedCall options;
  options.input = InputTypeOf(question.body);
  options.dimensions = static_cast<uint32_t>(CountOf(question.body, "dimensions", 0));
  options.truncate = BoolOf(question.body, "truncate", false);
  options.owner = question.workspace.vector_owner();
  return options;
}

Status AllThere(const EmbedAnswer& answer, std::string_view member, bool is_list) {
  for (size_t i = 0; i < answer.items.size(); ++i) {
    if (answer.items[i].status) continue;
    Error error = answer.items[i].status.error();
    error.message =
        is_list ? fmt::format("/{}/{}: {}", member, i, error.message) : fmt::format("/{}: {}", member, error.message);
    return error;
  }
  return {};
}

Result<EmbedAnswer> EmbedTexts(const Question& question, const std::vector<std::string>& texts, std::string_view member,
                               EmbedInput kind) {
  WEIR_ASSIGN(const ServiceModel* const model, question.service.FindModel(TextOf(question.body, "model")));
  EmbedCall options = EmbedCallOf(question);
  options.input = kind;
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  WEIR_ASSIGN(EmbedAnswer embedded, question.service.embeddings().Embed(model->model.name, views, options));
  WEIR_TRY(AllThere(embedded, member, true));
  return embedded;
}

Result<Json> NearestTexts(const Question& question, const std::vector<std::string>& texts, EmbedAnswer& embedded) {
  const std::vector<std::string> query = {TextOf(question.body, "query")};
  WEIR_ASSIGN(const EmbedAnswer asked, EmbedTexts(question, query, "query", EmbedInput::kQuery));
  WEIR_ASSIGN(embedded, EmbedTexts(question, texts, "texts", EmbedInput::kPassage));
  WEIR_ASSIGN(const std::vector<RankedRow> ranked, TopK({embedded.vectors, embedded.dimensions}, asked.vector(0),
                                                        static_cast<uint32_t>(CountOf(question.body, "k", 10)),
                                                        static_cast<float>(NumberOf(question.body, "threshold", -1))));
  Json results = Json::MakeArray();
  for (const RankedRow& one : ranked) {
    results.Append(Json::Object{{"index", uint64_t{one.row}}, {"similarity", ShortNumber(one.similarity)}});
  }
  return results;
}

Result<Json> ClustersOf(const Json& body, const EmbedAnswer& embedded) {
  ClusterOptions options;
  options.threshold = static_cast<float>(NumberOf(body, "threshold", options.threshold));
  options.size_min = static_cast<uint32_t>(CountOf(body, "size_min", options.size_min));
  WEIR_ASSIGN(const std::vector<Cluster> found, ClusterRows({embedded.vectors, embedded.dimensions}, options));
  Json clusters = Json::MakeArray();
  for (const Cluster& cluster : found) {
    Json rows = Json::MakeArray();
    for (const uint32_t row : cluster.rows) rows.Append(uint64_t{row});
    clusters.Append(Json::Object{{"texts", std::move(rows)},
                                 {"representative", uint64_t{cluster.representative}},
                                 {"strength", ShortNumber(cluster.strength)}});
  }
  return clusters;
}

}  // namespace weir::api
