#include "weir/registry/data_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "weir/base/file.h"
#include "weir/base/log.h"
#include "weir/codec/json.h"
#include "weir/embed/long_text.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormatKey = "weir_registry";
constexpr uint64_t kSettingsBytesMax = 1 << 16;
constexpr const char* kMakeHint = "'weir contexts add PATH --data DIR --tokenizer NAME' makes one";

fs::path SettingsFile(const fs::path& folder) { return folder / "registry.json"; }

// Stands for the folder's tokenizer where nothing is tokenized.
class AbsentTokenizer final : public Tokenizer {
 public:
  AbsentTokenizer(std::string name, std::string fingerprint)
      : name_(std::move(name)), fingerprint_(std::move(fingerprint)) {}

  const std::string& fingerprint() const override { return fingerprint_; }
  uint32_t vocab_size() const override { return std::numeric_limits<uint32_t>::max(); }
  std::unique_ptr<Encoder> NewEncoder() const override { return std::make_unique<Refusing>(Refusal()); }
  Result<std::string> Decode(std::span<const TokenId>) const override { return Refusal(); }
  std::optional<TokenId> IdOf(std::string_view) const override { return std::nullopt; }

 private:
  class Refusing final : public Encoder {
   public:
    explicit Refusing(Error refusal) : refusal_(std::move(refusal)) {}
    Status Encode(std::string_view, const EncodeOptions&, Encoding&) override { return refusal_; }

   private:
    const Error refusal_;
  };

  Error Refusal() const {
    return Unsupported(fmt::format("the tokenizer '{}' was not loaded", name_), "open the data folder with its tokenizer");
  }

  const std::string name_;
  const std::string fingerprint_;
};

Error Foreign(const fs::path& folder) {
  return InvalidArgument(fmt::format("{} is no data folder: it holds other things", folder.string()),
                         "give a new or an empty folder");
}

Result<uint32_t> NumberOf(const Json& json, std::string_view name, const fs::path& file) {
  const Json* const member = json.Find(name);
  const int64_t* const number = member == nullptr ? nullptr : member->get_if_int();
  if (number == nullptr || *number < 0 || *number > std::numeric_limits<uint32_t>::max()) {
    return Corrupt(fmt::format("{}: '{}' is missing or no count", file.string(), name), "restore the file from a backup");
  }
  return static_cast<uint32_t>(*number);
}

Result<std::string> TextOf(const Json& json, std::string_view name, const fs::path& file) {
  const Json* const member = json.Find(name);
  if (member == nullptr || !member->is_string() || member->as_string().empty()) {
    return Corrupt(fmt::format("{}: '{}' is missing or empty", file.string(), name), "restore the file from a backup");
  }
  return member->as_string();
}

std::string OptionalTextOf(const Json& json, std::string_view name) {
  const Json* const member = json.Find(name);
  return member != nullptr && member->is_string() ? member->as_string() : std::string();
}

Status WriteSettings(const fs::path& folder, const DataFolderSettings& settings) {
  Json json = Json::MakeObject();
  json.Set(kFormatKey, uint64_t{kDataFolderFormat});
  json.Set("tokenizer", settings.tokenizer);
  json.Set("fingerprint", settings.fingerprint);
  json.Set("block_size", uint64_t{settings.block_size});
  json.Set("vector_dimensions", uint64_t{settings.vector_dimensions});
  if (!settings.vector_fingerprint.empty()) {
    json.Set("vector_model", settings.vector_model);
    json.Set("vector_fingerprint", settings.vector_fingerprint);
  }
  return WriteFileAtomically(SettingsFile(folder), json.Dump(2) + "\n");
}

bool IsOurs(const fs::path& name) {
  const std::string text = name.string();
  return text == "contexts" || text == "embeddings" || text == "index" || text == "workspaces" ||
         text.starts_with("weir.") || text.starts_with("ledger.jsonl") || text.starts_with("registry.json");
}

// A folder that does not exist, or holds nothing but what an interrupted start left there.
Status PrepareNew(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Unavailable(fmt::format("cannot make {}: {}", folder.string(), error.message()));
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!IsOurs(entry.path().filename())) return Foreign(folder);
  }
  if (error) return Unavailable(fmt::format("cannot read {}: {}", folder.string(), error.message()));
  return {};
}

Error Missing(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return NotFound(fmt::format("no data folder {}", folder.string()), kMakeHint);
  return NotFound(fmt::format("{} is no data folder: it has no registry.json", folder.string()), kMakeHint);
}

