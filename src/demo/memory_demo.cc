#include "weir/demo/memory_demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

#include "weir/base/bytes.h"
#include "weir/base/check.h"
#include "weir/codec/xxh3.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

constexpr uint64_t kSmallestExtent = 64 << 10;
constexpr uint64_t kPoolBudget = uint64_t{16} << 20;

struct Value {
  PoolKey key;
  std::string bytes;
  Cost cost;
};

constexpr std::array<const char*, 3> kPoolNames = {"texts", "tokens", "blocks"};
struct Contents {
  std::array<std::vector<Value>, kPoolNames.size()> values;  // in the order of the names
  double render_us_per_kib = 0;
  double encode_us_per_token = 0;
};

PoolKey KeyOf(std::string_view bytes) {
  const Hash128 hash = Xxh3_128(bytes);
  return {hash.high, hash.low};
}

std::string BytesOf(std::span<const TokenId> ids) {
  return {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(TokenId)};
}

double Microseconds(Duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

// Encodes all texts once more, with a fresh encoder, as having them back would.
Status MeasureCosts(const DemoHistory& history, const Tokenizer& tokenizer, Contents& contents) {
  const SteadyClock clock;
  const std::unique_ptr<Encoder> encoder = tokenizer.NewEncoder();
  Encoding encoding;
  uint64_t tokens = 0;
  uint64_t bytes = 0;
  const TimePoint begin = clock.Now();
  for (const PromptCall& call : history.calls) {
    WEIR_TRY(encoder->Encode(call.context->text(), {}, encoding));
    tokens += encoding.ids.size();
    bytes += call.context->text().size();
  }
  const Duration encoding_time = clock.Now() - begin;
  const Duration rendering_time = std::max(history.spent - encoding_time, Duration(0));
  if (tokens > 0) contents.encode_us_per_token = Microseconds(encoding_time) / static_cast<double>(tokens);
  if (bytes > 0) contents.render_us_per_kib = Microseconds(rendering_time) * 1024 / static_cast<double>(bytes);
  return {};
}

// Equal texts and blocks are one value.
void DropRepeated(std::vector<Value>& values) {
  std::stable_sort(values.begin(), values.end(), [](const Value& a, const Value& b) { return a.key < b.key; });
  const auto same_key = [](const Value& a, const Value& b) { return a.key == b.key; };
  values.erase(std::unique(values.begin(), values.end(), same_key), values.end());
}

// Text and token ids of each call, and the token ids of each block, under its block key.
Result<Contents> MakeContents(const DemoHistory& history, const Tokenizer& tokenizer) {
  Contents contents;
  WEIR_TRY(MeasureCosts(history, tokenizer, contents));
  auto& [texts, tokens, blocks] = contents.values;
  const auto encode_us = [&](size_t count) { return contents.encode_us_per_token * static_cast<double>(count); };
  for (const PromptCall& call : history.calls) {
    const Context& context = *call.context;
    const std::span<const TokenId> ids = context.tokens();
    const PoolKey key = KeyOf(context.text());
    const double render_us = contents.render_us_per_kib * static_cast<double>(context.text().size()) / 1024;
    texts.push_back({key, std::string(context.text()), {.refetch_us = render_us}});
    tokens.push_back({key, BytesOf(ids), {.refetch_us = encode_us(ids.size())}});
    for (size_t i = 0; i < context.block_keys().size(); ++i) {
      const BlockKey& block = context.block_keys()[i];
      blocks.push_back({{block.high, block.low},
                        BytesOf(ids.subspan(i * context.block_size(), context.block_size())),
                        {.refetch_us = encode_us(context.block_size())}});
    }
  }
  for (std::vector<Value>& values : contents.values) DropRepeated(values);
  return contents;
}

Status Fill(Pool& pool, std::span<const Value> values, MemoryDemo::PoolLine& line) {
  for (const Value& value : values) {
    const InsertOutcome outcome = pool.Insert(value.key, std::as_bytes(std::span(value.bytes)), value.cost);
    if (!outcome.stored()) {
      return Exhausted(fmt::format("the pool {} did not take a value: {}", pool.name(), StatusName(outcome.status)));
    }
    line.content_bytes += value.bytes.size();
  }
  line.filled = pool.Stats();
  return {};
}

void ReadBack(Pool& pool, std::span<const Value> values, MemoryDemo::PoolLine& line) {
  line.squeezed = pool.Stats();
  for (const Value& value : values) {
    const Pin pin = pool.Get(value.key);
    if (!pin) continue;
    const bool is_intact = pin.bytes().size() == value.bytes.size() &&
                           std::memcmp(pin.bytes().data(), value.bytes.data(), value.bytes.size()) == 0;
    ++(is_intact ? line.intact : line.wrong);
  }
}

std::optional<uint64_t> Resident() {
  const std::optional<uint64_t> exact = ExactResidentBytes();
  return exact ? exact : ResidentBytes();
}

Json OptionalJson(const std::optional<uint64_t>& value) { return value ? Json(*value) : Json(); }

// "1.4 MiB more", "0.7 MiB less".
std::string Change(uint64_t from, uint64_t to) {
  return from > to ? FormatByteSize(from - to) + " less" : FormatByteSize(to - from) + " more";
}

std::string KernelSays(const std::optional<uint64_t>& from, const std::optional<uint64_t>& to) {
  return from && to ? fmt::format("the kernel counts {} resident", Change(*from, *to)) : "the kernel does not tell";
}

}  // namespace

