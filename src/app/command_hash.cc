#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "command.h"
#include "session.h"
#include "token_ids.h"
#include "weir/base/file.h"
#include "weir/codec/hex.h"
#include "weir/tokens/block_keys.h"
#include "weir/tokens/engine_keys.h"

namespace weir {
namespace {

struct Options {
  std::string algo = "sha256";
  std::string ids;
  std::string seed;
  bool has_seed = false;
  std::string parent;
  std::string lora;
  std::string lora_path;
  std::string salt;
  std::string model;
  std::string extras = "untagged";
  size_t block_size = kDefaultBlockSize;
};

// One block's key as it is printed.
struct Row {
  std::string key;    // hexadecimal
  uint64_t wire = 0;  // as events and routers carry it
  std::optional<uint64_t> local;
};
using Rows = std::vector<Row>;

Rows RowsOf(const std::vector<EngineKey>& keys) {
  Rows rows;
  rows.reserve(keys.size());
  for (const EngineKey& key : keys) rows.push_back({HexOf(key.digest()), key.wire(), std::nullopt});
  return rows;
}

std::string HexOfWord(uint64_t word) { return fmt::format("{:016x}", word); }

Result<uint64_t> ParseWord(const std::string& hex) {
  uint64_t word = 0;
  const auto parsed = std::from_chars(hex.data(), hex.data() + hex.size(), word, 16);
  if (hex.empty() || parsed.ec != std::errc() || parsed.ptr != hex.data() + hex.size()) {
    return InvalidArgument(fmt::format("--parent '{}' is no key of this algorithm", hex), "up to 16 hexadecimal digits");
  }
  return word;
}

Result<VllmExtras> ExtrasOf(const std::string& name) {
  if (name == "bare") return VllmExtras::kBare;
  if (name == "tagged") return VllmExtras::kTagged;
  return VllmExtras::kUntagged;
}

Result<Rows> VllmRows(const Options& options, std::span<const TokenId> tokens) {
  VllmKeyOptions vllm;
  WEIR_ASSIGN(vllm.hash, ParseVllmHash(options.algo));
  WEIR_ASSIGN(vllm.extras, ExtrasOf(options.extras));
  vllm.block_size = options.block_size;
  if (options.has_seed) vllm.seed = options.seed;
  vllm.lora_name = options.lora;
  vllm.lora_path = options.lora_path;
  vllm.cache_salt = options.salt;
  std::vector<EngineKey> keys;
  if (options.parent.empty()) {
    WEIR_ASSIGN(VllmKeyChain chain, VllmKeyChain::Start(vllm));
    chain.Append(tokens, keys);
  } else {
    WEIR_ASSIGN(const std::string digest, ParseHex(options.parent));
    WEIR_ASSIGN(const EngineKey parent, EngineKey::FromDigest(digest));
    WEIR_ASSIGN(VllmKeyChain chain, VllmKeyChain::Resume(vllm, parent, 1));
    chain.Append(tokens, keys);
  }
  return RowsOf(keys);
}

Result<Rows> LlmdRows(const Options& options, std::span<const TokenId> tokens) {
  LlmdKeyOptions llmd;
  llmd.seed = options.seed;
  llmd.model = options.lora.empty() ? options.model : options.lora;
  llmd.block_size = options.block_size;
  std::vector<EngineKey> keys;
  if (options.parent.empty()) {
    WEIR_ASSIGN(LlmdKeyChain chain, LlmdKeyChain::Start(llmd));
    chain.Append(tokens, keys);
  } else {
    WEIR_ASSIGN(const uint64_t parent, ParseWord(options.parent));
    WEIR_ASSIGN(LlmdKeyChain chain, LlmdKeyChain::Resume(llmd, parent, 1));
    chain.Append(tokens, keys);
  }
  return RowsOf(keys);
}

Result<Rows> DynamoRows(const Options& options, std::span<const TokenId> tokens) {
  DynamoKeyOptions dynamo;
  if (options.has_seed) {
    const char* end = options.seed.data() + options.seed.size();
    const auto parsed = std::from_chars(options.seed.data(), end, dynamo.seed);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      return InvalidArgument(fmt::format("--seed '{}' is no whole number", options.seed), "Dynamo's own seed is 1337");
    }
  }
  dynamo.block_size = options.block_size;
  dynamo.lora_name = options.lora;
  std::vector<DynamoKey> keys;
  if (options.parent.empty()) {
    WEIR_ASSIGN(DynamoKeyChain chain, DynamoKeyChain::Start(dynamo));
    chain.Append(tokens, keys);
  } else {
    WEIR_ASSIGN(const uint64_t parent, ParseWord(options.parent));
    WEIR_ASSIGN(DynamoKeyChain chain, DynamoKeyChain::Resume(dynamo, parent));
    chain.Append(tokens, keys);
  }
  Rows rows;
  for (const DynamoKey& key : keys) rows.push_back({HexOfWord(key.sequence), key.sequence, key.local});
  return rows;
}

Result<Rows> WeirRows(const Options& options, std::span<const TokenId> tokens) {
  BlockKey parent = RootKey({{}, options.model, options.lora, options.salt}, options.block_size);
  if (!options.parent.empty()) {
    if (options.parent.size() != 32) return InvalidArgument("--parent takes 32 hexadecimal digits with --algo weir");
    WEIR_ASSIGN(parent.high, ParseWord(options.parent.substr(0, 16)));
    WEIR_ASSIGN(parent.low, ParseWord(options.parent.substr(16)));
  }
  std::vector<BlockKey> keys;
  AppendBlockKeys(tokens, options.block_size, parent, keys);
  Rows rows;
  for (const BlockKey& key : keys) rows.push_back({HexOfWord(key.high) + HexOfWord(key.low), key.low, std::nullopt});
  return rows;
}

Result<Rows> RowsFor(const Options& options, std::span<const TokenId> tokens) {
  if (options.algo == "llmd") return LlmdRows(options, tokens);
  if (options.algo == "dynamo") return DynamoRows(options, tokens);
  if (options.algo == "weir") return WeirRows(options, tokens);
  return VllmRows(options, tokens);
}

void WriteRows(Session& session, const Rows& rows, size_t left_over) {
  if (session.json()) {
    session.out().Write("[");
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string local = rows[i].local ? fmt::format(",\"local\":\"{}\"", *rows[i].local) : std::string();
      session.out().Write(fmt::format("{}{{\"index\":{},\"key\":\"{}\",\"u64\":\"{}\"{}}}", i > 0 ? "," : "", i, rows[i].key,
                                      rows[i].wire, local));
    }
    session.out().Write("]\n");
    return;
  }
  Table table({{"block", Align::kRight}, {"key"}, {"u64", Align::kRight}});
  for (size_t i = 0; i < rows.size(); ++i) table.AddRow({std::to_string(i), rows[i].key, std::to_string(rows[i].wire)});
  if (!table.empty()) session.out().Write(table.Draw(session.style()));
  if (left_over > 0) session.Note(fmt::format("{} left over: only full blocks have keys", Counted(left_over, "token")));
}

