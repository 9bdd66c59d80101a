// The actions of `weir contexts` that look only.

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "contexts_options.h"
#include "weir/base/bytes.h"
#include "weir/report/registry_view.h"

namespace weir {
namespace {

// "2026-03-01 10:00:07 UTC".
std::string TimeText(int64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  if (::gmtime_r(&seconds, &utc) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::string Marks(const ContextTerms& terms) {
  std::string out;
  const auto add = [&](bool is, std::string_view mark) {
    if (is) out += (out.empty() ? "" : ", ") + std::string(mark);
  };
  add(terms.pinned, "pinned");
  add(terms.dense, "dense");
  add(!terms.space.salt.empty(), "salted");
  if (!terms.space.model.empty()) add(true, "model " + Visible(terms.space.model));
  if (!terms.space.lora.empty()) add(true, "LoRA " + Visible(terms.space.lora));
  if (terms.expires_ms != 0 && !terms.pinned) add(true, "until " + TimeText(terms.expires_ms));
  return out.empty() ? "-" : out;
}

void WriteShared(Session& session, const SharedReport& report) {
  if (session.json()) {
    session.WriteJson(SharedReportJson(report));
  } else {
    session.out().Write(DrawSharedReport(report, session.style()));
  }
}

}  // namespace

Result<ExitCode> ListContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder));
  Json contexts = Json::MakeArray();
  Table table({{"agent", Align::kLeft, true},
               {"group"},
               {"role"},
               {"revision", Align::kRight},
               {"tokens", Align::kRight},
               {"text", Align::kRight},
               {""}});
  size_t count = 0;
  uint64_t tokens = 0;
  for (const ContextSummary& line : data.registry->List()) {
    if (!options.group.empty() && line.terms.group != options.group) continue;
    ++count;
    tokens += line.tokens;
    if (session.json()) {
      Json json = ContextTermsJson(line.terms);
      json.Set("tokens", uint64_t{line.tokens});
      json.Set("blocks", uint64_t{line.blocks});
      json.Set("text_bytes", line.text_bytes);
      contexts.Append(std::move(json));
    } else {
      table.AddRow({Visible(line.terms.agent), Visible(line.terms.group),
                    line.terms.role.empty() ? "-" : Visible(line.terms.role), Grouped(line.terms.revision),
                    Grouped(line.tokens), FormatByteSize(line.text_bytes), Marks(line.terms)});
    }
  }
  const uint64_t set_aside = data.registry->stats().set_aside + data.store->stats().unreadable;
  if (session.json()) {
    session.WriteJson(Json::Object{{"data", folder},
                                   {"tokenizer", data.settings.tokenizer},
                                   {"block_size", uint64_t{data.settings.block_size}},
                                   {"contexts", std::move(contexts)},
                                   {"set_aside", set_aside}});
    return set_aside > 0 ? ExitCode::kPartial : ExitCode::kOk;
  }
  session.out().Write(
      Paint(session.style(), Ink::kBold, fmt::format("{}, {}", Counted(count, "context"), Counted(tokens, "token"))) + "  " +
      Paint(session.style(), Ink::kDim,
            fmt::format("{}, blocks of {}", Visible(data.settings.tokenizer), data.settings.block_size)) +
      "\n");
  if (!table.empty()) session.out().Write(table.Draw(session.style()));
  if (set_aside > 0) {
    session.Note(fmt::format("{} cannot be used and were left aside: register those agents again",
                             Counted(set_aside, "stored record")));
  }
  return set_aside > 0 ? ExitCode::kPartial : ExitCode::kOk;
}

Result<ExitCode> ShowContext(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder));
  const std::string& agent = options.items.front();
  if (!data.registry->Contains(agent)) return UnknownAgent(session, *data.registry, agent);
  WEIR_ASSIGN(const HeldContext held, data.registry->Get(agent));
  const ContextTerms terms = held->Terms();
  const std::vector<Segment> segments = held->Segments();
  if (session.json()) {
    Json json = ContextTermsJson(terms);
    json.Set("fingerprint", terms.space.tokenizer_fingerprint);
    json.Set("block_size", uint64_t{terms.block_size});
    json.Set("tokens", uint64_t{held->tokens().size()});
    json.Set("blocks", uint64_t{held->tokens().size() / terms.block_size});
    json.Set("text_bytes", uint64_t{held->text().size()});
    json.Set("segments", SegmentsJson(segments));
    if (options.text) json.Set("text", std::string(held->text()));
    session.WriteJson(json);
    return ExitCode::kOk;
  }
  if (options.text) {
    session.out().Write(held->text());  // exact bytes
    return ExitCode::kOk;
  }
  session.out().Write(Paint(session.style(), Ink::kBold,
                            fmt::format("{}: {}, {}", Visible(agent), Counted(held->tokens().size(), "token"),
                                        FormatByteSize(held->text().size()))) +
                      "\n");
  session.out().Write(fmt::format("  group {}, role {}, revision {}, {}\n", Visible(terms.group),
                                  terms.role.empty() ? "-" : Visible(terms.role), terms.revision, Marks(terms)));
  session.out().Write(
      fmt::format("  registered {}, changed {}\n\n", TimeText(terms.created_ms), TimeText(terms.updated_ms)));
  Table table({{"segment", Align::kLeft, true}, {"kind"}, {"first token", Align::kRight}, {"tokens", Align::kRight}, {""}});
  for (const Segment& segment : segments) {
    table.AddRow({Visible(segment.name), std::string(SegmentKindName(segment.kind)), Grouped(segment.tokens.begin),
                  Grouped(segment.tokens.size()), segment.fixed ? "fixed" : ""});
  }
  session.out().Write(table.Draw(session.style()));
  return ExitCode::kOk;
}

