#include "weir/model/load_embedder.h"

#include <fmt/format.h>
#include <llama-ext.h>
#include <llama.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "gguf_summary.h"
#include "llama_embedder.h"
#include "llama_library.h"
#include "weir/base/file.h"
#include "weir/codec/hex.h"
#include "weir/codec/sha256.h"

namespace weir {
namespace {

// Measured with all-MiniLM-L6-v2 (bench/peers/embed): between 64 and 256 tokens it makes no difference.
constexpr uint32_t kTokensTarget = 192;
constexpr uint32_t kTextsMax = 8;
constexpr uint32_t kThreadsMax = 256;

uint32_t ProcessorsAllowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1u, std::thread::hardware_concurrency());
}

Result<Pooling> ChoosePooling(const GgufSummary& summary, const EmbedderOptions& options, const std::string& file) {
  if (options.pooling) return *options.pooling;
  switch (summary.pooling.value_or(0)) {
    case LLAMA_POOLING_TYPE_MEAN: return Pooling::kMean;
    case LLAMA_POOLING_TYPE_CLS: return Pooling::kCls;
    case LLAMA_POOLING_TYPE_LAST: return Pooling::kLast;
    case LLAMA_POOLING_TYPE_RANK: return Unsupported(fmt::format("{} is a reranking model: it makes no vectors", file));
    default:
      return Unsupported(
          fmt::format("{} is not an embedding model: its file ({}) names no pooling", file, summary.architecture),
          "if it is one all the same, say which pooling it wants");
  }
}

enum llama_pooling_type LibraryPooling(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean: return LLAMA_POOLING_TYPE_MEAN;
    case Pooling::kCls: return LLAMA_POOLING_TYPE_CLS;
    case Pooling::kLast: return LLAMA_POOLING_TYPE_LAST;
  }
  return LLAMA_POOLING_TYPE_NONE;
}

llama_context_params ContextParams(const EmbedderShape& shape) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = shape.packing.tokens_max;
  params.n_batch = shape.packing.tokens_max;
  params.n_ubatch = shape.packing.tokens_max;  // an encoder computes a batch in one piece
  params.n_seq_max = shape.packing.texts_max;
  params.n_threads = 1;
  params.n_threads_batch = 1;
  params.pooling_type = LibraryPooling(shape.pooling);
  params.embeddings = true;
  params.kv_unified = true;
  params.no_perf = true;
  return params;
}

// Bytes of weights once, of scratch for each context.
uint64_t MemoryOf(const LlamaModelOwner& owner) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < owner.contexts.size(); ++i) {
    for (const auto& [type, held] : llama_get_memory_breakdown(owner.contexts[i])) {
      bytes += held.context + held.compute + (i == 0 ? held.model : 0);
    }
  }
  return bytes;
}

std::vector<TokenId> EndingTokens(const llama_vocab* vocab) {
  std::vector<TokenId> ending;
  for (llama_token id : {llama_vocab_sep(vocab), llama_vocab_eos(vocab)}) {
    if (id >= 0) ending.push_back(static_cast<TokenId>(id));
  }
  return ending;
}

Result<std::unique_ptr<LlamaModelOwner>> LoadModel(const std::filesystem::path& file, bool check_values) {
  llama_model_params params = llama_model_default_params();
  params.load_mode = LLAMA_LOAD_MODE_NONE;  // matrices are laid out anew in any case
  params.check_tensors = check_values;
  llama_model* model = llama_model_load_from_file(file.c_str(), params);
  if (!model) return Unsupported(fmt::format("{} cannot be loaded: {}", file.string(), TakeLibraryError()));
  return std::make_unique<LlamaModelOwner>(model);
}

