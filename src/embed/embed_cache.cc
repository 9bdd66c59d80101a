#include "weir/embed/embed_cache.h"

#include <new>
#include <utility>

#include "cache_core.h"

namespace weir {

std::string_view EmbedInputName(EmbedInput input) {
  switch (input) {
    case EmbedInput::kPlain: return "plain";
    case EmbedInput::kQuery: return "query";
    case EmbedInput::kPassage: return "passage";
  }
  return "plain";
}

std::string_view EmbedSourceName(EmbedSource source) {
  switch (source) {
    case EmbedSource::kNone: return "none";
    case EmbedSource::kHit: return "hit";
    case EmbedSource::kStored: return "stored";
    case EmbedSource::kComputed: return "computed";
    case EmbedSource::kCoalesced: return "coalesced";
  }
  return "none";
}

Status EmbedCacheOptions::Validate() const {
  if (budget_bytes < (1u << 20)) return InvalidArgument("the budget for vectors is below 1 MiB");
  if (text_bytes_max == 0 || text_bytes_max >= UINT32_MAX)
    return InvalidArgument("text_bytes_max is out of range", "1 byte to 4 GiB");
  if (texts_max == 0) return InvalidArgument("texts_max is 0");
  if (batch_texts_max == 0 || batch_texts_max > 65'536)
    return InvalidArgument("batch_texts_max is out of range", "1 to 65,536");
  if (batch_wait < Duration(0) || batch_wait > std::chrono::seconds(1))
    return InvalidArgument("batch_wait is out of range", "0 to 1 s");
  return {};
}

namespace {

// What the standard library throws ends here.
template <typename Work>
auto Contained(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Exhausted("not enough memory for the call", "send fewer texts at once, or lower the budgets of the pools");
  }
}

}  // namespace

EmbedCache::EmbedCache(std::unique_ptr<Core> core) : core_(std::move(core)) {}
EmbedCache::~EmbedCache() = default;

Result<std::unique_ptr<EmbedCache>> EmbedCache::Create(EmbedCacheOptions options) {
  WEIR_TRY(options.Validate());
  auto core = std::make_unique<Core>(std::move(options));
  WEIR_TRY(core->Start());
  return std::unique_ptr<EmbedCache>(new EmbedCache(std::move(core)));
}

Status EmbedCache::AddModel(EmbedModel model) {
  return Contained([&] { return core_->AddModel(std::move(model)); });
}

Result<EmbedAnswer> EmbedCache::Embed(std::string_view model, std::span<const std::string_view> texts,
                                      const EmbedCall& call) {
  return Contained([&]() -> Result<EmbedAnswer> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    return core_->Embed(*desk, texts, call);
  });
}

Result<EmbedAnswer> EmbedCache::EmbedIds(std::string_view model, std::span<const std::span<const TokenId>> texts,
                                         const EmbedCall& call) {
  return Contained([&]() -> Result<EmbedAnswer> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    std::vector<std::string_view> bytes;
    bytes.reserve(texts.size());
    for (const auto& ids : texts) bytes.emplace_back(reinterpret_cast<const char*>(ids.data()), ids.size_bytes());
    return core_->Embed(*desk, bytes, call, embed::TextForm::kIds);
  });
}

Result<uint64_t> EmbedCache::CountTokens(std::string_view model, std::span<const std::string_view> texts,
                                         const EmbedCall& call) {
  return Contained([&]() -> Result<uint64_t> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    return core_->CountTokens(*desk, texts, call);
  });
}

Result<std::vector<EmbedKey>> EmbedCache::KeysOf(std::string_view model, std::span<const std::string_view> texts,
                                                 const EmbedCall& call) const {
  return Contained([&]() -> Result<std::vector<EmbedKey>> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    return core_->KeysOf(*desk, texts, call);
  });
}

Result<EmbedFound> EmbedCache::Find(std::string_view model, std::span<const EmbedKey> keys, uint32_t dimensions) {
  return Contained([&]() -> Result<EmbedFound> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    return core_->Find(*desk, keys, dimensions);
  });
}

Status EmbedCache::Load(std::string_view model) {
  WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
  return desk->Load();
}

Status EmbedCache::Unload(std::string_view model) {
  WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
  desk->Unload();
  return {};
}

std::vector<EmbedModelState> EmbedCache::Models() const { return core_->Models(); }

Result<std::string> EmbedCache::Resolve(std::string_view model) const {
  WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
  return desk->model().name;
}

Result<EmbedModel> EmbedCache::Describe(std::string_view model) const {
  return Contained([&]() -> Result<EmbedModel> {
    WEIR_ASSIGN(embed::ModelDesk* const desk, core_->DeskOf(model));
    return desk->model();
  });
}

Result<uint64_t> EmbedCache::Clear(bool stored_too) {
  return Contained([&] { return core_->Clear(stored_too); });
}

Result<uint64_t> EmbedCache::ForgetStored(const std::function<bool(const EmbedKey&)>& is_wanted) {
  return Contained([&] { return core_->ForgetStored(is_wanted); });
}

EmbedStats EmbedCache::stats() const { return core_->stats(); }
Pool& EmbedCache::pool() { return core_->pool(); }

}  // namespace weir
