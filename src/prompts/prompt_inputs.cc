#include "prompt_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "weir/base/bytes.h"
#include "weir/base/file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesMax = 1'000'000;
constexpr size_t kDepthMax = 64;
constexpr uint64_t kRequestFileBytesMax = uint64_t{16} << 30;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool IsRequestLines(const fs::path& path) { return path.extension() == ".jsonl" || path.extension() == ".ndjson"; }

std::string AgentOf(fs::path relative) { return relative.replace_extension().generic_string(); }

std::string_view WithoutMark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

class Finder {
 public:
  explicit Finder(const PromptReadOptions& options) : options_(options) {}

  Status Add(const fs::path& input) {
    if (input == "-") return AddStandardInput();
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (status.type() == fs::file_type::not_found) {
      return NotFound(fmt::format("{}: no such file or folder", input.string()), "check the path");
    }
    if (error) return Unavailable(fmt::format("{}: {}", input.string(), error.message()));
    const fs::path real = fs::weakly_canonical(input, error);
    if (!seen_.insert(error ? input : real).second) {
      return InvalidArgument(fmt::format("{} is given twice", input.string()), "name each input once");
    }
    if (fs::is_directory(status)) return AddFolder(input);
    return AddFile(input, AgentOf(input.filename()), false);
  }

  PromptItems Take() { return std::move(found_); }

 private:
  Status AddFolder(const fs::path& folder) {
    std::vector<fs::path> files;
    WEIR_TRY(Walk(folder, 0, files));
    std::sort(files.begin(), files.end(),
              [](const fs::path& a, const fs::path& b) { return a.generic_string() < b.generic_string(); });
    if (files.empty() && found_.problems.empty()) {
      return InvalidArgument(fmt::format("{}: the folder holds no files", folder.string()),
                             "put one text file per agent in it");
    }
    for (const fs::path& file : files) {
      // One bad file among many is a problem, not the end.
      const Status added = AddFile(file, AgentOf(file.lexically_relative(folder)), true);
      if (!added) Report({file, 0}, added.error());
    }
    return {};
  }

  Status Walk(const fs::path& folder, size_t depth, std::vector<fs::path>& files) {
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    if (error && depth == 0) {
      return Unavailable(fmt::format("{}: {}", folder.string(), error.message()), "check its permissions");
    }
    if (error) Report({folder, 0}, Unavailable(error.message(), "check its permissions"));
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const fs::directory_entry& entry = *entries;
      if (entry.path().filename().string().starts_with('.')) continue;
      std::error_code ignored;
      if (entry.is_directory(ignored)) {
        // A link to a folder may lead back here.
        if (entry.is_symlink(ignored) || depth >= kDepthMax) continue;
        WEIR_TRY(Walk(entry.path(), depth + 1, files));
      } else if (entry.is_regular_file(ignored)) {
        files.push_back(entry.path());
        if (files.size() > kFilesMax) {
          return Exhausted(fmt::format("{}: more than {} files", folder.string(), kFilesMax), "name a smaller folder");
        }
      }
    }
    return {};
  }

  Status AddFile(const fs::path& path, std::string agent, bool from_folder) {
    if (IsRequestLines(path) || path.extension() == ".json") {
      WEIR_ASSIGN(std::string text, ReadFile(path, kRequestFileBytesMax));
      auto owner = std::make_shared<const std::string>(std::move(text));
      if (IsRequestLines(path)) return AddLines(path, agent, owner);
      return AddDocument(path, agent, owner, from_folder);
    }
    PromptItem item;
    std::error_code ignored;
    const uint64_t size = fs::file_size(path, ignored);
    item.bytes = size == static_cast<uint64_t>(-1) ? 0 : size;
    Push(std::move(item), {path, 0}, std::move(agent), from_folder);
    return {};
  }

  Status AddStandardInput() {
    WEIR_ASSIGN(std::string text, ReadFile("-", options_.prompt_bytes_max));
    auto owner = std::make_shared<const std::string>(std::move(text));
    const std::string_view body = WithoutMark(*owner);
    const size_t first = body.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && body[first] == '{') return AddLines("-", "stdin", owner);
    PromptItem item;
    item.bytes = owner->size();
    item.owner = owner;
    item.loaded = *owner;
    Push(std::move(item), {"-", 0}, "stdin", false);
    return {};
  }

  Status AddLines(const fs::path& path, const std::string& agent, const std::shared_ptr<const std::string>& owner) {
    std::string_view rest = WithoutMark(*owner);
    const size_t before = found_.items.size();
    for (size_t line = 1; !rest.empty(); ++line) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view text = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      PromptItem item;
      item.is_request = true;
      item.bytes = text.size();
      item.owner = owner;
      item.loaded = text;
      Push(std::move(item), {path, line}, agent, false);
    }
    if (found_.items.size() == before) {
      return InvalidArgument(fmt::format("{}: no request in it", path.string()), "put one chat request on each line");
    }
    return {};
  }

  // A .json file: one request, or an array of them; in a folder, anything else is text.
  Status AddDocument(const fs::path& path, const std::string& agent, const std::shared_ptr<const std::string>& owner,
                     bool from_folder) {
    Result<Json> document = Json::Parse(WithoutMark(*owner));
    const auto is_request = [](const Json& json) {
      return json.Find("messages") != nullptr || json.Find("body") != nullptr;
    };
    const bool is_list = document && document->is_array() && !document->as_array().empty();
    const bool holds_requests = document && (is_list ? is_request(document->as_array()[0]) : is_request(*document));
    if (!holds_requests && from_folder) {
      PromptItem item;
      item.bytes = owner->size();
      item.owner = owner;
      item.loaded = *owner;
      Push(std::move(item), {path, 0}, agent, from_folder);
      return {};
    }
    if (!document) return At({path, 0}, document.error());
    Json::Array requests = is_list ? std::move(document->as_array()) : Json::Array{*std::move(document)};
    for (Json& request : requests) {
      PromptItem item;
      item.is_request = true;
      item.bytes = owner->size() / requests.size();
      item.parsed = std::move(request);
      Push(std::move(item), {path, 0}, agent, false);
    }
    return {};
  }

  void Push(PromptItem item, PromptOrigin origin, std::string agent, bool from_folder) {
    item.origin = std::move(origin);
    item.file_agent = std::move(agent);
    item.from_folder = from_folder;
    found_.items.push_back(std::move(item));
  }

  void Report(PromptOrigin origin, Error error) {
    error = At(origin, std::move(error));
    found_.problems.push_back({std::move(origin), std::move(error)});
  }

  const PromptReadOptions& options_;
  PromptItems found_;
  std::set<fs::path> seen_;
};

}  // namespace

Error At(const PromptOrigin& origin, Error error) {
  const std::string place = ToString(origin);
  // Errors of files carry their path already.
  const std::string path = origin.file.string();
  const bool has_path = error.message.starts_with(path + " ") || error.message.find(" " + path + ":") != std::string::npos;
  if (!has_path && !error.message.starts_with(place + ":")) error.message = place + ": " + error.message;
  return error;
}

Result<PromptItems> FindPrompts(std::span<const std::filesystem::path> inputs, const PromptReadOptions& options) {
  Finder finder(options);
  for (const fs::path& input : inputs) WEIR_TRY(finder.Add(input));
  return finder.Take();
}

}  // namespace weir
