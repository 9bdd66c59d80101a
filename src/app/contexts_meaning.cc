// The actions of `weir contexts` that go by meaning, and the embedding model beneath all of them.

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "contexts_options.h"
#include "prompt_input.h"
#include "weir/report/registry_view.h"

namespace weir {
namespace {

constexpr const char* kNoVectors = "no context has a vector of this model: 'weir contexts embed' makes them";
constexpr float kMeaningThreshold = 0.5f;

Result<SimilarOptions> SimilarOptionsOf(const ContextsOptions& options, Session& session) {
  SimilarOptions similar;
  if (!options.threshold.empty()) {
    const char* const end = options.threshold.data() + options.threshold.size();
    const auto parsed = std::from_chars(options.threshold.data(), end, similar.threshold);
    if (parsed.ec != std::errc() || parsed.ptr != end || !(similar.threshold >= 0 && similar.threshold <= 1)) {
      return session.As(ExitCode::kUsage,
                        InvalidArgument(fmt::format("--threshold '{}'", options.threshold), "a number from 0 to 1"));
    }
  }
  constexpr uint64_t kMost = 10'000;
  if (options.k) {
    if (*options.k < 1 || *options.k > kMost) {
      return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("--k {}: 1 to {}", *options.k, kMost)));
    }
    similar.k = static_cast<uint32_t>(*options.k);
  }
  similar.model = options.space.model;
  similar.lora = options.space.lora;
  similar.salt = options.space.salt;
  return similar;
}

}  // namespace

void ContextsEmbedding::Serve(RegistryOptions& registry) const {
  if (!setup) return;
  registry.embeddings = setup->cache.get();
  registry.embedding_model = setup->model;
}

Result<ContextsEmbedding> OpenContextsEmbedding(Session& session, const std::string& folder, KeepVectors keep) {
  ContextsEmbedding embedding;
  if (const Result<DataFolderSettings> settings = ReadDataFolderSettings(folder);
      settings && settings->has_callers_vectors()) {
    embedding.why_none = "the vectors of this folder come from callers";
    return embedding;
  }
  // A name that no model has is a mistake; one that was not fetched is not.
  WEIR_ASSIGN(const ModelChoice choice, ChooseModel(session, {}));
  Result<EmbedSetup> setup = OpenEmbedding(session, {}, keep == KeepVectors::kYes ? folder : "");
  if (setup) {
    embedding.setup = std::make_unique<EmbedSetup>(*std::move(setup));
  } else if (setup.error().code == ErrorCode::kNotFound) {
    const std::string what = choice.entry == nullptr ? setup.error().message : "the model is not here";
    embedding.why_none = what + ": " + setup.error().hint;
  } else {
    return std::move(setup).error();
  }
  return embedding;
}

Result<DataFolder> OpenForLooking(const std::string& folder, const ContextsEmbedding* embedding) {
  DataFolderOptions open;
  open.folder = folder;
  open.read_only = true;
  open.registry.index_bytes = kIndexBytesMax;
  if (embedding != nullptr) embedding->Serve(open.registry);
  return OpenDataFolder(std::move(open));
}

// Tokenized as the folder's contexts are.
Result<OnePrompt> ReadOnePrompt(const ContextsOptions& options, Session& session, const std::string& folder) {
  if (options.items.empty() == options.query.empty()) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument(fmt::format("'{}' takes one FILE, or --query TEXT", options.action)));
  }
  WEIR_ASSIGN(LoadedTokenizer tokenizer, LoadFolderTokenizer(session, folder));
  OnePrompt prompt;
  if (!options.query.empty()) {
    Encoding encoding;
    WEIR_TRY(tokenizer.tokenizer->NewEncoder()->Encode(options.query, {}, encoding));
    prompt.text = options.query;
    prompt.tokens = std::move(encoding.ids);
    return prompt;
  }
  WEIR_ASSIGN(const DataFolderSettings settings, ReadDataFolderSettings(folder));
  const PromptFlags files{options.items, options.lossy, {}, {}};
  WEIR_ASSIGN(const PromptInput input, ReadPromptFiles(session, files, std::move(tokenizer), settings.block_size));
  const std::vector<size_t> last = input.prompts.LastCalls();
  if (last.size() != 1) {
    return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("{} holds {} prompts: one is asked about at a time",
                                                                    options.items.front(), last.size()),
                                                        "give one text file, or one chat request"));
  }
  const Context& context = *input.prompts.calls[last.front()].context;
  prompt.text = context.text();
  prompt.tokens.assign(context.tokens().begin(), context.tokens().end());
  prompt.exit_code = input.exit_code();
  return prompt;
}

