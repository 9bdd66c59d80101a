// The near index: 10,000 to a million distinct blocks against a scan over all hashes, and look-ups beside a writer.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using Tokens = std::vector<TokenId>;

constexpr uint32_t kVocabulary = 151'643;
constexpr uint32_t kBlock = 16;
constexpr uint32_t kDocumentBlocks = 125;  // 2,000 tokens
constexpr size_t kQueries = 500;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Percentile of ascending values.
double At(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

TokenId AnyToken(Random& random) { return static_cast<TokenId>(random.Below(kVocabulary)); }

#ifdef __x86_64__
#define WEIR_POPCNT __attribute__((target("popcnt")))
#else
#define WEIR_POPCNT
#endif

// How many hashes there are at each distance up to the radius, the plain way.
WEIR_POPCNT std::vector<uint32_t> Scan(const std::vector<uint64_t>& hashes, uint64_t query) {
  std::vector<uint32_t> at(kNearRadiusMax + 1);
  for (const uint64_t hash : hashes) {
    const auto distance = static_cast<uint32_t>(__builtin_popcountll(hash ^ query));
    if (distance <= kNearRadiusMax) ++at[distance];
  }
  return at;
}

struct Corpus {
  std::vector<Tokens> documents;
  std::vector<uint64_t> hashes;
  std::vector<Tokens> queries;
};

// Unrelated blocks. Half of the queries are blocks of theirs with one token changed, half are like nothing.
Corpus MakeCorpus(size_t blocks) {
  Corpus corpus;
  Random random(1);
  for (size_t i = 0; i < blocks / kDocumentBlocks; ++i) {
    Tokens& document = corpus.documents.emplace_back(kDocumentBlocks * kBlock);
    for (TokenId& token : document) token = AnyToken(random);
    for (size_t at = 0; at < document.size(); at += kBlock) {
      corpus.hashes.push_back(NearHash(std::span(document).subspan(at, kBlock)));
    }
  }
  for (size_t i = 0; i < kQueries; ++i) {
    Tokens& query = corpus.queries.emplace_back(kBlock);
    const Tokens& document = corpus.documents[random.Below(corpus.documents.size())];
    const size_t at = random.Below(kDocumentBlocks) * kBlock;
    for (size_t j = 0; j < kBlock; ++j) query[j] = i % 2 == 0 ? document[at + j] : AnyToken(random);
    query[random.Below(kBlock)] = AnyToken(random);
  }
  return corpus;
}

uint64_t Mix(uint64_t x) { return Random(x).Next(); }

// bench/peers/near reads these: counts and hashes as 64-bit little-endian numbers.
Status WriteHashes(const std::string& file, const Corpus& corpus) {
  std::ofstream out(file, std::ios::binary);
  const auto write = [&](uint64_t value) { out.write(reinterpret_cast<const char*>(&value), sizeof value); };
  write(corpus.hashes.size());
  for (const uint64_t hash : corpus.hashes) write(hash);
  write(corpus.queries.size());
  for (const Tokens& query : corpus.queries) write(NearHash(query));
  out.close();
  if (!out) return Unavailable(fmt::format("cannot write '{}'", file));
  return {};
}

struct Answers {
  std::vector<double> find_seconds;  // ascending
  std::vector<double> scan_seconds;
  uint64_t expected = 0;
  uint64_t found = 0;       // of the expected ones
  uint64_t wrong = 0;       // found and not expected
  uint64_t candidates = 0;  // hashes compared
  uint64_t digest = 0;      // of how many there are at each distance, first kDigestQueries queries
};

constexpr size_t kDigestQueries = 20;

Result<Answers> Ask(const NearIndex& index, const Corpus& corpus) {
  Answers answers;
  NearMatches matches;
  for (size_t i = 0; i < corpus.queries.size(); ++i) {
    const Tokens& query = corpus.queries[i];
    auto start = std::chrono::steady_clock::now();
    WEIR_TRY(index.Find(query, {.hits_max = 1000}, matches));
    answers.find_seconds.push_back(SecondsSince(start));
    answers.candidates += matches.candidates;
    start = std::chrono::steady_clock::now();
    const std::vector<uint32_t> expected = Scan(corpus.hashes, NearHash(query));
    answers.scan_seconds.push_back(SecondsSince(start));
    std::vector<uint32_t> found(kNearRadiusMax + 1);
    for (const NearHit& hit : matches.hits) ++found[hit.distance];
    for (uint32_t distance = 0; distance <= kNearRadiusMax; ++distance) {
      answers.expected += expected[distance];
      answers.found += std::min(found[distance], expected[distance]);
      answers.wrong += found[distance] - std::min(found[distance], expected[distance]);
      if (i < kDigestQueries) answers.digest += Mix(Mix(i * (kNearRadiusMax + 1) + distance) + found[distance]);
    }
  }
  std::sort(answers.find_seconds.begin(), answers.find_seconds.end());
  std::sort(answers.scan_seconds.begin(), answers.scan_seconds.end());
  return answers;
}

void Report(const std::string& name, const NearIndex& index, const Answers& answers, const BenchSink& sink) {
  const NearStats stats = index.stats();
  const double finds = static_cast<double>(answers.find_seconds.size());
  const Json::Object sizes = {{"texts", Json(stats.texts)},
                              {"queries", Json(uint64_t{answers.find_seconds.size()})},
                              {"digest", Json(fmt::format("{:016x}", answers.digest))}};
  const auto add = [&](std::string metric, double value, std::string unit) {
    sink({"near", name, std::move(metric), value, std::move(unit), sizes});
  };
  add("bytes", static_cast<double>(stats.bytes) / static_cast<double>(stats.texts), "bytes/block");
  add("find_p50", At(answers.find_seconds, 0.5) * 1e6, "us");
  add("find_p99", At(answers.find_seconds, 0.99) * 1e6, "us");
  add("scan_p50", At(answers.scan_seconds, 0.5) * 1e6, "us");
  add("scan/find", At(answers.scan_seconds, 0.5) / At(answers.find_seconds, 0.5), "x");
  add("candidates", static_cast<double>(answers.candidates) / finds, "hashes/query");
  add("recall", static_cast<double>(answers.found) / static_cast<double>(answers.expected), "of those in the radius");
  add("precision", static_cast<double>(answers.found) / static_cast<double>(answers.found + answers.wrong), "of hits");
}

// Look-ups while another thread adds and removes whole documents in `written` without a pause. With another index as
// `written` the figures are what the machine's scheduler and caches alone do to a look-up.
Status BesideAWriter(const std::string& name, const NearIndex& index, NearIndex& written, const Corpus& corpus,
                     const BenchSink& sink) {
  Random random(2);
  std::vector<Tokens> documents(64, Tokens(kDocumentBlocks * kBlock));
  for (Tokens& document : documents) {
    for (TokenId& token : document) token = AnyToken(random);
  }
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> changes = 0;
  std::thread writer([&] {
    const auto first = static_cast<NearOwner>(corpus.documents.size());
    for (uint64_t n = 0; !stop.load(std::memory_order_relaxed); ++n) {
      const auto at = static_cast<uint32_t>(n % documents.size());
      if (n >= documents.size()) written.Remove(first + at);
      if (written.Add(first + at, documents[at])) changes.fetch_add(1, std::memory_order_relaxed);
    }
    for (uint32_t at = 0; at < documents.size(); ++at) written.Remove(first + at);
  });
  std::vector<double> seconds;
  NearMatches matches;
  Status status;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; SecondsSince(start) < 2 && status; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    status = index.Find(corpus.queries[i % corpus.queries.size()], {}, matches);
    seconds.push_back(SecondsSince(begin));
  }
  const double elapsed = SecondsSince(start);
  const auto changed = static_cast<double>(changes.load());
  stop = true;
  writer.join();
  WEIR_TRY(std::move(status));
  std::sort(seconds.begin(), seconds.end());
  const Json::Object sizes = {{"finds", Json(uint64_t{seconds.size()})}};
  sink({"near", name, "find_p50", At(seconds, 0.5) * 1e6, "us", sizes});
  sink({"near", name, "find_p99", At(seconds, 0.99) * 1e6, "us", sizes});
  sink({"near", name, "find_p99.9", At(seconds, 0.999) * 1e6, "us", sizes});
  sink({"near", name, "find_max", seconds.back() * 1e6, "us", sizes});
  const auto slow = std::count_if(seconds.begin(), seconds.end(), [](double x) { return x > 1e-3; });
  sink({"near", name, "over_1ms", static_cast<double>(slow), "finds", sizes});
  sink({"near", name, "replaced", changed / elapsed, "documents/s", sizes});
  return {};
}

