// The whole of `weir share` over 1,000 files of about 2,000 tokens: tokenizer, reading, report.

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "weir/advice/share.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/prompts/prompt_reader.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFiles = 1000;
constexpr size_t kFileBytes = 9500;

std::string Words(Random& random, size_t bytes) {
  static constexpr const char* kWords[] = {"the",      "agent",  "reads",   "context", "and",    "answers", "with",
                                           "passages", "of",     "project", "files",   "block",  "prefix",  "cache",
                                           "engine",   "layout", "segment", "moves",   "tokens", "shared"};
  std::string text;
  while (text.size() < bytes) {
    text += fmt::format("{} {} {}{}", kWords[random.Below(std::size(kWords))], kWords[random.Below(std::size(kWords))],
                        random.Below(100'000), random.Below(9) == 0 ? ".\n" : " ");
  }
  return text;
}

// 1,000 prompts in a folder of their own. Each begins with the same passage; with `moving`, each also holds a passage of
// a few that many hold, at a place of its own.
class SharedFolder {
 public:
  explicit SharedFolder(bool moving) {
    std::string pattern = (fs::temp_directory_path() / "weir-bench-XXXXXX").string();
    path_ = mkdtemp(pattern.data()) != nullptr ? pattern : std::string();
    Random random(1);
    const std::string shared = Words(random, kFileBytes / 5);
    std::vector<std::string> passages;
    for (int i = 0; i < 20; ++i) passages.push_back(Words(random, kFileBytes / 4));
    for (size_t i = 0; i < kFiles; ++i) {
      const size_t before = random.Below(kFileBytes / 4);
      std::string text = shared + fmt::format("You are agent {}.\n", i) + Words(random, before);
      if (moving) text += passages[random.Below(passages.size())];
      text += Words(random, kFileBytes - std::min(kFileBytes, text.size()));
      std::ofstream(path_ / fmt::format("agent{}.txt", i), std::ios::binary) << text;
    }
  }
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;
  ~SharedFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

rusage Usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

// Of all threads: says more than wall time on a machine that does other things as well.
double ProcessorSeconds() {
  const rusage usage = Usage();
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Status MeasureFolder(const char* name, bool moving, const BenchOptions& options, const BenchSink& sink) {
  const SharedFolder folder(moving);
  double reading_s = 1e9;
  double report_s = 1e9;
  uint64_t tokens = 0;
  double load_s = 1e9;
  double processor_s = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double processor_before = ProcessorSeconds();
    const auto start = std::chrono::steady_clock::now();
    WEIR_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(options.tokenizer, {}));
    const auto loaded = std::chrono::steady_clock::now();
    const std::vector<fs::path> paths = {folder.path()};
    WEIR_ASSIGN(const PromptSet prompts, ReadPrompts(paths, *tokenizer, {}));
    const auto read = std::chrono::steady_clock::now();
    std::vector<const Context*> contexts;
    for (const PromptCall& call : prompts.calls) contexts.push_back(call.context.get());
    WEIR_ASSIGN(const ShareReport report, Share(contexts));
    const auto done = std::chrono::steady_clock::now();
    const auto seconds = [](auto from, auto to) { return std::chrono::duration<double>(to - from).count(); };
    load_s = std::min(load_s, seconds(start, loaded));
    reading_s = std::min(reading_s, seconds(loaded, read));
    report_s = std::min(report_s, seconds(read, done));
    processor_s = std::min(processor_s, ProcessorSeconds() - processor_before);
    tokens = report.totals.tokens;
  }
  const Json::Object sizes = {{"files", Json(uint64_t{kFiles})}, {"tokens", Json(tokens)}};
  sink({"share", name, "load", load_s, "s", sizes});
  sink({"share", name, "read", reading_s, "s", sizes});
  sink({"share", name, "report", report_s, "s", sizes});
  sink({"share", name, "total", load_s + reading_s + report_s, "s", sizes});
  sink({"share", name, "processor", processor_s, "s", sizes});
  sink({"share", name, "peak_memory", static_cast<double>(Usage().ru_maxrss) / 1024, "MiB", sizes});
  return {};
}

}  // namespace

Status BenchShare(const BenchOptions& options, const BenchSink& sink) {
  if (options.tokenizer.empty()) return NotFound("bench share needs a tokenizer", "--tokenizer qwen3");
  WEIR_TRY(MeasureFolder("common prefix", false, options, sink));
  return MeasureFolder("common prefix and moved passages", true, options, sink);
}

}  // namespace weir
