#include "weir/ledger/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "folder.h"
#include "ledger_lines.h"
#include "line.h"
#include "weir/codec/hex.h"

namespace weir {
namespace {

using namespace testing;  // NOLINT: the shared parts of these tests
using ::testing::HasSubstr;

// The line on which byte `at` stands, from 1.
uint64_t LineOfByte(const std::string& text, size_t at) {
  return 1 + static_cast<uint64_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n'));
}

TEST(VerifyLedger, EveryFlippedByteIsFoundWhereItStands) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 4);
  const std::string good = ReadText(path);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const unsigned mask : {0x01u, 0x20u, 0x80u, 0xffu}) {
      std::string text = good;
      text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^ mask);
      WriteText(path, text);
      const LedgerVerdict verdict = Verified(path);
      ASSERT_TRUE(verdict.fault) << "byte " << at << " mask " << mask;
      ASSERT_EQ(verdict.fault->line, LineOfByte(good, at))
          << "byte " << at << " mask " << mask << ": " << verdict.fault->what;
      ASSERT_EQ(verdict.lines, verdict.fault->line - 1);
      ASSERT_EQ(verdict.fault->byte, HeadOf(good, verdict.lines).size());
    }
  }
}

TEST(VerifyLedger, LinesLostDoubledMovedAndInserted) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 5);
  const std::vector<std::string> good = LinesOf(ReadText(path));
  const auto fault_of = [&](const std::vector<std::string>& lines) {
    WriteText(path, TextOf(lines));
    return FaultOf(Verified(path));
  };
  EXPECT_EQ(fault_of(good), "clean");
  for (size_t i = 1; i + 1 < good.size();
       ++i) {  // neither the first nor the last: those look like rotation and a short ledger
    std::vector<std::string> lines = good;
    lines.erase(lines.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(fault_of(lines), "sequence_gap ledger.jsonl:" + std::to_string(i + 1));
  }
  for (size_t i = 0; i < good.size(); ++i) {
    std::vector<std::string> lines = good;
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(i), good[i]);
    EXPECT_EQ(fault_of(lines), "sequence_gap ledger.jsonl:" + std::to_string(i + 2));
    lines = good;
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(i), "\n");
    EXPECT_EQ(fault_of(lines), "broken_json ledger.jsonl:" + std::to_string(i + 1));
    for (size_t j = i + 1; j < good.size(); ++j) {
      lines = good;
      std::swap(lines[i], lines[j]);
      // With its first line moved away a ledger begins like a rotated one; the second line tells.
      EXPECT_EQ(fault_of(lines), "sequence_gap ledger.jsonl:" + std::to_string(i == 0 ? 2 : i + 1));
    }
  }
}

TEST(VerifyLedger, ALineOfAnotherLedger) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 4);
  auto other = Ledger::Open(OptionsFor(folder / "other.jsonl")).value();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(other->Append(Reuse("somebody else", 7)));
  ASSERT_TRUE(other->Flush());
  const std::vector<std::string> foreign = LinesOf(ReadText(folder / "other.jsonl"));
  const std::string good = ReadText(path);
  for (size_t i = 0; i < 4; ++i) {
    std::vector<std::string> lines = LinesOf(good);
    lines[i] = foreign[i];
    WriteText(path, TextOf(lines));
    // Its number and its own hash fit. In the first place it is the next line that shows it.
    EXPECT_EQ(FaultOf(Verified(path)), "wrong_prev ledger.jsonl:" + std::to_string(i == 0 ? 2 : i + 1));
  }
}

TEST(VerifyLedger, CutAnywhere) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 3);
  const std::string good = ReadText(path);
  for (size_t size = 0; size < good.size(); ++size) {
    WriteText(path, good.substr(0, size));
    const LedgerVerdict verdict = Verified(path);
    const uint64_t whole = LineOfByte(good, size) - 1;
    if (size == 0 || good[size - 1] == '\n') {
      ASSERT_EQ(FaultOf(verdict), "clean");  // not to be seen from the file alone
    } else {
      ASSERT_EQ(FaultOf(verdict), "truncated ledger.jsonl:" + std::to_string(whole + 1));
    }
    ASSERT_EQ(verdict.lines, whole);
    ASSERT_EQ(verdict.start, whole == 0 ? LedgerStart::kEmpty : LedgerStart::kGenesis);
  }
}

