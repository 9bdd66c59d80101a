#pragma once
// Contexts and prompts as callers send them: text, segments, or a chat request. Internal to `api`.

#include <string>
#include <utility>
#include <vector>

#include "schema.h"
#include "weir/registry/context_input.h"
#include "weir/service/service.h"

namespace weir::api {

// Members of a body that says what a context holds, without its agent.
std::vector<Member> ContextMembers();
// Members of a body that says what a prompt is.
std::vector<Member> PromptMembers();

// REQUIRES: a body that the schema of ContextMembers() let pass. invalid_argument: none, or several, of text, segments and
// messages; unsupported: messages without a chat template; errors of the template.
Result<ContextInput> ContextInputOf(const Service& service, const Json& body, std::string agent);
// The text of a prompt; errors the same.
Result<std::string> PromptOf(const Service& service, const Json& body);

// {"agent","group",...}: what a registry's list says of one.
Json SummaryJson(const ContextSummary& summary);

// The entity tag of a revision: "3-18c0ffee".
std::string TagOf(uint64_t revision, int64_t created_ms);

}  // namespace weir::api
