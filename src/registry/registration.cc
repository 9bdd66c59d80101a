// Changes that give an agent a context: register and replace; append.cc grows one.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "attempt.h"
#include "store_key.h"
#include "weir/base/bytes.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/incremental_encoding.h"

namespace weir::registry {

struct Core::Encoded {
  Encoding encoding;
  std::vector<Segment> segments;
  std::string_view text;
  uint32_t tokens_encoded = 0;
};

namespace {

constexpr size_t kAgentBytesMax = 256;

bool IsName(std::string_view name) {
  return IsValidUtf8(name) && std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string_view Bytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What the parts of a record point into.
ContextParts PartsOf(const ContextTerms& terms, std::string_view text, const Encoding& encoding,
                     std::span<const Segment> segments, const ContextVectors& vectors) {
  return {terms, text, encoding.ids, encoding.begins, segments, vectors.whole, vectors.segments, vectors.fingerprint};
}

}  // namespace

Status Core::CheckInput(const ContextInput& input) const {
  if (input.agent.empty() || input.agent.size() > kAgentBytesMax || !IsName(input.agent)) {
    return InvalidArgument("not an agent's name",
                           fmt::format("1 to {} bytes of UTF-8 without control characters", kAgentBytesMax));
  }
  for (const std::string* name : {&input.group, &input.role, &input.model, &input.lora, &input.salt}) {
    if (name->size() > kAgentBytesMax || !IsName(*name)) {
      return InvalidArgument(fmt::format("agent '{}': a name that is too long or not clean", input.agent),
                             fmt::format("group, role, model, LoRA and salt: up to {} bytes of UTF-8", kAgentBytesMax));
    }
  }
  for (const Segment& segment : input.segments) {
    if (segment.name.empty() || segment.name.size() > kAgentBytesMax || !IsName(segment.name)) {
      return InvalidArgument(fmt::format("agent '{}': a segment's name that is empty, too long or not clean", input.agent),
                             fmt::format("1 to {} bytes of UTF-8 without control characters", kAgentBytesMax));
    }
  }
  if (input.group.empty())
    return InvalidArgument(fmt::format("agent '{}': an empty group", input.agent), "leave it out for 'default'");
  if (input.text.empty())
    return InvalidArgument(fmt::format("agent '{}': an empty context", input.agent), "give it a prompt");
  if (input.text.size() > options_.context_text_bytes_max) {
    return InvalidArgument(fmt::format("agent '{}': a context of {}, more than {}", input.agent,
                                       FormatByteSize(input.text.size()), FormatByteSize(options_.context_text_bytes_max)),
                           "shorten it, or raise context_text_bytes_max");
  }
  if (input.ttl && *input.ttl < Duration(0)) {
    return InvalidArgument(fmt::format("agent '{}': a negative time to live", input.agent), "zero means never");
  }
  if (!input.vector.empty() && !options_.vector_fingerprint.empty()) {
    return InvalidArgument(fmt::format("agent '{}': a vector where the registry's model makes them", input.agent),
                           "leave it out");
  }
  if (!input.vector.empty() && input.vector.size() != options_.vector_dimensions) {
    return InvalidArgument(
        fmt::format("agent '{}': a vector of {} dimensions, not {}", input.agent, input.vector.size(),
                    options_.vector_dimensions),
        options_.vector_dimensions == 0 ? "semantic matching is off: set vector_dimensions" : "use the registry's model");
  }
  return {};
}

Status Core::CheckVersion(const ContextTerms& terms, const std::optional<ContextVersion>& only_if) {
  if (!only_if || *only_if == ContextVersion{terms.revision, terms.created_ms}) return {};
  return Error{ErrorCode::kAlreadyExists, fmt::format("agent '{}' is at another revision, {}", terms.agent, terms.revision),
               "read it again, and decide anew"};
}

Status Core::CheckEmergency() const {
  const std::shared_lock lock(broker_mutex_);
  if (broker_ == nullptr || broker_->accepts_new()) return {};
  return Exhausted("memory is in an emergency: nothing new is taken", "try again when pressure has gone, or free memory");
}

Status Core::TakePlace() {
  const std::lock_guard lock(places_mutex_);
  if (directory_.size() + places_taken_ >= options_.contexts_max) {
    return Exhausted(fmt::format("there are {} contexts already", options_.contexts_max),
                     "remove some, give them a time to live, or raise contexts_max");
  }
  ++places_taken_;
  return {};
}

void Core::GivePlaceBack() {
  const std::lock_guard lock(places_mutex_);
  --places_taken_;
}

Result<Core::Encoded> Core::EncodeContext(const ContextInput& input, const Tokenizer& tokenizer, const AgentPtr& before) {
  Encoded encoded;
  encoded.text = input.text;
  encoded.segments = input.segments;
  WEIR_TRY(CheckSegments(encoded.segments, input.text.size()));
  const LentEncoder encoder(*this, tokenizer);

  // What a revision before has of the same text, and from the same tokenizer, need not be encoded again.
  const bool may_extend = before != nullptr && !input.add_special_tokens && !before->terms.add_special_tokens &&
                          before->space->space.tokenizer_fingerprint == tokenizer.fingerprint();
  bool extended = false;
  if (may_extend) {
    if (const Result<Pin> pin = Hold(before)) {
      const ContextView view = pin->resource<Body>().view();
      if (encoded.text.starts_with(view.text())) {
        encoded.encoding.ids.assign(view.tokens().begin(), view.tokens().end());
        encoded.encoding.begins = view.Begins();
        if (const auto fault = FindInvalidUtf8(encoded.text.substr(view.text().size()))) {
          return InvalidArgument(fmt::format("text is not UTF-8 at byte {}", view.text().size() + *fault));
        }
        WEIR_ASSIGN(const size_t count, ExtendEncoding(*encoder, encoded.text, view.text().size(), encoded.encoding));
        encoded.tokens_encoded = static_cast<uint32_t>(count);
        extended = true;
      }
    }
  }
  if (!extended) {
    WEIR_TRY(encoder->Encode(encoded.text, {input.add_special_tokens}, encoded.encoding));
    encoded.tokens_encoded = static_cast<uint32_t>(encoded.encoding.ids.size());
  }
  if (encoded.encoding.ids.empty()) {
    return InvalidArgument(fmt::format("agent '{}': a context without tokens", input.agent), "give it a prompt");
  }
  if (encoded.encoding.ids.size() > options_.context_tokens_max) {
    return InvalidArgument(fmt::format("agent '{}': {} tokens, more than {}", input.agent, encoded.encoding.ids.size(),
                                       options_.context_tokens_max),
                           "shorten the prompt, or raise context_tokens_max");
  }
  PlaceSegments(encoded.segments, encoded.encoding.begins);
  counters_.tokens_encoded.fetch_add(encoded.tokens_encoded, std::memory_order_relaxed);
  return encoded;
}

Result<Registered> Core::RegisterLocked(const ContextInput& input, const ContextVectors& vectors, Write write) {
  AgentPtr before = directory_.Find(input.agent);
  if (before != nullptr && IsExpired(*before, NowMs())) {
    WEIR_TRY(RemoveLocked(before, Removal::kExpired));
    before = nullptr;
  }
  if (write == Write::kRegister && before != nullptr) {
    return Error{ErrorCode::kAlreadyExists, fmt::format("agent '{}' has a context already", input.agent),
                 "replace it, or append to it"};
  }
  if (write == Write::kReplace && before == nullptr) return UnknownAgent(input.agent);
  WEIR_TRY(CheckEmergency());
  return Change(input, vectors, before);
}

Result<Registered> Core::Register(const ContextInput& input, Write write) {
  try {
    Result<Registered> done = [&]() -> Result<Registered> {
      WEIR_TRY(CheckInput(input));
      ContextVectors vectors;
      vectors.whole = input.vector;
      if (EmbedsAtOnce()) {
        // What will be refused anyway needs no vectors.
        const Result<AgentPtr> before = Find(input.agent);
        const bool is_wanted = write == Write::kPut || before.has_value() == (write == Write::kReplace);
        if (is_wanted && CheckEmergency()) vectors = VectorsFor(input, before ? *before : nullptr);
      }
      const std::lock_guard stripe(StripeOf(input.agent));
      return RegisterLocked(input, vectors, write);
    }();
    if (!done) {
      Refuse(input.agent, done.error());
      DropEmptySpaces();
    }
    return done;
  } catch (const std::bad_alloc&) {
    Error error = NoMemory("a context");
    Refuse(input.agent, error);
    DropEmptySpaces();
    return error;
  }
}

Result<Registered> Core::Change(const ContextInput& input, const ContextVectors& vectors, const AgentPtr& before, Age age) {
  if (before != nullptr) WEIR_TRY(CheckVersion(before->terms, input.only_if));
  Attempt attempt(*this);
  if (before == nullptr) {
    WEIR_TRY(attempt.TakePlace());
    WEIR_TRY(CheckUsable(StoreKeyOf(input.agent), input.agent));
  }
  WEIR_ASSIGN(const NamedTokenizer* tokenizer, TokenizerOf(input.tokenizer));
  Space space{tokenizer->tokenizer->fingerprint(), input.model, input.lora, input.salt};
  WEIR_TRY(groups_.CheckTokenizer(input.group, space));
  WEIR_ASSIGN(const Encoded encoded, EncodeContext(input, *tokenizer->tokenizer, before));

  auto state = std::make_shared<AgentState>();
  WEIR_ASSIGN(state->space, SpaceOf(space));
  ContextTerms terms;
  terms.agent = input.agent;
  terms.group = input.group;
  terms.role = input.role;
  terms.space = std::move(space);
  terms.block_size = options_.block_size;
  terms.revision = before == nullptr ? 1 : before->terms.revision + (age == Age::kNew ? 1 : 0);
  terms.updated_ms = age == Age::kNew ? NowMs() : before->terms.updated_ms;
  terms.created_ms = before == nullptr ? terms.updated_ms : before->terms.created_ms;
  state->ttl = input.ttl.value_or(options_.ttl);
  constexpr auto kTtlMax = std::chrono::duration_cast<std::chrono::milliseconds>(Duration::max());
  const int64_t ttl_ms = std::min(std::chrono::ceil<std::chrono::milliseconds>(state->ttl), kTtlMax).count();
  terms.expires_ms = ttl_ms == 0 ? 0 : terms.updated_ms + ttl_ms;
  terms.pinned = input.pinned;
  terms.dense = input.dense.value_or(IsDenseRole(input.role));
  terms.add_special_tokens = input.add_special_tokens;

  const SystemPrompt system = SystemPromptOf(encoded.segments, encoded.text, encoded.encoding.ids, encoded.encoding.begins);
  const ContextParts parts = PartsOf(terms, encoded.text, encoded.encoding, encoded.segments, vectors);
  Describe(*state, terms, parts, system);
  WEIR_ASSIGN(std::unique_ptr<Body> body, NewBody(state->record_bytes));
  WriteContextRecord(parts, body->bytes);

  Registered answer;
  answer.agent = input.agent;
  answer.revision = terms.revision;
  answer.created_ms = terms.created_ms;
  answer.tokens = state->tokens;
  answer.blocks = state->blocks;
  answer.tokens_encoded = encoded.tokens_encoded;
  answer.has_vector = state->has_vector;
  answer.vector_note = vectors.note;
  if (!answer.has_vector && Embeds() && options_.embed_later) {
    answer.vector_note = "its vector is being made";
    awaits_vectors_.store(true, std::memory_order_release);
  }
  WEIR_TRY(attempt.TakeNumber(state));
  WEIR_TRY(attempt.Hold(std::move(body)));
  WEIR_TRY(attempt.EnterIndexes());
  WEIR_TRY(attempt.JoinGroup());
  attempt.Reserve();
  DescribeSharing(*state, attempt.body(), answer);
  if (options_.store != nullptr) {
    StoreBatch batch;
    batch.Put(StoreTable::kContext, state->store_key, Bytes(attempt.body().bytes));
    WEIR_TRY(ApplyOrPutBack(batch, state->store_key, before, before != nullptr && before->pinned));
  }
  attempt.Publish();
  if (before != nullptr) Retire(before, true);
  answer.system =
      groups_.IdentityOf(*state, state->space->space, system, [&](HolderId holder) { return SystemTokensOf(holder); });
  CountVectors(vectors);
  (before == nullptr ? counters_.registered : counters_.replaced).fetch_add(1, std::memory_order_relaxed);
  TellFeed(answer.agent, before == nullptr);
  Record([&] {
    return Decision{
        .kind = DecisionKind::kRegistration,
        .reason = before == nullptr ? LedgerCode("new") : LedgerCode("replaced"),
        .agent = answer.agent,
        .owner = answer.shared_with ? std::string_view(*answer.shared_with) : std::string_view(),
        .fields = {{"tokens", answer.tokens}, {"revision", answer.revision}, {"shared_blocks", answer.shared_blocks}}};
  });
  return answer;
}

// A batch that failed may have been written all the same (a lost acknowledgement). Puts back what was there, as far as the
// store lets it; if not, the next start finds one or the other, each whole.
Status Core::ApplyOrPutBack(const StoreBatch& batch, const StoreKey& key, const AgentPtr& before, bool was_pinned) {
  // At hand before it is overwritten. What cannot be read is not put back, and may be overwritten all the same.
  const Pin warm = before == nullptr ? Pin() : HoldWarm(*before);
  std::optional<std::string> cold;
  if (before != nullptr && !warm) {
    if (auto bytes = options_.store->Get(StoreTable::kContext, key)) cold = *std::move(bytes);
  }
  Status applied = options_.store->Apply(batch);
  if (applied) return {};
  try {
    StoreBatch back;
    if (warm) {
      std::string record(Bytes(warm.resource<Body>().bytes));
      SetPinnedFlag(std::as_writable_bytes(std::span(record)), was_pinned);
      back.PutString(StoreTable::kContext, key, std::move(record));
    } else if (cold) {
      back.PutString(StoreTable::kContext, key, *std::move(cold));
    } else if (before == nullptr) {
      back.Erase(StoreTable::kContext, key);
    }
    static_cast<void>(options_.store->Apply(back));
  } catch (const std::bad_alloc&) {
  }
  return applied;
}

void Core::Describe(AgentState& state, const ContextTerms& terms, const ContextParts& parts,
                    const SystemPrompt& system) const {
  state.terms = terms;
  state.terms.space = {};
  state.pinned = terms.pinned;
  state.store_key = StoreKeyOf(terms.agent);
  state.tokens = static_cast<uint32_t>(parts.tokens.size());
  state.blocks = state.tokens / terms.block_size;
  state.text_bytes = parts.text.size();
  state.record_bytes = ContextRecordBytes(parts);
  state.has_vector = Counts(parts.vector, parts.vector_fingerprint);
  state.stale_vector = !state.has_vector && !parts.vector.empty();
  state.has_system = !system.text.empty();
  if (state.has_system) state.system_digest = Sha256(system.text);
}

void Core::DescribeSharing(const AgentState& state, const Body& body, Registered& answer) const {
  const std::vector<BlockKey> keys = KeysOf(body.view(), state.space->root);
  const uint64_t begun = changes_.load(std::memory_order_acquire);
  const int64_t now_ms = NowMs();
  PrefixMatch match;
  state.space->blocks.Find(keys, match);
  for (const HolderBlocks& held : match.holders) {
    if (held.holder == state.holder) continue;
    const AgentPtr other = directory_.FindHolder(held.holder);
    if (other == nullptr || !IsVisible(*other, begun, now_ms) || other->terms.agent == state.terms.agent) continue;
    answer.shared_blocks = held.blocks;
    answer.shared_with = other->terms.agent;
    return;
  }
}

}  // namespace weir::registry
