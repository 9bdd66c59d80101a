#include "diagnosis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "suggest.h"
#include "tokenizer_choice.h"
#include "weir/base/bytes.h"
#include "weir/base/file.h"
#include "weir/chat/chat_template.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

constexpr std::string_view kProbe = "Hello world, it's 2026: 日本";

// Ids that Hugging Face's tokenizers 0.23 gives for kProbe, by a token that tells the family.
struct KnownIds {
  std::string_view family;
  std::string_view marker;
  TokenId marker_id;
  std::vector<TokenId> ids;
};

const std::vector<KnownIds>& AllKnownIds() {
  static const std::vector<KnownIds> kKnown = {
      {"qwen", "<|im_start|>", 151644, {9707, 1879, 11, 432, 594, 220, 17, 15, 17, 21, 25, 75402, 21894}},
      {"llama 3", "<|begin_of_text|>", 128000, {9906, 1917, 11, 433, 596, 220, 2366, 21, 25, 105180}},
      {"gpt-2", "<|endoftext|>", 50256, {15496, 995, 11, 340, 338, 1160, 2075, 25, 10545, 245, 98, 17312, 105}},
      {"o200k", "<|endoftext|>", 199999, {13225, 2375, 11, 4275, 220, 1323, 21, 25, 17428}},
      {"cl100k", "<|endoftext|>", 100257, {9906, 1917, 11, 433, 596, 220, 2366, 21, 25, 76502, 22656}},
      {"deepseek", "<｜begin▁of▁sentence｜>", 0, {19923, 2058, 14, 436, 734, 223, 939, 24, 28, 223, 6392}},
  };
  return kKnown;
}

CheckResult Ok(std::string name, std::string detail) { return {std::move(name), CheckStatus::kOk, std::move(detail), {}}; }
CheckResult Warn(std::string name, std::string detail, std::string advice) {
  return {std::move(name), CheckStatus::kWarn, std::move(detail), std::move(advice)};
}
CheckResult Fail(std::string name, std::string detail, std::string advice) {
  return {std::move(name), CheckStatus::kFail, std::move(detail), std::move(advice)};
}

CheckResult CheckCpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return Ok("processor", "AVX-512 code chosen");
  if (__builtin_cpu_supports("avx2")) return Ok("processor", "AVX2 code chosen");
#endif
  return Warn("processor", "portable code chosen: neither AVX-512 nor AVX2", "results are the same, tokenizing is slower");
}

CheckResult CheckConfig(const Session& session) {
  const std::string file = session.config_file().string();
  if (session.settings_error())
    return Fail("configuration", session.settings_error()->message, session.settings_error()->hint);
  std::error_code error;
  return Ok("configuration", std::filesystem::exists(file, error) ? file : fmt::format("{} (no such file: defaults)", file));
}

CheckResult CheckEnvironment(const Session& session) {
  std::vector<std::string> known = {"WEIR_CACHE_DIR", "WEIR_CONFIG"};
  for (const SettingDoc& doc : SettingDocs()) known.emplace_back(doc.environment);
  std::vector<std::string> unknown;
  for (const std::string& name : session.environment().NamesWith("WEIR_")) {
    if (std::find(known.begin(), known.end(), name) == known.end()) unknown.push_back(name);
  }
  if (unknown.empty()) return Ok("environment", "no unknown WEIR_ variable");
  const std::string near = Nearest(unknown.front(), known);
  return Warn(
      "environment", fmt::format("unknown: {}", fmt::join(unknown, ", ")),
      near.empty() ? "unset it; 'weir config show --origin' lists what is read" : fmt::format("did you mean {}?", near));
}

CheckResult CheckCache(const Session& session) {
  const std::filesystem::path folder = session.environment().CacheFolder();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::filesystem::path probe = folder / fmt::format("doctor.{}", ::getpid());
  const Status written = WriteFileAtomically(probe, "probe");
  std::filesystem::remove(probe, error);
  if (!written) {
    return Warn("cache folder", written.error().message,
                "set WEIR_CACHE_DIR to a folder you can write; without it tokenizers "
                "load slower");
  }
  return Ok("cache folder", folder.string());
}

CheckResult CheckDisk(const Session& session) {
  constexpr uint64_t kLeast = uint64_t{512} << 20;
  std::filesystem::path folder = session.environment().CacheFolder();
  std::error_code error;
  while (!std::filesystem::exists(folder, error) && folder.has_parent_path() && folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error)
    return Warn("disk space", fmt::format("unknown: {}", error.message()), "check the file system of the cache folder");
  const std::string detail = fmt::format("{} free at {}", FormatByteSize(space.available), folder.string());
  if (space.available < kLeast) return Warn("disk space", detail, "tokenizers and parsed copies take up to 512 MiB");
  return Ok("disk space", detail);
}

CheckResult CheckMemory() {
  constexpr uint64_t kLeast = uint64_t{512} << 20;
  const Headroom headroom = HostSensor({.with_devices = false}).Read();
  const MemoryBound* const bound = headroom.tightest();
  if (bound == nullptr) return Warn("memory", "unknown: no limit could be read", "is /proc mounted?");
  const std::string detail = fmt::format("{} free under {}", FormatByteSize(bound->headroom_bytes()), bound->source);
  if (bound->headroom_bytes() < kLeast)
    return Warn("memory", detail, "a prompt of 100 MB takes about 600 MiB; free some memory or raise the limit");
  return Ok("memory", detail);
}

