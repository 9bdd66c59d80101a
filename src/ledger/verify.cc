#include "weir/ledger/verify.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <functional>

#include "file.h"
#include "line.h"
#include "weir/codec/hex.h"

namespace weir {
namespace {

using ledger::Line;

// The existing files of a ledger, oldest first.
Result<std::vector<std::filesystem::path>> FilesOf(const std::filesystem::path& path) {
  if (!path.has_filename())
    return InvalidArgument(fmt::format("{} is no file name", path.string()), "name the ledger's file");
  WEIR_ASSIGN(const std::vector<uint32_t> numbers, ledger::RotatedNumbers(path));
  std::vector<std::filesystem::path> files;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    files.push_back(ledger::RotatedPath(path, *number));
  }
  if (::access(path.c_str(), F_OK) == 0) files.push_back(path);
  if (files.empty()) return NotFound(fmt::format("there is no ledger {}", path.string()), "check the path");
  return files;
}

// A line of a file: its text (cut at kLineBytesMax when longer) and whether a line end follows.
struct RawLine {
  std::string_view text;
  uint64_t number;  // from 1
  uint64_t byte;    // where it begins
  bool has_end;
};

// Calls `visit` for each line until it returns false. Memory: one chunk and one line.
Status VisitLines(const std::filesystem::path& path, const std::function<bool(const RawLine&)>& visit) {
  const ledger::Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return ledger::SystemError(path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ledger::SystemError(path, "read", errno);
  if (S_ISDIR(info.st_mode)) return ledger::SystemError(path, "read", EISDIR);
  std::string chunk(size_t{1} << 18, '\0');
  std::string line;
  RawLine raw{{}, 1, 0, true};
  uint64_t line_bytes = 0;  // of the line so far, the part that was cut included
  const auto extend = [&](std::string_view bytes) {
    line_bytes += bytes.size();
    line.append(bytes.substr(0, ledger::kLineBytesMax - std::min(line.size(), ledger::kLineBytesMax)));
  };
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ledger::SystemError(path, "read", errno);
    if (got == 0) break;
    std::string_view rest(chunk.data(), static_cast<size_t>(got));
    for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      extend(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      raw.text = line;
      if (!visit(raw)) return {};
      raw.byte += line_bytes + 1;
      ++raw.number;
      line.clear();
      line_bytes = 0;
    }
    extend(rest);
  }
  if (line_bytes > 0) {
    raw.text = line;
    raw.has_end = false;
    (void)visit(raw);
  }
  return {};
}

// Walks the chain line by line.
class ChainCheck {
 public:
  ChainCheck(LedgerVerdict& verdict, const LedgerNote& note) : verdict_(verdict), note_(note) {}

  // False at the first fault.
  bool Visit(const std::filesystem::path& file, const RawLine& raw) {
    std::optional<ledger::LineFault> fault;
    if (!raw.has_end) {
      fault = {LedgerFaultKind::kTruncated, "the file ends within it"};
    } else {
      fault = ledger::ParseLine(raw.text, line_);
      // A line whose own hash fits is a line of some ledger: its place in the chain says more.
      if (!fault) fault = CheckPlace();
    }
    if (fault) {
      verdict_.fault = LedgerFault{fault->kind, file, raw.number, raw.byte, std::move(fault->what)};
      return false;
    }
    Accept();
    return true;
  }

  LedgerNoteCheck CheckNote() const {
    if (!note_.number && !note_.hash) return LedgerNoteCheck::kNotAsked;
    if (found_note_) return *found_note_;
    const bool begins_behind =
        verdict_.start == LedgerStart::kContinues && note_.number && *note_.number < verdict_.first_number;
    return begins_behind ? LedgerNoteCheck::kRotatedAway : LedgerNoteCheck::kMissing;
  }

