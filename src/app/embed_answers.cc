#include "embed_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace weir {
namespace {

constexpr size_t kRowsShown = 40;
constexpr size_t kFaultsShown = 20;
constexpr size_t kMatrixShown = 12;  // columns that a terminal has room for
constexpr size_t kTextColumns = 60;

// A JSON array of numbers, as the shortest decimals that read back the same.
std::string NumbersJson(std::span<const float> numbers) {
  std::string out = "[";
  for (size_t i = 0; i < numbers.size(); ++i) fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",", numbers[i]);
  return out += ']';
}

// "hit" says only that nothing was computed; "sources" tells memory and store apart.
Json CacheWord(EmbedSource source) {
  switch (source) {
    case EmbedSource::kNone: return {};
    case EmbedSource::kHit:
    case EmbedSource::kStored: return "hit";
    case EmbedSource::kComputed: return "computed";
    case EmbedSource::kCoalesced: return "coalesced";
  }
  return {};
}

void WriteHead(Output& out, const EmbedSetup& setup, const EmbeddedTexts& embedded) {
  out.Write(fmt::format("{{\"model\":{},\"dimensions\":{}", JsonQuote(setup.model), embedded.dimensions));
}

// What every answer ends with.
void WriteTail(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded) {
  Json cache = Json::MakeArray();
  Json sources = Json::MakeArray();
  Json errors = Json::MakeArray();
  for (size_t i = 0; i < embedded.items.size(); ++i) {
    const EmbedItem& item = embedded.items[i];
    cache.Append(CacheWord(item.source));
    sources.Append(item.status ? Json(EmbedSourceName(item.source)) : Json());
    if (item.status) continue;
    Json error = ErrorJson(item.status.error());
    error.Set("index", uint64_t{i});
    errors.Append(std::move(error));
  }
  const std::string& data = session.settings().Text("data");
  const EmbedStats stats = setup.cache->stats();
  session.out().Line(fmt::format(
      ",\"cache\":{},\"sources\":{},\"errors\":{},\"fingerprint\":\"{}\",\"model_loads\":{},\"not_kept\":{},\"data\":{},"
      "\"elapsed_ms\":{:.3f}}}",
      cache.Dump(), sources.Dump(), errors.Dump(), setup.fingerprint, stats.model_loads, stats.not_kept,
      data.empty() ? "null" : JsonQuote(data), embedded.elapsed_ms));
}

std::string Summary(const EmbedSetup& setup, const EmbeddedTexts& embedded) {
  std::string line = fmt::format("{}: {} of {} dimensions in {:.1f} ms", Visible(setup.model),
                                 Counted(embedded.texts.size(), "text"), embedded.dimensions, embedded.elapsed_ms);
  const std::pair<EmbedSource, std::string_view> kParts[] = {{EmbedSource::kComputed, "computed"},
                                                             {EmbedSource::kHit, "in memory"},
                                                             {EmbedSource::kStored, "from the data folder"},
                                                             {EmbedSource::kCoalesced, "folded"},
                                                             {EmbedSource::kNone, "failed"}};
  std::string_view before = ": ";
  for (const auto& [source, word] : kParts) {
    const uint64_t count = embedded.Count(source);
    if (count == 0) continue;
    line += fmt::format("{}{} {}", before, Grouped(count), word);
    before = ", ";
  }
  return line;
}

std::string ShownText(const std::string& text) { return FitWidth(Visible(text), kTextColumns); }

std::string FirstNumbers(std::span<const float> vector) {
  constexpr size_t kShown = 4;
  std::string out;
  for (size_t i = 0; i < std::min(kShown, vector.size()); ++i) out += fmt::format("{: .4f} ", vector[i]);
  return out + (vector.size() > kShown ? "…" : "");
}