Status CheckAsked(const DataFolderOptions& options, const DataFolderSettings& settings) {
  const std::string folder = options.folder.string();
  if (options.block_size && *options.block_size != settings.block_size) {
    return InvalidArgument(
        fmt::format("{} has blocks of {} tokens, not {}", folder, settings.block_size, *options.block_size),
        "leave --block-size out, or use another folder");
  }
  if (options.vector_dimensions && *options.vector_dimensions != settings.vector_dimensions) {
    return InvalidArgument(fmt::format("{} has vectors of {} dimensions, not {}", folder, settings.vector_dimensions,
                                       *options.vector_dimensions),
                           "use the embedding model that it was made with, or another folder");
  }
  if (options.registry.embeddings != nullptr && settings.has_callers_vectors()) {
    return InvalidArgument(fmt::format("the vectors of {} come from callers", folder),
                           "open it without an embedding model, or use another folder");
  }
  if (options.registry.tokenizers.empty()) return {};
  const NamedTokenizer& first = options.registry.tokenizers.front();
  if (first.tokenizer != nullptr && first.tokenizer->fingerprint() != settings.fingerprint) {
    return InvalidArgument(
        fmt::format("{} was made with the tokenizer '{}' (fingerprint {}); '{}' is another one ({})", folder,
                    settings.tokenizer, settings.fingerprint, first.name, first.tokenizer->fingerprint()),
        "use the tokenizer that it was made with, or another folder");
  }
  return {};
}

// With the store's lock held.
Result<DataFolderSettings> MakeSettings(const DataFolderOptions& options, const Store& store) {
  if (store.stats().of(StoreTable::kContext).records > 0) {
    return Corrupt(fmt::format("{} holds contexts but no registry.json", options.folder.string()),
                   "restore the file from a backup");
  }
  DataFolderSettings settings;
  settings.tokenizer = options.registry.tokenizers.front().name;
  settings.fingerprint = options.registry.tokenizers.front().tokenizer->fingerprint();
  settings.block_size = options.block_size.value_or(settings.block_size);
  settings.vector_dimensions = options.vector_dimensions.value_or(settings.vector_dimensions);
  WEIR_TRY(WriteSettings(options.folder, settings));
  return settings;
}

// With the store's lock held.
Status UseModel(const DataFolderOptions& options, DataFolderSettings& settings) {
  WEIR_ASSIGN(const EmbedModel model, options.registry.embeddings->Describe(options.registry.embedding_model));
  std::string fingerprint = LongTextFingerprint(model);
  if (settings.vector_fingerprint == fingerprint && settings.vector_dimensions == model.dimensions) return {};
  settings.vector_model = model.name;
  settings.vector_fingerprint = std::move(fingerprint);
  settings.vector_dimensions = model.dimensions;
  return WriteSettings(options.folder, settings);
}

RegistryOptions CompleteOptions(DataFolderOptions& options, const DataFolder& data) {
  RegistryOptions complete = std::move(options.registry);
  complete.block_size = data.settings.block_size;
  complete.vector_dimensions = data.settings.vector_dimensions;
  complete.vector_fingerprint = data.settings.vector_fingerprint;
  complete.store = data.store.get();
  complete.ledger = data.ledger.get();
  if (complete.tokenizers.empty()) {
    complete.tokenizers.push_back(
        {data.settings.tokenizer, std::make_shared<AbsentTokenizer>(data.settings.tokenizer, data.settings.fingerprint)});
  }
  return complete;
}

// A ledger that was changed is evidence and stays, under another name; contexts are not held up by it.
Result<std::unique_ptr<Ledger>> OpenLedger(const LedgerOptions& options) {
  Result<std::unique_ptr<Ledger>> opened = Ledger::Open(options);
  if (opened || opened.error().code != ErrorCode::kCorrupt) return opened;
  fs::path aside;
  std::error_code failed;
  for (int number = 1; aside.empty() || fs::exists(aside, failed); ++number) {
    aside = options.path;
    aside += fmt::format(".damaged-{}", number);
  }
  fs::rename(options.path, aside, failed);
  if (failed) return opened;
  Log(LogLevel::kWarning,
      fmt::format("{}; it lies in {} now, and a new one begins", opened.error().ToString(), aside.string()));
  return Ledger::Open(options);
}

}  // namespace

fs::path DataFolderStore(const fs::path& folder) { return folder / "contexts"; }
fs::path DataFolderLedger(const fs::path& folder) { return folder / "ledger.jsonl"; }

bool IsDataFolder(const fs::path& folder) {
  const Result<std::string> text = ReadFile(SettingsFile(folder), kSettingsBytesMax);
  if (!text) return false;
  const Result<Json> json = Json::Parse(*text);
  return json && json->Find(kFormatKey) != nullptr;
}