Result<ExitCode> Run(Options options, Session& session) {
  if (options.ids.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("no token ids given", "--ids 1,2,3 or --ids - for standard input"));
  }
  if (options.ids == "-") {
    WEIR_ASSIGN(options.ids, ReadFile("-"));
  }
  options.block_size = session.settings().Count("block_size");
  WEIR_ASSIGN(const std::vector<TokenId> tokens, ParseTokenIds(options.ids));
  const Result<Rows> rows = RowsFor(options, tokens);
  if (!rows) return session.As(ExitCode::kUsage, rows.error());  // tokens are fine by now: a flag is wrong
  WriteRows(session, *rows, tokens.size() % options.block_size);
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Choice("--algo", options->algo, "A", {"sha256", "sha256_cbor", "xxhash", "xxhash_cbor", "llmd", "dynamo", "weir"},
               "Whose keys: vLLM's four, llm-d's and Dynamo's routers, or Weir's own");
  flags.Text("--ids", options->ids, "IDS", "Token ids: 1,2,3 or - for standard input");
  flags.Setting("block_size");
  flags.Text("--seed", options->seed, "S", "PYTHONHASHSEED of vLLM, hashSeed of llm-d, the number of Dynamo (1337)");
  flags.Text("--parent", options->parent, "HEX", "Go on behind the block with this key, instead of starting at block 0");
  flags.Text("--model", options->model, "M", "Model name (llmd, weir)");
  flags.Text("--lora", options->lora, "L", "LoRA name");
  flags.Text("--lora-path", options->lora_path, "P", "LoRA path (vLLM with --extras tagged)");
  flags.Text("--salt", options->salt, "S", "Cache salt of block 0 (vLLM, weir)");
  flags.Choice("--extras", options->extras, "STYLE", {"bare", "untagged", "tagged"},
               "How vLLM writes LoRA and salt: tagged is (\"cache_salt\", S) of recent releases, the others the text alone");
  return [options](Session& session) {
    Options chosen = *options;
    chosen.has_seed = !options->seed.empty();
    return Run(std::move(chosen), session);
  };
}

}  // namespace

Command HashCommand() {
  return {.name = "hash",
          .summary = "block keys of token ids, as engines and routers compute them",
          .description =
              "One key per full block, bit for bit as vLLM, llm-d, Dynamo or Weir chain them. u64 is what KV events "
              "and routers carry. Without --seed, vLLM's start is the fixed one of recent releases.",
          .examples = {{"weir hash --algo sha256_cbor --seed 0 --block-size 4 --ids 1,2,3,4", "vLLM with PYTHONHASHSEED=0"},
                       {"weir hash --algo llmd --model M --block-size 4 --ids 8197,438,322,18926", "llm-d's request keys"},
                       {"weir tokenize p.txt --tokenizer qwen3 --ids | weir hash --algo dynamo --ids - --json",
                        "from a file of text"}},
          .declare = Declare};
}

}  // namespace weir
