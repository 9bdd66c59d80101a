#include "core.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "weir/codec/utf8.h"
#include "weir/embed/long_text.h"

namespace weir::registry {

Error NoMemory(std::string_view what) {
  try {
    return Exhausted(fmt::format("not enough memory for {}", what), "remove contexts, or lower the budgets of the pools");
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kExhausted, "no memory", ""};  // fits a string without any
  }
}

Core::Core(RegistryOptions options)
    : options_(std::move(options)), index_bytes_max_(options_.index_bytes), groups_(options_.groups_max) {
  for (const NamedTokenizer& named : options_.tokenizers) encoders_.push_back({named.tokenizer.get(), {}});
}

Core::~Core() {
  // The indexes borrow from the records that the pool is about to let go of. They go as a whole: one by one would take as
  // long as registering did.
  const std::lock_guard turn(index_turn_);
  for (const AgentPtr& state : directory_.Snapshot()) state->indexed.store(nullptr, std::memory_order_release);
  for (const auto& space : spaces_) {
    const SpanIndex spans = std::move(space->spans);
    const NearIndex near = std::move(space->near);
  }
}

Result<std::unique_ptr<Core>> Core::Open(RegistryOptions options) {
  if (options.embeddings != nullptr) {
    WEIR_ASSIGN(const EmbedModel model, options.embeddings->Describe(options.embedding_model));
    options.vector_dimensions = model.dimensions;
    options.vector_fingerprint = LongTextFingerprint(model);
  }
  WEIR_TRY(options.Validate());
  std::unique_ptr<Core> core(new Core(std::move(options)));
  WEIR_TRY(core->Start());
  return core;
}

Status Core::Start() {
  PoolOptions pool;
  pool.name = "contexts" + options_.pool_suffix;
  pool.budget_bytes = options_.contexts_bytes;
  pool.clock = options_.clock;
  pool.sink = [this](const Evicted& evicted) { OnEvicted(evicted); };
  WEIR_ASSIGN(pool_, Pool::Create(std::move(pool)));
  return options_.store == nullptr ? Status() : Restore();
}