 private:
  std::optional<ledger::LineFault> CheckPlace() const {
    const bool is_first = verdict_.lines == 0;
    if (is_first && line_.number > 1) {
      if (line_.prev != Sha256Digest{}) return std::nullopt;
      return ledger::LineFault{LedgerFaultKind::kWrongPrev,
                               fmt::format("it is number {} but bears no hash before it", line_.number)};
    }
    if (line_.number != verdict_.last_number + 1) {
      return ledger::LineFault{LedgerFaultKind::kSequenceGap,
                               fmt::format("it is number {} where {} is due", line_.number, verdict_.last_number + 1)};
    }
    if (line_.prev != verdict_.last_hash) {
      return ledger::LineFault{LedgerFaultKind::kWrongPrev, fmt::format("it continues {}, but {} came before",
                                                                        HexOf(line_.prev), HexOf(verdict_.last_hash))};
    }
    return std::nullopt;
  }

  void Accept() {
    if (verdict_.lines == 0) {
      verdict_.first_number = line_.number;
      verdict_.start = line_.number == 1 ? LedgerStart::kGenesis : LedgerStart::kContinues;
      // The hash of the line before the first is known as well.
      if (line_.number > 1) CompareNote(line_.number - 1, line_.prev);
    }
    ++verdict_.lines;
    if (line_.kind == DecisionKind::kRepair) ++verdict_.repairs;
    if (line_.kind == DecisionKind::kGap) ++verdict_.gaps;
    verdict_.last_number = line_.number;
    verdict_.last_hash = line_.hash;
    CompareNote(line_.number, line_.hash);
  }

  void CompareNote(uint64_t number, const Sha256Digest& hash) {
    if (note_.number) {
      if (*note_.number == number)
        found_note_ = !note_.hash || *note_.hash == hash ? LedgerNoteCheck::kKept : LedgerNoteCheck::kOther;
    } else if (note_.hash && *note_.hash == hash) {
      found_note_ = LedgerNoteCheck::kKept;
    }
  }

  LedgerVerdict& verdict_;
  const LedgerNote& note_;
  Line line_;
  std::optional<LedgerNoteCheck> found_note_;
};

}  // namespace

std::string_view LedgerFaultKindName(LedgerFaultKind kind) {
  static constexpr std::array<std::string_view, 7> kNames = {"broken_json",  "missing_field", "version",  "wrong_prev",
                                                             "sequence_gap", "wrong_hash",    "truncated"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view LedgerStartName(LedgerStart start) {
  static constexpr std::array<std::string_view, 3> kNames = {"empty", "genesis", "continues"};
  return kNames[static_cast<size_t>(start)];
}

std::string_view LedgerNoteCheckName(LedgerNoteCheck check) {
  static constexpr std::array<std::string_view, 5> kNames = {"not_asked", "kept", "missing", "other", "rotated_away"};
  return kNames[static_cast<size_t>(check)];
}

Result<LedgerVerdict> VerifyLedger(const std::filesystem::path& path, const LedgerNote& note) {
  LedgerVerdict verdict;
  WEIR_ASSIGN(verdict.files, FilesOf(path));
  ChainCheck check(verdict, note);
  for (const std::filesystem::path& file : verdict.files) {
    WEIR_TRY(VisitLines(file, [&](const RawLine& raw) { return check.Visit(file, raw); }));
    if (verdict.fault) break;
  }
  verdict.note = check.CheckNote();
  return verdict;
}

Result<std::vector<std::string>> ReadLedgerTail(const std::filesystem::path& path, size_t lines_max) {
  WEIR_ASSIGN(const std::vector<std::filesystem::path> files, FilesOf(path));
  std::deque<std::string> newest;
  // Newest file first; an older one is read only while lines are wanting.
  for (auto file = files.rbegin(); file != files.rend() && newest.size() < lines_max; ++file) {
    const size_t wanted = lines_max - newest.size();
    std::deque<std::string> lines;
    WEIR_TRY(VisitLines(*file, [&](const RawLine& raw) {
      lines.emplace_back(raw.text);
      if (lines.size() > wanted) lines.pop_front();
      return true;
    }));
    newest.insert(newest.begin(), std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
  }
  return std::vector<std::string>(std::make_move_iterator(newest.begin()), std::make_move_iterator(newest.end()));
}

}  // namespace weir