TEST(VerifyLedger, ANotedLineShowsACleanCutAndAChainMadeAnew) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 5);
  const std::vector<std::string> lines = LinesOf(ReadText(path));
  const LedgerVerdict noted = Verified(path);
  const LedgerNote both{noted.last_number, noted.last_hash};
  EXPECT_EQ(Verified(path, both).note, LedgerNoteCheck::kKept);
  EXPECT_EQ(Verified(path, {5, std::nullopt}).note, LedgerNoteCheck::kKept);
  EXPECT_EQ(Verified(path, {std::nullopt, noted.last_hash}).note, LedgerNoteCheck::kKept);
  EXPECT_EQ(Verified(path, {4, noted.last_hash}).note, LedgerNoteCheck::kOther);
  EXPECT_EQ(Verified(path, {6, std::nullopt}).note, LedgerNoteCheck::kMissing);
  EXPECT_EQ(Verified(path, {std::nullopt, Sha256("x")}).note, LedgerNoteCheck::kMissing);
  EXPECT_EQ(Verified(path).note, LedgerNoteCheck::kNotAsked);

  WriteText(path, HeadOf(TextOf(lines), 4));  // the last line is gone
  EXPECT_EQ(FaultOf(Verified(path, both)), "clean");
  EXPECT_EQ(Verified(path, both).note, LedgerNoteCheck::kMissing);
  EXPECT_FALSE(Verified(path, both).clean());

  WriteText(path, "");
  WriteLedger(path, 4);
  {
    auto ledger = Ledger::Open(OptionsFor(path)).value();
    ASSERT_TRUE(ledger->Append(Reuse("somebody else", 4)));
  }
  EXPECT_EQ(Verified(path, both).note, LedgerNoteCheck::kOther);

  WriteText(path, TextOf({lines.begin() + 3, lines.end()}));  // begins at number 4
  EXPECT_EQ(Verified(path).start, LedgerStart::kContinues);
  EXPECT_EQ(Verified(path, {2, std::nullopt}).note, LedgerNoteCheck::kRotatedAway);
  ledger::Line third;
  ASSERT_FALSE(ledger::ParseLine(lines[2].substr(0, lines[2].size() - 1), third));
  EXPECT_EQ(Verified(path, {3, third.hash}).note, LedgerNoteCheck::kKept);  // the first line bears its hash
  EXPECT_EQ(Verified(path, {3, Sha256("x")}).note, LedgerNoteCheck::kOther);
}

// Lines whose hashes fit but which the ledger would never write.
TEST(VerifyLedger, NamesWhatIsWrongWithALine) {
  const std::string zeros(64, '0');
  const auto fault_of = [](const std::string& body) {
    const std::string hash = HexOf(Sha256(std::string(32, '\0') + body + "}"));
    ledger::Line line;
    const auto fault = ledger::ParseLine(body + ",\"hash\":\"" + hash + "\"}", line);
    return fault ? std::string(LedgerFaultKindName(fault->kind)) + ": " + fault->what : "clean";
  };
  const std::string good =
      R"({"v":1,"n":1,"unix_ms":5,"kind":"reuse","agent":"a","reason":"r","fields":{"x":1,"y":null,"z":0.5},"prev":")" +
      zeros + "\"";
  ASSERT_EQ(fault_of(good), "clean");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string body = good;
    const size_t at = body.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return fault_of(body.replace(at, from.size(), to));
  };
  EXPECT_THAT(changed("\"v\":1,", ""), HasSubstr("missing_field: the field 'v'"));
  EXPECT_THAT(changed("\"v\":1", "\"v\":2"), HasSubstr("version: it has format 2; this build knows 1"));
  EXPECT_THAT(changed("\"n\":1,", ""), HasSubstr("missing_field: the field 'n'"));
  EXPECT_THAT(changed("\"n\":1", "\"n\":0"), HasSubstr("missing_field: the field 'n'"));
  EXPECT_THAT(changed("\"n\":1", "\"n\":-1"), HasSubstr("missing_field: the field 'n'"));
  EXPECT_THAT(changed("\"n\":1", "\"n\":1.0"), HasSubstr("missing_field: the field 'n'"));
  EXPECT_THAT(changed("\"unix_ms\":5,", ""), HasSubstr("missing_field: the field 'unix_ms'"));
  EXPECT_THAT(changed("reuse", "wish"), HasSubstr("missing_field: the field 'kind'"));
  EXPECT_THAT(changed("\"agent\":\"a\",", ""), HasSubstr("missing_field: the field 'agent'"));
  EXPECT_THAT(changed("\"a\"", "\"" + std::string(257, 'a') + "\""), HasSubstr("missing_field: the field 'agent'"));
  EXPECT_THAT(changed("\"a\"", "\"a\",\"owner\":7"), HasSubstr("missing_field: the field 'owner'"));
  EXPECT_THAT(changed("\"r\"", "\"Once upon a time\""), HasSubstr("missing_field: the field 'reason'"));
  EXPECT_THAT(changed("\"x\":1", "\"x\":\"text\""), HasSubstr("missing_field: the field 'fields'"));
  EXPECT_THAT(changed("\"x\":1", "\"X\":1"), HasSubstr("missing_field: the field 'fields'"));
  EXPECT_THAT(changed("\"x\":1", "\"x\":[1]"), HasSubstr("missing_field: the field 'fields'"));
  EXPECT_THAT(changed(zeros, zeros.substr(2)), HasSubstr("missing_field: the field 'prev'"));
  EXPECT_THAT(changed("\"v\":1,", "\"v\": 1,"), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("\"a\"", "\"\\u0061\""), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("\"v\":1,\"n\":1", "\"n\":1,\"v\":1"), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("\"x\":1", "\"x\":1,\"x\":1"), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("\"prev\"", "\"text\":\"hidden\",\"prev\""), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("0.5", "0.50"), HasSubstr("broken_json: it is not spelled"));
  EXPECT_THAT(changed("{\"v\"", "[\"v\""), HasSubstr("broken_json: it is not a JSON object"));
  EXPECT_THAT(fault_of("{\"v\":1"), HasSubstr("missing_field: the field 'n'"));
}