Result<std::unique_ptr<Embedder>> Assemble(std::unique_ptr<LlamaModelOwner>& owner, EmbedderShape shape, uint32_t threads) {
  const llama_vocab* vocab = llama_model_get_vocab(owner->model);
  shape.dimensions = static_cast<uint32_t>(llama_model_n_embd_out(owner->model));
  shape.vocab_size = static_cast<uint32_t>(llama_vocab_n_tokens(vocab));
  shape.ending_tokens = EndingTokens(vocab);
  for (uint32_t allowed : shape.dimensions_allowed) {
    if (allowed == 0 || allowed > shape.dimensions) {
      return InvalidArgument(fmt::format("{} dimensions were named; the model has {}", allowed, shape.dimensions));
    }
  }
  for (uint32_t i = 0; i < threads; ++i) {
    llama_context* context = llama_init_from_model(owner->model, ContextParams(shape));
    if (!context) return Exhausted(fmt::format("no context could be made: {}", TakeLibraryError()), "use fewer threads");
    owner->contexts.push_back(context);
  }
  shape.memory_bytes = MemoryOf(*owner);
  return std::unique_ptr<Embedder>(std::make_unique<LlamaEmbedder>(std::move(owner), std::move(shape)));
}

}  // namespace

std::string EmbedderFingerprint(std::string_view file_sha256, Pooling pooling) {
  return HexOf(Sha256(fmt::format("weir embedder 1\n{}\n{}\n", file_sha256, PoolingName(pooling))));
}

Result<std::string> FileSha256(const std::filesystem::path& file) {
  WEIR_ASSIGN(const MappedFile mapped, MappedFile::Open(file));
  return HexOf(Sha256(mapped.bytes()));
}

Result<ModelFileOutline> OutlineModelFile(const std::filesystem::path& file, std::optional<Pooling> pooling) {
  WEIR_ASSIGN(const GgufSummary summary, ReadGgufSummary(file));
  EmbedderOptions options;
  options.pooling = pooling;
  ModelFileOutline outline;
  WEIR_ASSIGN(outline.pooling, ChoosePooling(summary, options, file.string()));
  outline.architecture = summary.architecture;
  outline.dimensions = summary.embedding;
  outline.positions = summary.positions;
  outline.bytes = summary.bytes;
  WEIR_ASSIGN(outline.sha256, FileSha256(file));
  outline.fingerprint = EmbedderFingerprint(outline.sha256, outline.pooling);
  return outline;
}

Result<std::unique_ptr<Embedder>> LoadEmbedder(const std::filesystem::path& file, const EmbedderOptions& options) {
  WEIR_ASSIGN(const GgufSummary summary, ReadGgufSummary(file));
  WEIR_ASSIGN(const std::string sha256, FileSha256(file));
  if (!options.file_sha256.empty() && sha256 != options.file_sha256) {
    return Corrupt(fmt::format("{} has SHA-256 {}, not {}", file.string(), sha256, options.file_sha256),
                   "fetch the model again");
  }
  EmbedderShape shape;
  WEIR_ASSIGN(shape.pooling, ChoosePooling(summary, options, file.string()));
  shape.fingerprint = EmbedderFingerprint(sha256, shape.pooling);
  shape.dimensions_allowed = options.dimensions_allowed;
  shape.tokens_max =
      std::min(summary.positions, options.tokens_max ? options.tokens_max : EmbedderOptions::kTokensMaxDefault);
  shape.packing.tokens_max = std::max(shape.tokens_max, std::min(kTokensTarget, summary.positions));
  shape.packing.tokens_target = kTokensTarget;
  shape.packing.texts_max = kTextsMax;
  const uint32_t threads = std::min(kThreadsMax, options.threads ? options.threads : ProcessorsAllowed());

  bool aborted = false;
  TakeLibraryError();
  const std::string doing = fmt::format("loading {}", file.string());
  std::unique_ptr<LlamaModelOwner> owner;
  auto loaded = Contained(ErrorCode::kCorrupt, doing, &aborted, [&]() -> Result<std::unique_ptr<Embedder>> {
    WEIR_ASSIGN(owner, LoadModel(file, options.file_sha256.empty()));
    return Assemble(owner, std::move(shape), threads);
  });
  if (aborted && owner) {
    owner->abandoned = true;
  }
  return loaded;
}

}  // namespace weir
