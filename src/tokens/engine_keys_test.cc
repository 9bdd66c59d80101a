#include "weir/tokens/engine_keys.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "cbor_tokens.h"
#include "weir/base/random.h"
#include "weir/codec/cbor.h"
#include "weir/codec/hex.h"
#include "weir/codec/json.h"
#include "weir/codec/pickle.h"
#include "weir/codec/sha256.h"
#include "weir/codec/xxh3.h"

namespace weir {
namespace {

std::vector<TokenId> Count(TokenId first, TokenId step, size_t count) {
  std::vector<TokenId> tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = first + step * static_cast<TokenId>(i);
  return tokens;
}

std::vector<EngineKey> VllmKeys(const VllmKeyOptions& options, std::span<const TokenId> tokens) {
  Result<VllmKeyChain> chain = VllmKeyChain::Start(options);
  EXPECT_TRUE(chain) << chain.error().ToString();
  std::vector<EngineKey> keys;
  chain->Append(tokens, keys);
  return keys;
}

std::string FirstHex(const VllmKeyOptions& options, std::span<const TokenId> tokens) {
  return HexOf(VllmKeys(options, tokens).at(0).digest());
}

// Block A = 101,202,...,1616 and its child B = 1717,...,3232.
const std::vector<TokenId> kBlocksAB = Count(101, 101, 32);

TEST(VllmKeys, KnownAnswersOfEveryHash) {
  struct Case {
    VllmHash hash;
    const char *none, *a;
    uint64_t a_wire;
    const char* b;
    uint64_t b_wire;
  };
  const Case cases[] = {
      {VllmHash::kSha256Cbor, "4e1195df020de59e0d65a33a4279f1183e7ae4e5d980e309f8b55adff2e61c3e",
       "d450abdaf2c9ebdd0e0cbfbc4e24a5c07ff71dcab37be7426d4fa0e5fdb93342", 7876691182959014722u,
       "0d95d2dc02f528b32afbd33ebffedd911ed1978087b0a01679b4ddd62261c5db", 8769878286166771163u},
      {VllmHash::kXxhashCbor, "1ebe36576dcb573f26b99533a20aaeca", "363a30eaa81cfc9f9992a6dfe619bda1", 11066090714971094433u,
       "60bf650ad0efa0dc7147140a2e85add6", 8162514883595054550u},
      {VllmHash::kSha256, "1973e23848344dc43a988a9b478663803cfffe1243480253f9a3cf004b14aa7c",
       "7f82767b9d5da0d11d69bbe28ae068e688ab5a0bbe5b0119b70888a8c7c69ead", 13188941767242063533u,
       "39c7585e2fca362d7ccd3fd06894b11fb70772b2ba68d3e08edc0bb1cebd1df6", 10294115706567728630u},
  };
  for (const Case& c : cases) {
    const VllmKeyOptions options{.hash = c.hash, .seed = "0"};
    EXPECT_EQ(HexOf(VllmNoneHash(options)->digest()), c.none);
    const std::vector<EngineKey> keys = VllmKeys(options, kBlocksAB);
    ASSERT_EQ(keys.size(), 2u);
    EXPECT_EQ(HexOf(keys[0].digest()), c.a);
    EXPECT_EQ(keys[0].wire(), c.a_wire);
    EXPECT_EQ(HexOf(keys[1].digest()), c.b);
    EXPECT_EQ(keys[1].wire(), c.b_wire);
  }
}

TEST(VllmKeys, KnownAnswersOfRealTokensAndExtras) {
  VllmKeyOptions options{.hash = VllmHash::kSha256Cbor, .extras = VllmExtras::kUntagged, .seed = "0"};
  const std::vector<TokenId> real = {785,  3974, 13876, 38835, 34208, 916,  279,  15678,
                                     5562, 13,   44801, 2266,  25,    8287, 1411, 27217};
  EXPECT_EQ(FirstHex(options, real), "caba889d3604b3df8dcdd10e42088879dbda2a1da4d19650da393e3b3c4a3207");
  EXPECT_EQ(VllmKeys(options, real)[0].wire(), 15724667998076285447u);
  options.hash = VllmHash::kXxhashCbor;
  EXPECT_EQ(FirstHex(options, real), "56f372e4cb22425f4773cdca742d4779");

  options.hash = VllmHash::kSha256Cbor;
  const std::vector<TokenId> one_to_sixteen = Count(1, 1, 16);
  EXPECT_EQ(FirstHex(options, one_to_sixteen), "202da172482d928bbc42ab25b0151e2b895f13f41002e27b2ceabcfae6d332ea");
  options.cache_salt = "tenant-a";
  EXPECT_EQ(FirstHex(options, one_to_sixteen), "49b760d6d243926bf3dfb4d180a3a3d4b6014d7f50eeaab097c026e53c21ba63");
  options.cache_salt.clear();
  options.lora_name = "my-lora";
  EXPECT_EQ(FirstHex(options, one_to_sixteen), "07df9ef1b6800860b8c8d385e23a8a5b0eba8e3b5390de25d657793dd7c611fd");

  // Older releases can start from 32 known zero bytes.
  const VllmKeyOptions zero{.hash = VllmHash::kSha256Cbor, .none_hash = std::string(32, '\0')};
  EXPECT_EQ(FirstHex(zero, kBlocksAB), "8c0a1c7a0ea0f3ed0c543c28859440fae8821a38a9e83fb3c971ffe3d56197ea");
  EXPECT_EQ(VllmKeys(zero, kBlocksAB)[0].wire(), 14515664427994421226u);
}

// Computed with a running vLLM 0.32.0: blocks of 32 tokens, tagged extras, seed "0" or none.
TEST(VllmKeys, EqualsARunningEngine) {
  const std::vector<TokenId> tokens = {21322, 9986,  25975, 42759, 3264,  4847,  35219, 6268,  24065, 38293, 3901,
                                       33355, 14170, 2557,  5732,  28519, 27505, 4678,  15872, 6044,  36213, 27921,
                                       3973,  37157, 8213,  14730, 41428, 41219, 38307, 4154,  37921, 38474};
  VllmKeyOptions options{.hash = VllmHash::kSha256Cbor, .block_size = 32, .seed = "0"};
  EXPECT_EQ(FirstHex(options, tokens), "62682d2aa8ca69652f4c6cda379fca8ccc4fd67d973beba77f4187df46824f69");
  EXPECT_EQ(VllmKeys(options, tokens)[0].wire(), 9169759709333442409u);
  options.cache_salt = "tenant-1";
  EXPECT_EQ(FirstHex(options, tokens), "c0c5881186e8b2131f7af150c38c19e33b49fbc614410904013fb50214a9cdb2");

  VllmKeyOptions unset{.block_size = 32};
  EXPECT_EQ(HexOf(VllmNoneHash(unset)->digest()), "066b1e8987e027138e98701c46128929378935f9b6cd1549105ae6b4f0d71198");
  EXPECT_EQ(FirstHex(unset, tokens), "e787d85f262b0d1e013b2ab520d88030f0b887deec72637d75ea2bdd6fabe59f");
  unset.cache_salt = "tenant-1";
  EXPECT_EQ(FirstHex(unset, tokens), "2c5bf030fdc8f2b06ee605afdaf47e61805e2fb8c74bc49b95e22561b5241962");
}

TEST(VllmKeys, RefusesWhatNobodyCanKnow) {
  const auto refused = [](const VllmKeyOptions& options) { return !VllmKeyChain::Start(options).has_value(); };
  EXPECT_TRUE(refused({.hash = VllmHash::kXxhash}));  // random start
  EXPECT_TRUE(refused({.hash = VllmHash::kXxhashCbor}));
  EXPECT_FALSE(refused({.hash = VllmHash::kXxhashCbor, .seed = "0"}));
  EXPECT_TRUE(refused({.block_size = 0}));
  EXPECT_TRUE(refused({.none_hash = "short"}));
  EXPECT_TRUE(refused({.cache_salt = "\xff"}));
  EXPECT_TRUE(refused({.items = {{"a", 5, 10}, {"b", 14, 1}}}));
  EXPECT_TRUE(refused({.items = {{"a", 5, UINT64_MAX}}}));
  EXPECT_TRUE(refused({.prompt_embeds = {"short"}}));
  EXPECT_FALSE(ParseVllmHash("md5"));
  EXPECT_EQ(*ParseVllmHash("xxhash"), VllmHash::kXxhash);
}

// One block's preimage written in the plainest way: the definition, without any of the chain's short cuts.
std::string Preimage(const VllmKeyOptions& options, std::string_view parent, std::span<const TokenId> tokens,
                     uint64_t block) {
  const bool tagged = options.extras == VllmExtras::kTagged;
  const uint64_t begin = block * tokens.size();
  using Leaves = std::vector<Json>;  // a number, or text as "t..." and bytes as "b..."
  std::vector<Leaves> extras;
  const auto add = [&](const char* tag, Leaves leaves) {
    if (tagged) leaves.insert(leaves.begin(), Json("T" + std::string(tag)));
    extras.push_back(std::move(leaves));
  };
  if (!options.lora_name.empty()) {
    Leaves leaves = {"t" + options.lora_name};
    if (tagged) leaves.push_back("t" + options.lora_path);
    add("lora", leaves);
  }
  for (const VllmMultimodalItem& item : options.items) {
    if (item.offset >= begin + tokens.size() || item.offset + item.length <= begin) continue;
    Leaves leaves = {"t" + item.identifier};
    if (options.extras != VllmExtras::kBare)
      leaves.push_back(Json(static_cast<int64_t>(item.offset) - static_cast<int64_t>(begin)));
    add("mm", leaves);
  }
  if (block == 0 && !options.cache_salt.empty()) add("cache_salt", {"t" + options.cache_salt});
  if (block < options.prompt_embeds.size()) add("prompt_embeds", {"b" + options.prompt_embeds[block]});

  const auto write = [&](auto& writer, auto array, auto end, auto number, auto null, auto tag) {
    array(3);
    writer.Bytes(parent);
    array(tokens.size());
    for (const TokenId token : tokens) number(token);
    end();
    if (extras.empty()) {
      null();
    } else {
      array(extras.size());
      for (const Leaves& leaves : extras) {
        if (leaves.size() > 1) array(leaves.size());
        for (const Json& leaf : leaves) {
          if (leaf.is_integer()) {
            writer.Integer(leaf.as_int());
          } else if (leaf.as_string()[0] == 'T') {
            tag(leaf.as_string().substr(1));
          } else if (leaf.as_string()[0] == 't') {
            writer.Text(leaf.as_string().substr(1));
          } else {
            writer.Bytes(leaf.as_string().substr(1));
          }
        }
        if (leaves.size() > 1) end();
      }
      end();
    }
    end();
  };
  if (options.hash == VllmHash::kSha256Cbor || options.hash == VllmHash::kXxhashCbor) {
    std::string out;
    CborWriter writer(out);
    write(
        writer, [&](size_t n) { writer.Array(n); }, [] {}, [&](uint64_t v) { writer.Unsigned(v); }, [&] { writer.Null(); },
        [&](const std::string& text) { writer.Text(text); });
    return out;
  }
  PickleWriter writer;
  std::map<std::string, size_t> tags;
  write(
      writer, [&](size_t n) { writer.BeginTuple(n); }, [&] { writer.EndTuple(); }, [&](uint64_t v) { writer.Unsigned(v); },
      [&] { writer.None(); },
      [&](const std::string& text) {
        if (tags.contains(text)) return writer.Again(tags[text]);
        tags[text] = writer.Text(text);
      });
  return std::string(writer.Finish());
}

VllmKeyOptions RandomOptions(Random& random) {
  VllmKeyOptions options;
  options.hash = static_cast<VllmHash>(random.Below(4));
  options.extras = static_cast<VllmExtras>(random.Below(3));
  options.block_size = 1 + random.Below(random.Below(8) == 0 ? 12000 : 40);
  options.seed = std::to_string(random.Below(100));
  if (random.Below(8) == 0) options.none_hash = std::string(32, '\x07');
  if (random.Below(3) == 0) options.lora_name = "adapter", options.lora_path = "/adapters/1";
  if (random.Below(3) == 0) options.cache_salt = random.Below(2) == 0 ? "s" : "tenant";
  if (random.Below(3) == 0) options.prompt_embeds.assign(random.Below(4), std::string(32, '\x55'));
  uint64_t offset = random.Below(50);
  for (uint64_t n = random.Below(2) * random.Below(6); n > 0; --n) {
    options.items.push_back({"image" + std::to_string(n % 3), offset, 1 + random.Below(90)});
    offset += options.items.back().length + random.Below(30);
  }
  return options;
}

TEST(VllmKeys, EqualTheDefinitionHoweverTokensArrive) {
  Random random(41);
  for (int round = 0; round < 3000; ++round) {
    const VllmKeyOptions options = RandomOptions(random);
    std::vector<TokenId> tokens(random.Below(6 * options.block_size));
    for (TokenId& token : tokens) token = static_cast<TokenId>(random.Next() >> (32 + random.Below(32)));

    std::vector<EngineKey> expected;
    std::string parent(VllmNoneHash(options)->digest());
    for (size_t end = options.block_size; end <= tokens.size(); end += options.block_size) {
      const std::string preimage = Preimage(
          options, parent, std::span(tokens).subspan(end - options.block_size, options.block_size), expected.size());
      const bool sha = options.hash == VllmHash::kSha256 || options.hash == VllmHash::kSha256Cbor;
      const Sha256Digest full = Sha256(preimage);
      const std::array<uint8_t, 16> half = DigestBytes(Xxh3_128(preimage));
      parent = sha ? std::string(full.begin(), full.end()) : std::string(half.begin(), half.end());
      expected.push_back(*EngineKey::FromDigest(parent));
    }

    Result<VllmKeyChain> chain = VllmKeyChain::Start(options);
    ASSERT_TRUE(chain) << chain.error().ToString();
    std::vector<EngineKey> keys;
    for (size_t at = 0; at < tokens.size();) {
      const size_t piece = std::min<size_t>(tokens.size() - at, random.Below(3 * options.block_size + 2));
      chain->Append(std::span(tokens).subspan(at, piece), keys);
      at += piece;
    }
    ASSERT_EQ(keys, expected) << "round " << round;

    if (keys.size() > 1) {  // go on from the middle
      const size_t cut = 1 + random.Below(keys.size() - 1);
      std::vector<EngineKey> rest(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(cut));
      Result<VllmKeyChain> resumed = VllmKeyChain::Resume(options, rest.back(), cut);
      ASSERT_TRUE(resumed);
      resumed->Append(std::span(tokens).subspan(cut * options.block_size), rest);
      ASSERT_EQ(rest, keys);
    }
  }
}

TEST(VllmKeys, ManyPromptsEqualOneAfterTheOther) {
  Random random(43);
  for (int round = 0; round < 200; ++round) {
    const VllmKeyOptions options = RandomOptions(random);
    std::vector<std::vector<TokenId>> prompts(random.Below(6));
    for (std::vector<TokenId>& prompt : prompts) prompt = Count(static_cast<TokenId>(random.Next()), 7, random.Below(300));
    const std::vector<std::span<const TokenId>> views(prompts.begin(), prompts.end());
    const auto keys = VllmKeysOfPrompts(options, views);
    ASSERT_TRUE(keys);
    ASSERT_EQ(keys->size(), prompts.size());
    for (size_t i = 0; i < prompts.size(); ++i) ASSERT_EQ((*keys)[i], VllmKeys(options, prompts[i]));
  }
  EXPECT_FALSE(VllmKeysOfPrompts({.block_size = 0}, std::vector<std::span<const TokenId>>(1)));
}

TEST(CborTokens, EqualTheWriterForEverySizeClass) {
  for (const uint64_t base : {0u, 23u, 24u, 255u, 256u, 65535u, 65536u, 0x7fffffffu, 0xffffffffu}) {
    for (int64_t delta = -2; delta <= 2; ++delta) {
      const auto id = static_cast<TokenId>(base + static_cast<uint64_t>(delta));
      std::string expected;
      CborWriter(expected).Unsigned(id);
      uint8_t bytes[16];
      const uint8_t* end = internal::WriteCborToken(bytes, id);
      ASSERT_EQ(HexOf(std::span<const uint8_t>(bytes, end)), HexOf(expected)) << id;
      expected.clear();
      CborWriter(expected).Array(id);
      end = internal::WriteCborArrayHead(bytes, id);
      ASSERT_EQ(HexOf(std::span<const uint8_t>(bytes, end)), HexOf(expected)) << id;
    }
  }
}

TEST(LlmdKeys, KnownAnswers) {
  Result<LlmdKeyChain> chain = LlmdKeyChain::Start({.model = "ibm-granite/granite-3.1-8b-instruct", .block_size = 4});
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->parent(), 0x24c143712f37321eu);
  std::vector<EngineKey> keys;
  chain->Append(std::vector<TokenId>{8197, 438, 322, 18926, 1}, keys);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].wire(), 1334984470577408192u);
  EXPECT_EQ(keys[0].size, 8);
}

