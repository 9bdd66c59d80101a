#include "registry_contexts.h"

#include <fmt/format.h>

#include <string_view>

#include "weir/base/random.h"
#include "weir/codec/sha256.h"

namespace weir {
namespace {

constexpr std::string_view kWords[256] = {
    "about",    "accept",  "access",  "account",  "act",      "add",      "air",      "all",     "allow",   "also",
    "and",      "answer",  "apply",   "ask",      "assume",   "away",     "bad",      "base",    "bear",    "before",
    "best",     "big",     "block",   "board",    "break",    "build",    "business", "case",    "catch",   "choice",
    "church",   "code",    "color",   "come",     "computer", "continue", "could",    "country", "create",  "cup",
    "current",  "cut",     "date",    "deep",     "detail",   "doctor",   "dog",      "drive",   "edge",    "effect",
    "end",      "even",    "every",   "example",  "expect",   "face",     "fact",     "fall",    "fast",    "father",
    "feel",     "field",   "figure",  "film",     "final",    "fine",     "firm",     "fish",    "floor",   "four",
    "full",     "future",  "game",    "general",  "get",      "girl",     "give",     "glass",   "goal",    "guess",
    "hair",     "half",    "happy",   "hard",     "head",     "health",   "hear",     "heat",    "heavy",   "here",
    "his",      "hit",     "hold",    "hope",     "hour",     "human",    "in",       "it",      "its",     "job",
    "key",      "kind",    "land",    "large",    "lay",      "lead",     "less",     "lie",     "light",   "like",
    "line",     "live",    "local",   "loss",     "lot",      "low",      "main",     "man",     "many",    "market",
    "matter",   "member",  "miss",    "money",    "more",     "much",     "music",    "name",    "near",    "news",
    "next",     "night",   "no",      "none",     "nor",      "north",    "not",      "number",  "off",     "official",
    "once",     "only",    "open",    "or",       "other",    "our",      "out",      "own",     "owner",   "paint",
    "pair",     "paper",   "part",    "party",    "pattern",  "per",      "person",   "plan",    "present", "program",
    "property", "pull",    "push",    "put",      "question", "radio",    "range",    "rate",    "reason",  "reduce",
    "remain",   "remove",  "rest",    "result",   "right",    "risk",     "rock",     "room",    "rule",    "run",
    "say",      "science", "second",  "security", "sell",     "set",      "seven",    "shake",   "share",   "she",
    "short",    "simple",  "since",   "site",     "six",      "skill",    "small",    "social",  "some",    "song",
    "south",    "space",   "sport",   "staff",    "standard", "star",     "start",    "station", "store",   "story",
    "strong",   "stuff",   "subject", "support",  "sure",     "surface",  "system",   "take",    "task",    "tax",
    "term",     "that",    "the",     "theory",   "there",    "thing",    "third",    "those",   "three",   "through",
    "throw",    "to",      "too",     "trip",     "true",     "trust",    "turn",     "two",     "up",      "usually",
    "way",      "we",      "wear",    "week",     "weight",   "well",     "what",     "which",   "whole",   "win",
    "woman",    "word",    "wrong",   "yard",     "yes",      "young",
};

constexpr uint64_t kPromptSeed = 1'000'000'000'000;

}  // namespace

std::string RegistryText(uint64_t seed, uint32_t words) {
  Random random(seed);
  std::string text;
  text.reserve(size_t{words} * 6);
  for (uint32_t i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random.Next() >> 56];
  }
  return text;
}

std::string RegistryHead() { return RegistryText(1, kHeadTokens); }
std::string RegistryAgent(uint64_t agent) { return fmt::format("agent-{}", agent); }
std::string RegistryRole(uint64_t agent) { return RegistryText(1000 + agent, kRoleTokens); }
std::string RegistryPrompt(uint64_t number) {
  return RegistryHead() + "\n\n" + RegistryText(kPromptSeed + number, kRoleTokens);
}

std::string RegistryDigest(uint64_t agents) {
  Sha256Stream stream;
  const std::string head = RegistryHead() + "\n\n";
  for (uint64_t agent = 0; agent < agents; ++agent) {
    stream.Update(head);
    stream.Update(RegistryRole(agent));
  }
  const Sha256Digest digest = stream.Finish();
  std::string text;
  for (size_t i = 0; i < 8; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace weir