void WriteMatrixJson(Output& out, const GoodRows& good, std::span<const float> matrix, size_t texts) {
  // A failed text has null in its row and column.
  std::vector<size_t> place(texts, SIZE_MAX);
  for (size_t i = 0; i < good.texts.size(); ++i) place[good.texts[i]] = i;
  const size_t side = good.texts.size();
  for (size_t a = 0; a < texts && !out.failed(); ++a) {
    std::string row = a == 0 ? "[" : ",[";
    for (size_t b = 0; b < texts; ++b) {
      if (b > 0) row += ',';
      if (place[a] == SIZE_MAX || place[b] == SIZE_MAX) {
        row += "null";
      } else {
        fmt::format_to(std::back_inserter(row), "{}", matrix[place[a] * side + place[b]]);
      }
    }
    out.Write(row + "]");
  }
}

void DrawMatrix(Session& session, const EmbeddedTexts& embedded, const GoodRows& good, std::span<const float> matrix) {
  const size_t side = good.texts.size();
  const size_t shown = std::min(side, kMatrixShown);
  std::vector<Table::Column> columns{{"#", Align::kRight}, {"text", Align::kLeft, true}};
  for (size_t i = 0; i < shown; ++i) columns.push_back({std::to_string(good.texts[i] + 1), Align::kRight});
  Table table(std::move(columns));
  for (size_t a = 0; a < shown; ++a) {
    std::vector<std::string> cells{std::to_string(good.texts[a] + 1), ShownText(embedded.texts[good.texts[a]])};
    for (size_t b = 0; b < shown; ++b) cells.push_back(fmt::format("{:.3f}", matrix[a * side + b]));
    table.AddRow(std::move(cells));
  }
  session.out().Write(table.Draw(session.style()));
  if (side > shown) session.out().Line(fmt::format("  … {} more rows and columns (--json for all)", side - shown));
}

}  // namespace

void NoteFaults(Session& session, const EmbeddedTexts& embedded) {
  size_t faults = 0;
  for (size_t i = 0; i < embedded.items.size(); ++i) {
    if (embedded.items[i].status || ++faults > kFaultsShown) continue;
    session.Note(fmt::format("text {}: {}", i + 1, embedded.items[i].status.error().ToString()));
  }
  if (faults > kFaultsShown) session.Note(fmt::format("and {} more", Grouped(faults - kFaultsShown)));
}

void PrintVectors(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded) {
  Output& out = session.out();
  const size_t count = embedded.items.size();
  if (session.json()) {
    WriteHead(out, setup, embedded);
    out.Write(",\"embeddings\":[");
    for (size_t i = 0; i < count && !out.failed(); ++i) {
      if (i > 0) out.Write(",");
      out.Write(embedded.items[i].status ? NumbersJson(embedded.rows().row(i)) : "null");
    }
    out.Write("]");
    WriteTail(session, setup, embedded);
    return;
  }
  out.Line(Paint(session.style(), Ink::kBold, Summary(setup, embedded)));
  Table table({{"#", Align::kRight}, {"from"}, {"vector"}, {"text", Align::kLeft, true}});
  for (size_t i = 0; i < std::min(count, kRowsShown); ++i) {
    const EmbedItem& item = embedded.items[i];
    table.AddRow({std::to_string(i + 1), item.status ? std::string(EmbedSourceName(item.source)) : "failed",
                  item.status ? FirstNumbers(embedded.rows().row(i)) : "", ShownText(embedded.texts[i])});
  }
  out.Write(table.Draw(session.style()));
  if (count > kRowsShown) out.Line(fmt::format("  … and {} more (--json for all)", Grouped(count - kRowsShown)));
}

Status PrintSimilarity(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded) {
  if (embedded.texts.size() > kMatrixRowsMax) {
    return Exhausted(fmt::format("{} texts have too many pairs", Grouped(embedded.texts.size())),
                     fmt::format("at most {} texts; --nearest compares one with all", Grouped(kMatrixRowsMax)));
  }
  const GoodRows good = GoodRowsOf(embedded);
  WEIR_ASSIGN(const std::vector<float> matrix, SimilarityMatrix(good.rows()));
  if (!session.json()) {
    session.out().Line(Paint(session.style(), Ink::kBold, Summary(setup, embedded)));
    DrawMatrix(session, embedded, good, matrix);
    return {};
  }
  WriteHead(session.out(), setup, embedded);
  session.out().Write(",\"similarity\":[");
  WriteMatrixJson(session.out(), good, matrix, embedded.texts.size());
  session.out().Write("]");
  WriteTail(session, setup, embedded);
  return {};
}

