#pragma once
// Texts, their token ids and their vectors as tests/model/reference_vectors.py computed them in float64.

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "weir/base/file.h"
#include "weir/codec/json.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct ReferenceText {
  std::string text;
  std::vector<TokenId> ids;
  std::vector<float> vector;
};

inline std::vector<uint8_t> DecodeBase64(std::string_view text) {
  std::vector<uint8_t> bytes;
  uint32_t held = 0;
  int bits = 0;
  for (char c : text) {
    const size_t value = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
    if (value == std::string_view::npos) break;
    held = held << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) bytes.push_back(static_cast<uint8_t>(held >> (bits -= 8)));
  }
  return bytes;
}

inline std::vector<ReferenceText> ReadReferenceTexts(const std::string& file) {
  std::vector<ReferenceText> texts;
  const std::string lines = ReadFile(file).value();
  for (size_t begin = 0, end = 0; (end = lines.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const Json row = Json::Parse(std::string_view(lines).substr(begin, end - begin)).value();
    ReferenceText& text = texts.emplace_back();
    text.text = row.Find("text")->as_string();
    for (const Json& id : row.Find("ids")->as_array()) text.ids.push_back(static_cast<TokenId>(id.as_int()));
    const std::vector<uint8_t> bytes = DecodeBase64(row.Find("vector")->as_string());
    for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
      const auto stored = static_cast<int16_t>(static_cast<uint16_t>(bytes[i] | bytes[i + 1] << 8));
      text.vector.push_back(static_cast<float>(stored) / 32768.0F);
    }
  }
  return texts;
}

inline double Cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace weir
