// The actions of `weir contexts` that change a data folder.

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "contexts_options.h"
#include "contexts_place.h"
#include "prompt_input.h"
#include "suggest.h"
#include "weir/base/file.h"
#include "weir/codec/utf8.h"
#include "weir/report/registry_view.h"

namespace weir {
namespace {

// "90s", "30m", "12h", "7d".
Result<Duration> ParseTime(const std::string& text) {
  constexpr std::array<std::pair<char, int64_t>, 4> kUnits{{{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}}};
  constexpr int64_t kSecondsMax = int64_t{100} * 365 * 86'400;
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  for (const auto& [letter, seconds] : kUnits) {
    if (parsed.ec != std::errc() || end - parsed.ptr != 1 || *parsed.ptr != letter) continue;
    if (number > 0 && number <= kSecondsMax / seconds) return Duration(std::chrono::seconds(number * seconds));
  }
  return InvalidArgument(fmt::format("--ttl: '{}' is no time", text), "a number and a unit: 90s, 30m, 12h or 7d");
}

struct Additions {
  std::vector<Registered> registered;
  std::vector<std::pair<std::string, Error>> refused;  // agent, why
};

ContextInput InputOf(const ContextsOptions& options, const PromptCall& call, std::optional<Duration> ttl) {
  ContextInput input;
  input.agent = call.agent;
  if (!options.group.empty()) input.group = options.group;
  input.role = options.role;
  input.text = std::string(call.context->text());
  input.segments = call.context->segments();
  input.model = options.space.model;
  input.lora = options.space.lora;
  input.salt = options.space.salt;
  input.pinned = options.pinned;
  input.ttl = ttl;
  return input;
}

// Each on its own. What concerns the store or memory ends it, since the next would fail the same way.
Additions AddAll(const ContextsOptions& options, Session& session, const PromptInput& input, std::optional<Duration> ttl,
                 ContextsPlace& place) {
  Additions additions;
  const auto progress = session.StartProgress("registering");
  const std::vector<size_t> last = input.prompts.LastCalls();
  for (size_t i = 0; i < last.size(); ++i) {
    const PromptCall& call = input.prompts.calls[last[i]];
    const ContextInput one = InputOf(options, call, ttl);
    Result<Registered> done = place.Add(one, options.replace);
    progress->Update(fmt::format("{} of {}", i + 1, last.size()));
    if (done) {
      additions.registered.push_back(*std::move(done));
      continue;
    }
    Error error = std::move(done).error();
    if (error.code == ErrorCode::kAlreadyExists) error.hint = "--replace replaces it; 'weir contexts append' adds to it";
    const bool goes_on = error.code == ErrorCode::kAlreadyExists || error.code == ErrorCode::kInvalidArgument;
    additions.refused.emplace_back(call.agent, std::move(error));
    if (!goes_on) break;
  }
  return additions;
}

void ReportAdditions(Session& session, const std::string& folder, const PromptInput& input, const Additions& additions) {
  if (!session.json()) {
    session.out().Write(DrawRegistered(additions.registered, session.style()));
    for (const auto& [agent, error] : additions.refused) session.Note(fmt::format("not added: {}", error.ToString()));
    for (const Registered& one : additions.registered) {
      if (one.vector_note.empty()) continue;
      session.Note(fmt::format("agent '{}' has no vector: {}", Visible(one.agent), one.vector_note));
      break;
    }
    session.Note(fmt::format("{} in {}", Counted(additions.registered.size(), "context"), folder));
    return;
  }
  Json registered = Json::MakeArray();
  for (const Registered& one : additions.registered) registered.Append(RegisteredJson(one));
  Json refused = Json::MakeArray();
  for (const auto& [agent, error] : additions.refused) {
    Json object = ErrorJson(error);
    object.Set("agent", agent);
    refused.Append(std::move(object));
  }
  Json json = Json::Object{{"registered", std::move(registered)}, {"refused", std::move(refused)}};
  for (Json::Member& member : InputJson(input)) json.Set(member.first, std::move(member.second));
  json.Set("data", folder);
  session.WriteJson(json);
}

}  // namespace

Result<DataFolder> OpenForChanges(DataFolderOptions options) {
  options.registry.index_bytes = kIndexBytesMax;
  Result<DataFolder> data = OpenDataFolder(std::move(options));
  if (data) data->registry->Tend();
  return data;
}

Error Refused(Session& session, Error error) {
  if (error.code != ErrorCode::kUnavailable) return error;
  if (error.message.find("is locked by another process") != std::string::npos) {
    error.hint =
        "one process changes a data folder at a time: try again when it has ended; list, show, match, shared, "
        "similar and stats work meanwhile";
  }
  return session.As(ExitCode::kCannotCreate, std::move(error));
}

Result<std::string> ChosenDataFolder(Session& session) {
  const std::string& folder = session.settings().Text("data");
  if (!folder.empty()) return folder;
  return session.As(ExitCode::kUsage, InvalidArgument("no data folder given", "--data DIR, or WEIR_DATA=DIR"));
}

namespace {

Error UnknownAmong(Session& session, const std::vector<std::string>& names, const std::string& name) {
  std::string hint = SuggestionHint(name, names);
  if (hint.empty()) hint = names.empty() ? "the registry is empty" : "'weir contexts list' names them";
  return session.As(ExitCode::kUsage, NotFound(fmt::format("no agent '{}'", name), std::move(hint)));
}

// A mistyped name, or one that is not there.
Status CheckAgent(Session& session, ContextsPlace& place, const std::string& agent) {
  WEIR_ASSIGN(const bool is_there, place.Contains(agent));
  if (is_there) return {};
  WEIR_ASSIGN(const std::vector<std::string> names, place.Agents());
  return UnknownAmong(session, names, agent);
}

// The daemon that has the folder; null: none, the folder is this process's to open.
Result<std::unique_ptr<ContextsPlace>> DaemonsPlace(const ContextsOptions& options, Session& session,
                                                    const std::string& folder) {
  WEIR_ASSIGN(std::unique_ptr<DaemonClient> client, DaemonClient::OfFolder(session, folder));
  if (client == nullptr) return std::unique_ptr<ContextsPlace>();
  if (options.without_vectors) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument("--without-vectors: a daemon has the folder, and embeds what its model can",
                                      "leave it out, or stop the daemon"));
  }
  return PlaceAtDaemon(session, std::move(client));
}

}  // namespace