Status PrintNearest(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded,
                    const NearestQuestion& question) {
  const GoodRows good = GoodRowsOf(embedded);
  WEIR_ASSIGN(const std::vector<RankedRow> ranked, TopK(good.rows(), question.vector, question.k, question.threshold));
  if (!session.json()) {
    session.out().Line(Paint(session.style(), Ink::kBold, Summary(setup, embedded)));
    Table table({{"similarity", Align::kRight}, {"#", Align::kRight}, {"text", Align::kLeft, true}});
    for (const RankedRow& row : ranked) {
      const uint32_t text = good.texts[row.row];
      table.AddRow({fmt::format("{:.4f}", row.similarity), std::to_string(text + 1), ShownText(embedded.texts[text])});
    }
    if (!table.empty()) session.out().Write(table.Draw(session.style()));
    if (table.empty())
      session.Note(fmt::format("nothing from a similarity of {:.2f} on: lower --threshold", question.threshold));
    return {};
  }
  Json results = Json::MakeArray();
  for (const RankedRow& row : ranked) {
    const uint32_t text = good.texts[row.row];
    results.Append(
        Json::Object{{"index", uint64_t{text}}, {"similarity", double{row.similarity}}, {"text", embedded.texts[text]}});
  }
  WriteHead(session.out(), setup, embedded);
  session.out().Write(fmt::format(",\"query\":{},\"results\":{}", JsonQuote(question.text), results.Dump()));
  WriteTail(session, setup, embedded);
  return {};
}

Status PrintClusters(Session& session, const EmbedSetup& setup, const EmbeddedTexts& embedded,
                     const ClusterOptions& options) {
  const GoodRows good = GoodRowsOf(embedded);
  WEIR_ASSIGN(const std::vector<Cluster> clusters, ClusterRows(good.rows(), options));
  size_t clustered = 0;
  for (const Cluster& cluster : clusters) clustered += cluster.rows.size();
  const size_t alone = good.texts.size() - clustered;
  if (!session.json()) {
    session.out().Line(Paint(session.style(), Ink::kBold, Summary(setup, embedded)));
    for (size_t i = 0; i < clusters.size(); ++i) {
      session.out().Line(fmt::format("cluster {}: {}, mean similarity {:.3f}", i + 1,
                                     Counted(clusters[i].rows.size(), "text"), clusters[i].strength));
      for (const uint32_t row : clusters[i].rows) {
        const uint32_t text = good.texts[row];
        const bool speaks = row == clusters[i].representative;
        session.out().Line(fmt::format("  {} {:>4}  {}", speaks ? "*" : " ", text + 1, ShownText(embedded.texts[text])));
      }
    }
    session.out().Line(fmt::format("{} in no cluster; * speaks for its cluster", Counted(alone, "text")));
    return {};
  }
  Json list = Json::MakeArray();
  for (const Cluster& cluster : clusters) {
    Json members = Json::MakeArray();
    for (const uint32_t row : cluster.rows) members.Append(uint64_t{good.texts[row]});
    list.Append(Json::Object{{"items", std::move(members)},
                             {"representative", uint64_t{good.texts[cluster.representative]}},
                             {"strength", double{cluster.strength}}});
  }
  WriteHead(session.out(), setup, embedded);
  session.out().Write(fmt::format(",\"threshold\":{},\"min_size\":{},\"clusters\":{},\"alone\":{}", options.threshold,
                                  options.size_min, list.Dump(), alone));
  WriteTail(session, setup, embedded);
  return {};
}

}  // namespace weir