CheckResult CheckFetched(const Session& session) {
  const std::vector<std::string> names = FetchedTokenizers(session.environment());
  if (names.empty()) {
    return Warn("fetched", "no tokenizer fetched", "run set-up, or give --tokenizer path/to/tokenizer.json");
  }
  return Ok("fetched", fmt::format("{}", fmt::join(names, ", ")));
}

// Round trip, and the known ids of the families that are known.
CheckResult TryTokenizer(const TokenizerChoice& choice, const Tokenizer& tokenizer, double milliseconds) {
  const std::unique_ptr<Encoder> encoder = tokenizer.NewEncoder();
  Encoding encoding;
  const Status encoded = encoder->Encode(kProbe, {false}, encoding);
  if (!encoded) return Fail("tokenizer", fmt::format("{}: {}", choice.name, encoded.error().message), encoded.error().hint);
  const Result<std::string> decoded = tokenizer.Decode(encoding.ids);
  if (!decoded || *decoded != kProbe) {
    return Fail("tokenizer", fmt::format("{}: decoding does not give the text back", choice.name), "please report it");
  }
  std::string known = "round trip right";
  for (const KnownIds& family : AllKnownIds()) {
    if (tokenizer.IdOf(family.marker) != std::optional<TokenId>(family.marker_id)) continue;
    if (encoding.ids == family.ids) {
      known = fmt::format("known ids of {} right", family.family);
      break;
    }
    return Warn("tokenizer", fmt::format("{}: looks like {} but gives other ids", choice.name, family.family),
                "right for a changed vocabulary; else delete the cache folder's flat/ and try again");
  }
  return Ok("tokenizer", fmt::format("{}: loaded in {:.0f} ms, {} ids, {}", choice.name, milliseconds,
                                     Grouped(tokenizer.vocab_size()), known));
}

CheckResult CheckTemplate(const Session& session, const TokenizerChoice& choice) {
  const std::string& named = session.settings().Text("chat_template");
  const Result<ChatTemplate> loaded = ChatTemplate::Load(named.empty() ? choice.file : std::filesystem::path(named));
  if (loaded) return Ok("chat template", named.empty() ? fmt::format("beside {}", choice.name) : named);
  const std::string advice = "needed for JSONL chat requests only: --chat-template FILE";
  return named.empty() && loaded.error().code == ErrorCode::kNotFound
             ? Warn("chat template", loaded.error().message, advice)
             : Fail("chat template", loaded.error().message, loaded.error().hint.empty() ? advice : loaded.error().hint);
}

void CheckTokenizer(const Session& session, std::vector<CheckResult>& results) {
  std::string name = session.settings().Text("tokenizer");
  const std::vector<std::string> fetched = FetchedTokenizers(session.environment());
  if (name.empty() && !fetched.empty()) {
    name = std::find(fetched.begin(), fetched.end(), "qwen3") != fetched.end() ? "qwen3" : fetched.front();
  }
  if (name.empty()) {
    results.push_back(Warn("tokenizer", "none set and none fetched", "give --tokenizer, or set it in the configuration"));
    return;
  }
  const Result<TokenizerChoice> choice = ChooseTokenizer(name, session.environment());
  if (!choice) {
    results.push_back(Fail("tokenizer", choice.error().message, choice.error().hint));
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto loaded = LoadTokenizer(choice->file, {session.environment().CacheFolder() / "flat"});
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (!loaded) {
    results.push_back(Fail("tokenizer", loaded.error().message, loaded.error().hint));
    return;
  }
  results.push_back(TryTokenizer(*choice, **loaded, took.count()));
  results.push_back(CheckTemplate(session, *choice));
}

CheckResult CheckTerminal(const Session& session) {
  const std::string locale = session.environment().Get("LC_ALL").value_or(
      session.environment().Get("LC_CTYPE").value_or(session.environment().Get("LANG").value_or("")));
  const std::string detail =
      fmt::format("{} columns, {}", session.style().width, session.style().color ? "colour" : "no colour");
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  std::string lower = locale;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (is_terminal && lower.find("utf-8") == std::string::npos && lower.find("utf8") == std::string::npos) {
    return Warn("terminal", fmt::format("{}, locale '{}'", detail, locale),
                "output is UTF-8: LANG=C.UTF-8 shows it rightly");
  }
  return Ok("terminal", detail);
}

}  // namespace

std::string_view CheckStatusName(CheckStatus status) {
  switch (status) {
    case CheckStatus::kOk: return "ok";
    case CheckStatus::kWarn: return "warn";
    case CheckStatus::kFail: return "fail";
  }
  return "fail";
}

std::vector<CheckResult> Diagnose(const Session& session) {
  std::vector<CheckResult> results = {CheckCpu(),           CheckConfig(session), CheckEnvironment(session),
                                      CheckCache(session),  CheckDisk(session),   CheckMemory(),
                                      CheckFetched(session)};
  CheckTokenizer(session, results);
  results.push_back(CheckTerminal(session));
  return results;
}

}  // namespace weir