Error UnknownAgent(Session& session, const Registry& registry, const std::string& name) {
  std::vector<std::string> names;
  for (const ContextSummary& line : registry.List()) names.push_back(line.terms.agent);
  return UnknownAmong(session, names, name);
}

Result<ExitCode> AddContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  std::optional<Duration> ttl;
  if (!options.ttl.empty()) {
    Result<Duration> parsed = ParseTime(options.ttl);
    if (!parsed) return session.As(ExitCode::kUsage, std::move(parsed).error());
    ttl = *parsed;
  }
  // Prompts are read before the folder is taken, so that it is taken for a moment only.
  const bool is_there = IsDataFolder(folder);
  DataFolderOptions open;
  open.folder = folder;
  LoadedTokenizer tokenizer;
  size_t block_size = session.settings().Count("block_size");
  std::optional<size_t> folder_block_size;
  if (is_there) {
    WEIR_ASSIGN(tokenizer, LoadFolderTokenizer(session, folder));
    WEIR_ASSIGN(const DataFolderSettings settings, ReadDataFolderSettings(folder));
    folder_block_size = settings.block_size;
    if (!IsGiven(session.settings().Get("block_size"))) block_size = settings.block_size;
  } else {
    WEIR_ASSIGN(tokenizer, LoadChosenTokenizer(session));
  }
  open.block_size = static_cast<uint32_t>(block_size);
  open.registry.tokenizers.push_back({LastingName(session, tokenizer.choice), tokenizer.tokenizer});
  const PromptFlags files{options.items, options.lossy, {}, {}};
  WEIR_ASSIGN(const PromptInput input, ReadPromptFiles(session, files, std::move(tokenizer), block_size));

  ContextsEmbedding embedding;  // outlives the place
  WEIR_ASSIGN(std::unique_ptr<ContextsPlace> place, DaemonsPlace(options, session, folder));
  if (place == nullptr) {
    if (!options.without_vectors) {
      WEIR_ASSIGN(embedding, OpenContextsEmbedding(session, folder, KeepVectors::kYes));
      embedding.Serve(open.registry);
    }
    WEIR_ASSIGN(place, PlaceInFolder(session, std::move(open)));
  } else if (folder_block_size && block_size != *folder_block_size) {
    return InvalidArgument(fmt::format("{} has blocks of {} tokens, not {}", folder, *folder_block_size, block_size),
                           "leave --block-size out, or use another folder");
  }
  Additions additions = AddAll(options, session, input, ttl, *place);
  if (additions.registered.empty()) return std::move(additions.refused.front().second);
  ReportAdditions(session, folder, input, additions);
  return additions.refused.empty() ? input.exit_code() : ExitCode::kPartial;
}

