#include "weir/demo/registry_demo.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <span>
#include <utility>

#include "weir/base/clock.h"
#include "weir/registry/data_folder.h"
#include "weir/report/registry_view.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  static Result<TemporaryFolder> Make() {
    std::error_code error;
    const fs::path place = fs::temp_directory_path(error);
    std::string pattern = ((error ? fs::path("/tmp") : place) / "weir-demo-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      return Unavailable(fmt::format("cannot make a folder like {}", pattern), "set TMPDIR to a folder that can be written");
    }
    return TemporaryFolder(pattern);
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

double Milliseconds(Duration spent) { return std::chrono::duration<double, std::milli>(spent).count(); }

ContextInput InputOf(const PromptCall& call) {
  ContextInput input;
  input.agent = call.agent;
  input.text = std::string(call.context->text());
  input.segments = call.context->segments();
  return input;
}

Result<std::vector<SharedReport>> MatchAll(std::span<const PromptCall> calls, Registry& registry) {
  std::vector<SharedReport> reports;
  for (const PromptCall& call : calls) {
    WEIR_ASSIGN(SharedReport report, registry.MatchTokens(call.context->tokens()));
    reports.push_back(std::move(report));
  }
  return reports;
}

std::vector<std::string> Texts(const std::vector<SharedReport>& reports) {
  std::vector<std::string> texts;
  for (const SharedReport& report : reports) texts.push_back(SharedReportJson(report).Dump());
  return texts;
}

uint64_t CountNamed(const std::vector<SharedReport>& reports, const std::string& agent) {
  uint64_t count = 0;
  for (const SharedReport& report : reports) {
    count += static_cast<uint64_t>(
        std::ranges::count_if(report.results, [&](const SharedContext& result) { return result.agent == agent; }));
  }
  return count;
}

Status Fill(std::span<const PromptCall> before, std::span<const PromptCall> next, const DataFolderOptions& options,
            RegistryDemo& demo) {
  const SteadyClock clock;
  WEIR_ASSIGN(const DataFolder data, OpenDataFolder(options));
  TimePoint begin = clock.Now();
  for (const PromptCall& call : before) {
    WEIR_ASSIGN(Registered registered, data.registry->Register(InputOf(call)));
    demo.registered.push_back(std::move(registered));
  }
  demo.register_ms = Milliseconds(clock.Now() - begin);
  begin = clock.Now();
  WEIR_ASSIGN(demo.matches, MatchAll(next, *data.registry));
  demo.match_us = Milliseconds(clock.Now() - begin) * 1000 / static_cast<double>(next.size());
  for (const PromptCall& call : next) demo.asking.push_back(call.agent);
  return {};
}

Status Reopen(std::span<const PromptCall> next, const DataFolderOptions& options, RegistryDemo& demo) {
  const SteadyClock clock;
  const TimePoint begin = clock.Now();
  WEIR_ASSIGN(const DataFolder data, OpenDataFolder(options));
  demo.restart_ms = Milliseconds(clock.Now() - begin);
  demo.restored = data.registry->stats().restored;
  WEIR_ASSIGN(const std::vector<SharedReport> again, MatchAll(next, *data.registry));
  demo.same_answers = Texts(again) == Texts(demo.matches);

  demo.removed = demo.registered.back().agent;
  demo.index_bytes_before = data.registry->stats().index_bytes();
  WEIR_TRY(data.registry->Remove(demo.removed));
  demo.index_bytes_after = data.registry->stats().index_bytes();
  WEIR_ASSIGN(const std::vector<SharedReport> after, MatchAll(next, *data.registry));
  demo.found_after = CountNamed(after, demo.removed);
  WEIR_TRY(data.ledger->Flush());
  demo.ledger_lines = data.ledger->stats().last_number;
  return {};
}

