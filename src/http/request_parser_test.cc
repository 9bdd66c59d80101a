// What is a request and what is not, and that it does not matter in which pieces it comes.

#include "request_parser.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <vector>

#include "raw_client.h"
#include "test_server.h"
#include "weir/base/random.h"

namespace weir::http {
namespace {

struct Parsed {
  RequestParser::State state = RequestParser::State::kHead;
  int status = 0;
  HttpRequest request{};
  std::string rest{};  // what the parser left

  // Everything that could differ.
  std::string Text() const {
    std::string text = std::to_string(static_cast<int>(state)) + "|" + std::to_string(status);
    if (state == RequestParser::State::kRefused) return text;
    text += "|" + request.method + "|" + request.target + "|" + request.body + "|" + rest;
    for (const auto& field : request.headers) text += "|" + field.name + "=" + field.value;
    return text;
  }
};

// Feeds pieces as a connection does: what the parser leaves comes again with what follows.
Parsed Parse(const std::vector<std::string>& pieces, const RequestLimits& limits = {}) {
  Parsed parsed;
  RequestParser parser(limits, parsed.request);
  for (const std::string& piece : pieces) {
    parsed.rest += piece;
    while (true) {
      const auto before = parser.state();
      const size_t used = parser.Feed(parsed.rest);
      parsed.rest.erase(0, used);
      if (used == 0 && parser.state() == before) break;
    }
  }
  parsed.state = parser.state();
  if (parsed.state == RequestParser::State::kRefused) parsed.status = parser.refusal().status;
  return parsed;
}

constexpr std::string_view kHost = "Host: h\r\n";

struct BadRequest {
  std::string_view text;
  int status;
};

// Each as a whole request, so that nothing but the fault can be the reason.
const BadRequest kBadRequests[] = {
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: h\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: y\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\tfolded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n", 400},
    {{"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 37}, 400},
    {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\r\nHost: h\r\n\r\n", 400},
    {"GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/11\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
    {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"\x16\x03\x01\x02", 400},
    {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nx", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\nx", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\n\"\r\nx\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 400},
};

TEST(RequestParser, RefusesWhatIsNoRequest) {
  for (const BadRequest& bad : kBadRequests) {
    const Parsed parsed = Parse({std::string(bad.text)});
    EXPECT_EQ(parsed.state, RequestParser::State::kRefused) << bad.text;
    EXPECT_EQ(parsed.status, bad.status) << bad.text;
  }
}

TEST(RequestParser, LeavesWhatFollows) {
  const Parsed parsed = Parse({"POST / HTTP/1.1\r\n" + std::string(kHost) + "Content-Length: 2\r\n\r\nabGET /next"});
  EXPECT_EQ(parsed.state, RequestParser::State::kDone);
  EXPECT_EQ(parsed.request.body, "ab");
  EXPECT_EQ(parsed.rest, "GET /next");
}

TEST(RequestParser, GivesTheSameInWhateverPieces) {
  const char* const given = std::getenv("WEIR_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : 20261124;
  std::cout << "seed " << seed << '\n';
  Random random(seed);
  std::vector<std::string> texts = {
      "\r\n\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n10;x=\"y\"\r\n0123456789abcdef\r\n0\r\n"
      "Trailer: t\r\n\r\nGET / HTTP/1.1\r\n",
      "PUT /a HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 2\r\nContent-Length: 11\r\n\r\nhello worldGET",
      "GET / HTTP/1.0\r\n\r\nrest",
      "GET /" + std::string(1000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nX: " + std::string(600, 'x') + "\n\r\n",
      "GET / HTTP/1.1\r\nX: " + std::string(600, 'x') + "\r\n folded\r\n\r\n",
  };
  for (const BadRequest& bad : kBadRequests) texts.emplace_back(bad.text);
  for (const std::string& text : texts) {
    const std::string whole = Parse({text}, {.header_bytes_max = 512}).Text();
    for (int round = 0; round < 20; ++round) {
      std::vector<std::string> pieces;
      for (size_t at = 0; at < text.size();) {
        const size_t size = 1 + random.Below(round % 2 == 0 ? 4 : text.size());
        pieces.push_back(text.substr(at, size));
        at += size;
      }
      ASSERT_EQ(Parse(pieces, {.header_bytes_max = 512}).Text(), whole) << text;
    }
  }
}

TEST(RequestParser, RefusesEndlessChunkLines) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(Parse({head, "1;" + std::string(20'000, 'a')}).status, 400);
  EXPECT_EQ(Parse({head, "0\r\nX: " + std::string(20'000, 'a')}).status, 400);
}

// Over a socket the same holds, and the connection ends with the answer.
TEST(HttpServerBadInput, IsAnsweredAndCutOff) {
  const auto server = StartTestServer(EchoRequest);
  for (const BadRequest& bad : kBadRequests) {
    RawClient client(server->endpoints()[0]);
    ASSERT_TRUE(client.Send(bad.text));
    const RawResponse response = client.Receive();
    EXPECT_EQ(response.status, bad.status) << bad.text;
    EXPECT_EQ(response.headers.Find("Connection"), "close") << bad.text;
    EXPECT_TRUE(client.IsClosed()) << bad.text;
  }
  EXPECT_EQ(server->stats().responses_2xx, 0u);
}

TEST(HttpServerBadInput, DoesNoHarmAtRandom) {
  const char* const given = std::getenv("WEIR_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : 7;
  std::cout << "seed " << seed << '\n';
  Random random(seed);
  const auto server = StartTestServer(EchoRequest, {.worker_threads = 2});
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 3; ++i) text += kBadRequests[random.Below(std::size(kBadRequests))].text;
    for (uint64_t i = random.Below(6); i > 0; --i) text[random.Below(text.size())] = static_cast<char>(random.Next());
    RawClient client(server->endpoints()[0]);
    client.Send(text);
    client.ShutdownSending();
    ASSERT_TRUE(client.IsClosed());
  }
  RawClient client(server->endpoints()[0]);
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 200);
}

}  // namespace
}  // namespace weir::http