Result<ExitCode> AppendToContext(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(LoadedTokenizer tokenizer, LoadFolderTokenizer(session, folder));
  AppendInput input;
  WEIR_ASSIGN(input.text, ReadFile(options.items[1]));
  constexpr SegmentKind kKinds[] = {SegmentKind::kText, SegmentKind::kSystem,    SegmentKind::kTools,
                                    SegmentKind::kUser, SegmentKind::kAssistant, SegmentKind::kToolResult};
  for (const SegmentKind kind : kKinds) {
    if (SegmentKindName(kind) == options.kind) input.kind = kind;
  }
  ContextsEmbedding embedding;  // outlives the place
  WEIR_ASSIGN(std::unique_ptr<ContextsPlace> place, DaemonsPlace(options, session, folder));
  if (place == nullptr) {
    DataFolderOptions open;
    open.folder = folder;
    open.create = false;
    open.registry.tokenizers.push_back({tokenizer.choice.name, tokenizer.tokenizer});
    if (!options.without_vectors) {
      WEIR_ASSIGN(embedding, OpenContextsEmbedding(session, folder, KeepVectors::kYes));
      embedding.Serve(open.registry);
    }
    WEIR_ASSIGN(place, PlaceInFolder(session, std::move(open)));
  }
  const std::string& agent = options.items[0];
  WEIR_TRY(CheckAgent(session, *place, agent));
  if (const auto fault = FindInvalidUtf8(input.text)) {
    return InvalidArgument(fmt::format("what is appended is not UTF-8 at byte {}", *fault), "convert it to UTF-8");
  }
  WEIR_ASSIGN(const Registered done, place->Append(agent, input));
  if (session.json()) {
    session.WriteJson(RegisteredJson(done));
  } else {
    session.out().Write(DrawRegistered({&done, 1}, session.style()));
  }
  return ExitCode::kOk;
}

Result<ExitCode> RemoveContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const std::unique_ptr<ContextsPlace> place, ChosenPlace(session, folder));
  // All names are looked up first: a mistyped one removes nothing.
  for (const std::string& agent : options.items) {
    WEIR_TRY(CheckAgent(session, *place, agent));
  }
  Json removed = Json::MakeArray();
  for (const std::string& agent : options.items) {
    const Status done = place->Remove(agent);
    if (!done && done.error().code != ErrorCode::kNotFound) return done.error();  // named twice: it is gone already
    if (done) removed.Append(agent);
  }
  const uint64_t count = removed.as_array().size();
  WEIR_ASSIGN(const uint64_t left, place->Count());
  if (session.json()) {
    session.WriteJson(Json::Object{{"removed", std::move(removed)}, {"left", left}});
  } else {
    session.out().Line(fmt::format("{} removed, {} left", count, left));
  }
  return ExitCode::kOk;
}

Result<ExitCode> ClearContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  if (options.all == !options.group.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("'clear' removes contexts for good: say which",
                                                        "--group NAME, or --all for every one"));
  }
  WEIR_ASSIGN(const std::unique_ptr<ContextsPlace> place, ChosenPlace(session, folder));
  WEIR_ASSIGN(const uint64_t count, place->Clear(options.all ? std::nullopt : std::optional<std::string>(options.group)));
  WEIR_ASSIGN(const uint64_t left, place->Count());
  if (session.json()) {
    session.WriteJson(Json::Object{{"removed", count}, {"left", left}});
  } else {
    session.out().Line(fmt::format("{} removed, {} left", count, left));
  }
  return ExitCode::kOk;
}

}  // namespace weir
