#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>

#include "command.h"
#include "data_choice.h"
#include "embed_setup.h"
#include "weir/base/file.h"
#include "weir/demo/advisor_demo.h"
#include "weir/demo/meaning_demo.h"
#include "weir/demo/memory_demo.h"
#include "weir/demo/registry_demo.h"
#include "weir/inspect/inspect_server.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

constexpr size_t kMemoryDays = 30;  // of the pipeline, so that there is something to hold

struct Options {
  std::string write;
  bool now = false;
  bool hold = false;
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
  out += fmt::format("  weir contexts add {} --tokenizer {} --data registry\n", file, tokenizer);
  return out;
}

// The tokenizer that was asked for; without one, the one that set-up fetches for this.
Result<LoadedTokenizer> LoadDemoTokenizer(Session& session) {
  constexpr const char* kDemoTokenizer = "qwen3";
  if (!session.settings().Text("tokenizer").empty()) return LoadChosenTokenizer(session);
  LoadedTokenizer loaded;
  WEIR_ASSIGN(loaded.choice, ChooseTokenizer(kDemoTokenizer, session.environment()));
  WEIR_ASSIGN(loaded.tokenizer, LoadTokenizer(loaded.choice.file, {session.environment().CacheFolder() / "flat"}));
  return loaded;
}

// The embedding model; null with a note where it was not fetched.
Result<std::unique_ptr<EmbedSetup>> OpenDemoModel(Session& session, MeaningDemo& meaning) {
  Result<EmbedSetup> setup = OpenEmbedding(session, {}, "");
  if (setup) return std::make_unique<EmbedSetup>(*std::move(setup));
  if (setup.error().code != ErrorCode::kNotFound) return std::move(setup).error();
  meaning.note = fmt::format("Left out: {}. {}", setup.error().message, setup.error().hint);
  return std::unique_ptr<EmbedSetup>();
}

// Ctrl-C and its like, taken out of their usual course in this thread and in those that it starts.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  ~EndSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  void Wait() const {
    int signal = 0;
    sigwait(&signals_, &signal);
  }

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

// Keeps the process and its pools alive, and lets other commands look at them, until somebody ends it.
Status Hold(Session& session, DemoMemory& memory) {
  const EndSignals signals;
  WEIR_TRY(session.out().Flush());
  WEIR_TRY(memory.broker().Start());
  InspectServerOptions options;
  options.process = "weir demo";
  WEIR_ASSIGN(const std::unique_ptr<InspectServer> server, InspectServer::Start(memory.broker(), std::move(options)));
  session.Note(fmt::format("process {} holds its pools until it is interrupted (Ctrl-C)", getpid()));
  session.Note(fmt::format("look at them from another terminal: weir top --pid {}", getpid()));
  signals.Wait();
  memory.broker().Stop();
  return {};
}

Result<ExitCode> Run(const Options& options, Session& session) {
  DemoOptions demo_options;
  if (options.now) demo_options.now_s = static_cast<int64_t>(std::time(nullptr));
  if (!options.write.empty()) WEIR_TRY(WriteRequests(session, options.write, demo_options));

  WEIR_ASSIGN(const LoadedTokenizer loaded, LoadDemoTokenizer(session));
  const TokenizerChoice& choice = loaded.choice;
  const std::shared_ptr<const Tokenizer>& tokenizer = loaded.tokenizer;
  const std::string& named = session.settings().Text("chat_template");
  WEIR_ASSIGN(const ChatTemplate chat_template,
              ChatTemplate::Load(named.empty() ? choice.file : std::filesystem::path(named)));
  auto progress = session.StartProgress("running the pipeline");
  WEIR_ASSIGN(const DemoPrompts prompts,
              MakeDemoPrompts(demo_options, *tokenizer, chat_template, session.settings().Count("block_size")));
  WEIR_ASSIGN(const AdvisorDemo demo,
              RunAdvisorDemo(prompts, *tokenizer, chat_template, session.settings().Count("cache_tokens")));
  MeaningDemo meaning;
  WEIR_ASSIGN(const std::unique_ptr<EmbedSetup> embedding, OpenDemoModel(session, meaning));
  HostSensor sensor({.with_devices = false});
  WEIR_ASSIGN(const std::unique_ptr<DemoMemory> memory, DemoMemory::Create(sensor));
  WEIR_ASSIGN(const DemoHistory history,
              MakeDemoHistory(demo_options, kMemoryDays, *tokenizer, chat_template, session.settings().Count("block_size")));
  WEIR_ASSIGN(const MemoryDemo squeezed, memory->Run(history, *tokenizer));
  WEIR_ASSIGN(const RegistryDemo registry, RunRegistryDemo(prompts, {choice.name, tokenizer}));
  std::optional<Registration> vectors;  // the cache of vectors, under the same broker
  if (embedding != nullptr) {
    WEIR_ASSIGN(Registration registration, memory->broker().Register(embedding->cache->pool()));
    vectors.emplace(std::move(registration));
    WEIR_ASSIGN(meaning, RunMeaningDemo(*embedding->cache, embedding->model, {choice.name, tokenizer},
                                        session.settings().Count("block_size")));
  }
  progress.reset();

  if (session.json()) {
    Json json = AdvisorDemoJson(prompts, demo, choice.name);
    json.Set("memory", MemoryDemoJson(squeezed));
    json.Set("registry", RegistryDemoJson(registry));
    json.Set("meaning", MeaningDemoJson(meaning));
    session.WriteJson(json);
  } else {
    session.out().Write(DrawAdvisorDemo(prompts, demo, choice.name, session.style()));
    session.out().Write(DrawMemoryDemo(squeezed, session.style()));
    session.out().Write(DrawRegistryDemo(registry, session.style()));
    session.out().Write(DrawMeaningDemo(meaning, session.style()));
    session.out().Write(GoingOn(session, choice.name, options.write));
  }
  if (!options.write.empty())
    session.Note(fmt::format("wrote {}", (std::filesystem::path(options.write) / "pipeline.jsonl").string()));
  if (options.hold) WEIR_TRY(Hold(session, *memory));
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
  flags.Switch("--hold", options->hold, "Keep the process and its pools alive until it is interrupted");
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
              "tokens before and after. Then it fills three pools with the texts, token ids and block keys, squeezes "
              "them through the pressure broker, and prints what was given back, as the pools say and as the kernel "
              "counts it. Then it registers the five agents in a registry on disk, asks what their next prompts would "
              "reuse, opens the registry again as after a restart, and removes an agent. Last it embeds the "
              "documentation twice, and shows two sections about the same matter that share no block and no span of tokens; "
              "where the "
              "embedding model was not fetched, it says so. Every number is measured; but for "
              "those of memory and time, the same build prints the same "
              "ones.",
          .examples = {{"weir demo", "the whole walk"},
                       {"weir demo --tokenizer llama3.1", "with another model's tokenizer and template"},
                       {"weir demo --write demo", "also the prompts, for share, explain and layout by hand"},
                       {"weir demo --hold", "keep the pools alive, to look at them from another terminal"}},
          .declare = Declare};
}

}  // namespace weir
