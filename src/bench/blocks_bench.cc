// The exact block index: one long prompt against a million blocks, and a Mooncake trace replayed over 64 holders.

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "mooncake_trace.h"
#include "reader_latency.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/reuse/block_index.h"

namespace weir {
namespace {

constexpr uint32_t kHolders = 64;
constexpr size_t kPromptBlocks = 6250;  // 100,000 tokens

using Chain = std::vector<BlockKey>;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t Mix(uint64_t x) { return Random(x).Next(); }

void Extend(Chain& chain, size_t blocks, uint64_t branch) {
  uint64_t history = chain.empty() ? 0 : chain.back().low;
  history ^= Mix(branch);
  for (size_t i = 0; i < blocks; ++i) {
    history = Mix(history + i);
    chain.push_back({Mix(~history), history});
  }
}

// Percentile of ascending values.
double At(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

// A million distinct blocks around one prompt that another chain leaves every `stride` blocks.
Status MillionBlocks(size_t stride, const BenchSink& sink) {
  constexpr uint64_t kBlocks = 1'000'000;
  constexpr size_t kFiller = 500;
  BlockIndex index;
  Chain prompt;
  Extend(prompt, kPromptBlocks, 1);
  const size_t heap_before = mallinfo2().uordblks + mallinfo2().hblkhd;
  WEIR_TRY(index.Add(0, prompt));
  for (size_t at = stride; at < prompt.size(); at += stride) {
    Chain branch(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(at));
    Extend(branch, 1, at + 2);
    WEIR_TRY(index.Add(static_cast<HolderId>(at / stride % kHolders), branch));
  }
  for (uint64_t n = 0; index.stats().blocks < kBlocks; ++n) {
    Chain filler;
    Extend(filler, kFiller, 1'000'000 + n);
    WEIR_TRY(index.Add(static_cast<HolderId>(n % kHolders), filler));
  }
  const double heap = static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - heap_before);
  PrefixMatch match;
  std::vector<double> seconds = TimeRounds(201, [&] {
    index.Find(prompt, match);
    KeepResult(match.blocks);
  });
  if (match.blocks != kPromptBlocks) return Error{ErrorCode::kInternal, "the prompt was not found whole", ""};
  const BlockIndexStats stats = index.stats();
  const std::string name = fmt::format("1M blocks, prompt in runs of {}", stride);
  const Json::Object sizes = {
      {"blocks", Json(stats.blocks)}, {"runs", Json(stats.runs)}, {"prompt_blocks", Json(uint64_t{kPromptBlocks})}};
  sink({"blocks", name, "find_p50", At(seconds, 0.5) * 1e6, "us", sizes});
  sink({"blocks", name, "find_p99", At(seconds, 0.99) * 1e6, "us", sizes});
  sink(
      {"blocks", name, "bytes", static_cast<double>(stats.bytes) / static_cast<double>(stats.blocks), "bytes/block", sizes});
  sink({"blocks", name, "heap", heap / static_cast<double>(stats.blocks), "bytes/block", sizes});
  return {};
}

// 1,000 holders share a prompt's head; one after the other forgets all and comes back with a longer chain, so that runs
// divide and join and the tables grow and shrink while readers look the prompt up.
Status ReadersBesideWriter(const BenchSink& sink) {
  constexpr HolderId kSharers = 1000;
  BlockIndex index;
  Chain prompt;
  Extend(prompt, 128, 1);
  std::vector<Chain> chains;
  for (HolderId holder = 0; holder < kSharers; ++holder) {
    Chain& chain = chains.emplace_back(prompt.begin(), prompt.begin() + 16 + holder % 112);
    Extend(chain, 64, holder + 2);
    WEIR_TRY(index.Add(holder, chain));
  }
  PrefixMatch match;
  uint64_t step = 0;
  Status status;
  MeasureReaders(
      "blocks", "1,000 holders",
      [&] {
        index.Find(prompt, match);
        KeepResult(match.blocks);
      },
      [&] {
        // Half of them at a time come and go.
        const auto holder = static_cast<HolderId>(step % kSharers);
        if (step++ / (kSharers / 2) % 2 == 0) {
          index.Remove(holder);
        } else if (Status added = index.Add((holder + kSharers / 2) % kSharers, chains[(holder + kSharers / 2) % kSharers]);
                   !added) {
          status = added;
        }
      },
      sink);
  return status;
}

// Independent of the order of the holders, so that another program's answers can be compared.
uint64_t Digest(uint64_t request, const PrefixMatch& match) {
  uint64_t sum = 0;
  for (const HolderBlocks& one : match.holders) sum += Mix(Mix(request * kHolders + one.holder) + one.blocks);
  return sum;
}

// Blocks that each request adds to its holder; what engines would report as stored.
std::vector<uint64_t> NewBlocks(const std::vector<Chain>& chains) {
  BlockIndex index;
  std::vector<uint64_t> added;
  for (size_t i = 0; i < chains.size(); ++i) {
    const auto holder = static_cast<HolderId>(i % kHolders);
    const uint64_t before = index.BlocksOf(holder);
    if (!index.Add(holder, chains[i])) return {};
    added.push_back(index.BlocksOf(holder) - before);
  }
  return added;
}

Status ReplayTrace(const std::string& name, const std::vector<Chain>& chains, const BenchSink& sink) {
  const std::vector<uint64_t> added = NewBlocks(chains);
  uint64_t asked = 0;
  uint64_t stored = 0;
  for (const Chain& chain : chains) asked += chain.size();
  for (const uint64_t blocks : added) stored += blocks;
  const size_t heap_before = mallinfo2().uordblks + mallinfo2().hblkhd;
  BlockIndex index;
  PrefixMatch match;
  std::vector<double> finds;
  finds.reserve(chains.size());
  double store_seconds = 0;
  uint64_t digest = 0;
  for (size_t i = 0; i < chains.size(); ++i) {
    auto start = std::chrono::steady_clock::now();
    index.Find(chains[i], match);
    finds.push_back(SecondsSince(start));
    digest += Digest(i, match);
    start = std::chrono::steady_clock::now();
    WEIR_TRY(index.Add(static_cast<HolderId>(i % kHolders), chains[i]));
    store_seconds += SecondsSince(start);
  }
  const double heap = static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - heap_before) -
                      static_cast<double>(finds.capacity() * sizeof(double));
  const BlockIndexStats stats = index.stats();
  double find_seconds = 0;
  for (const double seconds : finds) find_seconds += seconds;
  std::sort(finds.begin(), finds.end());
  const Json::Object sizes = {{"requests", Json(uint64_t{chains.size()})},
                              {"asked", Json(asked)},
                              {"stored", Json(stored)},
                              {"entries", Json(stats.entries)},
                              {"distinct", Json(stats.blocks)},
                              {"runs", Json(stats.runs)},
                              {"scores", Json(fmt::format("{:016x}", digest))}};
  const auto entries = static_cast<double>(stats.entries);
  sink({"blocks", name, "find_p50", At(finds, 0.5) * 1e6, "us", sizes});
  sink({"blocks", name, "find_p99", At(finds, 0.99) * 1e6, "us", sizes});
  sink({"blocks", name, "find", static_cast<double>(asked) / find_seconds / 1e6, "Mblocks/s", sizes});
  sink({"blocks", name, "store", static_cast<double>(stored) / store_seconds / 1e6, "Mblocks/s", sizes});
  sink({"blocks", name, "bytes", static_cast<double>(stats.bytes) / entries, "bytes/entry", sizes});
  sink({"blocks", name, "heap", heap / entries, "bytes/entry", sizes});

