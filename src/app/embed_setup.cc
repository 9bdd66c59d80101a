#include "embed_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "tokenizer_choice.h"
#include "weir/model/load_embedder.h"
#include "weir/model/named_model.h"

namespace weir {
namespace {

constexpr WeightType kWeightTypes[] = {WeightType::kF32, WeightType::kF16, WeightType::kQ8};

bool LooksLikeFile(const std::string& name) {
  std::error_code ignored;
  return name.ends_with(".gguf") || std::filesystem::exists(name, ignored);
}

Result<std::shared_ptr<const Tokenizer>> LoadTokenizerFile(Session& session, const std::filesystem::path& file) {
  TokenizerLoadOptions options;
  options.cache_folder = session.environment().CacheFolder() / "flat";
  WEIR_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(file, options));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

Result<EmbedModel> NamedModel(Session& session, const ModelChoice& choice, EmbedSetup& setup) {
  const ModelEntry& entry = *choice.entry;
  const std::filesystem::path models = ModelsFolder(session.environment());
  const std::filesystem::path tokenizer = ModelFolder(entry, models) / kModelTokenizerFile;
  std::error_code ignored;
  if (!std::filesystem::exists(tokenizer, ignored)) {
    return NotFound(fmt::format("the model {} is not here", entry.name),
                    fmt::format("'weir models fetch {}' brings it", entry.name));
  }
  EmbedModel model;
  model.name = entry.name;
  model.aliases.assign(entry.aliases.begin(), entry.aliases.end());
  model.fingerprint = FingerprintOf(entry, choice.weights);
  model.dimensions = entry.dimensions;
  model.matryoshka.assign(entry.matryoshka.begin(), entry.matryoshka.end());
  model.query_prefix = entry.query_prefix;
  model.passage_prefix = entry.passage_prefix;
  model.tokens_max = setup.tokens_max = entry.tokens_max;
  WEIR_ASSIGN(model.tokenizer, LoadTokenizerFile(session, tokenizer));
  model.load = [&entry, weights = choice.weights, models] { return LoadNamedEmbedder(entry, weights, models); };
  return model;
}

Result<std::filesystem::path> TokenizerOf(Session& session, const ModelChoice& choice, const EmbedFlags& flags) {
  if (!flags.tokenizer.empty()) {
    WEIR_ASSIGN(TokenizerChoice chosen, ChooseTokenizer(flags.tokenizer, session.environment()));
    return std::move(chosen.file);
  }
  const std::filesystem::path beside = choice.file.parent_path() / kModelTokenizerFile;
  std::error_code ignored;
  if (std::filesystem::exists(beside, ignored)) return beside;
  return session.As(ExitCode::kUsage,
                    InvalidArgument(fmt::format("there is no {} beside {}", kModelTokenizerFile, choice.file.string()),
                                    "say where the model's tokenizer is: --tokenizer path/to/tokenizer.json"));
}

Result<EmbedModel> ModelFromFile(Session& session, const ModelChoice& choice, const EmbedFlags& flags, EmbedSetup& setup) {
  EmbedModel model;
  model.name = choice.name();
  {
    const auto progress = session.StartProgress("checking the model's file");
    WEIR_ASSIGN(const ModelFileOutline outline, OutlineModelFile(choice.file));
    model.fingerprint = outline.fingerprint;
    model.dimensions = outline.dimensions;
    model.tokens_max = setup.tokens_max = std::min(outline.positions, EmbedderOptions::kTokensMaxDefault);
  }
  WEIR_ASSIGN(const std::filesystem::path tokenizer, TokenizerOf(session, choice, flags));
  WEIR_ASSIGN(model.tokenizer, LoadTokenizerFile(session, tokenizer));
  model.load = [file = choice.file] { return LoadEmbedder(file, {}); };
  return model;
}

bool IsLocked(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.message.find("is locked by another process") != std::string::npos;
}

}  // namespace

void DeclareEmbedFlags(Flags& flags, EmbedFlags& target) {
  flags.Text("--model", target.model, "M",
             "A name that 'weir models list' shows, or a GGUF file; otherwise the setting embedding_model",
             ValueKind::kModel);
  flags.Choice("--weights", target.weights, "TYPE", {"f32", "f16", "q8_0"},
               "How the weights of a model by name are stored; otherwise the setting embedding_weights");
  flags.Text("--tokenizer", target.tokenizer, "F", "Of a GGUF file: its tokenizer; otherwise the tokenizer.json beside it",
             ValueKind::kTokenizer);
  flags.Setting("data");
}

std::filesystem::path ModelsFolder(const Environment& environment) { return environment.CacheFolder() / "models"; }

Result<ModelChoice> ChooseModel(Session& session, const EmbedFlags& flags) {
  const std::string& name = flags.model.empty() ? session.settings().Text("embedding_model") : flags.model;
  const std::string& weights = flags.weights.empty() ? session.settings().Text("embedding_weights") : flags.weights;
  ModelChoice choice;
  for (const WeightType type : kWeightTypes) {
    if (WeightTypeName(type) == weights) choice.weights = type;
  }
  Result<const ModelEntry*> entry = FindModel(name);
  if (!entry) {
    if (!LooksLikeFile(name)) return session.As(ExitCode::kUsage, std::move(entry).error());
    if (!flags.weights.empty()) {
      return session.As(ExitCode::kUsage,
                        InvalidArgument("--weights goes with a model by name", "a GGUF file holds its weights in one form"));
    }
    choice.file = name;
    return choice;
  }
  choice.entry = *entry;
  if (!flags.tokenizer.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("--tokenizer goes with a GGUF file",
                                                        fmt::format("{} has its own", choice.entry->name)));
  }
  if (choice.entry->file(choice.weights) == nullptr) {
    return session.As(ExitCode::kUsage, NotFound(fmt::format("{} is not kept as {}", choice.entry->name, weights),
                                                 "'weir models info' shows its forms"));
  }
  return choice;
}

