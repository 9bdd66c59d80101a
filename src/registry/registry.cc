#include "weir/registry/registry.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "core.h"
#include "upkeep.h"
#include "workflows.h"

namespace weir {
namespace {

// What the standard library throws ends here.
template <typename Work>
auto Contained(std::string_view what, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return registry::NoMemory(what);
  }
}

}  // namespace

struct Registry::Parts {
  std::unique_ptr<registry::Core> core;
  std::unique_ptr<registry::Workflows> workflows;
  std::unique_ptr<registry::Upkeep> upkeep;
};

Status RegistryOptions::Validate() const {
  if (tokenizers.empty()) return InvalidArgument("a registry needs a tokenizer", "name one: there is no default model");
  for (size_t i = 0; i < tokenizers.size(); ++i) {
    if (tokenizers[i].tokenizer == nullptr)
      return InvalidArgument(fmt::format("tokenizer '{}' is not loaded", tokenizers[i].name));
    for (size_t j = 0; j < i; ++j) {
      if (tokenizers[i].name == tokenizers[j].name) {
        return InvalidArgument(fmt::format("two tokenizers are named '{}'", tokenizers[i].name));
      }
    }
  }
  if (block_size < 2 || block_size > 1024)
    return InvalidArgument(fmt::format("block_size is {}", block_size), "2 to 1,024 tokens");
  if (contexts_bytes < (1u << 20)) return InvalidArgument("contexts_bytes is below 1 MiB");
  if (index_bytes < (1u << 20)) return InvalidArgument("index_bytes is below 1 MiB");
  if (contexts_max == 0 || contexts_max > kHoldersMax / 2) {
    return InvalidArgument(fmt::format("contexts_max is {}", contexts_max), fmt::format("1 to {}", kHoldersMax / 2));
  }
  if (context_tokens_max == 0 || context_tokens_max >= (1u << 31))
    return InvalidArgument("context_tokens_max is out of range");
  if (context_text_bytes_max == 0 || context_text_bytes_max > kStoreRecordBytesMax / 2) {
    return InvalidArgument("context_text_bytes_max is out of range", fmt::format("1 to {}", kStoreRecordBytesMax / 2));
  }
  if (ttl < Duration(0)) return InvalidArgument("a negative time to live", "zero means never");
  if (vector_dimensions > kVectorDimensionsMax) return InvalidArgument("vector_dimensions is out of range");
  return {};
}