Result<DataFolderSettings> ReadDataFolderSettings(const fs::path& folder) {
  const fs::path file = SettingsFile(folder);
  const Result<std::string> text = ReadFile(file, kSettingsBytesMax);
  if (!text) return text.error().code == ErrorCode::kNotFound ? Missing(folder) : text.error();
  const Result<Json> json = Json::Parse(*text);
  if (!json) {
    return Corrupt(fmt::format("{}: {}", file.string(), json.error().message), "restore the file from a backup");
  }
  if (json->Find(kFormatKey) == nullptr) return Foreign(folder);
  WEIR_ASSIGN(const uint32_t format, NumberOf(*json, kFormatKey, file));
  if (format > kDataFolderFormat) {
    return Unsupported(fmt::format("{} has format {}, newer than {}", folder.string(), format, kDataFolderFormat),
                       "use the release of weir that wrote it, or a later one");
  }
  DataFolderSettings settings;
  WEIR_ASSIGN(settings.tokenizer, TextOf(*json, "tokenizer", file));
  WEIR_ASSIGN(settings.fingerprint, TextOf(*json, "fingerprint", file));
  WEIR_ASSIGN(settings.block_size, NumberOf(*json, "block_size", file));
  WEIR_ASSIGN(settings.vector_dimensions, NumberOf(*json, "vector_dimensions", file));
  settings.vector_model = OptionalTextOf(*json, "vector_model");
  settings.vector_fingerprint = OptionalTextOf(*json, "vector_fingerprint");
  return settings;
}

Result<DataFolder> OpenDataFolder(DataFolderOptions options) {
  DataFolder data;
  Result<DataFolderSettings> found = ReadDataFolderSettings(options.folder);
  const bool is_new = !found && found.error().code == ErrorCode::kNotFound;
  if (!found && (!is_new || options.read_only || !options.create)) return std::move(found).error();
  if (found) WEIR_TRY(CheckAsked(options, *found));
  if (is_new) {
    RegistryOptions first = options.registry;
    first.block_size = options.block_size.value_or(first.block_size);
    WEIR_TRY(first.Validate());
    WEIR_TRY(PrepareNew(options.folder));
  }
  StoreOptions store;
  store.folder = DataFolderStore(options.folder);
  store.read_only = options.read_only;
  store.sync = options.sync;
  WEIR_ASSIGN(data.store, OpenStore(store));
  // Somebody else may have made it meanwhile; now that the store is ours, nobody does.
  if (is_new) found = ReadDataFolderSettings(options.folder);
  if (!found && found.error().code == ErrorCode::kNotFound) found = MakeSettings(options, *data.store);
  if (!found) return std::move(found).error();
  data.settings = *std::move(found);
  WEIR_TRY(CheckAsked(options, data.settings));
  if (!options.read_only && options.registry.embeddings != nullptr) WEIR_TRY(UseModel(options, data.settings));
  if (!options.read_only) {
    LedgerOptions ledger;
    ledger.path = DataFolderLedger(options.folder);
    if (!options.sync) ledger.sync = LedgerSync::kNone;
    WEIR_ASSIGN(data.ledger, OpenLedger(ledger));
  }
  WEIR_ASSIGN(data.registry, Registry::Open(CompleteOptions(options, data)));
  return data;
}

Result<StoredContexts> ReadContexts(const fs::path& folder, int64_t now_ms) {
  StoredContexts stored;
  WEIR_ASSIGN(stored.settings, ReadDataFolderSettings(folder));
  StoreOptions options;
  options.folder = DataFolderStore(folder);
  options.read_only = true;
  WEIR_ASSIGN(const std::unique_ptr<Store> store, OpenStore(options));
  const auto read_one = [&](std::string_view bytes) -> Status {
    const auto record = std::as_bytes(std::span(bytes));
    WEIR_TRY(ContextView::Check(record));
    // Accessors want aligned bytes.
    std::vector<uint64_t> aligned((record.size() + 7) / 8);
    std::copy(record.begin(), record.end(), std::as_writable_bytes(std::span(aligned)).begin());
    const ContextView view(std::as_bytes(std::span(aligned)).first(record.size()));
    ContextTerms terms = view.Terms();
    if (terms.block_size != stored.settings.block_size) {
      return Corrupt(fmt::format("agent '{}' has blocks of {} tokens", terms.agent, terms.block_size));
    }
    if (terms.expires_ms != 0 && terms.expires_ms <= now_ms && !terms.pinned) {
      ++stored.expired;
      return {};
    }
    WEIR_ASSIGN(Context context, view.ToContext());
    stored.contexts.push_back({std::move(terms), std::make_shared<const Context>(std::move(context))});
    return {};
  };
  WEIR_TRY(store->Scan(StoreTable::kContext, [&](const StoreKey&, std::string_view bytes) -> Status {
    if (Status read = read_one(bytes); !read) stored.problems.push_back(std::move(read).error());
    return {};
  }));
  if (const uint64_t unreadable = store->stats().unreadable; unreadable > 0) {
    stored.problems.push_back(Corrupt(fmt::format("{} stored records fail their check", unreadable),
                                      "register those agents again; 'weir contexts stats' counts what was set aside"));
  }
  std::ranges::sort(stored.contexts, {}, [](const StoredContext& one) -> const std::string& { return one.terms.agent; });
  return stored;
}

}  // namespace weir