uint64_t MemoryDemo::filled_bytes() const {
  uint64_t bytes = 0;
  for (const PoolLine& line : pools) bytes += line.filled.used_bytes();
  return bytes;
}

uint64_t MemoryDemo::squeezed_bytes() const {
  uint64_t bytes = 0;
  for (const PoolLine& line : pools) bytes += line.squeezed.used_bytes();
  return bytes;
}

Result<DemoHistory> MakeDemoHistory(const DemoOptions& options, size_t days, const Tokenizer& tokenizer,
                                    const ChatTemplate& chat_template, size_t block_size) {
  constexpr int64_t kSecondsPerDay = 86'400;
  const SteadyClock clock;
  const TimePoint begin = clock.Now();
  DemoHistory history;
  DemoOptions of_day = options;
  for (size_t day = 0; day < days; ++day, of_day.now_s += kSecondsPerDay) {
    WEIR_ASSIGN(DemoPrompts prompts, MakeDemoPrompts(of_day, tokenizer, chat_template, block_size));
    std::move(prompts.calls.begin(), prompts.calls.end(), std::back_inserter(history.calls));
  }
  history.spent = clock.Now() - begin;
  return history;
}

Result<std::unique_ptr<DemoMemory>> DemoMemory::Create(Sensor& sensor) {
  std::unique_ptr<DemoMemory> memory(new DemoMemory);
  WEIR_ASSIGN(memory->broker_, Broker::Create(sensor, {}));
  for (const char* name : kPoolNames) {
    PoolOptions options;
    options.name = name;
    options.budget_bytes = kPoolBudget;
    options.extent_bytes = kSmallestExtent;
    options.shards = 1;
    WEIR_ASSIGN(std::unique_ptr<Pool> pool, Pool::Create(std::move(options)));
    WEIR_ASSIGN(Registration registration, memory->broker_->Register(*pool, {}));
    memory->pools_.push_back(std::move(pool));
    memory->registrations_.push_back(std::move(registration));
  }
  return memory;
}

DemoMemory::~DemoMemory() { registrations_.clear(); }

Result<MemoryDemo> DemoMemory::Run(const DemoHistory& history, const Tokenizer& tokenizer) {
  WEIR_ASSIGN(const Contents contents, MakeContents(history, tokenizer));
  MemoryDemo demo;
  demo.calls = history.calls.size();
  demo.render_us_per_kib = contents.render_us_per_kib;
  demo.encode_us_per_token = contents.encode_us_per_token;
  demo.pools.resize(pools_.size());
  demo.resident_empty = Resident();
  for (size_t i = 0; i < pools_.size(); ++i) WEIR_TRY(Fill(*pools_[i], contents.values[i], demo.pools[i]));
  demo.resident_filled = Resident();
  demo.asked_bytes = demo.filled_bytes() / 2;
  demo.relief = broker_->Relieve(demo.asked_bytes);
  demo.resident_squeezed = Resident();
  for (size_t i = 0; i < pools_.size(); ++i) ReadBack(*pools_[i], contents.values[i], demo.pools[i]);
  return demo;
}