VectorPrecision StoredPrecision(const Session& session) {
  return session.settings().Text("stored_vectors") == "f16" ? VectorPrecision::kF16 : VectorPrecision::kF32;
}

std::filesystem::path VectorFolder(const std::filesystem::path& data) { return data / "embeddings"; }

Result<std::unique_ptr<Store>> OpenVectors(Session& session, const std::filesystem::path& data, VectorAccess access) {
  StoreOptions options;
  options.folder = VectorFolder(data);
  options.read_only = access == VectorAccess::kReadOnly;
  options.sync = false;
  if (!options.read_only) {
    std::error_code error;
    std::filesystem::create_directories(data, error);
    if (error) {
      return session.As(ExitCode::kCannotCreate,
                        Unavailable(fmt::format("cannot make {}: {}", data.string(), error.message())));
    }
  }
  return OpenStore(options);
}

Result<EmbedModel> DescribeModel(Session& session, const EmbedFlags& flags) {
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, flags));
  EmbedSetup setup;
  return choice.entry != nullptr ? NamedModel(session, choice, setup) : ModelFromFile(session, choice, flags, setup);
}

Result<EmbedSetup> OpenEmbedding(Session& session, const EmbedFlags& flags) {
  return OpenEmbedding(session, flags, session.settings().Text("data"));
}

Result<EmbedSetup> OpenEmbedding(Session& session, const EmbedFlags& flags, const std::filesystem::path& data) {
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, flags));
  EmbedSetup setup;
  WEIR_ASSIGN(EmbedModel model,
              choice.entry != nullptr ? NamedModel(session, choice, setup) : ModelFromFile(session, choice, flags, setup));
  setup.model = model.name;
  setup.fingerprint = model.fingerprint;
  setup.dimensions = model.dimensions;
  setup.tokenizer = model.tokenizer;
  setup.passage_prefix = model.passage_prefix;
  if (!data.empty()) {
    Result<std::unique_ptr<Store>> store = OpenVectors(session, data, VectorAccess::kReadWrite);
    if (!store && IsLocked(store.error())) {
      setup.is_borrowed = true;
      session.Note(fmt::format("another process writes to {}: its vectors are used, new ones are not kept", data.string()));
      store = OpenVectors(session, data, VectorAccess::kReadOnly);
    }
    if (!store) {
      const bool is_disk = store.error().code == ErrorCode::kUnavailable;
      return is_disk ? session.As(ExitCode::kCannotCreate, std::move(store).error()) : std::move(store).error();
    }
    setup.store = *std::move(store);
  }
  EmbedCacheOptions options;
  options.stored_as = StoredPrecision(session);
  options.store = setup.store.get();
  WEIR_ASSIGN(setup.cache, EmbedCache::Create(std::move(options)));
  WEIR_TRY(setup.cache->AddModel(std::move(model)));
  return setup;
}

}  // namespace weir
