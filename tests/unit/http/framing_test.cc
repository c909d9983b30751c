#include "http/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace payonce::http {
namespace {

// However it is cut, the same bytes are taken.
bool good_head(std::string_view text) {
  HeadCheck whole;
  const std::size_t taken = whole.take(text);
  HeadCheck head;
  std::size_t count = 0;
  while (count < text.size() && head.take(text.substr(count, 1)) == 1) {
    ++count;
  }
  EXPECT_EQ(count, taken) << text;
  return taken == text.size();
}

std::string head_with(std::string_view line) {
  return "POST /a HTTP/1.1\r\nHost: b\r\n" + std::string(line) + "\r\n\r\n";
}

// Whether the whole is good, and the body ends with it.
bool good_chunks(std::string_view text) {
  ChunkCheck chunks;
  return chunks.take(text) && chunks.done();
}

TEST(HeadCheck, OrdinaryHead_IsGood) {
  EXPECT_TRUE(good_head("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(good_head("GET /a?b=%20c HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(good_head(head_with("Content-Length: 17")));
  EXPECT_TRUE(good_head(head_with("X-Empty:")));
  EXPECT_TRUE(good_head(head_with("X-Tab:\ta\t")));
  EXPECT_TRUE(good_head(head_with("Idempotency-Key: 100%25")));
}

TEST(HeadCheck, AnEscapeInAFramingHeader_IsRefused) {
  EXPECT_FALSE(good_head(head_with("Content-Length: 1%37")));
  EXPECT_FALSE(good_head(head_with("content-LENGTH:%31")));
  EXPECT_FALSE(good_head(head_with("Transfer-Encoding: %63hunked")));
  EXPECT_TRUE(good_head(head_with("Content-Lengths: %31")));
  EXPECT_TRUE(good_head(head_with("Content-Type: %31")));
  EXPECT_TRUE(good_head(head_with("Transfer: %31")));
}

TEST(HeadCheck, ControlCharacters_AreRefused) {
  for (const char byte : {'\0', '\x01', '\n', '\r', '\x0b', '\x7f'}) {
    const std::string at(1, byte);
    EXPECT_FALSE(good_head("GET /" + at + "x HTTP/1.1\r\n\r\n"));
    EXPECT_FALSE(good_head("G" + at + "T / HTTP/1.1\r\n\r\n"));
    EXPECT_FALSE(good_head(head_with("X" + at + "Y: a")));
    EXPECT_FALSE(good_head(head_with("X: a" + at + "b")));
  }
}

TEST(HeadCheck, LinesThatAreNotHeaders_AreRefused) {
  EXPECT_FALSE(good_head(head_with(" folded: a")));
  EXPECT_FALSE(good_head(head_with("X : a")));
  EXPECT_FALSE(good_head(head_with(": a")));
  EXPECT_FALSE(good_head(head_with("no colon")));
}

TEST(HeadCheck, RequestLine_HasTwoSpacesAndNoFragment) {
  EXPECT_FALSE(good_head("GET  / HTTP/1.1\r\n"));
  EXPECT_FALSE(good_head("GET /  HTTP/1.1\r\n"));
  EXPECT_FALSE(good_head("GET / HTTP/1.1 \r\n"));
  EXPECT_FALSE(good_head("GET /#a HTTP/1.1\r\n"));
  EXPECT_FALSE(good_head("GET /\r\n"));
  EXPECT_FALSE(good_head(" GET / HTTP/1.1\r\n"));
  EXPECT_FALSE(good_head("\r\nGET / HTTP/1.1\r\n"));
}

TEST(HeadCheck, Head_HasABound) {
  std::string line = "X: ";
  line.append(HeadCheck::kBytesMax, 'a');
  EXPECT_FALSE(good_head(head_with(line)));
}

TEST(HeadCheck, FirstLine_EndsWithItsLineFeed) {
  HeadCheck head;
  EXPECT_EQ(head.take("GET / HTTP/1.1\r"), 15U);
  EXPECT_TRUE(head.in_first_line());
  EXPECT_EQ(head.take("\n"), 1U);
  EXPECT_FALSE(head.in_first_line());
}

TEST(HeadCheck, WhatFollowsTheHead_IsNotTaken) {
  HeadCheck head;
  EXPECT_EQ(head.take("GET / HTTP/1.1\r\nA: b\r\n\r\nbody"), 24U);
  EXPECT_EQ(head.take("body"), 0U);
}

TEST(ChunkCheck, WellFormedBodies_EndWhereTheyEnd) {
  EXPECT_TRUE(good_chunks("0\r\n\r\n"));
  EXPECT_TRUE(good_chunks("3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_TRUE(good_chunks("00A\r\n0123456789\r\n1;a=\"b\"\r\nx\r\n000\r\nX: y\r\nZ: \r\n\r\n"));
  ChunkCheck chunks;
  EXPECT_TRUE(chunks.take("3\r\nabc\r\n0\r\n\r"));
  EXPECT_FALSE(chunks.done());
  EXPECT_TRUE(chunks.take("\n"));
  EXPECT_TRUE(chunks.done());
  EXPECT_FALSE(chunks.take("G"));
}

TEST(ChunkCheck, SizesThatAreNot1ToFifteenHexDigits_AreRefused) {
  for (const char* size : {"", "+3", "-3", " 3", "\t3", "0x3", "3 ", "3x", "3,", "3\n", "g",
                           "1234567890123456", "0000000000000003"}) {
    EXPECT_FALSE(good_chunks(std::string(size) + "\r\nabc\r\n0\r\n\r\n")) << size;
  }
}

TEST(ChunkCheck, LineEndsThatAreNotCrLf_AreRefused) {
  EXPECT_FALSE(good_chunks("3\nabc\r\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("3\rabc\r\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("3\r\nabc\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("3\r\nabcd\r\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("3\r\nab\r\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("3;a\nb\r\nabc\r\n0\r\n\r\n"));
  EXPECT_FALSE(good_chunks("0\r\nX: a\nY: b\r\n\r\n"));
  EXPECT_FALSE(good_chunks("0\r\n folded\r\n\r\n"));
  EXPECT_FALSE(good_chunks("0\r\n\n"));
}

TEST(ChunkCheck, ExtensionsAndTrailersTogether_HaveABound) {
  std::string body;
  for (int i = 0; i < 3; ++i) {
    body.append("1;").append(ChunkCheck::kDroppedMax / 3, 'e').append("\r\nx\r\n");
  }
  EXPECT_TRUE(good_chunks(body + "0\r\n\r\n"));
  EXPECT_FALSE(good_chunks(body + "0\r\nTrailer: x\r\n\r\n"));
}

}  // namespace
}  // namespace payonce::http
