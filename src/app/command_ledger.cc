#include <fmt/format.h>

#include <ctime>
#include <memory>

#include "command.h"
#include "session.h"
#include "weir/codec/hex.h"
#include "weir/ledger/verify.h"

namespace weir {
namespace {

constexpr uint64_t kTailDefault = 20;
constexpr uint64_t kTailMax = 1'000'000;

struct Options {
  std::string action;
  std::string file;
  std::string expect_hash;
  std::optional<uint64_t> expect_last;
  std::optional<uint64_t> tail;
};

Result<LedgerNote> NoteOf(const Options& options) {
  LedgerNote note;
  note.number = options.expect_last;
  if (options.expect_hash.empty()) return note;
  const Result<std::string> bytes = ParseHex(options.expect_hash);
  Sha256Digest digest{};
  if (!bytes || bytes->size() != digest.size()) {
    return InvalidArgument("--expect-hash is no hash of a ledger", "64 hexadecimal digits, as 'verify' printed them");
  }
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  note.hash = digest;
  return note;
}

// Where the first fault is and what to think of the noted line; nothing when the ledger holds.
std::optional<std::string> Complaint(const LedgerVerdict& verdict, const LedgerNote& note) {
  if (verdict.fault) {
    const LedgerFault& fault = *verdict.fault;
    return fmt::format("{} line {} (byte {}): {}: {}", fault.file.string(), fault.line, fault.byte,
                       LedgerFaultKindName(fault.kind), fault.what);
  }
  const std::string noted = note.number ? fmt::format("line {}", *note.number) : std::string("the noted line");
  switch (verdict.note) {
    case LedgerNoteCheck::kNotAsked:
    case LedgerNoteCheck::kKept: return std::nullopt;
    case LedgerNoteCheck::kMissing: return noted + " is not in the ledger: its end was cut off, or the chain was made anew";
    case LedgerNoteCheck::kOther: return noted + " has another hash than expected: the chain was made anew";
    case LedgerNoteCheck::kRotatedAway: return noted + " is older than the oldest file: it can no longer be checked";
  }
  return std::nullopt;
}

Json VerdictJson(const LedgerVerdict& verdict) {
  Json files = Json::MakeArray();
  for (const std::filesystem::path& file : verdict.files) files.Append(file.string());
  Json fault;
  if (verdict.fault) {
    fault = Json::Object{{"file", verdict.fault->file.string()},
                         {"line", verdict.fault->line},
                         {"byte", verdict.fault->byte},
                         {"kind", LedgerFaultKindName(verdict.fault->kind)},
                         {"message", verdict.fault->what}};
  }
  const bool has_lines = verdict.lines > 0;
  return Json::Object{{"ok", verdict.clean()},
                      {"lines", verdict.lines},
                      {"files", std::move(files)},
                      {"start", LedgerStartName(verdict.start)},
                      {"first", has_lines ? Json(verdict.first_number) : Json()},
                      {"last", has_lines ? Json(verdict.last_number) : Json()},
                      {"last_hash", has_lines ? Json(HexOf(verdict.last_hash)) : Json()},
                      {"repairs", verdict.repairs},
                      {"gaps", verdict.gaps},
                      {"expected", LedgerNoteCheckName(verdict.note)},
                      {"fault", std::move(fault)}};
}

std::string_view StartText(LedgerStart start) {
  switch (start) {
    case LedgerStart::kEmpty: return "there is no line yet";
    case LedgerStart::kGenesis: return "from the first line ever written";
    case LedgerStart::kContinues: return "continues an earlier file that is not here (dropped by rotation, or removed)";
  }
  return {};
}

void WriteVerdict(Session& session, const LedgerVerdict& verdict, const std::optional<std::string>& complaint) {
  Output& out = session.out();
  const TextStyle& style = session.style();
  if (complaint) {
    out.Line(Paint(style, Ink::kRed, "bad  ") + Visible(*complaint));
  } else {
    out.Line(Paint(style, Ink::kGreen, "ok   ") + "every line is as it was written");
  }
  out.Line(fmt::format("     {} in {}{}: {}", Counted(verdict.lines, "line"), Counted(verdict.files.size(), "file"),
                       verdict.fault ? " before it" : "", StartText(verdict.start)));
  if (verdict.gaps > 0)
    out.Line(fmt::format("     {} tell of decisions that could not be written", Counted(verdict.gaps, "line")));
  if (verdict.repairs > 0)
    out.Line(fmt::format("     {} tell of a torn line that was cut off", Counted(verdict.repairs, "line")));
  if (verdict.lines == 0) return;
  out.Line(fmt::format("     last good line: number {}, hash {}", verdict.last_number, HexOf(verdict.last_hash)));
}

Result<ExitCode> Verify(const Options& options, Session& session) {
  const Result<LedgerNote> note = NoteOf(options);
  if (!note) return session.As(ExitCode::kUsage, note.error());
  WEIR_ASSIGN(const LedgerVerdict verdict, VerifyLedger(options.file, *note));
  const std::optional<std::string> complaint = Complaint(verdict, *note);
  if (session.json()) {
    session.WriteJson(VerdictJson(verdict));
  } else {
    WriteVerdict(session, verdict, complaint);
  }
  return complaint ? ExitCode::kBadData : ExitCode::kOk;
}

std::string TimeText(const Json* unix_ms) {
  const int64_t* const ms = unix_ms != nullptr ? unix_ms->get_if_int() : nullptr;
  if (ms == nullptr) return "n/a";
  const auto seconds = static_cast<std::time_t>(*ms / 1000);
  std::tm utc{};
  if (*ms < 0 || ::gmtime_r(&seconds, &utc) == nullptr || utc.tm_year > 8099) return fmt::format("{} ms", *ms);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::string CellOf(const Json& line, std::string_view name) {
  const Json* const member = line.Find(name);
  if (member == nullptr || member->is_null()) return {};
  return Visible(member->is_string() ? member->as_string() : member->Dump());
}

std::string FieldsOf(const Json& line) {
  const Json* const fields = line.Find("fields");
  if (fields == nullptr || !fields->is_object()) return {};
  std::string text;
  for (const auto& [name, number] : fields->as_object()) {
    text +=
        fmt::format("{}{}={}", text.empty() ? "" : " ", Visible(name), number.is_null() ? "n/a" : Visible(number.Dump()));
  }
  return text;
}

Result<ExitCode> Show(const Options& options, Session& session) {
  const uint64_t wanted = options.tail.value_or(kTailDefault);
  if (wanted == 0 || wanted > kTailMax) {
    return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("--tail {}: 1 to {}", wanted, kTailMax)));
  }
  WEIR_ASSIGN(const std::vector<std::string> lines, ReadLedgerTail(options.file, static_cast<size_t>(wanted)));
  Table table({{"n", Align::kRight}, {"time"}, {"kind"}, {"agent"}, {"owner"}, {"reason"}, {"fields", Align::kLeft, true}});
  size_t broken = 0;
  for (const std::string& text : lines) {
    const Result<Json> line = Json::Parse(text);
    if (!line || !line->is_object()) {
      ++broken;
      if (session.json()) session.WriteJson(Json::Object{{"broken", Visible(text)}});
      if (!session.json()) table.AddRow({"?", "", "", "", "", "", Visible(text)});
    } else if (session.json()) {
      session.WriteJson(*line);
    } else {
      table.AddRow({CellOf(*line, "n"), TimeText(line->Find("unix_ms")), CellOf(*line, "kind"), CellOf(*line, "agent"),
                    CellOf(*line, "owner"), CellOf(*line, "reason"), FieldsOf(*line)});
    }
  }
  if (!session.json() && !table.empty()) session.out().Write(table.Draw(session.style(), 0));
  if (lines.empty()) session.Note("there is no line yet");
  if (broken > 0)
    session.Note(fmt::format("{} no JSON; 'weir ledger verify' says more",
                             broken == 1 ? "1 line is" : fmt::format("{} lines are", broken)));
  return broken > 0 ? ExitCode::kPartial : ExitCode::kOk;
}

Result<ExitCode> Run(const Options& options, Session& session) {
  const bool is_show = options.action == "show";
  if (is_show && (options.expect_last || !options.expect_hash.empty())) {
    return session.As(ExitCode::kUsage, InvalidArgument("--expect-last and --expect-hash go with 'verify'"));
  }
  if (!is_show && options.tail) return session.As(ExitCode::kUsage, InvalidArgument("--tail goes with 'show'"));
  return is_show ? Show(options, session) : Verify(options, session);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("ACTION", options->action, "verify: find the first line that was changed; show: print the last lines", true,
                 ValueKind::kText, {"verify", "show"});
  flags.Argument("FILE", options->file, "The ledger; rotated files beside it (FILE.1, FILE.2, ...) are read as well", true,
                 ValueKind::kFile);
  flags.Count("--expect-last", options->expect_last,
              "verify: the number of a line noted earlier, which must still be there");
  flags.Text("--expect-hash", options->expect_hash, "HEX", "verify: its hash");
  flags.Count("--tail", options->tail, "show: how many lines, 20 without it");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command LedgerCommand() {
  return {
      .name = "ledger",
      .summary = "the hash-chained log of decisions: verify it, or show its last lines",
      .description =
          "'verify' reads the ledger from its oldest file to its newest and names the first line that is not as it was "
          "written: file, line, byte and why. It exits with 65 when there is one. Lines cut off cleanly at the end cannot "
          "be "
          "seen from the files alone: note the last number and hash that it prints elsewhere, and hand them in later with "
          "--expect-last and --expect-hash. 'show' prints lines as they stand, unchecked. docs/ledger-format.md describes "
          "the "
          "format.",
      .examples = {{"weir ledger verify ledger.jsonl", "is it as it was written?"},
                   {"weir ledger verify ledger.jsonl --expect-last 4711 --expect-hash 6f0c...",
                    "and is line 4711 still there?"},
                   {"weir ledger show ledger.jsonl --tail 50", "the last fifty decisions"}},
      .declare = Declare};
}

}  // namespace weir
