#pragma once
// What a registry answers, for people and programs. Pure functions. Kinds of commonality stand apart; what is not known is
// null in JSON and "-" in a drawing. No prompt text in any of them.

#include <span>
#include <string>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/registry/answers.h"
#include "weir/registry/context_record.h"
#include "weir/report/text.h"
#include "weir/tokens/context.h"

namespace weir {

// {"agent","revision","tokens","blocks","tokens_encoded","shared_blocks","shared_with","system":{"has_system","identical",
// "members","same","divergence":{"token","block","byte","lost_tokens"} or null},"has_vector","vector_note"}
Json RegisteredJson(const Registered& registered);
// The same back, but for created_ms, which is not in it. corrupt names the member that is missing or of another kind;
// members that are not known are passed over.
Result<Registered> ParseRegistered(const Json& json);

// {"agent","group","role","revision","model","lora","salted","pinned","dense","created_ms","updated_ms","expires_ms"}; what
// is empty is null. The salt keeps tenants apart and may be nobody's business: only whether there is one is told.
Json ContextTermsJson(const ContextTerms& terms);
// [{"name","kind","fixed","bytes":[begin,end],"tokens":[begin,end]}]
Json SegmentsJson(std::span<const Segment> segments);

// {"target","target_tokens","target_blocks","tokens_saved","results":[{"agent","revision","confidence","exact":{"tokens",
// "blocks","last_key"},"tokens_saved","moved":{"tokens","spans":[...],"truncated"} or null,"near":{"blocks","pairs":[...]}
// or null,"similarity","cold"}],...}; target is null for a prompt.
Json SharedReportJson(const SharedReport& report);

// {"results":[{"agent","revision","similarity","equal_blocks","near_blocks","exact":{...},"nearest_segment":{"segment",
// "name","similarity"} or null}],"by_vector","cold","note"}
Json SimilarReportJson(const SimilarReport& report);

// A row for each, and where system prompts leave their group.
std::string DrawRegistered(std::span<const Registered> registered, const TextStyle& style);
std::string DrawSharedReport(const SharedReport& report, const TextStyle& style);
std::string DrawSimilarReport(const SimilarReport& report, const TextStyle& style);

}  // namespace weir
