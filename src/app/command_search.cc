#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>

#include "command.h"
#include "embed_setup.h"
#include "index_place.h"
#include "session.h"
#include "weir/codec/utf8.h"
#include "weir/indexer/indexer.h"

namespace weir {
namespace {

constexpr uint64_t kMost = 10'000;  // chunks

struct Options {
  std::vector<std::string> words;
  EmbedFlags embed;
  std::optional<uint64_t> k;
  std::string threshold;
  std::string in;
  std::optional<uint64_t> lines;
};

Result<SearchOptions> SearchOptionsOf(const Options& options) {
  SearchOptions search;
  search.k = static_cast<uint32_t>(std::min(options.k.value_or(search.k), kMost));
  search.root = options.in;
  if (options.threshold.empty()) return search;
  const char* end = options.threshold.data() + options.threshold.size();
  const auto parsed = std::from_chars(options.threshold.data(), end, search.threshold);
  if (parsed.ec != std::errc() || parsed.ptr != end || !(search.threshold >= -1 && search.threshold <= 1)) {
    return InvalidArgument(fmt::format("--threshold '{}' is no similarity", options.threshold), "a number from -1 to 1");
  }
  return search;
}

void WriteJson(Session& session, const SearchAnswer& answer, const std::string& query, const std::string& model) {
  Json json = Json::MakeObject();
  json.Set("query", query);
  json.Set("model", model);
  json.Set("exact", true);
  json.Set("files", answer.files);
  json.Set("chunks", answer.chunks);
  json.Set("missing", answer.missing);
  Json hits = Json::MakeArray();
  for (const SearchHit& hit : answer.hits) {
    Json one = Json::MakeObject();
    one.Set("file", ReplaceInvalidUtf8((std::filesystem::path(hit.root) / hit.path).string()));
    one.Set("path", ReplaceInvalidUtf8(hit.path));
    one.Set("first_line", uint64_t{hit.chunk.first_line});
    one.Set("last_line", uint64_t{hit.chunk.last_line});
    one.Set("begin", uint64_t{hit.chunk.begin});
    one.Set("end", uint64_t{hit.chunk.end});
    one.Set("score", static_cast<double>(hit.score));
    one.Set("state", ChunkStateName(hit.state));
    one.Set("text", hit.state == ChunkState::kSame ? Json(hit.text) : Json());
    hits.Append(std::move(one));
  }
  json.Set("hits", std::move(hits));
  session.WriteJson(json);
}

// As short as it can be said from here.
std::string ShownPath(const SearchHit& hit) {
  const std::filesystem::path whole = std::filesystem::path(hit.root) / hit.path;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) return whole.string();
  const std::string near = whole.lexically_relative(here).string();
  return near.empty() || near.starts_with("..") ? whole.string() : near;
}

void WriteHit(Session& session, const SearchHit& hit, uint64_t lines_most) {
  session.out().Line(
      fmt::format("{:.3f}  {}", hit.score,
                  Paint(session.style(), Ink::kBold,
                        fmt::format("{}:{}-{}", Visible(ShownPath(hit)), hit.chunk.first_line, hit.chunk.last_line))));
  if (hit.state == ChunkState::kChanged) session.out().Line("       the file changed since it was indexed");
  if (hit.state == ChunkState::kGone) session.out().Line("       the file is gone");
  std::string_view text = hit.text;
  const size_t width = session.style().width > 20 ? session.style().width - 8 : 12;
  for (uint64_t line = 0; line < lines_most && !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string shown(text.substr(0, end));
    for (size_t tab = shown.find('\t'); tab != std::string::npos; tab = shown.find('\t')) shown.replace(tab, 1, "  ");
    session.out().Line("       " + Paint(session.style(), Ink::kDim, FitWidth(Visible(shown), width)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Result<ExitCode> Run(const Options& options, Session& session) {
  std::string query;
  for (const std::string& word : options.words) query += (query.empty() ? "" : " ") + word;
  const Result<SearchOptions> search = SearchOptionsOf(options);
  if (!search) return session.As(ExitCode::kUsage, search.error());
  if (search->k == 0) return session.As(ExitCode::kUsage, InvalidArgument("--k is 0", "at least 1"));
  WEIR_TRY(ChooseModel(session, options.embed));
  WEIR_ASSIGN(const std::filesystem::path data, FindIndexPlace(session));
  WEIR_ASSIGN(const EmbedSetup setup, OpenEmbedding(session, options.embed, data));
  SearchAnswer answer;
  {
    const auto progress = session.StartProgress("searching");
    const IndexModel model{setup.model, setup.tokenizer, setup.tokens_max, setup.passage_prefix};
    WEIR_ASSIGN(answer, SearchIndex(*setup.cache, *setup.store, model, query, *search));
  }
  if (session.json()) {
    WriteJson(session, answer, query, setup.model);
    return ExitCode::kOk;
  }
  for (const SearchHit& hit : answer.hits) WriteHit(session, hit, options.lines.value_or(3));
  if (answer.hits.empty()) {
    session.Note(fmt::format("none of {} is like that", Counted(answer.chunks, "chunk")));
  }
  if (answer.missing > 0) {
    session.Note(fmt::format("the vectors of {} are not kept any more; 'weir index' brings them back",
                             Counted(answer.missing, "chunk")));
  }
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Arguments("TEXT", options->words, "What to look for, in words", true, ValueKind::kText);
  DeclareEmbedFlags(flags, options->embed);
  flags.Count("--k", options->k, "How many chunks at most, 10 without it");
  flags.Text("--threshold", options->threshold, "X", "Only chunks at least so similar, -1 to 1; all without it");
  flags.Text("--in", options->in, "DIR", "Only the index of this folder; otherwise all in the data folder",
             ValueKind::kFolder);
  flags.Count("--lines", options->lines, "How many lines of each chunk to show, 3 without it");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command SearchCommand() {
  return {
      .name = "search",
      .summary = "find indexed files by meaning",
      .description =
          "Finds the chunks of files that are most like a text in meaning: file, lines, and the cosine similarity of their "
          "vectors, best first. Every chunk of the index is compared, so nothing is missed. Lines are read from the file "
          "when "
          "it is as it was indexed; otherwise it is said that it changed or is gone. Looks in the folder that --data names, "
          "else in the .weir of this folder or the nearest above it. The model must be the one that indexed.",
      .examples = {{"weir search 'where are cache keys made?'", "the index of this folder"},
                   {"weir search retry after a timeout --k 3 --json", "three chunks, for a script"}},
      .declare = Declare};
}

}  // namespace weir
