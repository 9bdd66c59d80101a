// Answers encode requests over a pipe, for tests that compare with other tokenizers.
//
// usage: weir_encode_ids TOKENIZER.json
// Request:  u32 flags (1: add special tokens, 2: answer with the decoded text), u32 size, text.
// Response: u32 0, u32 count, ids, first bytes, u32 1 if decoding the ids gives the text back
//           (where asked for: u32 size, decoded text); or
//           u32 1, u32 size, error message.
// All numbers little-endian; ends with the input.

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "weir/tokens/tokenizer.h"

namespace {

bool Read(void* out, size_t size) { return std::fread(out, 1, size, stdin) == size; }

void WriteWord(uint32_t value) { std::fwrite(&value, sizeof(value), 1, stdout); }

void WriteWords(const std::vector<uint32_t>& values) { std::fwrite(values.data(), sizeof(uint32_t), values.size(), stdout); }

void Answer(const weir::Tokenizer& tokenizer, weir::Encoder& encoder, uint32_t flags, std::string_view text) {
  weir::Encoding encoding;
  const weir::Status status = encoder.Encode(text, {.add_special_tokens = (flags & 1) != 0}, encoding);
  if (!status) {
    const std::string message = status.error().ToString();
    WriteWord(1);
    WriteWord(static_cast<uint32_t>(message.size()));
    std::fwrite(message.data(), 1, message.size(), stdout);
    return;
  }
  const weir::Result<std::string> decoded = tokenizer.Decode(encoding.ids);
  WriteWord(0);
  WriteWord(static_cast<uint32_t>(encoding.ids.size()));
  WriteWords(encoding.ids);
  WriteWords(encoding.begins);
  WriteWord(decoded && *decoded == text ? 1 : 0);
  if ((flags & 2) == 0) return;
  const std::string answer = decoded ? *decoded : decoded.error().ToString();
  WriteWord(static_cast<uint32_t>(answer.size()));
  std::fwrite(answer.data(), 1, answer.size(), stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: weir_encode_ids TOKENIZER.json\n", stderr);
    return 64;
  }
  const auto tokenizer = weir::LoadTokenizer(arguments[1], {});
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().ToString().c_str());
    return 1;
  }
  const std::unique_ptr<weir::Encoder> encoder = (*tokenizer)->NewEncoder();
  uint32_t head[2];
  std::string text;
  while (Read(head, sizeof(head))) {
    text.resize(head[1]);
    if (!Read(text.data(), text.size())) return 1;
    Answer(**tokenizer, *encoder, head[0], text);
    std::fflush(stdout);
  }
  return 0;
}
