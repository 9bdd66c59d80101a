#include "pretokenize.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/codec/json.h"

namespace weir {
namespace {

constexpr std::string_view kQwenJson =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
    R"([^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})";

Pretokenizer Load(std::string_view json) {
  Result<Json> parsed = Json::Parse(json);
  EXPECT_TRUE(parsed.has_value());
  Result<Pretokenizer> loaded = Pretokenizer::FromJson(*parsed);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().ToString();
  return *std::move(loaded);
}

std::vector<std::string> Pieces(const Pretokenizer& pretokenizer, std::string_view text, size_t chunk = 64) {
  std::vector<std::string> out;
  std::vector<uint32_t> ends(chunk);
  Pretokenizer::Cursor cursor;
  size_t begin = 0;
  while (const size_t count = pretokenizer.Next(text, cursor, ends)) {
    for (size_t i = 0; i < count; ++i) {
      out.emplace_back(text.substr(begin, ends[i] - begin));
      begin = ends[i];
    }
  }
  EXPECT_EQ(begin, text.size());
  return out;
}

using Strings = std::vector<std::string>;

TEST(Pretokenize, Qwen) {
  const Pretokenizer qwen = Load(kQwenJson);
  EXPECT_EQ(Pieces(qwen, "Hello world's  end 42\n\n x"),
            (Strings{"Hello", " world", "'s", " ", " end", " ", "4", "2", "\n\n", " x"}));
  EXPECT_EQ(Pieces(qwen, "  "), (Strings{"  "}));
  EXPECT_EQ(Pieces(qwen, ""), Strings{});
}

}  // namespace
}  // namespace weir
