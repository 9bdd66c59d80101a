#pragma once
// Real tokenizer.json files that set-up fetched, for tests that skip without them; and random text that is hard to cut.

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/random.h"
#include "weir/codec/utf8.h"

namespace weir::testing {

inline std::filesystem::path CacheFolder() {
  const char* const cache = std::getenv("WEIR_CACHE_DIR");
  const char* const xdg = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  if (cache != nullptr) return cache;
  if (xdg != nullptr) return std::filesystem::path(xdg) / "weir";
  return home != nullptr ? std::filesystem::path(home) / ".cache" / "weir" : std::filesystem::path();
}

// Names and paths of those of byte-level BPE that are there.
inline std::vector<std::pair<std::string, std::filesystem::path>> RealTokenizers() {
  const std::filesystem::path folder = CacheFolder();
  std::vector<std::pair<std::string, std::filesystem::path>> found;
  for (const char* name :
       {"qwen3", "llama3", "llama3.1", "gpt4o", "gpt-oss", "cl100k", "deepseek-v3", "gpt2", "starcoder2", "command-r"}) {
    const std::filesystem::path path = folder / "tokenizers" / name / "tokenizer.json";
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) found.emplace_back(name, path);
  }
  return found;
}

// The tokenizer.json of all-MiniLM-L6-v2, WordPiece; empty where it is not there.
inline std::filesystem::path RealWordPiece() {
  const std::filesystem::path path = CacheFolder() / "models" / "all-minilm-l6-v2" / "tokenizer.json";
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) ? path : std::filesystem::path();
}

// A fragment of text of a random kind: words, blanks, marks, digits, contractions, CJK, emoji, or one of `added`.
inline std::string RandomFragment(Random& random, const std::vector<std::string>& added) {
  static const std::vector<std::string> kWords = {"the",
                                                  "Hello",
                                                  " world",
                                                  "don't",
                                                  "I'LL",
                                                  "we\xCA\xBCre",
                                                  "XMLHttpRequest",
                                                  "fooBar",
                                                  "na\xC3\xAFve",
                                                  "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82",
                                                  "\xCE\xB1\xCE\x92\xCE\x93",
                                                  "\xC7\x85ungla",
                                                  "'",
                                                  "'s",
                                                  "'\xC5\xBF"};
  static const std::vector<std::string> kBlanks = {" ",   "  ",   "\n",           "\r\n",         "\t",   "\xC2\xA0",
                                                   "   ", "\n\n", "\xE3\x80\x80", "\xE2\x80\xA8", " \n ", "\v"};
  static const std::vector<std::string> kSigns = {"!", "...", "(", "{\"a\":1}", "/",  "//\n", "-->", "\xE2\x82\xAC",
                                                  "$", "_",   "|", "<",         "<|", "</"};
  std::string text;
  const auto repeat = [&](size_t most, const auto& make) {
    for (size_t n = 1 + random.Below(most); n > 0; --n) make();
  };
  const auto code_point = [&](uint32_t first, uint32_t last) {
    AppendUtf8(first + static_cast<char32_t>(random.Below(last - first + 1)), text);
  };
  switch (random.Below(added.empty() ? 9 : 11)) {
    case 0:
    case 1: text = kWords[random.Below(kWords.size())]; break;
    case 2: repeat(3, [&] { text += kBlanks[random.Below(kBlanks.size())]; }); break;
    case 3: repeat(2, [&] { text += kSigns[random.Below(kSigns.size())]; }); break;
    case 4: repeat(8, [&] { text += static_cast<char>('0' + random.Below(10)); }); break;
    case 5: repeat(6, [&] { code_point(0x4e00, 0x9fff); }); break;
    case 6: repeat(3, [&] { code_point(0x1f300, 0x1f6ff); }); break;
    case 7:  // marks, jamo and kana sounds: what NFC joins and reorders
      text = std::string("aeoUn").substr(random.Below(5), 1);
      repeat(3, [&] {
        if (random.Below(4) == 0) return code_point(0x1100, 0x11ff);
        random.Below(4) == 0 ? code_point(0x3099, 0x309a) : code_point(0x300, 0x345);
      });
      break;
    case 8:
      repeat(4, [&] {
        const uint64_t plane = random.Below(3);
        plane == 0 ? code_point(1, 0x7f) : plane == 1 ? code_point(0x80, 0xd7ff) : code_point(0xe000, 0x10ffff);
      });
      break;
    case 9: text = added[random.Below(added.size())]; break;
    default: {
      const std::string& token = added[random.Below(added.size())];
      size_t size = 1 + random.Below(token.size());
      while (size < token.size() && (static_cast<uint8_t>(token[size]) & 0xc0) == 0x80) ++size;
      text = token.substr(0, size);
    }
  }
  return text;
}

inline std::string RandomText(Random& random, const std::vector<std::string>& added, size_t fragments) {
  std::string text;
  for (size_t i = 0; i < fragments; ++i) text += RandomFragment(random, added);
  return text;
}

}  // namespace weir::testing