TEST(VerifyLedger, ALineWithoutEndTakesNoMemory) {
  const Folder folder;
  const auto path = folder / "ledger.jsonl";
  WriteLedger(path, 2);
  WriteText(path, ReadText(path) + std::string(3 << 20, 'x') + "\n" + "next\n");
  const LedgerVerdict verdict = Verified(path);
  EXPECT_EQ(FaultOf(verdict), "broken_json ledger.jsonl:3");
  EXPECT_THAT(verdict.fault->what, HasSubstr("longer than any line"));
  const std::vector<std::string> tail = ReadLedgerTail(path, 2).value();
  ASSERT_EQ(tail.size(), 2u);
  EXPECT_EQ(tail[0].size(), ledger::kLineBytesMax);
  EXPECT_EQ(tail[1], "next");
}

TEST(VerifyLedger, WhatIsNotThere) {
  const Folder folder;
  EXPECT_EQ(VerifyLedger(folder / "ledger.jsonl").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(VerifyLedger(folder / "absent" / "ledger.jsonl").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(VerifyLedger(folder.path()).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(VerifyLedger(folder.path() / "").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ReadLedgerTail(folder / "ledger.jsonl", 1).error().code, ErrorCode::kNotFound);
}

TEST(Decision, NamesOfKindsAreStable) {
  for (const auto& [kind, name] : std::map<DecisionKind, std::string>{{DecisionKind::kReuse, "reuse"},
                                                                      {DecisionKind::kRefusal, "refusal"},
                                                                      {DecisionKind::kEviction, "eviction"},
                                                                      {DecisionKind::kModeChange, "mode_change"},
                                                                      {DecisionKind::kRegistration, "registration"},
                                                                      {DecisionKind::kRemoval, "removal"},
                                                                      {DecisionKind::kRestore, "restore"},
                                                                      {DecisionKind::kSetAside, "set_aside"},
                                                                      {DecisionKind::kRepair, "repair"},
                                                                      {DecisionKind::kGap, "gap"}}) {
    EXPECT_EQ(DecisionKindName(kind), name);
    EXPECT_EQ(ParseDecisionKind(name), kind);
  }
  EXPECT_EQ(ParseDecisionKind("Reuse"), std::nullopt);
}

// A reason or a field name out of a run-time text must not compile; here is what the compile-time check decides by.
TEST(Decision, CodesAreWords) {
  for (const char* good : {"a", "exact_prefix", "t2", "abcdefghijklmnopqrstuvwxyz_12345"}) {
    EXPECT_TRUE(LedgerCode::IsWellFormed(good)) << good;
  }
  for (const char* bad : {"", "A", "a b", "2t", "_a", "a-b", "\u00e9", "abcdefghijklmnopqrstuvwxyz_123456"}) {
    EXPECT_FALSE(LedgerCode::IsWellFormed(bad)) << bad;
  }
  static_assert(!std::is_constructible_v<LedgerCode, std::string>);
  static_assert(!std::is_constructible_v<LedgerCode, std::string_view>);
  static_assert(!std::is_constructible_v<LedgerNumber, std::string>);
  static_assert(!std::is_constructible_v<LedgerNumber, const char*>);
}

}  // namespace
}  // namespace weir