Result<ExitCode> SimilarContexts(const ContextsOptions& options, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(SimilarOptions similar, SimilarOptionsOf(options, session));
  WEIR_ASSIGN(const OnePrompt prompt, ReadOnePrompt(options, session, folder));
  ContextsEmbedding embedding;
  if (options.by != "blocks") {
    WEIR_ASSIGN(embedding, OpenContextsEmbedding(session, folder, KeepVectors::kNo));
  }
  WEIR_ASSIGN(const DataFolder data, OpenForLooking(folder, &embedding));
  std::string why_not = embedding.setup ? "" : "disabled: " + embedding.why_none;
  if (why_not.empty() && data.registry->stats().vectors == 0) why_not = kNoVectors;
  SimilarReport report;
  if (options.by == "blocks" || (options.by.empty() && !why_not.empty())) {
    if (options.by.empty()) session.Note("by blocks; by meaning: " + why_not);
    WEIR_ASSIGN(report, data.registry->FindSimilarTokens(prompt.tokens, similar));
  } else {
    similar.by = SimilarBy::kMeaning;
    if (options.threshold.empty()) similar.threshold = kMeaningThreshold;
    report.by_vector = true;
    report.note = why_not;
    if (why_not.empty()) {
      WEIR_ASSIGN(report, data.registry->FindSimilar(prompt.text, similar));
    }
  }
  if (session.json()) {
    session.WriteJson(SimilarReportJson(report));
  } else {
    session.out().Write(DrawSimilarReport(report, session.style()));
    if (report.results.empty() && report.note.empty()) {
      session.Note(fmt::format("nothing from a similarity of {:.2f} on: lower --threshold", similar.threshold));
    }
  }
  return prompt.exit_code;
}

Result<ExitCode> EmbedContexts(const ContextsOptions&, Session& session) {
  WEIR_ASSIGN(const std::string folder, ChosenDataFolder(session));
  WEIR_ASSIGN(const LoadedTokenizer tokenizer, LoadFolderTokenizer(session, folder));
  WEIR_ASSIGN(const ContextsEmbedding embedding, OpenContextsEmbedding(session, folder, KeepVectors::kYes));
  if (!embedding.setup) return NotFound("no vectors can be made", embedding.why_none);
  DataFolderOptions open;
  open.folder = folder;
  open.create = false;
  open.registry.tokenizers.push_back({tokenizer.choice.name, tokenizer.tokenizer});
  embedding.Serve(open.registry);
  Result<DataFolder> data = OpenForChanges(std::move(open));
  if (!data) return Refused(session, std::move(data).error());
  EmbeddedContexts done;
  {
    const auto progress = session.StartProgress("embedding contexts");
    WEIR_ASSIGN(done, data->registry->EmbedMissing());
  }
  const uint64_t vectors = data->registry->stats().vectors;
  if (session.json()) {
    session.WriteJson(Json::Object{{"embedded", done.embedded},
                                   {"failed", done.failed},
                                   {"note", done.note.empty() ? Json() : Json(done.note)},
                                   {"vectors", vectors},
                                   {"model", embedding.setup->model}});
  } else {
    session.out().Line(
        fmt::format("{} embedded, {} with a vector now", Counted(done.embedded, "context"), Grouped(vectors)));
    if (done.failed > 0) session.Note(fmt::format("{} without: {}", Counted(done.failed, "context"), done.note));
  }
  return done.failed > 0 ? ExitCode::kPartial : ExitCode::kOk;
}

}  // namespace weir
