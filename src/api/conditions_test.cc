// Conditions on revisions, idempotency keys, and pages of a list that changes meanwhile.

#include <atomic>
#include <thread>

#include "api_fixture.h"
#include "idempotency.h"

namespace weir {
namespace {

using testing::ApiAnswer;
using testing::CountAt;
using testing::TextAt;

class ApiConditionsTest : public testing::ApiTest {
 protected:
  void SetUp() override { Open(); }

  ApiAnswer Put(const std::string& text, HttpHeaders headers = {}) {
    return SendJson("PUT", "/v1/contexts/a", Json::Object{{"text", text}}, std::move(headers));
  }
  ApiAnswer Append(const std::string& text, HttpHeaders headers = {}) {
    return SendJson("PATCH", "/v1/contexts/a", Json::Object{{"append", Json::Object{{"text", text}}}}, std::move(headers));
  }
  std::string Tag() { return Get("/v1/contexts/a").Header("ETag"); }
};

TEST_F(ApiConditionsTest, TagsNameRevisions) {
  const std::string first = Put("one").Header("ETag");
  EXPECT_EQ(Tag(), first);
  EXPECT_TRUE(first.starts_with('"') && first.ends_with('"')) << first;
  const std::string second = Append(" two").Header("ETag");
  EXPECT_NE(second, first);
  EXPECT_EQ(Tag(), second);
  const std::string pinned = SendJson("PATCH", "/v1/contexts/a", Json::Object{{"pinned", true}}).Header("ETag");
  EXPECT_EQ(Tag(), pinned);
}

TEST_F(ApiConditionsTest, AnOldTagChangesNothing) {
  const std::string first = Put("one").Header("ETag");
  const std::string second = Put("two", {{"If-Match", first}}).Header("ETag");
  for (const ApiAnswer& late :
       {Put("three", {{"If-Match", first}}), Append(" x", {{"If-Match", first}}),
        Send("DELETE", "/v1/contexts/a", std::string(), {{"If-Match", first}}),
        SendJson("PATCH", "/v1/contexts/a", Json::Object{{"pinned", true}}, {{"If-Match", first}})}) {
    EXPECT_EQ(late.status, 412) << late.body;
  }
  const ApiAnswer now = Get("/v1/contexts/a");
  EXPECT_EQ(TextAt(now.json, "text"), "two");
  EXPECT_EQ(now.Header("ETag"), second);
  EXPECT_FALSE(now.json.Find("pinned")->as_bool());
  EXPECT_EQ(Put("three", {{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(Send("DELETE", "/v1/contexts/a", std::string(), {{"If-Match", Tag()}}).status, 204);
  EXPECT_EQ(Put("four", {{"If-Match", "*"}}).status, 404);
  EXPECT_EQ(Get("/v1/contexts/a").status, 404);
}

TEST_F(ApiConditionsTest, ATagOfAContextThatWasMadeAnewIsAnother) {
  const std::string first = Put("one").Header("ETag");
  Send("DELETE", "/v1/contexts/a");
  std::string again = Put("one").Header("ETag");
  // Times are in milliseconds: one that is made within the same looks the same.
  while (again == first) {
    Send("DELETE", "/v1/contexts/a");
    again = Put("one").Header("ETag");
  }
  EXPECT_EQ(Append(" x", {{"If-Match", first}}).status, 412);
}

TEST_F(ApiConditionsTest, IfNoneMatch) {
  EXPECT_EQ(Put("one", {{"If-None-Match", "*"}}).status, 201);
  EXPECT_EQ(Put("two", {{"If-None-Match", "*"}}).status, 412);
  EXPECT_EQ(TextAt(Get("/v1/contexts/a").json, "text"), "one");
  const std::string tag = Tag();
  for (const std::string& given : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const ApiAnswer same = Get("/v1/contexts/a", {{"If-None-Match", given}});
    EXPECT_EQ(same.status, 304) << given;
    EXPECT_EQ(same.Header("ETag"), tag);
  }
  EXPECT_EQ(Get("/v1/contexts/a", {{"If-None-Match", "\"other\""}}).status, 200);
  EXPECT_EQ(Get("/v1/contexts/b", {{"If-None-Match", "*"}}).status, 404);
  EXPECT_EQ(Put("two", {{"If-None-Match", tag}}).status, 400) << "it would replace without a condition";
  EXPECT_EQ(Put("two", {{"If-None-Match", "*"}, {"If-Match", tag}}).status, 400);
}

TEST_F(ApiConditionsTest, TagsThatAreNone) {
  Put("one");
  for (const std::string tag : {"", "1", "\"\"", "\"1\"", "\"1-\"", "\"-1\"", "\"a-b\"", "\"1-zz\"", "W/\"1-2\"",
                                "\"99999999999999999999-1\"", "\"1-ffffffffffffffffff\"", "\"1-2\", \"1-3\""}) {
    EXPECT_EQ(Put("two", {{"If-Match", tag}}).status, 400) << tag;
  }
  EXPECT_EQ(Put("two", {{"If-Match", "\"1-2\""}}).status, 412);
  EXPECT_EQ(TextAt(Get("/v1/contexts/a").json, "text"), "one");
}

TEST_F(ApiConditionsTest, AKeyDoesThingsOnce) {
  const ApiAnswer first = Register("a", "one", {{"Idempotency-Key", "k"}});
  ASSERT_EQ(first.status, 201);
  const ApiAnswer again = Register("a", "one", {{"Idempotency-Key", "k"}});
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.Header("ETag"), first.Header("ETag"));
  EXPECT_EQ(again.Header("Idempotent-Replayed"), "true");
  EXPECT_NE(again.Header("x-request-id"), first.Header("x-request-id"));
  EXPECT_EQ(Register("a", "one").status, 409) << "without the key it is another request";
  EXPECT_EQ(Register("a", "two", {{"Idempotency-Key", "k"}}).status, 422);
  EXPECT_EQ(Register("b", "one", {{"Idempotency-Key", "k2"}}).status, 201);
  clock_.Advance(std::chrono::hours(25));
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", "k"}}).status, 409) << "the key is forgotten";
}

TEST_F(ApiConditionsTest, KeysOutOfBounds) {
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", ""}}).status, 400);
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", std::string(256, 'k')}}).status, 400);
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", std::string(255, 'k')}}).status, 201);
}

TEST_F(ApiConditionsTest, KeysAreOfTheirTokensAlone) {
  const std::string one = AddToken("team", kAllScopes);
  const std::string two = AddToken("team", kAllScopes);
  const auto with = [](const std::string& secret) {
    return HttpHeaders{{"Authorization", "Bearer " + secret}, {"Idempotency-Key", "k"}};
  };
  EXPECT_EQ(Register("a", "one", with(one)).status, 201);
  EXPECT_EQ(Register("b", "two", with(two)).status, 201);
  EXPECT_EQ(Register("a", "one", with(one)).Header("Idempotent-Replayed"), "true");
}

TEST_F(ApiConditionsTest, ARefusalIsNoAnswerToKeep) {
  SetUsed(kMemory);
  ASSERT_FALSE(service_->broker().accepts_new());
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", "k"}}).status, 429);
  SetUsed(kMemory / 10);
  ASSERT_TRUE(service_->broker().accepts_new());
  EXPECT_EQ(Register("a", "one", {{"Idempotency-Key", "k"}}).status, 201);
}

TEST_F(ApiConditionsTest, ManyAtOnceUnderOneKeyDoItOnce) {
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const HttpRequest request =
          Request("POST", "/v1/contexts", R"({"agent":"a","text":"one"})", {{"Idempotency-Key", "k"}});
      const HttpResponse response = api_->Handle(request);
      if (response.status == 201 && !response.headers.Has("idempotent-replayed")) ++made;
      // Replayed, or told that the first is at work still.
      EXPECT_TRUE(response.status == 201 || response.status == 409) << response.body;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made.load(), 1);
}

TEST(IdempotencyTest, WhatIsAtWorkIsSaidAndMayBeGivenUp) {
  ManualClock clock;
  api::Idempotency idempotency(clock);
  const Sha256Digest request = Sha256("r");
  ASSERT_TRUE(idempotency.Begin("k", request)->has_value() == false);
  EXPECT_EQ(idempotency.Begin("k", request).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(idempotency.Begin("k", Sha256("other")).error().code, ErrorCode::kInvalidArgument);
  idempotency.Abandon("k");
  EXPECT_FALSE(idempotency.Begin("k", Sha256("other"))->has_value());
  // However long it works, it is not begun a second time.
  clock.Advance(std::chrono::hours(48));
  EXPECT_EQ(idempotency.Begin("k", Sha256("other")).error().code, ErrorCode::kAlreadyExists);
  HttpResponse response;
  response.body = "done";
  idempotency.Finish("k", response);
  idempotency.Finish("unknown", response);
  idempotency.Abandon("unknown");
}

TEST(IdempotencyTest, IsBoundedByCountAndBytes) {
  ManualClock clock;
  api::Idempotency idempotency(clock);
  const Sha256Digest request = Sha256("r");
  const auto keep = [&](const std::string& name, size_t bytes) {
    ASSERT_FALSE(idempotency.Begin(name, request)->has_value()) << name;
    HttpResponse response;
    response.body.assign(bytes, 'x');
    idempotency.Finish(name, response);
  };
  for (size_t i = 0; i < api::Idempotency::kEntriesMax + 10; ++i) keep("n" + std::to_string(i), 1);
  EXPECT_FALSE(idempotency.Begin("n0", request)->has_value()) << "the oldest is forgotten";
  EXPECT_TRUE(idempotency.Begin("n10009", request)->has_value());
  keep("large", api::Idempotency::kBytesMax / 2);
  keep("larger", api::Idempotency::kBytesMax / 2);
  EXPECT_FALSE(idempotency.Begin("large", request)->has_value());
  EXPECT_TRUE(idempotency.Begin("larger", request)->has_value());
  keep("too large", api::Idempotency::kBytesMax + 1);
  EXPECT_FALSE(idempotency.Begin("too large", request)->has_value());
}

class ApiPagesTest : public ApiConditionsTest {
 protected:
  std::string Page(const std::string& cursor, std::vector<std::string>& names, const std::string& more = {}) {
    const ApiAnswer page = Get("/v1/contexts?limit=3" + more + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_EQ(page.status, 200) << page.body;
    EXPECT_LE(page.json.Find("contexts")->as_array().size(), 3u);
    for (const Json& one : page.json.Find("contexts")->as_array()) names.push_back(TextAt(one, "agent"));
    const Json& next = *page.json.Find("next_cursor");
    return next.is_null() ? std::string() : next.as_string();
  }
};

TEST_F(ApiPagesTest, EveryContextThatStaysIsSeenOnce) {
  for (char c = 'b'; c <= 'k'; ++c) ASSERT_EQ(Register(std::string(1, c), "x").status, 201);
  std::vector<std::string> names;
  std::string cursor = Page("", names);
  // The one that the cursor names goes, one before it comes, one after it comes.
  ASSERT_EQ(Send("DELETE", "/v1/contexts/d").status, 204);
  ASSERT_EQ(Register("a", "x").status, 201);
  ASSERT_EQ(Register("ee", "x").status, 201);
  while (!cursor.empty()) cursor = Page(cursor, names);
  EXPECT_EQ(names, (std::vector<std::string>{"b", "c", "d", "e", "ee", "f", "g", "h", "i", "j", "k"}));
}

TEST_F(ApiPagesTest, TheLastPageSaysSo) {
  for (const char* agent : {"a", "b", "c"}) Register(agent, "x");
  std::vector<std::string> names;
  EXPECT_EQ(Page("", names), "");
  EXPECT_EQ(names.size(), 3u);
}

TEST_F(ApiPagesTest, AGroupIsPagedAlone) {
  for (int i = 0; i < 9; ++i) {
    const Json body =
        Json::Object{{"agent", "n" + std::to_string(i)}, {"text", "x"}, {"group", i % 2 == 0 ? "even" : "odd"}};
    ASSERT_EQ(Post("/v1/contexts", body).status, 201);
  }
  std::vector<std::string> names;
  std::string cursor = Page("", names, "&group=even");
  while (!cursor.empty()) cursor = Page(cursor, names, "&group=even");
  EXPECT_EQ(names, (std::vector<std::string>{"n0", "n2", "n4", "n6", "n8"}));
}

TEST_F(ApiPagesTest, CursorsOfNobody) {
  for (const char* cursor : {"!", "abc", "YWJj", "Yzo="}) {
    const int status = Get("/v1/contexts?cursor=" + std::string(cursor)).status;
    EXPECT_EQ(status, std::string_view(cursor) == "Yzo=" ? status : 400) << cursor;
    EXPECT_LT(status, 500);
  }
  EXPECT_EQ(Get("/v1/contexts?cursor=Yzr_").status, 200) << "whatever comes after bytes that no name has";
}

}  // namespace
}  // namespace weir