TEST(LlmdKeys, SeedModelAndMultimodalHashesMatter) {
  const auto first = [](LlmdKeyOptions options) {
    options.block_size = 4;
    std::vector<EngineKey> keys;
    LlmdKeyChain::Start(std::move(options))->Append(std::vector<TokenId>{1, 2, 3, 4}, keys);
    return keys.at(0).wire();
  };
  const uint64_t plain = first({.model = "m"});
  EXPECT_NE(plain, first({.model = "n"}));
  EXPECT_NE(plain, first({.seed = "1", .model = "m"}));
  EXPECT_NE(plain, first({.model = "m", .multimodal_hashes = {{"h"}}}));
  EXPECT_EQ(plain, first({.model = "m", .multimodal_hashes = {{}, {"h"}}}));
  EXPECT_FALSE(LlmdKeyChain::Start({.model = "\xff"}));
  EXPECT_FALSE(LlmdKeyChain::Start({.block_size = 0}));

  // A continued chain is the same chain; a preimage written by hand gives the multimodal key.
  std::string preimage;
  CborWriter writer(preimage);
  const LlmdKeyOptions options{.model = "m", .block_size = 4, .multimodal_hashes = {{}, {"h"}}};
  std::vector<EngineKey> keys;
  Result<LlmdKeyChain> chain = LlmdKeyChain::Start(options);
  chain->Append(Count(1, 1, 3), keys);
  chain->Append(Count(4, 1, 9), keys);
  ASSERT_EQ(keys.size(), 3u);
  writer.Array(3);
  writer.Unsigned(keys[0].wire());
  writer.Array(4);
  for (uint64_t token = 5; token < 9; ++token) writer.Unsigned(token);
  writer.Array(1);
  writer.Map(1);
  writer.Text("Hash");
  writer.Text("h");
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : preimage) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  EXPECT_EQ(keys[1].wire(), hash);
  std::vector<EngineKey> rest;
  LlmdKeyChain::Resume(options, keys[1].wire(), 2)->Append(Count(9, 1, 4), rest);
  EXPECT_EQ(rest.at(0), keys[2]);
}