Result<ExitCode> MatchPrompt(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const OnePrompt prompt, ReadOnePrompt(options, session, folder));
  WEIR_ASSIGN(const ContextsEmbedding embedding, OpenContextsEmbedding(session, folder, KeepVectors::kNo));
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder, &embedding));
  MatchOptions match;
  match.model = options.space.model;
  match.lora = options.space.lora;
  match.salt = options.space.salt;
  match.find.reload_cold = true;
  // Without a vector to compare with, the model need not be loaded.
  if (data.registry->stats().vectors > 0) match.text = prompt.text;
  WEIR_ASSIGN(SharedReport report, data.registry->MatchTokens(prompt.tokens, match));
  if (!embedding.setup && !report.semantic_note.empty()) report.semantic_note = "disabled: " + embedding.why_none;
  WriteShared(session, report);
  return prompt.exit_code;
}

Result<ExitCode> SharedContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  if (options.target.empty() && options.items.size() < 2) {
    return session.As(ExitCode::kUsage, InvalidArgument("two agents to compare, or --target AGENT for one with all others",
                                                        "'weir share --data DIR' compares everybody with everybody"));
  }
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder));
  for (const std::string& agent : options.items) {
    if (!data.registry->Contains(agent)) return UnknownAgent(session, *data.registry, agent);
  }
  if (!options.target.empty() && !data.registry->Contains(options.target)) {
    return UnknownAgent(session, *data.registry, options.target);
  }
  FindSharedOptions find;
  find.reload_cold = true;
  WEIR_ASSIGN(const SharedReport report,
              data.registry->FindShared(
                  options.items, options.target.empty() ? std::nullopt : std::optional<std::string>(options.target), find));
  WriteShared(session, report);
  return ExitCode::kOk;
}

Result<ExitCode> ContextsStats(const ContextsOptions&, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder));
  const RegistryStats stats = data.registry->stats();
  const StoreStats store = data.store->stats();
  const uint64_t set_aside = store.set_aside + store.unreadable + stats.set_aside;
  if (session.json()) {
    Json indexes = Json::Object{{"blocks", stats.block_index_bytes},
                                {"spans", stats.span_index_bytes},
                                {"near", stats.near_index_bytes},
                                {"vectors", stats.vector_index_bytes}};
    session.WriteJson(
        Json::Object{{"data", folder},
                     {"tokenizer", data.settings.tokenizer},
                     {"fingerprint", data.settings.fingerprint},
                     {"block_size", uint64_t{data.settings.block_size}},
                     {"vector_dimensions", uint64_t{data.settings.vector_dimensions}},
                     {"vector_model", data.settings.vector_model.empty() ? Json() : Json(data.settings.vector_model)},
                     {"vectors", stats.vectors},
                     {"stale_vectors", stats.stale_vectors},
                     {"contexts", stats.contexts},
                     {"pinned", stats.pinned},
                     {"groups", stats.groups},
                     {"spaces", stats.spaces},
                     {"tokens", stats.tokens},
                     {"text_bytes", stats.text_bytes},
                     {"held_bytes", stats.held_bytes},
                     {"index_bytes", std::move(indexes)},
                     {"disk_bytes", store.disk_bytes},
                     {"set_aside", set_aside},
                     {"missing", store.missing}});
    return ExitCode::kOk;
  }
  Table table({{"what"}, {"", Align::kRight}, {"", Align::kLeft, true}});
  const auto row = [&](std::string_view name, std::string value, std::string_view meaning) {
    table.AddRow({std::string(name), std::move(value), Paint(session.style(), Ink::kDim, meaning)});
  };
  row("contexts", Grouped(stats.contexts), fmt::format("{} pinned", Grouped(stats.pinned)));
  row("groups", Grouped(stats.groups), "");
  row("spaces", Grouped(stats.spaces), "tokenizer, model, LoRA and salt: nothing is shared across them");
  row("tokens", Grouped(stats.tokens),
      fmt::format("{}, blocks of {}", Visible(data.settings.tokenizer), data.settings.block_size));
  row("text", FormatByteSize(stats.text_bytes), "");
  row("on disk", FormatByteSize(store.disk_bytes), "");
  row("in memory", FormatByteSize(stats.held_bytes), "text, tokens and segments, when opened");
  if (data.settings.vector_dimensions > 0) {
    row("vectors", Grouped(stats.vectors),
        fmt::format("of {} dimensions{}{}", data.settings.vector_dimensions,
                    data.settings.vector_model.empty() ? "" : ", " + Visible(data.settings.vector_model),
                    stats.stale_vectors == 0 ? "" : fmt::format("; {} of another model", Grouped(stats.stale_vectors))));
  }
  row("indexes", FormatByteSize(stats.index_bytes()), "exact, moved, near and vectors, built when opened");
  row("set aside", Grouped(set_aside), "records that could not be used, since the folder was made");
  row("missing", Grouped(store.missing), "records that were acknowledged and are gone");
  session.out().Write(table.Draw(session.style()));
  return ExitCode::kOk;
}

}  // namespace weir
