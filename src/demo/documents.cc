#include "documents.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "embedded_DemoFiles.h"

namespace weir {
namespace {

constexpr size_t kLeastSectionBytes = 120;  // shorter ones are headings with hardly a word
constexpr size_t kLongestSectionBytes = 4000;

using WordCounts = std::map<std::string, size_t, std::less<>>;

WordCounts CountWords(std::string_view text) {
  WordCounts counts;
  std::string word;
  const auto end_word = [&] {
    if (word.size() >= 3) ++counts[word];
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      word += static_cast<char>(std::tolower(byte));
    } else {
      end_word();
    }
  }
  end_word();
  return counts;
}

void CutIntoSections(const EmbeddedFile& file, std::vector<DemoSection>& out) {
  size_t begin = 0;
  while (begin < file.text.size()) {
    const size_t next = file.text.find("\n## ", begin + 1);
    const size_t end = next == std::string_view::npos ? file.text.size() : next + 1;
    const std::string_view text = file.text.substr(begin, end - begin);
    std::string_view title = text.substr(0, text.find('\n'));
    title.remove_prefix(std::min(title.find_first_not_of("# "), title.size()));
    if (text.size() >= kLeastSectionBytes && text.size() <= kLongestSectionBytes) {
      out.push_back({file.path, title.empty() ? file.path : title, text});
    }
    begin = end;
  }
}

}  // namespace

std::span<const DemoSection> DemoSections() {
  static const std::vector<DemoSection> kSections = [] {
    std::vector<DemoSection> sections;
    for (const EmbeddedFile& file : DemoFiles()) CutIntoSections(file, sections);
    return sections;
  }();
  return kSections;
}

std::string_view DemoFile(std::string_view path) {
  for (const EmbeddedFile& file : DemoFiles()) {
    if (file.path == path) return file.text;
  }
  return {};
}

size_t DemoFileCount() { return DemoFiles().size(); }

std::vector<const DemoSection*> SearchSections(std::string_view question, size_t count) {
  constexpr double kSaturation = 1.2;
  constexpr double kLengthWeight = 0.75;
  const auto sections = DemoSections();
  std::vector<WordCounts> words;
  double total_bytes = 0;
  for (const DemoSection& section : sections) {
    words.push_back(CountWords(section.text));
    total_bytes += static_cast<double>(section.text.size());
  }
  const double mean_bytes = sections.empty() ? 1 : total_bytes / static_cast<double>(sections.size());
  std::vector<std::pair<double, size_t>> scored;
  for (size_t i = 0; i < sections.size(); ++i) scored.emplace_back(0.0, i);
  for (const auto& [question_word, ignored] : CountWords(question)) {
    const std::string& word = question_word;  // a structured binding cannot be captured
    const auto holders = static_cast<double>(
        std::count_if(words.begin(), words.end(), [&](const WordCounts& counts) { return counts.contains(word); }));
    const double rarity = std::log(1 + (static_cast<double>(sections.size()) - holders + 0.5) / (holders + 0.5));
    for (auto& [score, i] : scored) {
      const auto found = words[i].find(word);
      if (found == words[i].end()) continue;
      const auto times = static_cast<double>(found->second);
      const double length = 1 - kLengthWeight + kLengthWeight * static_cast<double>(sections[i].text.size()) / mean_bytes;
      score += rarity * times * (kSaturation + 1) / (times + kSaturation * length);
    }
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<const DemoSection*> best;
  for (size_t i = 0; i < std::min(count, scored.size()); ++i) best.push_back(&sections[scored[i].second]);
  return best;
}

}  // namespace weir
