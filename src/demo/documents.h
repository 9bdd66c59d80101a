#pragma once
// The documentation that the demo works on, cut into sections, and a small search over it.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct DemoSection {
  std::string_view file;   // path inside the tree
  std::string_view title;  // its heading, or the file's name
  std::string_view text;   // with the heading
};

// Every section of every embedded file, in their order; static storage.
std::span<const DemoSection> DemoSections();
// The text of one embedded file; empty when there is none of that name.
std::string_view DemoFile(std::string_view path);
size_t DemoFileCount();

// The best `count` sections for the words of a question, best first (BM25 over lower-case words). Deterministic.
// Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
std::vector<const DemoSection*> SearchSections(std::string_view question, size_t count);

}  // namespace weir
