#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <memory>

#include "command.h"
#include "prompt_input.h"
#include "weir/base/file.h"
#include "weir/demo/advisor_demo.h"

namespace weir {
namespace {

struct Options {
  std::string write;
  bool now = false;
};

Status WriteRequests(Session& session, const std::filesystem::path& folder, const DemoOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return session.As(ExitCode::kCannotCreate,
                      Unavailable(fmt::format("cannot create {}: {}", folder.string(), error.message())));
  }
  std::string lines;
  for (const Json& request : DemoRequests(options)) lines += request.Dump() + '\n';
  const Status written = WriteFileAtomically(folder / "pipeline.jsonl", lines);
  if (!written) return session.As(ExitCode::kCannotCreate, written.error());
  return {};
}

std::string GoingOn(const Session& session, const std::string& tokenizer, const std::string& folder) {
  const std::string file =
      folder.empty() ? "demo/pipeline.jsonl" : (std::filesystem::path(folder) / "pipeline.jsonl").string();
  std::string out = "\n" + Paint(session.style(), Ink::kBold, "Going on") + "\n";
  if (folder.empty()) out += "  weir demo --write demo                       the prompts as a file, to try by hand:\n";
  out += fmt::format("  weir share {} --tokenizer {} --html report.html\n", file, tokenizer);
  out += fmt::format("  weir explain {} --a retriever --b critic --tokenizer {}\n", file, tokenizer);
  out += fmt::format("  weir layout {} --tokenizer {}\n", file, tokenizer);
  return out;
}

// The tokenizer that was asked for; without one, the one that set-up fetches for this.
Result<std::unique_ptr<Tokenizer>> LoadDemoTokenizer(Session& session, TokenizerChoice& choice) {
  constexpr const char* kDemoTokenizer = "qwen3";
  if (!session.settings().Text("tokenizer").empty()) return LoadChosenTokenizer(session, choice);
  WEIR_ASSIGN(choice, ChooseTokenizer(kDemoTokenizer, session.environment()));
  return LoadTokenizer(choice.file, {session.environment().CacheFolder() / "flat"});
}

Result<ExitCode> Run(const Options& options, Session& session) {
  DemoOptions demo_options;
  if (options.now) demo_options.now_s = static_cast<int64_t>(std::time(nullptr));
  if (!options.write.empty()) WEIR_TRY(WriteRequests(session, options.write, demo_options));

  TokenizerChoice choice;
  WEIR_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, LoadDemoTokenizer(session, choice));
  const std::string& named = session.settings().Text("chat_template");
  WEIR_ASSIGN(const ChatTemplate chat_template,
              ChatTemplate::Load(named.empty() ? choice.file : std::filesystem::path(named)));
  auto progress = session.StartProgress("running the pipeline");
  WEIR_ASSIGN(const DemoPrompts prompts,
              MakeDemoPrompts(demo_options, *tokenizer, chat_template, session.settings().Count("block_size")));
  WEIR_ASSIGN(const AdvisorDemo demo,
              RunAdvisorDemo(prompts, *tokenizer, chat_template, session.settings().Count("cache_tokens")));
  progress.reset();

  if (session.json()) {
    session.WriteJson(AdvisorDemoJson(prompts, demo, choice.name));
    return ExitCode::kOk;
  }
  session.out().Write(DrawAdvisorDemo(prompts, demo, choice.name, session.style()));
  session.out().Write(GoingOn(session, choice.name, options.write));
  if (!options.write.empty())
    session.Note(fmt::format("wrote {}", (std::filesystem::path(options.write) / "pipeline.jsonl").string()));
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Setting("tokenizer");
  flags.Setting("chat_template");
  flags.Setting("block_size");
  flags.Setting("cache_tokens");
  flags.Text("--write", options->write, "DIR", "Also write the pipeline's requests to DIR/pipeline.jsonl",
             ValueKind::kFolder);
  flags.Switch("--now", options->now, "The pipeline's clock shows the present time; otherwise a fixed one");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command DemoCommand() {
  return {.name = "demo",
          .summary = "five agents over this project's documentation: what they share, what breaks, what mends it",
          .description =
              "Runs a five-agent pipeline (retriever, reranker, summarizer, critic, responder) over this project's own "
              "documentation, with prompts assembled the way agent frameworks do it and the usual mistakes, and "
              "prints what they share, each break with its cause and both texts, and the layout with the reusable "
              "tokens before and after. Every number is measured; the same build prints the same ones.",
          .examples = {{"weir demo", "the whole walk"},
                       {"weir demo --tokenizer llama3.1", "with another model's tokenizer and template"},
                       {"weir demo --write demo", "also the prompts, for share, explain and layout by hand"}},
          .declare = Declare};
}

}  // namespace weir
