#pragma once
// What several surfaces answer alike: routes and tools put their bodies into one form and share the rest. Internal to `api`.
// Errors are the service's own, and invalid_argument where a body contradicts itself.

#include <string>

#include "weir/codec/json.h"
#include "weir/registry/registry.h"
#include "weir/service/service.h"

namespace weir::api {

// REQUIRES: a body (or the parameters of a query) that its schema let pass.
struct Question {
  Service& service;
  Workspace& workspace;
  const Json& body;
};

// Of FindSharedOptions, what a body may say; the rest is as in `otherwise`.
Result<Json> AnswerMatch(const Question& question, const FindSharedOptions& otherwise = {});
Result<Json> AnswerSimilar(const Question& question);
// With a and b the explanation of one pair, else {"breaks"}.
Result<Json> AnswerExplain(const Question& question);
Result<Json> AnswerLayout(const Question& question);
Result<Json> AnswerOptimized(const Question& question, const std::string& agent);
Result<Json> AnswerSearch(const Question& question);
// A page of contexts by name: group, limit, cursor.
Result<Json> AnswerContexts(const Question& question);
// The pools that a caller of this workspace may see; an admin sees all.
Json AnswerPools(Service& service, std::string_view workspace, bool is_admin);

// Terms, sizes and segments; no text.
Json ContextJson(const HeldContext& held);

AppendInput AppendInputOf(const Json& body);
Result<IndexRequest> IndexRequestOf(const Service& service, const Json& body);

}  // namespace weir::api
