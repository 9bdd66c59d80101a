#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "file_record.h"
#include "index_files.h"
#include "weir/base/file.h"
#include "weir/embed/vector_operations.h"
#include "weir/indexer/indexer.h"

namespace weir {

using indexer::FileRecord;
using indexer::KeptChunk;

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kFileBytesMax = 1u << 30;  // that an index can hold

// The chunks of an index, with their files.
struct Candidates {
  std::vector<FileRecord> files;
  std::vector<std::pair<uint32_t, uint32_t>> places;  // file, chunk of it
  std::vector<EmbedKey> keys;
};

Result<Candidates> Collect(const Store& store, const indexer::ChunkOrigin& origin, const std::string& root,
                           SearchAnswer& answer) {
  Candidates all;
  WEIR_TRY(store.Scan(StoreTable::kSetting, [&](const StoreKey&, std::string_view bytes) -> Status {
    if (!indexer::IsFileRecord(bytes)) return {};
    Result<FileRecord> record = indexer::ReadFileRecord(bytes);
    if (!record) return record.error().code == ErrorCode::kUnsupported ? Status(record.error()) : Status();
    if (!root.empty() && record->root != root) return {};
    if (record->origin.fingerprint != origin.fingerprint || record->origin.dimensions != origin.dimensions) {
      ++answer.other_model;
    } else {
      all.files.push_back(*std::move(record));
    }
    return {};
  }));
  std::ranges::sort(all.files, {}, [](const FileRecord& file) { return std::tie(file.root, file.path); });
  for (uint32_t file = 0; file < all.files.size(); ++file) {
    for (uint32_t chunk = 0; chunk < all.files[file].chunks.size(); ++chunk) {
      all.places.emplace_back(file, chunk);
      all.keys.push_back(all.files[file].chunks[chunk].key);
    }
  }
  answer.files = all.files.size();
  return all;
}

// Leaves out chunks whose vectors are gone.
void KeepFound(EmbedFound& found, Candidates& all, SearchAnswer& answer) {
  size_t kept = 0;
  for (size_t i = 0; i < all.places.size(); ++i) {
    if (!found.found[i]) continue;
    if (kept != i) {
      std::ranges::copy(found.vector(i), found.vectors.begin() + static_cast<ptrdiff_t>(kept * found.dimensions));
      all.places[kept] = all.places[i];
    }
    ++kept;
  }
  answer.missing = all.places.size() - kept;
  answer.chunks = kept;
  all.places.resize(kept);
  found.vectors.resize(kept * found.dimensions);
}

void ReadText(const FileRecord& file, SearchHit& hit) {
  const Result<std::string> text = ReadFile(fs::path(file.root) / file.path, kFileBytesMax);
  if (!text) {
    hit.state = text.error().code == ErrorCode::kNotFound ? ChunkState::kGone : ChunkState::kChanged;
  } else if (text->size() != file.bytes || Sha256(*text) != file.content) {
    hit.state = ChunkState::kChanged;
  } else {
    hit.text = text->substr(hit.chunk.begin, hit.chunk.end - hit.chunk.begin);
  }
}

}  // namespace

std::string_view ChunkStateName(ChunkState state) {
  switch (state) {
    case ChunkState::kSame: return "same";
    case ChunkState::kChanged: return "changed";
    case ChunkState::kGone: return "gone";
  }
  return "same";
}

Result<SearchAnswer> SearchIndex(EmbedCache& cache, const Store& store, const IndexModel& model, std::string_view query,
                                 const SearchOptions& options) {
  if (options.k == 0) return InvalidArgument("k is 0", "at least 1");
  if (!(options.threshold >= -1 && options.threshold <= 1)) {
    return InvalidArgument("the threshold is out of range", "-1 to 1");
  }
  SearchAnswer answer;
  WEIR_ASSIGN(const indexer::ChunkOrigin origin, indexer::OriginOf(cache, model));
  std::string root;
  if (!options.root.empty()) {
    std::error_code error;
    root = fs::weakly_canonical(options.root, error).string();
    if (error) root = options.root.string();
  }
  WEIR_ASSIGN(Candidates all, Collect(store, origin, root, answer));
  if (all.files.empty()) {
    if (answer.other_model > 0) {
      return NotFound(fmt::format("'{}' has indexed nothing here; another model has", model.name),
                      "search with that model, or index with this one");
    }
    return NotFound(root.empty() ? std::string("nothing is indexed here") : fmt::format("{} is not indexed here", root),
                    "'weir index DIR' does it");
  }
  const std::vector<std::string_view> texts = {query};
  WEIR_ASSIGN(const EmbedAnswer wanted, cache.Embed(model.name, texts, {.input = EmbedInput::kQuery, .owner = model.owner}));
  if (!wanted.items[0].status) return wanted.items[0].status.error();
  WEIR_ASSIGN(EmbedFound found, cache.Find(model.name, all.keys));
  KeepFound(found, all, answer);
  WEIR_ASSIGN(const std::vector<RankedRow> best,
              TopK({found.vectors, found.dimensions}, wanted.vector(0), options.k, options.threshold));
  for (const RankedRow& row : best) {
    const auto [file, chunk] = all.places[row.row];
    const FileRecord& record = all.files[file];
    SearchHit hit{record.root, record.path, record.chunks[chunk].chunk, row.similarity};
    ReadText(record, hit);
    answer.hits.push_back(std::move(hit));
  }
  return answer;
}

}  // namespace weir
