#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "file_record.h"
#include "index_files.h"
#include "weir/base/file.h"
#include "weir/codec/utf8.h"
#include "weir/indexer/indexer.h"

namespace weir {

using indexer::ChunkOrigin;
using indexer::FileRecord;
using indexer::KeptChunk;

Status IndexOptions::Validate() const {
  if (file_bytes_max == 0 || file_bytes_max > (1u << 30)) {
    return InvalidArgument("the largest file is out of range", "1 byte to 1 GiB");
  }
  if (chunk_tokens < kChunkTokensLeast) {
    return InvalidArgument(fmt::format("chunks of {} tokens are too small", chunk_tokens),
                           fmt::format("at least {}", kChunkTokensLeast));
  }
  return {};
}

namespace {

namespace fs = std::filesystem;

constexpr size_t kChunksAtOnce = 512;        // whose places are recorded together
constexpr size_t kChunksOfCall = 128;        // handed to the cache at once; progress moves so often
constexpr uint64_t kTextAtOnce = 16u << 20;  // bytes of files that wait for that
constexpr size_t kBinaryBytes = 8 << 10;     // looked at for a NUL
constexpr int64_t kRacyNs = 2'000'000'000;   // a file changed so lately may change again under the same time

bool IsText(std::string_view text) {
  return text.substr(0, kBinaryBytes).find('\0') == std::string_view::npos && IsValidUtf8(text);
}

int64_t WallNs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// A file that was cut and waits for its vectors.
struct Waiting {
  FileRecord record;
  std::string text;
};

class Run {
 public:
  Run(EmbedCache& cache, Store& store, const IndexModel& model, const IndexOptions& options)
      : cache_(cache), store_(store), model_(model), options_(options), begun_ns_(WallNs()) {}

  Result<IndexReport> Do() {
    const auto start = Now();
    WEIR_TRY(options_.Validate());
    WEIR_TRY(Prepare());
    WalkOptions walk;
    walk.root = options_.root;
    walk.skipped = options_.skipped;
    WEIR_ASSIGN(WalkedTree tree, WalkTree(walk));
    root_ = fs::canonical(options_.root).string();
    WEIR_TRY(LoadRecords());
    report_.total = tree.files.size();
    report_.ignored = tree.ignored;
    report_.problems = std::move(tree.problems);
    for (const WalkedFile& file : tree.files) {
      WEIR_TRY(GoOn());
      WEIR_TRY(Take(file));
      if (waiting_chunks_ >= kChunksAtOnce || waiting_bytes_ >= kTextAtOnce) WEIR_TRY(EmbedWaiting());
      Show();
    }
    WEIR_TRY(EmbedWaiting());
    Show();
    WEIR_TRY(Forget(tree));
    WEIR_TRY(store_.Apply(changes_));
    report_.skipped = report_.unchanged + report_.not_text + report_.too_large;
    report_.chunks = report_.chunks_asked();
    report_.elapsed_ms = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Now() - start).count());
    return std::move(report_);
  }

 private:
  TimePoint Now() const { return options_.clock != nullptr ? options_.clock->Now() : SteadyClock().Now(); }

  Status Prepare() {
    WEIR_ASSIGN(origin_, indexer::OriginOf(cache_, model_));
    encoder_ = model_.tokenizer->NewEncoder();
    origin_.tokens_max = std::min(options_.chunk_tokens, model_.tokens_max);
    if (!model_.passage_prefix.empty()) {
      Encoding prefix;
      WEIR_TRY(encoder_->Encode(model_.passage_prefix, {}, prefix));
      const uint32_t room =
          model_.tokens_max - std::min<uint32_t>(model_.tokens_max, static_cast<uint32_t>(prefix.ids.size()));
      origin_.tokens_max = std::min(origin_.tokens_max, room);
    }
    if (origin_.tokens_max < kChunkTokensLeast) {
      return InvalidArgument(fmt::format("the model '{}' takes too few tokens for an index", model_.name));
    }
    return {};
  }

  Status LoadRecords() {
    return store_.Scan(StoreTable::kSetting, [this](const StoreKey&, std::string_view bytes) -> Status {
      if (!indexer::IsFileRecord(bytes)) return {};
      Result<FileRecord> record = indexer::ReadFileRecord(bytes);
      if (!record) return record.error().code == ErrorCode::kUnsupported ? Status(record.error()) : Status();
      if (record->root == root_) records_.emplace(record->path, *std::move(record));
      return {};
    });
  }

