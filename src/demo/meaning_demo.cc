#include "weir/demo/meaning_demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "documents.h"
#include "weir/base/bytes.h"
#include "weir/base/clock.h"
#include "weir/embed/long_text.h"
#include "weir/embed/vector_operations.h"

namespace weir {
namespace {

constexpr size_t kExcerptBytes = 150;
constexpr size_t kDocumentsMax = 48;

double Milliseconds(Duration spent) { return std::chrono::duration<double, std::milli>(spent).count(); }

// Every so many sections of the documentation, so that all files have a say and the first pass takes seconds.
std::vector<DemoSection> Documents() {
  const std::span<const DemoSection> all = DemoSections();
  const size_t step = std::max<size_t>(1, all.size() / kDocumentsMax);
  std::vector<DemoSection> documents;
  for (size_t i = 0; i < all.size() && documents.size() < kDocumentsMax; i += step) documents.push_back(all[i]);
  return documents;
}

Result<LongTextAnswer> EmbedAll(EmbedCache& cache, const std::string& model, std::span<const DemoSection> documents,
                                MeaningDemo::Pass& pass) {
  std::vector<std::string_view> texts;
  for (const DemoSection& document : documents) texts.push_back(document.text);
  const SteadyClock clock;
  const EmbedStats before = cache.stats();
  const TimePoint begin = clock.Now();
  WEIR_ASSIGN(LongTextAnswer answer, EmbedLongTexts(cache, model, texts, {.input = EmbedInput::kPassage}));
  pass.ms = Milliseconds(clock.Now() - begin);
  const EmbedStats after = cache.stats();
  pass.windows = after.texts - before.texts;
  pass.hits = after.hits - before.hits;
  pass.computed = after.computed - before.computed;
  for (const LongTextItem& item : answer.items) WEIR_TRY(item.status);
  return answer;
}

// The words behind the heading, on one line.
MeaningDemo::Passage PassageOf(const DemoSection& section) {
  std::string text;
  const size_t heading = section.text.find('\n');
  for (const char c : section.text.substr(heading == std::string_view::npos ? 0 : heading)) {
    const bool is_space = c == '\n' || c == ' ';
    if (is_space && (text.empty() || text.back() == ' ')) continue;
    if (text.size() >= kExcerptBytes && is_space) break;
    text += is_space ? ' ' : c;
  }
  return {std::string(section.file), std::string(section.title), text};
}

struct Pair {
  float similarity;
  size_t a, b;
};

// Pairs from two files, most similar first.
std::vector<Pair> PairsOf(std::span<const DemoSection> documents, const std::vector<float>& similarities) {
  std::vector<Pair> pairs;
  for (size_t a = 0; a < documents.size(); ++a) {
    for (size_t b = a + 1; b < documents.size(); ++b) {
      if (documents[a].file != documents[b].file) pairs.push_back({similarities[a * documents.size() + b], a, b});
    }
  }
  std::ranges::stable_sort(pairs, std::ranges::greater(), &Pair::similarity);
  return pairs;
}

std::string AgentOf(size_t document) { return fmt::format("document {}", document); }

// Looks through the pairs until the registry says that tokens have nothing to do with it.
Status FindTwin(std::span<const DemoSection> documents, const LongTextAnswer& vectors, Registry& registry,
                MeaningDemo& demo) {
  WEIR_ASSIGN(const std::vector<float> similarities, SimilarityMatrix({vectors.vectors, vectors.dimensions}));
  const std::vector<Pair> pairs = PairsOf(documents, similarities);
  for (const Pair& pair : pairs) {
    const std::vector<std::string> other = {AgentOf(pair.b)};
    WEIR_ASSIGN(const SharedReport report, registry.FindShared(other, AgentOf(pair.a)));
    const SharedContext& shared = report.results.front();
    if (shared.exact.blocks > 0 || shared.moved_tokens != 0u || shared.near_blocks != 0u || !shared.similarity) continue;
    demo.passage = PassageOf(documents[pair.a]);
    demo.twin = PassageOf(documents[pair.b]);
    demo.exact = shared.exact;
    demo.moved_tokens = *shared.moved_tokens;
    demo.near_blocks = *shared.near_blocks;
    demo.twin_similarity = *shared.similarity;
    const std::span<const float> row(similarities.data() + pair.a * documents.size(), documents.size());
    const auto least = static_cast<size_t>(std::ranges::min_element(row) - row.begin());
    demo.stranger = PassageOf(documents[least]);
    demo.stranger_similarity = row[least];
    return {};
  }
  return NotFound("all sections of the documentation share tokens");
}

Json PassJson(const MeaningDemo::Pass& pass) {
  return Json::Object{{"ms", pass.ms},
                      {"windows", pass.windows},
                      {"hits", pass.hits},
                      {"computed", pass.computed},
                      {"hit_rate", pass.hit_rate()}};
}

Json PassageJson(const MeaningDemo::Passage& passage) {
  return Json::Object{{"file", passage.file}, {"title", passage.title}, {"text", passage.text}};
}

std::string DrawPassage(std::string_view name, const MeaningDemo::Passage& passage, const TextStyle& style) {
  return fmt::format("  {:<9} {}\n            {}\n", name,
                     Paint(style, Ink::kBold, fmt::format("{}, \"{}\"", passage.file, Visible(passage.title))),
                     Paint(style, Ink::kDim, Visible(passage.text.substr(0, 84)) + "..."));
}

}  // namespace

Result<MeaningDemo> RunMeaningDemo(EmbedCache& cache, const std::string& model, const NamedTokenizer& tokenizer,
                                   size_t block_size) {
  const SteadyClock clock;
  MeaningDemo demo;
  WEIR_ASSIGN(demo.model, cache.Resolve(model));
  TimePoint begin = clock.Now();
  WEIR_TRY(cache.Load(model));
  demo.load_ms = Milliseconds(clock.Now() - begin);
  const std::vector<DemoSection> documents = Documents();
  demo.documents = documents.size();
  for (const DemoSection& document : documents) demo.document_bytes += document.text.size();
  WEIR_ASSIGN(const LongTextAnswer vectors, EmbedAll(cache, model, documents, demo.first));
  demo.dimensions = vectors.dimensions;
  WEIR_TRY(EmbedAll(cache, model, documents, demo.second));

  RegistryOptions options;
  options.tokenizers.push_back(tokenizer);
  options.block_size = static_cast<uint32_t>(block_size);
  options.embeddings = &cache;
  options.embedding_model = model;
  WEIR_ASSIGN(const std::unique_ptr<Registry> registry, Registry::Open(std::move(options)));
  for (size_t i = 0; i < documents.size(); ++i) {
    ContextInput input;
    input.agent = AgentOf(i);
    input.text = documents[i].text;
    WEIR_TRY(registry->Register(input));
  }
  WEIR_TRY(FindTwin(documents, vectors, *registry, demo));
  return demo;
}

Json MeaningDemoJson(const MeaningDemo& demo) {
  if (!demo.note.empty()) return Json::Object{{"note", demo.note}};
  return Json::Object{{"model", demo.model},
                      {"dimensions", uint64_t{demo.dimensions}},
                      {"load_ms", demo.load_ms},
                      {"documents", uint64_t{demo.documents}},
                      {"document_bytes", demo.document_bytes},
                      {"first", PassJson(demo.first)},
                      {"second", PassJson(demo.second)},
                      {"match", Json::Object{{"passage", PassageJson(demo.passage)},
                                             {"twin", PassageJson(demo.twin)},
                                             {"exact_blocks", uint64_t{demo.exact.blocks}},
                                             {"moved_tokens", uint64_t{demo.moved_tokens}},
                                             {"near_blocks", uint64_t{demo.near_blocks}},
                                             {"similarity", static_cast<double>(demo.twin_similarity)},
                                             {"stranger", PassageJson(demo.stranger)},
                                             {"stranger_similarity", static_cast<double>(demo.stranger_similarity)}}}};
}

std::string DrawMeaningDemo(const MeaningDemo& demo, const TextStyle& style) {
  std::string out = "\n" + Paint(style, Ink::kCyan, "━━ 6. Meaning: the same text is never embedded twice ") + "\n\n";
  if (!demo.note.empty()) return out + "  " + demo.note + "\n";
  out += fmt::format("  {}, {} dimensions, loaded in {:.0f} ms. {} of documentation, {}:\n\n", Visible(demo.model),
                     demo.dimensions, demo.load_ms, Counted(demo.documents, "section"), FormatByteSize(demo.document_bytes));
  Table table({{"pass"},
               {"windows", Align::kRight},
               {"hits", Align::kRight},
               {"computed", Align::kRight},
               {"hit rate", Align::kRight},
               {"time", Align::kRight}});
  for (const auto& [name, pass] : {std::pair("first", demo.first), std::pair("second", demo.second)}) {
    table.AddRow({name, Grouped(pass.windows), Grouped(pass.hits), Grouped(pass.computed),
                  Paint(style, Ink::kGreen, fmt::format("{:.0f} %", 100 * pass.hit_rate())),
                  fmt::format("{:.1f} ms", pass.ms)});
  }
  out += table.Draw(style);
  out += fmt::format("\n  saved     {:.1f} s the second time\n\n", (demo.first.ms - demo.second.ms) / 1000);
  out += "  Two sections that no comparison of tokens brings together:\n\n";
  out += DrawPassage("passage", demo.passage, style) + DrawPassage("twin", demo.twin, style);
  out +=
      fmt::format("            exact blocks {}, moved tokens {}, near blocks {}, {}\n", demo.exact.blocks, demo.moved_tokens,
                  demo.near_blocks, Paint(style, Ink::kGreen, fmt::format("similarity {:.2f}", demo.twin_similarity)));
  out += DrawPassage("stranger", demo.stranger, style);
  out += fmt::format("            similarity {:.2f}, the least of all\n", demo.stranger_similarity);
  return out;
}

}  // namespace weir
