#pragma once
// Text for a terminal: colour, display width, tables and bars.
//
// Pure functions and plain values. Everything returns UTF-8; text that came from a file or a user goes through
// Visible() first, so that no control character reaches the terminal.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct TextStyle {
  bool color = false;
  size_t width = 100;  // columns of the terminal
};

enum class Ink { kPlain, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };

// The text in that ink; unchanged when the style has no colour.
std::string Paint(const TextStyle& style, Ink ink, std::string_view text);

// Columns that the text takes: wide characters count two, combining marks and colour sequences none.
size_t DisplayWidth(std::string_view text);

// At most `width` columns; what was cut ends in an ellipsis. REQUIRES: no colour sequences in the text.
std::string FitWidth(std::string_view text, size_t width);

// Control characters, line ends and invalid bytes as visible escapes (\n, \t, \x1b).
std::string Visible(std::string_view text);

// Whole characters of `text` from byte `begin` on, at most `bytes_max` bytes: a place in the middle of a character moves to
// the next one.
std::string_view WholeCharacters(std::string_view text, size_t begin, size_t bytes_max);

// "1,234,567".
std::string Grouped(uint64_t number);

// "42%", "<1%", "n/a" when there is nothing to divide by.
std::string Percent(uint64_t part, uint64_t whole);

// "1 agent", "5 agents".
std::string Counted(uint64_t number, std::string_view noun);

// A horizontal bar of `width` columns, the first `fraction` (0..1) of it filled.
std::string Bar(const TextStyle& style, Ink ink, double fraction, size_t width);

// Paragraphs broken at blanks to lines of at most `width` columns, each begun by `indent` blanks.
std::string Wrapped(std::string_view text, size_t width, size_t indent = 0);

enum class Align { kLeft, kRight };

// Cells may hold colour sequences. Columns are as wide as their widest cell; the one marked `flexible` gives way when the
// table would be wider than the terminal.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    bool flexible = false;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: as many cells as columns.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // Every line begins with `indent` blanks and ends with a line end.
  std::string Draw(const TextStyle& style, size_t indent = 2) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weir