  // Whether every vector of the file is there; counts its chunks as hits then.
  Result<bool> AllKnown(const FileRecord& record) {
    std::vector<EmbedKey> keys;
    for (const KeptChunk& kept : record.chunks) keys.push_back(kept.key);
    WEIR_ASSIGN(const EmbedFound found, cache_.Find(model_.name, keys));
    if (std::ranges::find(found.found, false) != found.found.end()) return false;
    report_.hits += keys.size();
    chunks_done_ += keys.size();
    ++report_.unchanged;
    return true;
  }

  Status Take(const WalkedFile& file) {
    ++files_done_;
    if (file.bytes > options_.file_bytes_max) return ++report_.too_large, Drop(file.path), Status();
    const auto found = records_.find(file.path);
    FileRecord* const known = found != records_.end() && found->second.origin == origin_ ? &found->second : nullptr;
    if (known != nullptr && known->bytes == file.bytes && known->changed_ns != 0 && known->changed_ns == file.changed_ns) {
      WEIR_ASSIGN(const bool all_known, AllKnown(*known));
      if (all_known) return {};
    }
    Result<std::string> text = ReadFile(fs::path(root_) / file.path, options_.file_bytes_max);
    if (!text) return Fail(file.path, std::move(text).error()), Status();
    if (!IsText(*text)) return ++report_.not_text, Drop(file.path), Status();
    FileRecord record;
    record.root = root_;
    record.path = file.path;
    record.bytes = text->size();
    record.changed_ns = file.changed_ns + kRacyNs < begun_ns_ && text->size() == file.bytes ? file.changed_ns : 0;
    record.content = Sha256(*text);
    record.origin = origin_;
    if (known != nullptr && known->content == record.content) {
      WEIR_ASSIGN(const bool all_known, AllKnown(*known));
      if (all_known) {
        if (known->changed_ns != record.changed_ns) Put(known->chunks, std::move(record));
        return {};
      }
    }
    return Cut(std::move(record), *std::move(text));
  }

  Status Cut(FileRecord record, std::string text) {
    if (IsBlankUtf8(text)) text.clear();
    Result<std::vector<Chunk>> chunks = CutChunks(text, *encoder_, origin_.tokens_max);
    if (!chunks) return Fail(record.path, std::move(chunks).error()), Status();
    for (const Chunk& chunk : *chunks) record.chunks.push_back({chunk, {}});
    waiting_chunks_ += chunks->size();
    waiting_bytes_ += text.size();
    waiting_.push_back({std::move(record), std::move(text)});
    return {};
  }

  Status EmbedWaiting() {
    std::vector<std::string_view> texts;
    for (const Waiting& one : waiting_) {
      for (const KeptChunk& kept : one.record.chunks) {
        texts.push_back(std::string_view(one.text).substr(kept.chunk.begin, kept.chunk.end - kept.chunk.begin));
      }
    }
    const EmbedCall call{.input = EmbedInput::kPassage, .owner = model_.owner};
    WEIR_ASSIGN(const std::vector<EmbedKey> keys, cache_.KeysOf(model_.name, texts, call));
    std::vector<EmbedItem> items;
    for (size_t at = 0; at < texts.size(); at += kChunksOfCall) {
      const auto part = std::span(texts).subspan(at, std::min(kChunksOfCall, texts.size() - at));
      WEIR_ASSIGN(EmbedAnswer answer, cache_.Embed(model_.name, part, call));
      std::ranges::move(answer.items, std::back_inserter(items));
      chunks_done_ += part.size();
      Show();
      WEIR_TRY(GoOn());
    }
    // When nothing at all succeeds, it may be the model and not the texts.
    if (!items.empty() && std::ranges::none_of(items, [](const EmbedItem& item) { return item.status.has_value(); })) {
      WEIR_TRY(cache_.Load(model_.name));
    }
    size_t at = 0;
    for (Waiting& one : waiting_) {
      const size_t count = one.record.chunks.size();
      Settle(one, std::span(keys).subspan(at, count), std::span(items).subspan(at, count));
      at += count;
    }
    waiting_.clear();
    waiting_chunks_ = waiting_bytes_ = 0;
    // Vectors are kept by now; a run that is cut short loses nothing.
    WEIR_TRY(store_.Apply(changes_));
    changes_.Clear();
    return {};
  }

