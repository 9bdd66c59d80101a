// Times Weir's encoder on command, so that a driver can interleave it with other tokenizers.
//
// usage: weir_tokenize_rounds TOKENIZER.json DOCUMENTS
// DOCUMENTS holds every document after its size (u32, little-endian). Each line on standard input, "fresh" or
// "FROM TO", makes a new encoder (empty word cache) or encodes the documents [FROM, TO); the answer is a line
// "SECONDS TOKENS", in processor time of the whole process, which other work on the machine disturbs less.

#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/file.h"
#include "weir/tokens/tokenizer.h"

namespace {

std::vector<std::string_view> Split(std::string_view bytes) {
  std::vector<std::string_view> documents;
  while (bytes.size() >= 4) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data(), 4);
    documents.push_back(bytes.substr(4, size));
    bytes.remove_prefix(4 + documents.back().size());
  }
  return documents;
}

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int Fail(const std::string& message) {
  std::fprintf(stderr, "weir_tokenize_rounds: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return Fail("usage: weir_tokenize_rounds TOKENIZER.json DOCUMENTS");
  const auto bytes = weir::ReadFile(arguments[2]);
  if (!bytes) return Fail(bytes.error().ToString());
  const std::vector<std::string_view> documents = Split(*bytes);
  const auto tokenizer = weir::LoadTokenizer(arguments[1], {});
  if (!tokenizer) return Fail(tokenizer.error().ToString());
  std::unique_ptr<weir::Encoder> encoder = (*tokenizer)->NewEncoder();
  weir::Encoding encoding;
  char line[64];
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    size_t from = 0, to = 0, tokens = 0;
    const double begin = ProcessorSeconds();
    if (std::sscanf(line, "%zu %zu", &from, &to) != 2) {
      encoder = (*tokenizer)->NewEncoder();
    } else {
      for (size_t i = from; i < to && i < documents.size(); ++i) {
        const weir::Status status = encoder->Encode(documents[i], {}, encoding);
        if (!status) return Fail(status.error().ToString());
        tokens += encoding.ids.size();
      }
    }
    std::printf("%.9f %zu\n", ProcessorSeconds() - begin, tokens);
    std::fflush(stdout);
  }
  return 0;
}
