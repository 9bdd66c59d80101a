#include "embed_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "line_reader.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

constexpr size_t kLineBytesMax = size_t{64} << 20;
constexpr size_t kTextsAtOnce = 4096;  // so that progress moves

Result<std::string> TextOfLine(std::string_view line) {
  if (const auto fault = FindInvalidUtf8(line)) return InvalidArgument(fmt::format("not UTF-8 at byte {}", *fault));
  WEIR_ASSIGN(const Json json, Json::Parse(line));
  const Json* const text = json.Find("text");
  if (text == nullptr || !text->is_string()) return InvalidArgument("no object with a \"text\"", "{\"text\": \"...\"}");
  return text->as_string();
}

Status ReadLines(const TextFlags& flags, ReadTexts& read) {
  WEIR_ASSIGN(LineReader reader, LineReader::Open(flags.file));
  for (uint64_t number = 1;; ++number) {
    WEIR_ASSIGN(const std::optional<std::string_view> line, reader.Next(kLineBytesMax, [] {}));
    if (!line) return {};
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (read.texts.size() == kTextsMax) {
      return Exhausted(fmt::format("more than {} texts", kTextsMax), "divide the file; --data keeps what is done");
    }
    if (!flags.jsonl) {
      read.texts.emplace_back(line->ends_with('\r') ? line->substr(0, line->size() - 1) : *line);
      read.faults.emplace_back();
      continue;
    }
    Result<std::string> text = TextOfLine(*line);
    if (text) {
      read.texts.push_back(*std::move(text));
      read.faults.emplace_back();
    } else {
      Error error = std::move(text).error();
      error.message = fmt::format("line {}: {}", number, error.message);
      read.texts.emplace_back();
      read.faults.emplace_back(std::move(error));
    }
  }
}

// Dimensions that the model lacks are refused before any text is looked at.
Result<uint32_t> CheckCall(Session& session, EmbedSetup& setup, const EmbedCall& call) {
  Result<EmbedAnswer> none = setup.cache->Embed(setup.model, {}, call);
  if (!none) return session.As(ExitCode::kUsage, std::move(none).error());
  return none->dimensions;
}

}  // namespace

Result<ReadTexts> ReadTextInput(Session& session, const TextFlags& flags) {
  if (flags.words.empty() == flags.file.empty()) {
    return session.As(ExitCode::kUsage, flags.words.empty()
                                            ? InvalidArgument("no text given", "weir embed TEXT..., or --file FILE")
                                            : InvalidArgument("texts come as arguments or out of --file, not both"));
  }
  if (flags.jsonl && flags.file.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("--jsonl goes with --file"));
  }
  ReadTexts read;
  if (flags.file.empty()) {
    read.texts = flags.words;
    read.faults.resize(read.texts.size());
    return read;
  }
  WEIR_TRY(ReadLines(flags, read));
  if (read.texts.empty())
    return InvalidArgument(fmt::format("{} holds no text", flags.file == "-" ? "the input" : flags.file));
  return read;
}

uint64_t EmbeddedTexts::Count(EmbedSource source) const {
  return static_cast<uint64_t>(std::ranges::count(items, source, &EmbedItem::source));
}

const Error* EmbeddedTexts::FirstFault() const {
  for (const EmbedItem& item : items) {
    if (!item.status) return &item.status.error();
  }
  return nullptr;
}

Result<EmbeddedTexts> EmbedAll(Session& session, EmbedSetup& setup, ReadTexts read, const EmbedCall& call) {
  const auto begin = std::chrono::steady_clock::now();
  EmbeddedTexts all;
  WEIR_ASSIGN(all.dimensions, CheckCall(session, setup, call));
  all.texts = std::move(read.texts);
  all.items.resize(all.texts.size());
  all.vectors.resize(all.texts.size() * all.dimensions);
  std::vector<size_t> wanted;
  for (size_t i = 0; i < all.texts.size(); ++i) {
    if (read.faults[i]) wanted.push_back(i);
    all.items[i].status = std::move(read.faults[i]);
  }
  const auto progress = session.StartProgress("embedding");
  for (size_t done = 0; done < wanted.size(); done += kTextsAtOnce) {
    const std::span<const size_t> part = std::span(wanted).subspan(done, std::min(kTextsAtOnce, wanted.size() - done));
    std::vector<std::string_view> texts;
    for (const size_t i : part) texts.push_back(all.texts[i]);
    WEIR_ASSIGN(EmbedAnswer answer, setup.cache->Embed(setup.model, texts, call));
    for (size_t i = 0; i < part.size(); ++i) {
      std::ranges::copy(answer.vector(i), all.vectors.begin() + static_cast<ptrdiff_t>(part[i] * all.dimensions));
      all.items[part[i]] = std::move(answer.items[i]);
    }
    progress->Update(fmt::format("{} of {} texts", Grouped(done + part.size()), Grouped(wanted.size())));
  }
  all.elapsed_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  return all;
}

ExitCode ExitCodeOf(const EmbeddedTexts& embedded) {
  const Error* const fault = embedded.FirstFault();
  if (fault == nullptr) return ExitCode::kOk;
  return embedded.Count(EmbedSource::kNone) == embedded.items.size() ? ExitCodeOf(*fault) : ExitCode::kPartial;
}

GoodRows GoodRowsOf(const EmbeddedTexts& embedded) {
  GoodRows good;
  good.dimensions = embedded.dimensions;
  for (uint32_t i = 0; i < embedded.items.size(); ++i) {
    if (!embedded.items[i].status) continue;
    const std::span<const float> row = embedded.rows().row(i);
    good.vectors.insert(good.vectors.end(), row.begin(), row.end());
    good.texts.push_back(i);
  }
  return good;
}

}  // namespace weir