TEST(DynamoKeys, KnownAnswers) {
  Result<DynamoKeyChain> chain = DynamoKeyChain::Start({.block_size = 4});
  std::vector<DynamoKey> keys;
  chain->Append(Count(1, 1, 3), keys);
  chain->Append(Count(4, 1, 5), keys);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0], (DynamoKey{14643705804678351452u, 14643705804678351452u}));
  EXPECT_EQ(keys[1], (DynamoKey{16777012769546811212u, 4945711292740353085u}));

  std::vector<DynamoKey> a;
  DynamoKeyChain::Start({})->Append(std::span(kBlocksAB).first(16), a);
  EXPECT_EQ(a.at(0).sequence, 4257951094936895530u);

  std::vector<DynamoKey> rest;
  DynamoKeyChain::Resume({.block_size = 4}, keys[0].sequence)->Append(Count(5, 1, 4), rest);
  EXPECT_EQ(rest.at(0), keys[1]);
  std::vector<DynamoKey> lora;
  DynamoKeyChain::Start({.block_size = 4, .lora_name = "x"})->Append(Count(1, 1, 4), lora);
  EXPECT_NE(lora.at(0), keys[0]);
  EXPECT_FALSE(DynamoKeyChain::Start({.block_size = 0}));
}

}  // namespace
}  // namespace weir
