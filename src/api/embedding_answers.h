#pragma once
// Texts as vectors, and what follows from them, for routes and tools alike. Internal to `api`. `body` as its schema let
// pass.

#include <string>
#include <string_view>
#include <vector>

#include "answers.h"
#include "weir/codec/json.h"
#include "weir/embed/embed_cache.h"

namespace weir::api {

EmbedInput InputTypeOf(const Json& body);
// Of the members input_type, dimensions and truncate. Borrows the workspace's name.
EmbedCall EmbedCallOf(const Question& question);

// The first text that has no vector fails the request, and is named by its member.
Status AllThere(const EmbedAnswer& answer, std::string_view member, bool is_list);

// Each text with its vector.
Result<EmbedAnswer> EmbedTexts(const Question& question, const std::vector<std::string>& texts, std::string_view member,
                               EmbedInput kind);

// [{"index","similarity"}]: the `k` texts most like `query`; their vectors in `embedded`.
Result<Json> NearestTexts(const Question& question, const std::vector<std::string>& texts, EmbedAnswer& embedded);
// [{"texts","representative","strength"}]
Result<Json> ClustersOf(const Json& body, const EmbedAnswer& embedded);

}  // namespace weir::api
