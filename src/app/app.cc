#include "weir/app/app.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "manual.h"
#include "session.h"
#include "suggest.h"

namespace weir {
namespace {

// The parser with every command declared, and where its values land.
struct Parser {
  CLI::App app{"", "weir"};
  Settings::FlagValues settings;
  CommonFlags common;
  bool version = false;
  std::vector<CommandBody> bodies;  // one per command

  Parser() {
    app.set_help_flag("-h,--help");
    app.add_flag("--version", version);
    for (const Command& command : Commands()) {
      CLI::App* sub = app.add_subcommand(std::string(command.name));
      Flags flags(*sub, settings);
      bodies.push_back(command.declare(flags));
      DeclareCommonFlags(flags, common);
    }
    Flags flags(app, settings);
    DeclareCommonFlags(flags, common);
    app.require_subcommand(0, 1);
  }

  // The index of the command that was named, or -1.
  int Named() const {
    const auto parsed = app.get_subcommands();
    if (parsed.empty()) return -1;
    for (size_t i = 0; i < Commands().size(); ++i) {
      if (Commands()[i].name == parsed.front()->get_name()) return static_cast<int>(i);
    }
    return -1;
  }
};

// The style for help, before there is a session with settings.
TextStyle HelpStyle(const Environment& environment) {
  TextStyle style;
  style.color = ::isatty(STDOUT_FILENO) == 1 && !environment.Get("NO_COLOR");
  style.width = DrawingWidth(environment);
  return style;
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// What is wrong with words that the parser could not place.
Error UnknownWords(const Parser& parser, const CLI::App& app, const std::vector<std::string>& words) {
  const auto flag =
      std::find_if(words.begin(), words.end(), [](const std::string& w) { return w.size() > 1 && w[0] == '-'; });
  if (flag != words.end()) {
    const std::string name = flag->substr(0, flag->find('='));
    return InvalidArgument(fmt::format("unknown flag '{}'", name), SuggestionHint(name, FlagNames(app)));
  }
  const std::string word = words.empty() ? std::string() : words.front();
  if (parser.Named() >= 0) return InvalidArgument(fmt::format("one argument too many: '{}'", word));
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.emplace_back(command.name);
  return InvalidArgument(fmt::format("unknown command '{}'", word), SuggestionHint(word, names));
}

ExitCode UsageError(const std::string& command, Error error, bool json) {
  if (error.hint.empty()) {
    error.hint = fmt::format("see 'weir {}{}--help'", command, command.empty() ? "" : " ");
  }
  PrintError(command, error, json);
  return ExitCode::kUsage;
}

ExitCode Finish(Output& out, ExitCode code, const std::string& command, bool json) {
  const Status flushed = out.Flush();
  if (flushed) return code;
  if (out.reader_gone()) return ExitCode::kBrokenPipe;
  PrintError(command, flushed.error(), json);
  return ExitCode::kIo;
}

ExitCode RunCommand(Parser& parser, size_t index, const Environment& environment, Output& out) {
  const Command& command = Commands()[index];
  const std::string name(command.name);
  const bool json = parser.common.json;
  const bool named_file = !parser.common.config.empty();
  const std::filesystem::path file = named_file ? std::filesystem::path(parser.common.config) : environment.ConfigFile();
  const bool required = named_file || environment.Get("WEIR_CONFIG").has_value();
  Result<Settings> settings = Settings::Load(environment, file, required, parser.settings);
  if (!settings && command.needs_settings) {
    PrintError(name, settings.error(), json);
    return ExitCode::kBadConfig;
  }
  std::optional<Error> settings_error;
  if (!settings) {
    settings_error = settings.error();
    settings = Settings::Load(Environment({}), {}, false, parser.settings);
  }
  Session session({name, environment, *std::move(settings), file, json, std::move(settings_error)}, out);
  const Result<ExitCode> ended = parser.bodies[index](session);
  return Finish(out, ended ? *ended : session.Fail(session.FailureCode(ended.error()), ended.error()), name, json);
}

ExitCode ParseAndRun(std::vector<std::string> words) {
  const Environment environment = Environment::OfProcess();
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  Output out(STDOUT_FILENO);
  if (!words.empty() && words.front() == "help") {  // weir help share = weir share --help
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  Parser parser;
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    parser.app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    const int index = parser.Named();
    if (index < 0 && words.size() > 1 && words.front()[0] != '-') {  // an unknown command before --help
      return UsageError("", UnknownWords(parser, parser.app, {words.front()}), json);
    }
    const TextStyle style = HelpStyle(environment);
    out.Write(index < 0 ? OverviewHelp(style) : CommandHelp(DocumentCommands()[static_cast<size_t>(index)], style));
    return Finish(out, ExitCode::kOk, "", json);
  } catch (const CLI::ParseError& error) {
    const int index = parser.Named();
    const std::string command = index < 0 ? std::string() : std::string(Commands()[static_cast<size_t>(index)].name);
    const CLI::App& app = index < 0 ? parser.app : *parser.app.get_subcommands().front();
    const std::vector<std::string> rest = app.remaining();
    const bool unknown_flag =
        std::any_of(rest.begin(), rest.end(), [](const std::string& w) { return w.size() > 1 && w[0] == '-'; });
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || unknown_flag) {
      return UsageError(command, UnknownWords(parser, app, rest), json);
    }
    return UsageError(command, InvalidArgument(error.what()), json);
  }
  const int index = parser.Named();
  if (index >= 0) return RunCommand(parser, static_cast<size_t>(index), environment, out);
  if (parser.version) {
    out.Line(fmt::format("weir {}", WEIR_VERSION));
    return Finish(out, ExitCode::kOk, "", json);
  }
  if (!parser.app.remaining().empty()) return UsageError("", UnknownWords(parser, parser.app, parser.app.remaining()), json);
  out.Write(OverviewHelp(HelpStyle(environment)));
  return Finish(out, words.empty() ? ExitCode::kOk : ExitCode::kUsage, "", json);
}

}  // namespace

void DeclareCommonFlags(Flags& flags, CommonFlags& common) {
  flags.Switch("--json", common.json, "Machine-readable results on standard output, errors as JSON on standard error");
  flags.Setting("color");
  flags.Text("--config", common.config, "FILE", "Configuration file instead of the usual one", ValueKind::kFile);
}

std::vector<FlagDoc> DocumentCommonFlags() {
  CLI::App app;
  Settings::FlagValues settings;
  CommonFlags common;
  Flags flags(app, settings);
  DeclareCommonFlags(flags, common);
  std::vector<FlagDoc> docs = flags.docs();
  docs.push_back({.names = {"-h", "--help"}, .description = "Examples, flags and what they mean"});
  return docs;
}

std::vector<CommandDoc> DocumentCommands() {
  std::vector<CommandDoc> docs;
  for (const Command& command : Commands()) {
    CLI::App app;
    Settings::FlagValues settings;
    Flags flags(app, settings);
    command.declare(flags);
    docs.push_back({&command, flags.docs()});
  }
  return docs;
}

int RunWeir(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write()
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file size limit
  try {
    return static_cast<int>(ParseAndRun({argv + 1, argv + argc}));
  } catch (const std::bad_alloc&) {
    PrintError("", Exhausted("out of memory"), false);
    return static_cast<int>(ExitCode::kFailure);
  } catch (const std::exception& fault) {
    PrintError("", {ErrorCode::kInternal, fmt::format("a fault of weir: {}", fault.what()), "please report it"}, false);
    return static_cast<int>(ExitCode::kInternal);
  }
}

}  // namespace weir
