#pragma once
// Small but complete tokenizer.json texts, in the shapes of real families, for the fuzz targets.

#include <array>
#include <string>
#include <string_view>

#include "weir/codec/json.h"
#include "weir/codec/utf8.h"

namespace weir::fuzz {

// GPT-2's printable stand-ins for bytes.
inline std::string ByteSymbol(unsigned byte) {
  const auto printable = [](unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  unsigned code = byte;
  if (!printable(byte)) {
    code = 0x100;
    for (unsigned b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  std::string symbol;
  AppendUtf8(code, symbol);
  return symbol;
}

struct TinyFamily {
  std::string_view pattern;
  bool nfc;
};

// Qwen's, Llama 3's and o200k's.
#define WEIR_TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define WEIR_CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define WEIR_UPPER R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define WEIR_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
inline constexpr std::array<TinyFamily, 3> kTinyFamilies = {{
    {WEIR_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" WEIR_TAIL, true},
    {WEIR_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" WEIR_TAIL, false},
    {WEIR_UPPER "*" WEIR_LOWER "+" WEIR_CONTRACTION "?|" WEIR_UPPER "+" WEIR_LOWER "*" WEIR_CONTRACTION
                R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     false},
}};
#undef WEIR_TAIL
#undef WEIR_CONTRACTION
#undef WEIR_UPPER
#undef WEIR_LOWER

// 256 bytes, a few merges, two added tokens.
inline std::string TinyTokenizerJson(const TinyFamily& family) {
  Json vocab = Json::MakeObject();
  for (unsigned byte = 0; byte < 256; ++byte) vocab.Set(ByteSymbol(byte), Json(int64_t{byte}));
  Json merges = Json::MakeArray();
  int64_t id = 256;
  for (const auto& [left, right] :
       {std::pair("t", "h"), {"th", "e"}, {"\u0120", "the"}, {"a", "a"}, {"aa", "aa"}, {"\u0120", "\u0120"}, {"1", "2"}}) {
    merges.Append(std::string(left) + " " + right);
    vocab.Set(std::string(left) + right, Json(id++));
  }
  Json added = Json::MakeArray();
  for (const char* text : {"<|end|>", "<tool>"}) {
    Json token = Json::MakeObject();
    token.Set("id", Json(id++));
    token.Set("content", text);
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) token.Set(flag, false);
    token.Set("special", text[1] == '|');
    added.Append(std::move(token));
  }
  const auto typed = [](const char* type) {
    Json value = Json::MakeObject();
    value.Set("type", type);
    return value;
  };
  Json byte_level = typed("ByteLevel");
  byte_level.Set("add_prefix_space", false);
  byte_level.Set("trim_offsets", false);
  byte_level.Set("use_regex", false);
  Json split = typed("Split");
  Json pattern = Json::MakeObject();
  pattern.Set("Regex", family.pattern);
  split.Set("pattern", std::move(pattern));
  split.Set("behavior", "Isolated");
  split.Set("invert", false);
  Json sequence = typed("Sequence");
  Json parts = Json::MakeArray();
  parts.Append(std::move(split));
  parts.Append(byte_level);
  sequence.Set("pretokenizers", std::move(parts));
  Json model = typed("BPE");
  for (const char* name : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
    model.Set(name, Json());
  for (const char* name : {"fuse_unk", "byte_fallback", "ignore_merges"}) model.Set(name, false);
  model.Set("vocab", std::move(vocab));
  model.Set("merges", std::move(merges));
  Json root = Json::MakeObject();
  root.Set("version", "1.0");
  root.Set("truncation", Json());
  root.Set("padding", Json());
  root.Set("added_tokens", std::move(added));
  root.Set("normalizer", family.nfc ? typed("NFC") : Json());
  root.Set("pre_tokenizer", std::move(sequence));
  root.Set("post_processor", byte_level);
  root.Set("decoder", byte_level);
  root.Set("model", std::move(model));
  return root.Dump();
}

// BERT's shape: letters, signs and a few pieces, two added tokens. Without rules it takes normalised text as it is.
inline std::string TinyWordPieceJson(bool with_rules, bool with_added) {
  Json vocab = Json::MakeObject();
  int64_t id = 0;
  for (const char* token :
       {"[UNK]", "a",    "##a", "##aa", "b",      "##b",    "ab",       "the",    "##e",      "e",
        "1",     "##12", "'",   ".",    "\u4e00", "\u1100", "##\u1161", "\u302e", "##\u302e", "##\U0001D165"}) {
    vocab.Set(token, Json(id++));
  }
  Json added = Json::MakeArray();
  for (const char* text : {"[SEP]", "<b a>"}) {
    if (!with_added) break;
    Json token = Json::MakeObject();
    token.Set("id", Json(id++));
    token.Set("content", text);
    for (const char* flag : {"single_word", "lstrip", "rstrip", "special"}) token.Set(flag, false);
    token.Set("normalized", text[0] == '<');
    added.Append(std::move(token));
  }
  Json root = Json::MakeObject();
  root.Set("version", "1.0");
  root.Set("added_tokens", std::move(added));
  root.Set("normalizer", !with_rules ? Json() : *Json::Parse(R"({"type":"BertNormalizer","clean_text":true,
      "handle_chinese_chars":true,"strip_accents":null,"lowercase":true})"));
  root.Set("pre_tokenizer", *Json::Parse(R"({"type":"BertPreTokenizer"})"));
  root.Set("post_processor", *Json::Parse(R"({"type":"BertProcessing","cls":["a",1],"sep":["b",4]})"));
  root.Set("decoder", *Json::Parse(R"({"type":"WordPiece","prefix":"##","cleanup":true})"));
  Json model = *Json::Parse(R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
      "max_input_chars_per_word":12})");
  model.Set("vocab", std::move(vocab));
  root.Set("model", std::move(model));
  return root.Dump();
}

}  // namespace weir::fuzz
