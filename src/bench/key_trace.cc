#include "key_trace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <unordered_map>

#include "mooncake_trace.h"
#include "weir/base/file.h"

namespace weir {
namespace {

template <typename Key>
class Numbering {
 public:
  void Add(const Key& key, KeyTrace& trace) {
    const auto [at, added] = numbers_.try_emplace(key, static_cast<uint32_t>(numbers_.size()));
    trace.keys.push_back(at->second);
    trace.distinct = static_cast<uint32_t>(numbers_.size());
  }

 private:
  std::unordered_map<Key, uint32_t> numbers_;
};

// The words of a line that may end in '\r'.
std::string_view NextWord(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool ReadNumber(std::string_view word, uint64_t& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

// Calls add(line), which returns what is wrong with it or nothing.
template <typename Add>
Status ForEachLine(std::string_view text, std::string_view name, Add add) {
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string_view wrong = add(line);
    if (!wrong.empty()) return InvalidArgument(fmt::format("{}, line {}: {}", name, number, wrong));
  }
  return {};
}

Result<KeyTrace> ParseRanges(std::string_view text, std::string_view name) {
  constexpr uint64_t kCountMax = 1u << 20;
  KeyTrace trace;
  Numbering<uint64_t> numbering;
  WEIR_TRY(ForEachLine(text, name, [&](std::string_view line) -> std::string_view {
    uint64_t start = 0;
    uint64_t count = 0;
    if (!ReadNumber(NextWord(line), start) || !ReadNumber(NextWord(line), count)) return "no start and count";
    if (count > kCountMax) return "a count above a million";
    for (uint64_t i = 0; i < count; ++i) numbering.Add(start + i, trace);
    return {};
  }));
  return trace;
}

Result<KeyTrace> ParseWords(std::string_view text, std::string_view name) {
  KeyTrace trace;
  Numbering<std::string_view> numbering;
  WEIR_TRY(ForEachLine(text, name, [&](std::string_view line) -> std::string_view {
    const std::string_view word = NextWord(line);
    if (word != "*") numbering.Add(word, trace);
    return {};
  }));
  return trace;
}

Result<KeyTrace> ParseMooncake(std::string_view text, std::string_view name) {
  WEIR_ASSIGN(const auto requests, ParseMooncakeIds(text, name));
  KeyTrace trace;
  Numbering<uint64_t> numbering;
  for (const auto& request : requests) {
    for (const uint64_t id : request) numbering.Add(id, trace);
  }
  return trace;
}

// What `tool -dc PATH` writes.
Result<std::string> Decompress(const char* tool, const std::filesystem::path& path) {
  if (access(path.c_str(), R_OK) != 0)
    return NotFound(fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Unavailable(fmt::format("no pipe: {}", std::strerror(errno)));
  std::string dash_dc = "-dc";
  std::string dashes = "--";
  std::string name = tool;
  std::string file = path.string();
  char* arguments[] = {name.data(), dash_dc.data(), dashes.data(), file.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int refused = posix_spawnp(&child, tool, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (refused == 0) {
    char buffer[1 << 16];
    for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  const std::string hint = fmt::format("install {}, or decompress the file yourself", tool);
  if (refused != 0) return Unavailable(fmt::format("cannot run {}: {}", tool, std::strerror(refused)), hint);
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
    return Unavailable(fmt::format("{} could not decompress {}", tool, path.string()), hint);
  }
  return text;
}

}  // namespace

Result<KeyTrace> ParseKeyTrace(std::string_view text, std::string_view extension, std::string_view name) {
  const auto parse = extension == ".lis" ? ParseRanges : extension == ".txt" ? ParseWords : ParseMooncake;
  if (parse == ParseMooncake && extension != ".jsonl") {
    return InvalidArgument(fmt::format("{} is no trace that is known here", name),
                           "give a .lis, .txt or .jsonl file, as it is or with .zst or .xz");
  }
  WEIR_ASSIGN(KeyTrace trace, parse(text, name));
  if (trace.keys.empty()) return InvalidArgument(fmt::format("{} holds no key", name));
  return trace;
}

Result<KeyTrace> ReadKeyTrace(const std::filesystem::path& path) {
  const std::string outer = path.extension().string();
  if (outer != ".zst" && outer != ".xz") {
    WEIR_ASSIGN(const std::string text, ReadFile(path));
    return ParseKeyTrace(text, outer, path.string());
  }
  WEIR_ASSIGN(const std::string text, Decompress(outer == ".xz" ? "xz" : "zstd", path));
  return ParseKeyTrace(text, path.stem().extension().string(), path.string());
}

}  // namespace weir