int64_t Core::NowMs() const {
  if (options_.wall_ms) return options_.wall_ms();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool Core::IsDenseRole(std::string_view role) const {
  return std::ranges::any_of(options_.dense_roles, [&](std::string_view dense) {
    return std::ranges::equal(dense, role, [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
  });
}

Error Core::UnknownAgent(std::string_view agent) {
  return NotFound(fmt::format("no agent '{}' is registered", agent), "register it first, or list who is here");
}

Result<AgentPtr> Core::Find(std::string_view agent) const {
  AgentPtr state = directory_.Find(agent);
  if (state == nullptr || IsExpired(*state, NowMs())) return UnknownAgent(agent);
  return state;
}

bool Core::Contains(std::string_view agent) const { return Find(agent).has_value(); }

Result<const NamedTokenizer*> Core::TokenizerOf(const std::string& name) const {
  if (name.empty()) return &options_.tokenizers.front();
  std::string known;
  for (const NamedTokenizer& named : options_.tokenizers) {
    if (named.name == name) return &named;
    known += (known.empty() ? "" : ", ") + named.name;
  }
  return NotFound(fmt::format("no tokenizer '{}'", name), fmt::format("known here: {}", known));
}

Result<std::string> Core::TokenizerNameOf(const std::string& fingerprint) const {
  for (const NamedTokenizer& named : options_.tokenizers) {
    if (named.tokenizer->fingerprint() == fingerprint) return named.name;
  }
  return NotFound(fmt::format("the tokenizer of that context (fingerprint {}) is not loaded", fingerprint),
                  "start with the tokenizer that it was registered with");
}

Result<HolderId> Core::TakeHolder() {
  const std::lock_guard lock(holders_mutex_);
  if (!free_holders_.empty()) {
    const HolderId holder = free_holders_.back();
    free_holders_.pop_back();
    return holder;
  }
  if (next_holder_ + 1 >= kHoldersMax) return Exhausted("no number is left for another context", "remove some");
  // Giving it back must need no memory.
  if (free_holders_.capacity() <= next_holder_) free_holders_.reserve(std::max<size_t>(64, 2 * free_holders_.capacity()));
  return next_holder_++;
}

void Core::GiveHolderBack(HolderId holder) {
  const std::lock_guard lock(holders_mutex_);
  free_holders_.push_back(holder);
}

Core::LentEncoder::LentEncoder(Core& core, const Tokenizer& tokenizer)
    : core_(core), tokenizer_(tokenizer), exceptions_(std::uncaught_exceptions()) {
  {
    const std::lock_guard lock(core_.encoders_mutex_);
    for (Stock& stock : core_.encoders_) {
      if (stock.tokenizer != &tokenizer_ || stock.encoders.empty()) continue;
      encoder_ = std::move(stock.encoders.back());
      stock.encoders.pop_back();
      return;
    }
  }
  encoder_ = tokenizer_.NewEncoder();
}

Core::LentEncoder::~LentEncoder() {
  // One that was interrupted by an exception is not used again.
  if (std::uncaught_exceptions() != exceptions_) return;
  const std::lock_guard lock(core_.encoders_mutex_);
  for (Stock& stock : core_.encoders_) {
    if (stock.tokenizer != &tokenizer_ || stock.encoders.size() >= kEncodersKept) continue;
    try {
      stock.encoders.push_back(std::move(encoder_));
    } catch (const std::bad_alloc&) {
    }
    return;
  }
}

Result<std::vector<TokenId>> Core::Encode(std::string_view text, const std::string& tokenizer, bool add_special_tokens) {
  WEIR_ASSIGN(const NamedTokenizer* named, TokenizerOf(tokenizer));
  if (text.size() > options_.context_text_bytes_max) {
    return InvalidArgument(fmt::format("a prompt of {} bytes, more than {}", text.size(), options_.context_text_bytes_max),
                           "shorten it, or raise context_text_bytes_max");
  }
  const LentEncoder encoder(*this, *named->tokenizer);
  Encoding encoding;
  WEIR_TRY(encoder->Encode(text, {add_special_tokens}, encoding));
  return std::move(encoding.ids);
}

std::vector<BlockKey> Core::KeysOf(const ContextView& view, BlockKey root) {
  std::vector<BlockKey> keys;
  AppendBlockKeys(view.tokens(), view.block_size(), root, keys);
  return keys;
}

void Core::CountIn(const AgentState& state) {
  counters_.tokens.fetch_add(state.tokens, std::memory_order_relaxed);
  counters_.text_bytes.fetch_add(state.text_bytes, std::memory_order_relaxed);
  counters_.pinned.fetch_add(state.pinned ? 1 : 0, std::memory_order_relaxed);
  counters_.vectors.fetch_add(state.has_vector ? 1 : 0, std::memory_order_relaxed);
  counters_.stale_vectors.fetch_add(state.stale_vector ? 1 : 0, std::memory_order_relaxed);
}

void Core::CountOut(const AgentState& state) {
  counters_.tokens.fetch_sub(state.tokens, std::memory_order_relaxed);
  counters_.text_bytes.fetch_sub(state.text_bytes, std::memory_order_relaxed);
  counters_.pinned.fetch_sub(state.pinned ? 1 : 0, std::memory_order_relaxed);
  counters_.vectors.fetch_sub(state.has_vector ? 1 : 0, std::memory_order_relaxed);
  counters_.stale_vectors.fetch_sub(state.stale_vector ? 1 : 0, std::memory_order_relaxed);
}

void Core::Refuse(std::string_view agent, const Error& error) {
  counters_.refused.fetch_add(1, std::memory_order_relaxed);
  Record([&] {
    const auto reason = [&] {
      switch (error.code) {
        case ErrorCode::kInvalidArgument: return LedgerCode("invalid_argument");
        case ErrorCode::kNotFound: return LedgerCode("not_found");
        case ErrorCode::kAlreadyExists: return LedgerCode("already_exists");
        case ErrorCode::kExhausted: return LedgerCode("exhausted");
        case ErrorCode::kUnavailable: return LedgerCode("unavailable");
        case ErrorCode::kCorrupt: return LedgerCode("corrupt");
        default: return LedgerCode("other");
      }
    };
    // A name that is no name is not written down.
    const bool is_name = agent.size() <= kLedgerAgentBytesMax && IsValidUtf8(agent);
    return Decision{.kind = DecisionKind::kRefusal, .reason = reason(), .agent = is_name ? agent : std::string_view()};
  });
}

void Core::NoteMode(PressureMode before, PressureMode now) {
  Record([&] {
    const auto reason = [&] {
      switch (now) {
        case PressureMode::kRelaxed: return LedgerCode("relaxed");
        case PressureMode::kNormal: return LedgerCode("normal");
        case PressureMode::kPressure: return LedgerCode("pressure");
        case PressureMode::kCritical: return LedgerCode("critical");
        case PressureMode::kEmergency: return LedgerCode("emergency");
      }
      return LedgerCode("unknown");
    };
    return Decision{.kind = DecisionKind::kModeChange,
                    .reason = reason(),
                    .fields = {{"before", static_cast<uint32_t>(before)}, {"now", static_cast<uint32_t>(now)}}};
  });
}

std::vector<ContextSummary> Core::List() const {
  std::vector<ContextSummary> list;
  const int64_t now_ms = NowMs();
  for (const AgentPtr& state : directory_.Snapshot()) {
    if (IsExpired(*state, now_ms)) continue;
    ContextSummary line;
    line.terms = state->terms;
    line.terms.space = state->space->space;
    line.terms.pinned = state->pinned.load(std::memory_order_relaxed);
    line.tokens = state->tokens;
    line.blocks = state->blocks;
    line.text_bytes = state->text_bytes;
    line.cold = state->indexed.load(std::memory_order_acquire) == nullptr;
    list.push_back(std::move(line));
  }
  std::ranges::sort(list, {}, [](const ContextSummary& line) -> const std::string& { return line.terms.agent; });
  return list;
}

RegistryStats Core::stats() const {
  const auto read = [](const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  RegistryStats stats;
  stats.contexts = directory_.size();
  for (const AgentPtr& state : directory_.Snapshot()) {
    if (state->indexed.load(std::memory_order_relaxed) == nullptr) ++stats.cold;
  }
  stats.pinned = read(counters_.pinned);
  stats.groups = groups_.size();
  stats.tokens = read(counters_.tokens);
  stats.text_bytes = read(counters_.text_bytes);
  stats.held_bytes = runs_.bytes();
  stats.directory_bytes = directory_.bytes();
  {
    const std::shared_lock lock(spaces_mutex_);
    stats.spaces = spaces_.size();
    for (const auto& space : spaces_) {
      stats.block_index_bytes += space->blocks.bytes();
      stats.span_index_bytes += space->spans.bytes();
      stats.near_index_bytes += space->near.bytes();
      if (space->vectors != nullptr) stats.vector_index_bytes += space->vectors->bytes();
    }
  }
  stats.registered = read(counters_.registered);
  stats.replaced = read(counters_.replaced);
  stats.removed = read(counters_.removed);
  stats.expired = read(counters_.expired);
  stats.refused = read(counters_.refused);
  stats.evicted = read(counters_.evicted);
  stats.forgotten = read(counters_.forgotten);
  stats.reloaded = read(counters_.reloaded);
  stats.prefetched = read(counters_.prefetched);
  stats.restored = read(counters_.restored);
  stats.set_aside = read(counters_.set_aside);
  stats.tokens_encoded = read(counters_.tokens_encoded);
  stats.vectors = read(counters_.vectors);
  stats.stale_vectors = read(counters_.stale_vectors);
  stats.embedded = read(counters_.embedded);
  stats.embed_failures = read(counters_.embed_failures);
  stats.ledger_failures = read(counters_.ledger_failures);
  return stats;
}

void Core::CheckInvariants() const {
  uint64_t tokens = 0;
  uint64_t warm = 0;
  uint64_t vectors = 0;
  std::map<const SpaceIndexes*, std::array<uint64_t, 3>> counts;  // contexts, warm ones, ones with a vector
  const std::vector<AgentPtr> states = directory_.Snapshot();
  for (const AgentPtr& state : states) {
    WEIR_CHECK(state->superseded == 0 && state->published != 0, "agent in the directory is not visible");
    WEIR_CHECK(directory_.FindHolder(state->holder) == state, "holder {} is somebody else", state->holder);
    WEIR_CHECK(state->space->blocks.BlocksOf(state->holder) == state->blocks, "holder {} holds {} blocks, not {}",
               state->holder, state->space->blocks.BlocksOf(state->holder), state->blocks);
    tokens += state->tokens;
    const Body* indexed = state->indexed;
    const Pin pin = pool_->Get(state->pool_key);
    if (indexed != nullptr) {
      WEIR_CHECK(pin && &pin.resource<Body>() == indexed, "the indexes borrow from a record that the pool let go of");
      ++warm;
    }
    std::array<uint64_t, 3>& count = counts[state->space.get()];
    ++count[0];
    count[1] += indexed != nullptr ? 1 : 0;
    count[2] += state->has_vector ? 1 : 0;
    vectors += state->has_vector ? 1 : 0;
  }
  WEIR_CHECK(tokens == counters_.tokens, "{} tokens counted, {} are there", counters_.tokens.load(), tokens);
  WEIR_CHECK(vectors == counters_.vectors, "{} vectors counted, {} are there", counters_.vectors.load(), vectors);
  WEIR_CHECK(directory_.size() == states.size(), "{} agents counted, {} are there", directory_.size(), states.size());
  WEIR_CHECK(CanReload() || warm == states.size(), "a cold context without a store");
  for (const auto& space : spaces_) {
    const std::array<uint64_t, 3>& count = counts[space.get()];
    space->blocks.CheckInvariants();
    space->spans.CheckInvariants();
    space->near.CheckInvariants();
    WEIR_CHECK(space->spans.documents() == count[1], "{} documents of {} warm contexts", space->spans.documents(), count[1]);
    WEIR_CHECK(space->near.stats().owners == count[1], "{} near owners of {} warm contexts", space->near.stats().owners,
               count[1]);
    if (space->vectors == nullptr) continue;
    space->vectors->CheckInvariants();
    WEIR_CHECK(space->vectors->stats().owners == count[2], "{} vectors of {}", space->vectors->stats().owners, count[2]);
  }
  pool_->CheckInvariants();
}

}  // namespace weir::registry
