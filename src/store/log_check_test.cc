// Logs as RocksDB writes them: torn at every byte, and with every byte changed.

#include "log_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "little_endian.h"
#include "store_cases.h"

namespace weir::store {
namespace {

uint32_t Mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

// A log, and where its records end.
struct Log {
  std::string bytes;
  std::vector<size_t> ends = {0};
};

void Append(Log& log, std::string_view record) {
  bool begins = true;
  do {
    const size_t left = 32768 - log.bytes.size() % 32768;
    if (left < 7) {
      log.bytes.append(left, '\0');
      continue;
    }
    const size_t length = std::min(record.size(), left - 7);
    const bool ends = length == record.size();
    std::string body(1, static_cast<char>(begins && ends ? 1 : begins ? 2 : ends ? 4 : 3));
    body += record.substr(0, length);
    AppendLittle(log.bytes, Mask(Crc32c(body)));
    AppendLittle(log.bytes, static_cast<uint16_t>(length));
    log.bytes += body;
    record.remove_prefix(length);
    begins = false;
    if (ends) break;
  } while (true);
  log.ends.push_back(log.bytes.size());
}

Log MakeLog(uint64_t seed) {
  Random random(seed);
  Log log;
  for (const size_t size : {0, 1, 300, 32000, 500, 70000, 40, 9, 2000}) Append(log, testing::RandomBytes(random, size));
  return log;
}

TEST(LogCheck, KnowsTheChecksum) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), 0xe3069283u);
}

TEST(LogCheck, ALogCutAnywhereIsTornAtItsLastRecord) {
  const Log log = MakeLog(1);
  EXPECT_EQ(CheckLog(log.bytes).state, LogState::kWhole);
  size_t record = 0;
  for (size_t size = 0; size <= log.bytes.size(); size += size % 32768 < 200 || size > 104000 ? 1 : 97) {
    while (record + 1 < log.ends.size() && log.ends[record + 1] <= size) ++record;
    const LogCheck check = CheckLog(std::string_view(log.bytes).substr(0, size));
    ASSERT_EQ(check.whole_bytes, log.ends[record]) << size;
    const size_t block_room = 32768 - log.ends[record] % 32768;
    const size_t padding = block_room < 7 ? block_room : 0;  // belongs to no record
    const bool is_end = size - log.ends[record] <= padding;
    ASSERT_EQ(check.state, is_end ? LogState::kWhole : LogState::kTorn) << size;
    const LogCheck never_written = CheckLog(log.bytes.substr(0, size) + std::string(5000, '\0'));
    ASSERT_NE(never_written.state, LogState::kWhole) << size;
  }
}

TEST(LogCheck, AChangedByteIsDamage) {
  Log log = MakeLog(2);
  const size_t padding_from = 32768 - 7;
  for (size_t at = 0; at < log.bytes.size(); at += at < 400 || at > 104000 || at % 32768 > padding_from ? 1 : 101) {
    for (const char change : {char(0x01), char(0x80), char(0xff)}) {
      log.bytes[at] = static_cast<char>(log.bytes[at] ^ change);
      const LogCheck check = CheckLog(log.bytes);
      const bool is_padding = check.state == LogState::kWhole && at % 32768 > padding_from;
      ASSERT_TRUE(check.state == LogState::kDamaged || is_padding) << "byte " << at << " state " << int(check.state);
      log.bytes[at] = static_cast<char>(log.bytes[at] ^ change);
    }
  }
}

TEST(LogCheck, AChangedByteBeforeATornWriteIsDamage) {
  Log log = MakeLog(3);
  const size_t acknowledged = log.bytes.size();
  Append(log, std::string(3000, 't'));
  log.bytes.resize(acknowledged + 1500);
  EXPECT_EQ(CheckLog(log.bytes).state, LogState::kTorn);
  EXPECT_EQ(CheckLog(log.bytes).whole_bytes, acknowledged);
  for (size_t at = acknowledged - 2100; at < acknowledged; ++at) {
    log.bytes[at] = static_cast<char>(log.bytes[at] ^ 0x04);
    ASSERT_EQ(CheckLog(log.bytes).state, LogState::kDamaged) << at;
    log.bytes[at] = static_cast<char>(log.bytes[at] ^ 0x04);
  }
}

TEST(LogCheck, TakesAnyBytes) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = testing::RandomBytes(random, random.Below(3000));
    EXPECT_LE(CheckLog(bytes).whole_bytes, bytes.size());
  }
}

}  // namespace
}  // namespace weir::store