Status MeasureTexts(size_t texts, const std::string& file, bool largest, const BenchSink& sink) {
  const std::string name = fmt::format("{} blocks", texts);
  const Corpus corpus = MakeCorpus(texts);
  if (largest && !file.empty()) WEIR_TRY(WriteHashes(file, corpus));
  NearIndex index;
  const auto start = std::chrono::steady_clock::now();
  for (NearOwner owner = 0; owner < corpus.documents.size(); ++owner) {
    WEIR_TRY(index.Add(owner, corpus.documents[owner]));
  }
  const double build = SecondsSince(start);
  sink({"near", name, "add", build / static_cast<double>(corpus.documents.size()) * 1e6, "us/document", {}});
  WEIR_ASSIGN(const Answers answers, Ask(index, corpus));
  Report(name, index, answers, sink);
  if (!largest) return {};
  NearIndex other;
  WEIR_TRY(BesideAWriter(name + ", writer elsewhere", index, other, corpus, sink));
  return BesideAWriter(name + ", beside a writer", index, index, corpus, sink);
}

}  // namespace

Status BenchNear(const BenchOptions& options, const BenchSink& sink) {
  Random random(3);
  Tokens tokens(kBlock * 10'000);
  for (TokenId& token : tokens) token = AnyToken(random);
  const std::vector<double> seconds = TimeRounds(11, [&] {
    uint64_t sum = 0;
    for (size_t at = 0; at < tokens.size(); at += kBlock) sum ^= NearHash(std::span(tokens).subspan(at, kBlock));
    KeepResult(sum);
  });
  sink({"near", "hash", "median", seconds[seconds.size() / 2] * 1e9 / 10'000, "ns/block", {}});
  const std::string file = options.arguments.empty() ? "" : options.arguments[0];
  for (const size_t texts : {10'000u, 100'000u, 1'000'000u}) {
    WEIR_TRY(MeasureTexts(texts, file, texts == 1'000'000, sink));
  }
  return {};
}

}  // namespace weir
