#include "bench/response.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::bench {
namespace {

using State = ResponseParser::State;

constexpr std::string_view kAccepted =
    "HTTP/1.1 202 Accepted\r\nX-Request-Id: req_1\r\nidempotent-replayed: true\r\n"
    "Content-Length: 7\r\n\r\n{\"a\":1}";

TEST(ResponseParser, AnAnswerInOnePiece) {
  ResponseParser parser;
  ASSERT_EQ(parser.feed(kAccepted), State::kDone);
  EXPECT_EQ(parser.response().status, 202);
  EXPECT_EQ(parser.response().body, "{\"a\":1}");
  EXPECT_TRUE(parser.response().replayed);
  EXPECT_TRUE(parser.response().keep_alive);
  EXPECT_FALSE(parser.response().retry_after);
}

TEST(ResponseParser, AnAnswerByteByByte_IsTheSame) {
  ResponseParser parser;
  for (std::size_t i = 0; i + 1 < kAccepted.size(); ++i) {
    ASSERT_EQ(parser.feed(kAccepted.substr(i, 1)), State::kMore) << i;
  }
  ASSERT_EQ(parser.feed(kAccepted.substr(kAccepted.size() - 1)), State::kDone);
  EXPECT_EQ(parser.response().body, "{\"a\":1}");
  EXPECT_TRUE(parser.response().replayed);
}

TEST(ResponseParser, Reset_ForgetsTheAnswerBefore) {
  ResponseParser parser;
  ASSERT_EQ(parser.feed(kAccepted), State::kDone);
  parser.reset();
  ASSERT_EQ(parser.feed("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), State::kDone);
  EXPECT_EQ(parser.response().status, 404);
  EXPECT_EQ(parser.response().body, "");
  EXPECT_FALSE(parser.response().replayed);
}

TEST(ResponseParser, RetryAfterHasToBeANumberOfSeconds) {
  const auto parsed = [](const std::string& value) {
    ResponseParser parser;
    EXPECT_EQ(parser.feed("HTTP/1.1 503 No\r\nRetry-After: " + value +
                          "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
              State::kDone);
    EXPECT_FALSE(parser.response().keep_alive);
    return parser.response().retry_after ? parser.response().retry_after_s : -1;
  };
  EXPECT_EQ(parsed("2"), 2);
  EXPECT_EQ(parsed("0"), 0);
  EXPECT_EQ(parsed("soon"), -1);
  EXPECT_EQ(parsed("-1"), -1);
  EXPECT_EQ(parsed("999999999"), 3600);
}

TEST(ResponseParser, ChunkedBodiesAreJoined) {
  ResponseParser parser;
  ASSERT_EQ(parser.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            State::kMore);
  ASSERT_EQ(parser.feed("2\r\nde\r\n0\r\n\r\n"), State::kDone);
  EXPECT_EQ(parser.response().body, "abcde");
}

TEST(ResponseParser, BytesBehindTheAnswer_AreAnError) {
  ResponseParser parser;
  EXPECT_EQ(parser.feed(std::string(kAccepted) + "x"), State::kBroken);
  parser.reset();
  ASSERT_EQ(parser.feed(kAccepted), State::kDone);
  EXPECT_EQ(parser.feed("x"), State::kBroken);
}

TEST(ResponseParser, WhatIsNoWholeAnswer_IsAnError) {
  for (const std::string text : {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
                                 "SSH-2.0\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"}) {
    ResponseParser parser;
    if (parser.feed(text) == State::kMore) {
      EXPECT_EQ(parser.feed(""), State::kBroken) << text;  // the connection has ended
    }
    EXPECT_NE(parser.feed(""), State::kDone) << text;
  }
}

TEST(ResponseParser, ABodyBeyondItsBound_IsAnError) {
  ResponseParser parser;
  const std::string piece(1 << 20, 'x');
  ASSERT_EQ(parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"), State::kMore);
  State state = State::kMore;
  for (int i = 0; i < 17 && state == State::kMore; ++i) {
    state = parser.feed(piece);
  }
  EXPECT_EQ(state, State::kBroken);
}

}  // namespace
}  // namespace payonce::bench