  finds.clear();
  for (const Chain& chain : chains) {
    const auto start = std::chrono::steady_clock::now();
    index.Find(chain, match);
    finds.push_back(SecondsSince(start));
  }
  find_seconds = 0;
  for (const double seconds : finds) find_seconds += seconds;
  std::sort(finds.begin(), finds.end());
  sink({"blocks", name, "refind_p50", At(finds, 0.5) * 1e6, "us", sizes});
  sink({"blocks", name, "refind", static_cast<double>(asked) / find_seconds / 1e6, "Mblocks/s", sizes});
  const auto start = std::chrono::steady_clock::now();
  for (HolderId holder = 0; holder < kHolders; ++holder) index.Remove(holder);
  sink({"blocks", name, "remove_all", SecondsSince(start) * 1e3, "ms", sizes});
  return {};
}

}  // namespace

// Arguments: none, or a Mooncake trace as JSON lines ("-" for standard input).
Status BenchBlocks(const BenchOptions& options, const BenchSink& sink) {
  if (options.arguments.empty()) {
    for (const size_t stride : {kPromptBlocks, size_t{62}, size_t{1}}) WEIR_TRY(MillionBlocks(stride, sink));
    return ReadersBesideWriter(sink);
  }
  WEIR_ASSIGN(const auto requests, ReadMooncakeIds(options.arguments.front()));
  WEIR_TRY(ReplayTrace("mooncake, ids", ChainsOfIds(requests, kTokensPerTraceId), sink));
  WEIR_TRY(ReplayTrace("mooncake, 16 tokens", ChainsOfIds(requests, kDefaultBlockSize), sink));
  return {};
}

}  // namespace weir