Json MemoryDemoJson(const MemoryDemo& demo) {
  Json pools = Json::MakeArray();
  for (const MemoryDemo::PoolLine& line : demo.pools) {
    Json object = Json::MakeObject();
    object.Set("name", line.filled.name);
    object.Set("content_bytes", line.content_bytes);
    object.Set("filled", Json(Json::Object{{"entries", line.filled.entries}, {"bytes", line.filled.used_bytes()}}));
    object.Set("squeezed", Json(Json::Object{{"entries", line.squeezed.entries}, {"bytes", line.squeezed.used_bytes()}}));
    object.Set("intact", line.intact);
    object.Set("wrong", line.wrong);
    pools.Append(std::move(object));
  }
  Json squeeze = Json::MakeObject();
  squeeze.Set("asked_bytes", demo.asked_bytes);
  squeeze.Set("released_bytes", demo.relief.total.bytes_released);
  squeeze.Set("evicted_entries", demo.relief.total.entries);
  Json resident = Json::MakeObject();
  resident.Set("empty", OptionalJson(demo.resident_empty));
  resident.Set("filled", OptionalJson(demo.resident_filled));
  resident.Set("squeezed", OptionalJson(demo.resident_squeezed));
  Json json = Json::MakeObject();
  json.Set("pools", std::move(pools));
  json.Set("calls", uint64_t{demo.calls});
  json.Set("render_us_per_kib", demo.render_us_per_kib);
  json.Set("encode_us_per_token", demo.encode_us_per_token);
  json.Set("squeeze", std::move(squeeze));
  json.Set("resident_bytes", std::move(resident));
  return json;
}

std::string DrawMemoryDemo(const MemoryDemo& demo, const TextStyle& style) {
  std::string out = "\n" + Paint(style, Ink::kCyan, "━━ 4. Memory: pools filled, then squeezed ") + "\n\n";
  out +=
      fmt::format("  {} of the pipeline, day after day: their texts, token ids and blocks\n\n", Counted(demo.calls, "call"));
  Table table({{"pool"},
               {"entries", Align::kRight},
               {"content", Align::kRight},
               {"in memory", Align::kRight},
               {"squeezed to", Align::kRight},
               {"entries left", Align::kRight}});
  uint64_t intact = 0;
  uint64_t wrong = 0;
  for (const MemoryDemo::PoolLine& line : demo.pools) {
    table.AddRow({line.filled.name, Grouped(line.filled.entries), FormatByteSize(line.content_bytes),
                  FormatByteSize(line.filled.used_bytes()), FormatByteSize(line.squeezed.used_bytes()),
                  Grouped(line.squeezed.entries)});
    intact += line.intact;
    wrong += line.wrong;
  }
  out += table.Draw(style);
  out += fmt::format("\n  filled    the pools say {} in memory; {}\n", FormatByteSize(demo.filled_bytes()),
                     KernelSays(demo.resident_empty, demo.resident_filled));
  out += fmt::format("  squeezed  {} asked, the pools say {} given back; {}\n", FormatByteSize(demo.asked_bytes),
                     FormatByteSize(demo.relief.total.bytes_released),
                     KernelSays(demo.resident_filled, demo.resident_squeezed));
  out += fmt::format("  left      {} read back, {} intact, {} wrong\n", Counted(intact + wrong, "value"), Grouped(intact),
                     Grouped(wrong));
  out += Wrapped(
      fmt::format("\nThe broker took what costs least to have back: a KiB of prompt takes {:.0f} us to put together, a "
                  "token {:.3f} us to encode, both measured just now. In memory is more than content, by headers, "
                  "indexes and extents of {} that are not full.",
                  demo.render_us_per_kib, demo.encode_us_per_token, FormatByteSize(kSmallestExtent)),
      style.width, 2);
  return out;
}

}  // namespace weir