  void Settle(Waiting& one, std::span<const EmbedKey> keys, std::span<const EmbedItem> items) {
    const auto failed = std::ranges::find_if(items, [](const EmbedItem& item) { return !item.status.has_value(); });
    if (failed != items.end()) {
      const Chunk& chunk = one.record.chunks[static_cast<size_t>(failed - items.begin())].chunk;
      Error error = failed->status.error();
      error.message = fmt::format("lines {} to {}: {}", chunk.first_line, chunk.last_line, error.message);
      return Fail(one.record.path, std::move(error));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].source == EmbedSource::kComputed) {
        ++report_.computed;
        computed_.insert(keys[i]);
      } else if (items[i].source == EmbedSource::kCoalesced || computed_.contains(keys[i])) {
        ++report_.coalesced;
      } else {
        ++report_.hits;
      }
    }
    for (size_t i = 0; i < keys.size(); ++i) one.record.chunks[i].key = keys[i];
    ++report_.processed;
    std::vector<KeptChunk> chunks = std::move(one.record.chunks);
    Put(std::move(chunks), std::move(one.record));
  }

  void Put(std::vector<KeptChunk> chunks, FileRecord record) {
    record.chunks = std::move(chunks);
    changes_.PutString(StoreTable::kSetting, indexer::FileKeyOf(root_, record.path), indexer::WriteFileRecord(record));
  }

  void Fail(const std::string& path, Error error) {
    ++report_.failed;
    report_.problems.push_back({path, std::move(error)});
  }

  void Drop(const std::string& path) {
    if (!records_.contains(path)) return;
    changes_.Erase(StoreTable::kSetting, indexer::FileKeyOf(root_, path));
    ++report_.removed;
  }

  // What is in the index and not in the tree. Below a folder that could not be read, nothing is known to be gone.
  Status Forget(const WalkedTree& tree) {
    for (const auto& known : records_) {
      const std::string& path = known.first;
      const auto at = std::ranges::lower_bound(tree.files, path, {}, &WalkedFile::path);
      if (at != tree.files.end() && at->path == path) continue;
      const bool unknown = std::ranges::any_of(report_.problems, [&](const FileProblem& problem) {
        return problem.path.empty() || path.starts_with(problem.path + "/");
      });
      if (!unknown) Drop(path);
    }
    return {};
  }

  Status GoOn() const {
    if (!options_.cancelled || !options_.cancelled()) return {};
    return Error{ErrorCode::kDeadline, "indexing was ended before it was done",
                 "what is done is kept: index again to go on"};
  }

  void Show() const {
    if (options_.progress) options_.progress({files_done_, report_.total, chunks_done_});
  }

  EmbedCache& cache_;
  Store& store_;
  const IndexModel& model_;
  const IndexOptions& options_;
  const int64_t begun_ns_;
  std::string root_;
  ChunkOrigin origin_;
  std::unique_ptr<Encoder> encoder_;
  std::map<std::string, FileRecord, std::less<>> records_;  // of the tree, before this run
  std::set<EmbedKey> computed_;                             // in this run
  std::vector<Waiting> waiting_;
  size_t waiting_chunks_ = 0;
  uint64_t waiting_bytes_ = 0;
  StoreBatch changes_;
  uint64_t files_done_ = 0;
  uint64_t chunks_done_ = 0;
  IndexReport report_;
};

}  // namespace

Result<ChunkOrigin> indexer::OriginOf(const EmbedCache& cache, const IndexModel& model) {
  WEIR_ASSIGN(const std::string name, cache.Resolve(model.name));
  ChunkOrigin origin;
  for (const EmbedModelState& state : cache.Models()) {
    if (state.name != name) continue;
    origin.fingerprint = state.fingerprint;
    origin.dimensions = state.dimensions;
  }
  origin.tokenizer = model.tokenizer->fingerprint();
  origin.prefix = model.passage_prefix;
  return origin;
}

Result<IndexReport> IndexTree(EmbedCache& cache, Store& store, const IndexModel& model, const IndexOptions& options) {
  return Run(cache, store, model, options).Do();
}

}  // namespace weir
