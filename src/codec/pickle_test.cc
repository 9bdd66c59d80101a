#include "weir/codec/pickle.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/codec/hex.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

TEST(Pickle, KnownAnswers) {
  PickleWriter writer;
  writer.Text("0");
  EXPECT_EQ(HexOf(writer.Finish()), "80059505000000000000008c0130942e");
  writer.Reset();
  writer.Text("vllm-none-hash");
  EXPECT_EQ(HexOf(writer.Finish()), "80059512000000000000008c0e766c6c6d2d6e6f6e652d68617368942e");
  writer.Reset();
  writer.None();
  EXPECT_EQ(HexOf(writer.Finish()), "80054e2e");  // too short for a frame
}

// Reads lines {"value": V, "hex": our pickle} and compares with CPython's own. V: null, bool, integer, {"b": hex},
// {"s": hex} or a list for a tuple. Values are built one by one, so that none is shared but what CPython shares.
constexpr const char* kCheck = R"(
import json, pickle, sys

def build(value):
    if isinstance(value, list):
        return tuple([build(item) for item in value])
    if isinstance(value, dict):
        raw = bytes(bytearray.fromhex(next(iter(value.values()))))
        return raw.decode() if 's' in value else raw
    return value

lines = wrong = 0
for line in open(sys.argv[1]):
    case = json.loads(line)
    lines += 1
    if pickle.dumps(build(case['value']), protocol=5).hex() != case['hex']:
        wrong += 1
        if wrong < 4:
            print('differs:', line[:500], 'expected', pickle.dumps(build(case['value']), protocol=5).hex()[:500])
sys.exit(0 if wrong == 0 and lines == int(sys.argv[2]) else 1)
)";

class Cases {
 public:
  explicit Cases(uint64_t seed) : random_(seed) {}

  // Writes a random value to the pickle and returns its JSON description.
  std::string Value(PickleWriter& writer, int depth) {
    switch (random_.Below(depth > 0 ? 9 : 6)) {
      case 0: return writer.None(), "null";
      case 1: {
        const bool value = random_.Below(2) == 1;
        return writer.Bool(value), value ? "true" : "false";
      }
      case 2: return Integer(writer);
      case 3: {
        const uint64_t value = random_.Next();
        return writer.Unsigned(value), std::to_string(value);
      }
      case 4: return Bytes(writer, Size());
      case 5: return Text(writer, Size());
      default: return Tuple(writer, depth, random_.Below(30) == 0 ? 20000 : random_.Below(7));
    }
  }

 private:
  size_t Size() {
    static constexpr size_t kEdges[] = {255, 256, 65535, 65536, 70000};
    const uint64_t kind = random_.Below(40);
    return kind < std::size(kEdges) ? kEdges[kind] : random_.Below(kind % 2 == 0 ? 3 : 60);
  }

  std::string Integer(PickleWriter& writer) {
    const uint64_t bits = random_.Next() >> random_.Below(64);
    auto value = static_cast<int64_t>(bits);
    if (random_.Below(3) == 0) value = -value;
    if (random_.Below(3) == 0) value = (int64_t{1} << random_.Below(63)) - static_cast<int64_t>(random_.Below(3));
    if (random_.Below(3) == 0) value = -value;
    return writer.Integer(value), std::to_string(value);
  }

  std::string Bytes(PickleWriter& writer, size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_.Next());
    writer.Bytes(bytes);
    return "{\"b\":\"" + HexOf(bytes) + "\"}";
  }

  std::string Text(PickleWriter& writer, size_t size) {
    std::string text;
    while (text.size() < size) {
      static constexpr char32_t kSome[] = {'a', 'b', 0x7F, 0x80, 0xFF, 0x100, 0x20AC, 0x1F600};
      AppendUtf8(kSome[random_.Below(std::size(kSome))], text);
    }
    writer.Text(text);
    return "{\"s\":\"" + HexOf(text) + "\"}";
  }

  std::string Tuple(PickleWriter& writer, int depth, size_t count) {
    writer.BeginTuple(count);
    std::string out = "[";
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out += ",";
      out += count > 10 ? Integer(writer) : Value(writer, depth - 1);
    }
    writer.EndTuple();
    return out + "]";
  }

  Random random_;
};

TEST(Pickle, EqualsCPython) {
  if (std::system("python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null") != 0) {
    GTEST_SKIP() << "needs python3 (3.8 or newer)";
  }
  const std::filesystem::path folder = testing::TempDir();
  const std::filesystem::path script = folder / ("weir_check_pickle_" + std::to_string(getpid()) + ".py");
  const std::filesystem::path cases = folder / ("weir_pickle_cases_" + std::to_string(getpid()) + ".jsonl");
  ASSERT_TRUE(WriteFileAtomically(script, kCheck));
  constexpr int kCases = 1500;
  Cases random(20250101);
  PickleWriter writer;
  std::ofstream out(cases);
  for (int i = 0; i < kCases; ++i) {
    writer.Reset();
    const std::string value = random.Value(writer, 4);
    out << "{\"value\":" << value << ",\"hex\":\"" << HexOf(writer.Finish()) << "\"}\n";
  }
  out.close();
  const std::string command = "python3 " + script.string() + " " + cases.string() + " " + std::to_string(kCases);
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::filesystem::remove(script);
  std::filesystem::remove(cases);
}

}  // namespace
}  // namespace weir