Registry::Registry(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Registry::~Registry() = default;

Result<std::unique_ptr<Registry>> Registry::Open(RegistryOptions options) {
  return Contained("opening the registry", [&]() -> Result<std::unique_ptr<Registry>> {
    auto parts = std::make_unique<Parts>();
    const uint32_t workflows_max = options.workflows_max;
    Store* store = options.store;
    WEIR_ASSIGN(parts->core, registry::Core::Open(std::move(options)));
    WEIR_ASSIGN(parts->workflows, registry::Workflows::Create(workflows_max, store));
    if (store != nullptr) {
      WEIR_TRY(store->Scan(StoreTable::kWorkflow, [&](const StoreKey&, std::string_view bytes) -> Status {
        if (!parts->workflows->Restore(bytes)) parts->core->CountSetAside();
        return {};
      }));
    }
    parts->upkeep = std::make_unique<registry::Upkeep>(*parts->core, *parts->workflows);
    return std::unique_ptr<Registry>(new Registry(std::move(parts)));
  });
}

Result<Registered> Registry::Register(const ContextInput& input) {
  return parts_->core->Register(input, registry::Write::kRegister);
}
Result<Registered> Registry::Replace(const ContextInput& input) {
  return parts_->core->Register(input, registry::Write::kReplace);
}
Result<Registered> Registry::Put(const ContextInput& input) { return parts_->core->Register(input, registry::Write::kPut); }
Result<Registered> Registry::Append(std::string_view agent, const AppendInput& input) {
  return parts_->core->Append(agent, input);
}
Result<EmbeddedContexts> Registry::EmbedMissing() {
  return Contained("embedding contexts", [&] { return parts_->core->EmbedMissing(); });
}
Result<std::vector<float>> Registry::VectorOf(std::string_view text) {
  return Contained("a vector", [&] { return parts_->core->VectorOf(text); });
}
Status Registry::SetPinned(std::string_view agent, bool pinned, const std::optional<ContextVersion>& only_if) {
  return parts_->core->SetPinned(agent, pinned, only_if);
}
Status Registry::Remove(std::string_view agent, const std::optional<ContextVersion>& only_if) {
  return parts_->core->Remove(agent, only_if);
}
Result<uint64_t> Registry::Clear(std::optional<std::string> group) { return parts_->core->Clear(group); }

Result<HeldContext> Registry::Get(std::string_view agent) {
  return Contained("reading a context", [&] { return parts_->core->Get(agent); });
}
bool Registry::Contains(std::string_view agent) const { return parts_->core->Contains(agent); }

std::vector<ContextSummary> Registry::List() const {
  std::vector<ContextSummary> list = parts_->core->List();
  if (parts_->workflows->empty()) return list;
  const auto distances = parts_->workflows->Distances();
  for (ContextSummary& line : list) {
    if (const auto found = distances.find(line.terms.agent); found != distances.end())
      line.steps_to_execution = found->second;
  }
  return list;
}

Result<SharedReport> Registry::FindShared(std::span<const std::string> agents, std::optional<std::string> target,
                                          const FindSharedOptions& options) {
  return Contained("a comparison", [&] { return parts_->core->FindShared(agents, target, options); });
}
Result<SharedReport> Registry::Match(std::string_view prompt, const MatchOptions& options) {
  return Contained("a match", [&]() -> Result<SharedReport> {
    WEIR_ASSIGN(const std::vector<TokenId> tokens,
                parts_->core->Encode(prompt, options.tokenizer, options.add_special_tokens));
    MatchOptions whole = options;
    whole.text = prompt;
    return parts_->core->Match(tokens, whole);
  });
}
Result<SharedReport> Registry::MatchTokens(std::span<const TokenId> tokens, const MatchOptions& options) {
  return Contained("a match", [&] { return parts_->core->Match(tokens, options); });
}
Result<SimilarReport> Registry::FindSimilar(std::string_view text, const SimilarOptions& options) {
  return Contained("a search", [&]() -> Result<SimilarReport> {
    if (options.by == SimilarBy::kMeaning) return parts_->core->FindSimilarMeaning(text, options);
    WEIR_ASSIGN(const std::vector<TokenId> tokens, parts_->core->Encode(text, options.tokenizer, false));
    return parts_->core->FindSimilar(tokens, options);
  });
}
Result<SimilarReport> Registry::FindSimilarTokens(std::span<const TokenId> tokens, const SimilarOptions& options) {
  return Contained("a search", [&] { return parts_->core->FindSimilar(tokens, options); });
}
Result<SimilarReport> Registry::FindSimilarVector(std::span<const float> vector, const SimilarOptions& options) {
  return Contained("a search", [&] { return parts_->core->FindSimilarVector(vector, options); });
}

Status Registry::DeclareWorkflow(Workflow workflow) {
  return Contained("a workflow", [&] { return parts_->workflows->Declare(std::move(workflow)); });
}
Status Registry::RemoveWorkflow(std::string_view name) {
  return Contained("a workflow", [&] { return parts_->workflows->Remove(name); });
}
std::vector<std::string> Registry::WorkflowNames() const { return parts_->workflows->Names(); }
Result<WorkflowRun> Registry::GetWorkflow(std::string_view name) const {
  return Contained("a workflow", [&] { return parts_->workflows->Get(name); });
}
Status Registry::Advance(std::string_view workflow, std::string_view agent, Step step) {
  return Contained("a workflow", [&]() -> Status {
    WEIR_TRY(parts_->workflows->Advance(workflow, agent, step));
    parts_->upkeep->Wake();
    return {};
  });
}
std::optional<uint32_t> Registry::StepsToExecution(std::string_view agent) const {
  return parts_->workflows->StepsToExecution(agent);
}
NextAgents Registry::PredictNext(size_t n) const { return parts_->workflows->PredictNext(n); }

Status Registry::JoinBroker(Broker& broker, uint64_t min_share_bytes, uint8_t priority) {
  return Contained("joining the broker", [&] { return parts_->upkeep->JoinBroker(broker, min_share_bytes, priority); });
}
void Registry::LeaveBroker() { parts_->upkeep->LeaveBroker(); }
std::vector<PoolKey> Registry::FarthestFirst(std::string_view pool, uint64_t bytes) {
  return pool == parts_->core->pool().name() ? parts_->upkeep->FarthestFirst(bytes) : std::vector<PoolKey>();
}

Registry::Tended Registry::Tend() { return parts_->upkeep->Tend(); }
Status Registry::Start(Duration period) { return parts_->upkeep->Start(period); }
void Registry::Stop() { parts_->upkeep->Stop(); }

RegistryStats Registry::stats() const { return parts_->core->stats(); }
Pool& Registry::contexts_pool() { return parts_->core->pool(); }
void Registry::CheckInvariants() const { parts_->core->CheckInvariants(); }

}  // namespace weir
