// Resources: contexts by agent, and the pools.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "context_body.h"
#include "mcp_tool.h"

namespace weir::api {
namespace {

constexpr size_t kPageEntries = 100;
constexpr std::string_view kText = "text/plain";
constexpr std::string_view kJson = "application/json";

// First the prompt, then what else is known of it.
Result<McpResourceContents> ReadContext(Service& service, McpCall& call) {
  WEIR_ASSIGN(Workspace* const workspace, service.Find(call.caller().workspace));
  WEIR_ASSIGN(const HeldContext held, workspace->registry().Get(TextOf(call.arguments(), "agent")));
  McpResourceContents contents;
  contents.contents.push_back(McpTextContents(call.name(), kText, held->text()));
  contents.contents.push_back(McpTextContents(call.name() + "#terms", kJson, ContextJson(held).Dump()));
  return contents;
}

Result<McpResourceContents> ReadPools(Service& service, McpCall& call) {
  const McpCaller& caller = call.caller();
  WEIR_TRY(service.Find(caller.workspace));
  const Json pools = AnswerPools(service, caller.workspace, caller.Has(ScopeName(Scope::kAdmin)));
  McpResourceContents contents;
  contents.contents.push_back(McpTextContents(kPoolsUri, kJson, pools.Dump()));
  return contents;
}

// A cursor is the last name of the page before.
Result<McpResourcePage> ListContexts(Service& service, const McpCaller& caller, std::string_view cursor) {
  WEIR_ASSIGN(Workspace* const workspace, service.Find(caller.workspace));
  const std::vector<ContextSummary> all = workspace->registry().List();
  auto line = all.begin();
  if (!cursor.empty()) {
    line = std::ranges::upper_bound(all, cursor, {},
                                    [](const ContextSummary& one) -> std::string_view { return one.terms.agent; });
  }
  McpResourcePage page;
  for (; line != all.end(); ++line) {
    if (page.entries.size() == kPageEntries) {
      page.next = page.entries.back().name;
      break;
    }
    McpResourcePage::Entry entry;
    entry.uri = ContextUri(line->terms.agent);
    entry.name = line->terms.agent;
    entry.description = fmt::format("The prompt of an agent of group {}: {} tokens", line->terms.group, line->tokens);
    entry.mime_type = kText;
    entry.size_bytes = line->text_bytes;
    page.entries.push_back(std::move(entry));
  }
  return page;
}

std::vector<std::string> CompleteAgent(Service& service, const McpCaller& caller, std::string_view value) {
  std::vector<std::string> names;
  const Result<Workspace*> workspace = service.Find(caller.workspace);
  if (!workspace) return names;
  for (ContextSummary& line : (*workspace)->registry().List()) {
    if (line.terms.agent.starts_with(value)) names.push_back(std::move(line.terms.agent));
  }
  return names;
}

}  // namespace

std::string ContextUri(std::string_view agent) { return "weir://contexts/" + PercentEncode(agent); }

Status AddResources(McpServer& server, Service& service) {
  McpResource pools;
  pools.uri = kPoolsUri;
  pools.name = "pools";
  pools.title = "Memory by pool";
  pools.description = "Each pool of memory: budget, bytes, entries, hits, evictions; fullest first.";
  pools.mime_type = kJson;
  pools.scope = ScopeName(Scope::kRead);
  pools.handler = [&service](McpCall& call) { return ReadPools(service, call); };
  WEIR_TRY(server.AddResource(std::move(pools)));

  McpResourceTemplate contexts;
  contexts.uri_template = "weir://contexts/{agent}";
  contexts.name = "contexts";
  contexts.title = "The prompt that an agent holds";
  contexts.description =
      "The whole prompt as text, and as JSON its revision, group, size and segments. The agent's name is percent-encoded.";
  contexts.mime_type = kText;
  contexts.scope = ScopeName(Scope::kRead);
  contexts.handler = [&service](McpCall& call) { return ReadContext(service, call); };
  contexts.list = [&service](const McpCaller& caller, std::string_view cursor) {
    return ListContexts(service, caller, cursor);
  };
  contexts.complete = [&service](const McpCaller& caller, std::string_view, std::string_view value, const Json&) {
    return CompleteAgent(service, caller, value);
  };
  return server.AddResourceTemplate(std::move(contexts));
}

}  // namespace weir::api
