#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "session.h"
#include "suggest.h"
#include "tokenizer_choice.h"
#include "weir/bench/bench.h"

namespace weir {
namespace {

struct Options {
  std::string name;
  std::vector<std::string> arguments;
};

Json BenchListJson() {
  Json list = Json::MakeArray();
  for (const Bench& bench : AllBenches()) {
    Json object = Json::MakeObject();
    object.Set("bench", bench.name);
    object.Set("summary", bench.summary);
    list.Append(std::move(object));
  }
  return list;
}

ExitCode ListBenches(Session& session) {
  if (session.json()) {
    session.WriteJson(BenchListJson());
    return ExitCode::kOk;
  }
  Table table({{"benchmark"}, {"what it measures", Align::kLeft, true}});
  for (const Bench& bench : AllBenches()) table.AddRow({std::string(bench.name), std::string(bench.summary)});
  session.out().Write(table.Draw(session.style()));
  return ExitCode::kOk;
}

void WriteRow(Session& session, const BenchRow& row) {
  if (session.json()) {
    session.WriteJson(ToJson(row));
  } else {
    session.out().Line(
        fmt::format("{:<14} {:<34} {:<18} {:>12.4g} {}", row.bench, row.bench_case, row.metric, row.value, row.unit));
  }
  static_cast<void>(session.out().Flush());  // a long run shows each figure at once; a failure is kept for the end
}

Result<ExitCode> Run(const Options& options, Session& session) {
  if (options.name.empty()) return ListBenches(session);
  const auto benches = AllBenches();
  const auto found = std::find_if(benches.begin(), benches.end(), [&](const Bench& b) { return b.name == options.name; });
  if (found == benches.end()) {
    std::vector<std::string> names;
    for (const Bench& bench : benches) names.emplace_back(bench.name);
    return session.Fail(ExitCode::kUsage, InvalidArgument(fmt::format("no benchmark '{}'", options.name),
                                                          SuggestionHint(options.name, names)));
  }
  BenchOptions bench_options;
  bench_options.arguments = options.arguments;
  if (!session.settings().Text("tokenizer").empty()) {
    WEIR_ASSIGN(const TokenizerChoice choice, ChooseTokenizer(session.settings().Text("tokenizer"), session.environment()));
    bench_options.tokenizer = choice.file;
  }
  WEIR_TRY(found->run(bench_options, [&](const BenchRow& row) { WriteRow(session, row); }));
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("NAME", options->name, "The benchmark; without one, the list of them", false, ValueKind::kText);
  flags.Arguments("ARGUMENT", options->arguments, "What that benchmark takes, for example a trace file", false,
                  ValueKind::kFile);
  flags.Setting("tokenizer");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command BenchCommand() {
  return {
      .name = "bench",
      .summary = "measure this build on this machine",
      .description = "Runs one benchmark and prints a line per figure, as soon as it is measured.",
      .examples = {{"weir bench", "what can be measured"}, {"weir bench block-keys --json", "one JSON object per figure"}},
      .declare = Declare};
}

}  // namespace weir
