#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core.h"
#include "weir/codec/base64.h"

namespace weir::mcp {
namespace {

// A cursor names a place: which of several lists, and where in it. Clients see base64url of "LIST/PLACE".
struct Cursor {
  uint64_t list = 0;
  std::string place{};
};

std::string Encoded(const Cursor& cursor) { return Base64UrlOf(fmt::format("{}/{}", cursor.list, cursor.place)); }

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::variant<Cursor, RpcError> ReadCursor(const Json& params) {
  const Json* text = params.Find("cursor");
  if (text == nullptr) return Cursor();
  const RpcError fault{kInvalidParams, "cursor is not one of this list", std::nullopt};
  if (!text->is_string()) return fault;
  const Result<std::string> bytes = ParseBase64Url(text->as_string());
  if (!bytes) return fault;
  const size_t slash = bytes->find('/');
  const std::optional<uint64_t> list = Number(std::string_view(*bytes).substr(0, slash));
  if (!list || slash == std::string::npos) return fault;
  return Cursor{*list, bytes->substr(slash + 1)};
}

struct Listed {
  Json entries = Json::MakeArray();
  std::optional<uint64_t> next{};  // position of the next page
};

// One page of the entries that `visible` lets through.
template <typename Entry, typename Visible, typename Shown>
Listed PageOf(const EntryList<Entry>& list, uint64_t position, size_t limit, Visible visible, Shown shown) {
  Listed page;
  while (true) {
    const auto some = list.From(position, limit + 1);
    for (const auto& [at, entry] : some) {
      if (!visible(*entry)) continue;
      if (page.entries.as_array().size() == limit) {
        page.next = at;
        return page;
      }
      page.entries.Append(shown(*entry));
    }
    if (some.size() <= limit) return page;
    position = some.back().first + 1;
  }
}

template <typename Entry, typename Visible, typename Shown>
Outcome SimpleList(const Json& params, std::string_view member, const EntryList<Entry>& list, size_t limit, Visible visible,
                   Shown shown) {
  auto read = ReadCursor(params);
  if (RpcError* error = std::get_if<RpcError>(&read)) return Outcome::Fault(std::move(*error));
  const Cursor& cursor = std::get<Cursor>(read);
  const std::optional<uint64_t> position = cursor.place.empty() ? uint64_t{0} : Number(cursor.place);
  if (cursor.list != 0 || !position) return Outcome::Fault(kInvalidParams, "cursor is not one of this list");
  Listed page = PageOf(list, *position, limit, visible, shown);
  Json result = Json::MakeObject();
  result.Set(member, std::move(page.entries));
  if (page.next) result.Set("nextCursor", Encoded({0, std::to_string(*page.next)}));
  return Outcome::Of(std::move(result));
}

Json EntryJson(const McpResourcePage::Entry& entry) {
  Json out = Json::MakeObject();
  out.Set("uri", entry.uri);
  out.Set("name", entry.name.empty() ? entry.uri : entry.name);
  if (!entry.title.empty()) out.Set("title", entry.title);
  if (!entry.description.empty()) out.Set("description", entry.description);
  if (!entry.mime_type.empty()) out.Set("mimeType", entry.mime_type);
  if (entry.size_bytes) out.Set("size", *entry.size_bytes);
  return out;
}

void MarkPrivate(const Request& request, Outcome& outcome, uint64_t ttl_ms) {
  if (!request.modern() || outcome.kind != Outcome::Kind::kResult) return;
  outcome.result.Set("ttlMs", ttl_ms);
  outcome.result.Set("cacheScope", "private");
}

}  // namespace

Outcome Core::ListTools(Request& request) {
  Outcome outcome = SimpleList(
      request.params, "tools", catalog_.tools, options_.page_size,
      [&](const ToolEntry& entry) { return request.caller.Has(entry.tool.scope); },
      [&](const ToolEntry& entry) { return request.modern() ? entry.listing : entry.listing_legacy; });
  // Where scopes decide what is listed, a list is its caller's alone.
  const auto all = catalog_.tools.From(0, SIZE_MAX);
  if (std::any_of(all.begin(), all.end(), [](const auto& one) { return !one.second->tool.scope.empty(); })) {
    MarkPrivate(request, outcome, options_.list_ttl_ms);
  }
  return outcome;
}

Outcome Core::ListTemplates(Request& request) {
  Outcome outcome = SimpleList(
      request.params, "resourceTemplates", catalog_.templates, options_.page_size,
      [&](const TemplateEntry& entry) { return request.caller.Has(entry.resource_template.scope); },
      [](const TemplateEntry& entry) { return entry.listing; });
  MarkPrivate(request, outcome, options_.list_ttl_ms);
  return outcome;
}

Outcome Core::ListPrompts(Request& request) {
  return SimpleList(
      request.params, "prompts", catalog_.prompts, options_.page_size, [](const PromptEntry&) { return true; },
      [](const PromptEntry& entry) { return entry.listing; });
}

// The resources first (list 0), then what each template lists (1 + its position), page by page.
Outcome Core::ListResources(Request& request) {
  auto read = ReadCursor(request.params);
  if (RpcError* error = std::get_if<RpcError>(&read)) return Outcome::Fault(std::move(*error));
  Cursor cursor = std::move(std::get<Cursor>(read));
  Json result = Json::MakeObject();
  Json entries = Json::MakeArray();
  std::string next;
  if (cursor.list == 0) {
    const std::optional<uint64_t> position = cursor.place.empty() ? uint64_t{0} : Number(cursor.place);
    if (!position) return Outcome::Fault(kInvalidParams, "cursor is not one of this list");
    Listed page = PageOf(
        catalog_.resources, *position, options_.page_size,
        [&](const ResourceEntry& entry) { return request.caller.Has(entry.resource.scope); },
        [](const ResourceEntry& entry) { return entry.listing; });
    entries = std::move(page.entries);
    if (page.next) next = Encoded({0, std::to_string(*page.next)});
    cursor = {1, ""};
  }
  while (next.empty() && entries.as_array().size() < options_.page_size) {
    const auto from = catalog_.templates.From(cursor.list - 1, 1);
    if (from.empty()) break;
    const auto& [position, entry] = from.front();
    if (position != cursor.list - 1) cursor = {position + 1, ""};
    const McpResourceTemplate& source = entry->resource_template;
    if (source.list && request.caller.Has(source.scope)) {
      const Result<McpResourcePage> page = source.list(request.caller, cursor.place);
      if (!page && page.error().code == ErrorCode::kInvalidArgument)
        return Outcome::Fault(kInvalidParams, page.error().message);
      if (!page) return Outcome::Fault(kInternalError, page.error().ToString());
      for (const McpResourcePage::Entry& one : page->entries) entries.Append(EntryJson(one));
      if (!page->next.empty()) {
        next = Encoded({cursor.list, page->next});
        break;
      }
    }
    cursor = {position + 2, ""};
    if (entries.as_array().size() >= options_.page_size && !catalog_.templates.From(position + 1, 1).empty()) {
      next = Encoded(cursor);
    }
  }
  result.Set("resources", std::move(entries));
  if (!next.empty()) result.Set("nextCursor", next);
  Outcome outcome = Outcome::Of(std::move(result));
  MarkPrivate(request, outcome, 0);
  return outcome;
}

}  // namespace weir::mcp