// The best answer for each kind; ties go by the order of results.
Table MatchTable(const RegistryDemo& demo, const TextStyle& style) {
  Table table({{"next prompt of"},
               {"tokens", Align::kRight},
               {"exact, best", Align::kRight},
               {"of"},
               {"moved, best", Align::kRight},
               {"of"}});
  for (size_t i = 0; i < demo.matches.size(); ++i) {
    const SharedReport& report = demo.matches[i];
    const auto moved = std::ranges::max_element(report.results, {},
                                                [](const SharedContext& result) { return result.moved_tokens.value_or(0); });
    const bool has_exact = !report.results.empty() && report.results.front().exact.blocks > 0;
    const bool has_moved = moved != report.results.end() && moved->moved_tokens.value_or(0) > 0;
    table.AddRow(
        {demo.asking[i], Grouped(report.target_tokens), Paint(style, Ink::kGreen, Grouped(report.tokens_saved.value_or(0))),
         has_exact ? report.results.front().agent : "-",
         has_moved ? Paint(style, Ink::kYellow, Grouped(*moved->moved_tokens)) : "-", has_moved ? moved->agent : "-"});
  }
  return table;
}

}  // namespace

Result<RegistryDemo> RunRegistryDemo(const DemoPrompts& prompts, const NamedTokenizer& tokenizer) {
  const size_t agents = DemoAgents().size();
  const std::span<const PromptCall> calls(prompts.calls);
  const std::span<const PromptCall> next = calls.last(agents);
  const std::span<const PromptCall> before = calls.size() < 2 * agents ? next : calls.last(2 * agents).first(agents);
  WEIR_ASSIGN(const TemporaryFolder folder, TemporaryFolder::Make());
  DataFolderOptions options;
  options.folder = folder.path() / "registry";
  options.block_size = static_cast<uint32_t>(prompts.block_size);
  options.registry.tokenizers.push_back(tokenizer);
  RegistryDemo demo;
  demo.block_size = prompts.block_size;
  WEIR_TRY(Fill(before, next, options, demo));
  WEIR_TRY(Reopen(next, options, demo));
  return demo;
}

Json RegistryDemoJson(const RegistryDemo& demo) {
  Json registered = Json::MakeArray();
  for (const Registered& one : demo.registered) registered.Append(RegisteredJson(one));
  Json matches = Json::MakeArray();
  for (size_t i = 0; i < demo.matches.size(); ++i) {
    Json match = SharedReportJson(demo.matches[i]);
    match.Set("agent", demo.asking[i]);
    matches.Append(std::move(match));
  }
  return Json::Object{
      {"registered", std::move(registered)},
      {"register_ms", demo.register_ms},
      {"matches", std::move(matches)},
      {"match_us", demo.match_us},
      {"restart", Json::Object{{"restored", demo.restored}, {"ms", demo.restart_ms}, {"same_answers", demo.same_answers}}},
      {"removal", Json::Object{{"agent", demo.removed},
                               {"index_bytes_before", demo.index_bytes_before},
                               {"index_bytes_after", demo.index_bytes_after},
                               {"found_after", demo.found_after}}},
      {"ledger_lines", demo.ledger_lines}};
}

std::string DrawRegistryDemo(const RegistryDemo& demo, const TextStyle& style) {
  std::string out = "\n" + Paint(style, Ink::kCyan, "━━ 5. A registry: register, match, restart, remove ") + "\n\n";
  out += fmt::format("  The five register what they were asked before, in {:.0f} ms with the disk:\n\n", demo.register_ms);
  out += DrawRegistered(demo.registered, style);
  out += fmt::format("\n  What their next prompts would reuse, {:.0f} us each:\n\n", demo.match_us);
  out += MatchTable(demo, style).Draw(style);
  out += fmt::format(
      "\n  restart   {} back in {:.0f} ms; {}\n", Counted(demo.restored, "context"), demo.restart_ms,
      demo.same_answers ? "the same answers, to the byte" : Paint(style, Ink::kRed, "other answers than before"));
  out += fmt::format("  removal   {} leaves: {} of indexes become {}, and {} that name it\n", demo.removed,
                     Grouped(demo.index_bytes_before) + " bytes", Grouped(demo.index_bytes_after),
                     demo.found_after == 0 ? "no answers are left" : Counted(demo.found_after, "answer") + " are left");
  out += fmt::format("  ledger    {} on who decided what, chained; without a word of the prompts\n",
                     Counted(demo.ledger_lines, "line"));
  return out;
}

}  // namespace weir
