#pragma once
// Text forms: foldings under which two spellings of the same text become equal. Pure functions on valid UTF-8.

#include <string>
#include <string_view>

namespace weir {

// Runs of blanks and line ends between two letters or digits become one space; next to anything else they go.
std::string CollapseBlanks(std::string_view text);

// Without blanks in front of line ends and at the end of the text; CR LF and a lone CR become LF.
std::string TrimTrailingBlanks(std::string_view text);

// NFC: canonically equal, so no character is lost.
std::string ComposeCharacters(std::string_view text);

// NFC, then look-alikes as plain ASCII: full-width forms, curly quotes, dashes, special spaces, the ellipsis, ligatures,
// Cyrillic letters that look Latin; soft hyphens, zero-width characters, variation selectors and byte-order marks go. For
// comparing only: it changes texts.
std::string FoldCharacters(std::string_view text);

// ASCII, Latin-1, Greek and Cyrillic capitals as small letters.
std::string LowerCase(std::string_view text);

// Whether the text is nothing but prompt scaffolding: special tokens such as <|im_start|> or [INST], rules such as ---
// or ###, role names beside them or in front of a colon, and blanks. False for blanks alone.
bool IsScaffold(std::string_view text);

// Bytes of the special-token mark that `text` starts with; 0 when there is none.
size_t MarkSize(std::string_view text);

// The text without scaffolding and blanks at its end.
std::string_view WithoutScaffoldTail(std::string_view text);

// The code point at the start of `text` and its size in bytes. REQUIRES: not empty, valid UTF-8.
struct CodePoint {
  char32_t value = 0;
  size_t bytes = 1;
};
CodePoint FirstCodePoint(std::string_view text);

}  // namespace weir
