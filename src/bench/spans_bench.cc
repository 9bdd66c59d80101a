// Common spans: all pairs of 50 documents of 20,000 tokens with planted passages, and the inputs that hurt.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reader_latency.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/reuse/span_index.h"

namespace weir {
namespace {

constexpr uint32_t kVocabulary = 151'643;
constexpr uint32_t kSlot = 1000;  // tokens; one passage in each

using Tokens = std::vector<TokenId>;
using Documents = std::vector<std::span<const TokenId>>;

struct Planted {
  uint32_t passage;
  uint32_t document;
  uint32_t begin;
};

struct Corpus {
  std::vector<Tokens> texts;
  std::vector<Tokens> passages;
  std::vector<Planted> planted;
  Documents documents() const { return {texts.begin(), texts.end()}; }
};

// bench/peers/spans/spans.py makes the same corpus.
Corpus PlantedCorpus(uint32_t documents, uint32_t tokens, uint32_t passages) {
  Corpus corpus;
  Random random(1);
  const auto fill = [&](size_t size) {
    Tokens text(size);
    for (TokenId& token : text) token = static_cast<TokenId>(random.Below(kVocabulary));
    return text;
  };
  for (uint32_t i = 0; i < documents; ++i) corpus.texts.push_back(fill(tokens));
  for (uint32_t i = 0; i < passages; ++i) {
    const uint64_t length = 32 + random.Below(369);
    corpus.passages.push_back(fill(length));
  }
  for (uint32_t document = 0; document < documents; ++document) {
    for (uint32_t slot = 0; slot < tokens / kSlot; ++slot) {
      const auto passage = static_cast<uint32_t>(random.Below(passages));
      const Tokens& text = corpus.passages[passage];
      const auto begin = static_cast<uint32_t>(slot * kSlot + random.Below(kSlot - text.size() + 1));
      std::copy(text.begin(), text.end(), corpus.texts[document].begin() + begin);
      corpus.planted.push_back({passage, document, begin});
    }
  }
  return corpus;
}

// Share of the planted pairs that lie inside a reported span.
double Recall(const Corpus& corpus, const SpanMatches& matches) {
  std::map<std::pair<uint32_t, uint32_t>, const SpanPair*> pairs;
  for (const SpanPair& pair : matches.pairs) pairs[{pair.a, pair.b}] = &pair;
  uint64_t expected = 0;
  uint64_t found = 0;
  for (const Planted& x : corpus.planted) {
    for (const Planted& y : corpus.planted) {
      if (x.document >= y.document || x.passage != y.passage) continue;
      ++expected;
      const auto pair = pairs.find({x.document, y.document});
      if (pair == pairs.end()) continue;
      const auto spans = matches.SpansOf(*pair->second);
      found += std::any_of(spans.begin(), spans.end(), [&](const CommonSpan& span) {
        return span.a_begin <= x.begin && x.begin - span.a_begin == y.begin - span.b_begin &&
               x.begin + corpus.passages[x.passage].size() <= span.a_begin + span.length;
      });
    }
  }
  return static_cast<double>(found) / static_cast<double>(expected);
}

// 1,000 documents of 2,000 tokens, half of each the same text at another offset.
std::vector<Tokens> MovedBoilerplate() {
  Random random(2);
  Tokens common(1000);
  for (TokenId& token : common) token = static_cast<TokenId>(random.Below(kVocabulary));
  std::vector<Tokens> texts(1000);
  for (Tokens& text : texts) {
    text.resize(random.Below(1000));
    for (TokenId& token : text) token = static_cast<TokenId>(random.Below(kVocabulary));
    text.insert(text.end(), common.begin(), common.end());
    while (text.size() < 2000) text.push_back(static_cast<TokenId>(random.Below(kVocabulary)));
  }
  return texts;
}

std::vector<Tokens> Periodic(uint32_t period) {
  std::vector<Tokens> texts;
  for (uint32_t document = 0; document < 50; ++document) {
    Tokens& text = texts.emplace_back(20'000 - document);  // no two are the same
    for (uint32_t i = 0; i < text.size(); ++i) text[i] = (i + document) % period;
  }
  return texts;
}

// Independent of order, so that another program's spans can be compared.
uint64_t Digest(const SpanMatches& matches) {
  const auto mix = [](uint64_t x) { return Random(x).Next(); };
  uint64_t sum = 0;
  for (const SpanPair& pair : matches.pairs) {
    for (const CommonSpan& span : matches.SpansOf(pair)) {
      sum += mix(mix(uint64_t{pair.a} << 32 | pair.b) ^ (mix(uint64_t{span.a_begin} << 32 | span.b_begin) + span.length));
    }
  }
  return sum;
}

Status Measure(const std::string& name, const Documents& documents, int rounds, const BenchSink& sink, AllSpans& all) {
  Status status;
  const std::vector<double> seconds = TimeRounds(rounds, [&] {
    Result<AllSpans> result = AllCommonSpans(documents);
    if (result) {
      all = *std::move(result);
    } else {
      status = result.error();
    }
  });
  WEIR_TRY(std::move(status));
  uint64_t tokens = 0;
  for (const auto& document : documents) tokens += document.size();
  const Json::Object sizes = {
      {"documents", Json(uint64_t{documents.size()})},     {"tokens", Json(tokens)},
      {"pairs", Json(uint64_t{all.matches.pairs.size()})}, {"spans", Json(uint64_t{all.matches.spans.size()})},
      {"truncated", Json(all.matches.pairs_truncated)},    {"digest", Json(fmt::format("{:016x}", Digest(all.matches)))}};
  sink({"spans", name, "best", seconds.front() * 1e3, "ms", sizes});
  sink({"spans", name, "median", seconds[seconds.size() / 2] * 1e3, "ms", sizes});
  return {};
}

}  // namespace

Status BenchSpans(const BenchOptions&, const BenchSink& sink) {
  AllSpans all;
  const Corpus corpus = PlantedCorpus(50, 20'000, 200);
  WEIR_TRY(Measure("50 x 20k, planted", corpus.documents(), 15, sink, all));
  sink({"spans", "50 x 20k, planted", "recall", Recall(corpus, all.matches), "of planted pairs", {}});

  SpanIndex index;
  const Documents documents = corpus.documents();
  for (uint32_t i = 0; i + 1 < documents.size(); ++i) WEIR_TRY(index.Add(i, documents[i]));
  Status status;
  const std::vector<double> finds = TimeRounds(51, [&] {
    if (const auto found = index.Find(documents.back()); !found) status = found.error();
  });
  WEIR_TRY(status);
  sink({"spans", "20k against 49 x 20k", "find_p50", finds[finds.size() / 2] * 1e6, "us", {}});
  sink({"spans", "20k against 49 x 20k", "bytes", static_cast<double>(index.bytes()) / (49 * 20'000), "bytes/token", {}});

  uint64_t step = 0;
  MeasureReaders(
      "spans", "20k against 49 x 20k",
      [&] {
        if (const auto found = index.Find(documents.back()); !found) status = found.error();
      },
      [&] {  // the last 40 documents leave, then come back
        const auto document = static_cast<DocumentId>(9 + step % 40);
        if (step++ / 40 % 2 == 0) {
          index.Remove(document);
        } else {
          KeepResult(index.Add(document, documents[document]).has_value());
        }
      },
      sink);
  WEIR_TRY(std::move(status));

  const std::vector<Tokens> moved = MovedBoilerplate();
  WEIR_TRY(Measure("1000 x 2k, moved boilerplate", Documents(moved.begin(), moved.end()), 3, sink, all));
  for (const uint32_t period : {1u, 10u, 1000u}) {
    const std::vector<Tokens> texts = Periodic(period);
    WEIR_TRY(Measure("50 x 20k, period " + std::to_string(period), Documents(texts.begin(), texts.end()), 1, sink, all));
  }
  return {};
}

}  // namespace weir
