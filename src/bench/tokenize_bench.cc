#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "weir/base/file.h"
#include "weir/bench/bench.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

constexpr int kRounds = 5;

using Documents = std::vector<std::string>;

// Class name -> its documents: one class per sub-folder, or one class "text" for the files directly inside.
Result<std::map<std::string, Documents>> ReadClasses(const std::filesystem::path& folder) {
  std::map<std::string, Documents> classes;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (error)
    return NotFound(fmt::format("cannot read {}: {}", folder.string(), error.message()), "name a folder of text files");
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const auto relative = file.lexically_relative(folder);
    WEIR_ASSIGN(std::string text, ReadFile(file));
    classes[relative.has_parent_path() ? relative.begin()->string() : "text"].push_back(std::move(text));
  }
  if (classes.empty()) return NotFound(fmt::format("no files in {}", folder.string()), "name a folder of text files");
  return classes;
}

uint64_t BytesOf(std::span<const std::string> documents) {
  uint64_t bytes = 0;
  for (const std::string& document : documents) bytes += document.size();
  return bytes;
}

Status EncodeAll(Encoder& encoder, std::span<const std::string> documents, Encoding& out, uint64_t& tokens) {
  tokens = 0;
  for (const std::string& document : documents) {
    WEIR_TRY(encoder.Encode(document, EncodeOptions{}, out));
    tokens += out.ids.size();
  }
  return {};
}

// Cold: a new encoder. Warm: the same documents again. Unseen: the second half after an encoder has seen the first.
Status MeasureClass(const Tokenizer& tokenizer, const std::string& name, const Documents& documents, const BenchSink& sink) {
  Encoding out;
  uint64_t tokens = 0;
  Status status;
  const auto encode = [&](Encoder& encoder, std::span<const std::string> some) {
    if (status) status = EncodeAll(encoder, some, out, tokens);
  };
  const std::span<const std::string> all(documents);
  const size_t half = documents.size() / 2;
  std::unique_ptr<Encoder> encoder;
  std::vector<double> cold, unseen;
  for (int round = 0; round < kRounds; ++round) {
    encoder = tokenizer.NewEncoder();
    cold.push_back(TimeRounds(1, [&] { encode(*encoder, all); }).front());
  }
  WEIR_TRY(std::move(status));
  status = {};
  const Json::Object sizes = {
      {"bytes", Json(BytesOf(all))}, {"documents", Json(uint64_t{documents.size()})}, {"tokens", Json(tokens)}};
  const std::vector<double> warm = TimeRounds(kRounds, [&] { encode(*encoder, all); });
  const auto row = [&](std::string_view metric, double seconds, uint64_t bytes) {
    sink({"tokenize", name, std::string(metric), static_cast<double>(bytes) / 1e6 / seconds, "MB/s", sizes});
  };
  row("cold", *std::min_element(cold.begin(), cold.end()), BytesOf(all));
  row("warm", warm.front(), BytesOf(all));
  if (half > 0) {
    for (int round = 0; round < kRounds; ++round) {
      encoder = tokenizer.NewEncoder();
      encode(*encoder, all.first(half));
      unseen.push_back(TimeRounds(1, [&] { encode(*encoder, all.subspan(half)); }).front());
    }
    row("unseen", *std::min_element(unseen.begin(), unseen.end()), BytesOf(all.subspan(half)));
  }
  return status;
}

}  // namespace

Status BenchTokenize(const BenchOptions& options, const BenchSink& sink) {
  if (options.tokenizer.empty()) return NotFound("this benchmark needs a tokenizer", "pass --tokenizer");
  if (options.arguments.size() != 1) {
    return InvalidArgument("this benchmark needs a folder of text files",
                           "each sub-folder is measured as a class of its own");
  }
  WEIR_ASSIGN(const auto classes, ReadClasses(options.arguments.front()));
  std::unique_ptr<Tokenizer> tokenizer;
  Status status;
  const std::vector<double> loads = TimeRounds(kRounds, [&] {
    auto loaded = LoadTokenizer(options.tokenizer, TokenizerLoadOptions{});
    if (loaded) {
      tokenizer = *std::move(loaded);
    } else {
      status = std::move(loaded).error();
    }
  });
  WEIR_TRY(std::move(status));
  sink({"tokenize", "load", "tokenizer_json", loads.front() * 1e3, "ms", {}});
  for (const auto& [name, documents] : classes) WEIR_TRY(MeasureClass(*tokenizer, name, documents, sink));
  return {};
}

}  // namespace weir
