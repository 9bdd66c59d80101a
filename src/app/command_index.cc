#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "command.h"
#include "embed_setup.h"
#include "index_place.h"
#include "session.h"
#include "weir/base/bytes.h"
#include "weir/codec/utf8.h"
#include "weir/indexer/indexer.h"
#include "weir/report/index_view.h"

namespace weir {
namespace {

constexpr size_t kProblemsShown = 20;

struct Options {
  std::string folder;
  EmbedFlags embed;
  std::string file_bytes_max = "1MiB";
  std::optional<uint64_t> chunk_tokens;
  bool prune = false;
};

// What is said of a run.
struct Told {
  IndexReport report;
  std::optional<uint64_t> pruned{};  // vectors; none: it was not asked for
};

Json JsonOf(const Told& told, const std::string& root, const std::string& data, const std::string& model) {
  const IndexReport& report = told.report;
  Json json = Json::MakeObject();
  json.Set("root", root);
  json.Set("data", data);
  json.Set("model", model);
  Json counts = IndexCountsJson(report);
  for (Json::Member& member : counts.as_object()) json.Set(member.first, std::move(member.second));
  json.Set("pruned", told.pruned ? Json(*told.pruned) : Json());
  Json problems = Json::MakeArray();
  for (const FileProblem& problem : report.problems) {
    Json one = ErrorJson(problem.error);
    one.Set("path", ReplaceInvalidUtf8(problem.path));
    problems.Append(std::move(one));
  }
  json.Set("problems", std::move(problems));
  return json;
}

void WriteText(Session& session, const Told& told) {
  const IndexReport& report = told.report;
  const double seconds = static_cast<double>(report.elapsed_ms) / 1000;
  session.out().Line(fmt::format("{}: {} processed, {} skipped, {} failed in {:.1f} s", Counted(report.total, "file"),
                                 Grouped(report.processed), Grouped(report.skipped), Grouped(report.failed), seconds));
  session.out().Line(fmt::format("  skipped: {} unchanged, {} no text, {} too large; left out by ignore rules: {}",
                                 Grouped(report.unchanged), Grouped(report.not_text), Grouped(report.too_large),
                                 Grouped(report.ignored)));
  if (report.removed > 0) session.out().Line(fmt::format("  gone from the index: {}", Counted(report.removed, "file")));
  session.out().Line(fmt::format("{}: {} hits ({}), {} computed, {} coalesced", Counted(report.chunks, "chunk"),
                                 Grouped(report.hits), Percent(report.hits, report.chunks_asked()), Grouped(report.computed),
                                 Grouped(report.coalesced)));
  if (told.pruned) {
    session.out().Line(fmt::format("  pruned: {} that no indexed file has a chunk for", Counted(*told.pruned, "vector")));
  }
}

void NoteProblems(Session& session, const IndexReport& report) {
  for (size_t i = 0; i < report.problems.size(); ++i) {
    if (i == kProblemsShown) {
      session.Note(fmt::format("and {} more; --json names all", report.problems.size() - i));
      return;
    }
    const FileProblem& problem = report.problems[i];
    session.Note(fmt::format("{}: {}", problem.path.empty() ? "." : problem.path, problem.error.ToString()));
  }
}

std::string ProgressText(const TextStyle& style, const IndexProgress& progress) {
  constexpr size_t kBarColumns = 20;
  const double fraction =
      progress.files == 0 ? 0 : static_cast<double>(progress.files_done) / static_cast<double>(progress.files);
  return fmt::format("{} {} of {}, {}", Bar(style, Ink::kCyan, fraction, kBarColumns), Grouped(progress.files_done),
                     Counted(progress.files, "file"), Counted(progress.chunks_done, "chunk"));
}

Result<ExitCode> Run(const Options& options, Session& session) {
  IndexOptions index;
  index.root = options.folder;
  const Result<uint64_t> bytes_max = ParseByteSize(options.file_bytes_max);
  if (!bytes_max) return session.As(ExitCode::kUsage, bytes_max.error());
  index.file_bytes_max = *bytes_max;
  if (options.chunk_tokens) index.chunk_tokens = static_cast<uint32_t>(std::min<uint64_t>(*options.chunk_tokens, 1u << 20));
  if (Status valid = index.Validate(); !valid) return session.As(ExitCode::kUsage, std::move(valid).error());
  std::error_code error;
  if (!std::filesystem::is_directory(index.root, error)) {
    return std::filesystem::exists(index.root, error)
               ? session.As(ExitCode::kUsage, InvalidArgument(fmt::format("{} is no folder", options.folder)))
               : NotFound(fmt::format("no folder {}", options.folder));
  }
  WEIR_TRY(ChooseModel(session, options.embed));
  WEIR_ASSIGN(const std::filesystem::path data, PrepareIndexPlace(session, index.root));
  WEIR_ASSIGN(const EmbedSetup setup, OpenEmbedding(session, options.embed, data));
  if (setup.is_borrowed) {
    return Unavailable(fmt::format("another process writes to {}", data.string()), "wait for it, or use another --data");
  }
  index.skipped = {data};
  Told told;
  const IndexReport& report = told.report;
  {
    const auto progress = session.StartProgress("indexing");
    index.progress = [&](const IndexProgress& now) { progress->Update(ProgressText(session.style(), now)); };
    WEIR_ASSIGN(told.report, IndexTree(*setup.cache, *setup.store,
                                       {setup.model, setup.tokenizer, setup.tokens_max, setup.passage_prefix}, index));
  }
  if (options.prune) {
    const auto progress = session.StartProgress("pruning");
    WEIR_ASSIGN(told.pruned, DropUnindexedVectors(*setup.cache, *setup.store));
  }
  if (session.json()) {
    const std::string root = std::filesystem::canonical(index.root, error).string();
    session.WriteJson(JsonOf(told, ReplaceInvalidUtf8(root), ReplaceInvalidUtf8(data.string()), setup.model));
  } else {
    WriteText(session, told);
  }
  NoteProblems(session, report);
  return report.problems.empty() ? ExitCode::kOk : ExitCode::kPartial;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("DIR", options->folder, "The folder whose files are indexed", true, ValueKind::kFolder);
  DeclareEmbedFlags(flags, options->embed);
  flags.Text("--file-bytes-max", options->file_bytes_max, "SIZE", "Larger files are skipped; up to 1GiB");
  flags.Count("--chunk-tokens", options->chunk_tokens,
              "Most tokens of a chunk, 256 without it; never more than the model takes. Another number cuts all files anew");
  flags.Switch("--prune", options->prune,
               "Afterwards drop all vectors of the data folder that no indexed file has a chunk for: those of edited and "
               "removed texts, of questions, and those that 'weir embed' and 'weir contexts' keep there to find them again");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command IndexCommand() {
  return {
      .name = "index",
      .summary = "index the files of a folder by meaning",
      .description =
          "Cuts the text files of a folder into chunks and embeds them, so that 'weir search' finds them. What git ignores "
          "is "
          "left out, and so are files that are no text or too large. A chunk that is known is never embedded again: a run "
          "over an unchanged tree reads no file and loads no model. The index lies in DIR/.weir unless --data names a "
          "folder; "
          "it holds vectors and places, and no text. In the counts, total = processed + skipped + failed, all of files; "
          "skipped = unchanged + not_text + too_large; 'ignored' (files and whole folders) is not in total; 'removed' are "
          "files that the index had before. Of chunks: hits (known before, in unchanged files as well), computed, and "
          "coalesced (equal to one that was computed); hit_rate = hits / (hits + computed + coalesced), null without "
          "chunks. "
          "docs/indexing.md is a guide.",
      .examples = {{"weir index .", "this folder; the index lies in .weir"},
                   {"weir index src --data ~/indexes/src --json", "counts for a script"}},
      .declare = Declare};
}

}  // namespace weir
