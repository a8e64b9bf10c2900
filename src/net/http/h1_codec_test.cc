// SPDX-License-Identifier: Apache-2.0
// What the reader makes of good bytes, however they are cut. Bad ones: the table in
// h1_server_test.cc.
#include "net/http/h1_codec.h"

#include <gtest/gtest.h>

namespace serin::net::h1 {
namespace {

// Feeds `bytes` in pieces of `step`, as a connection does: what was not used comes again.
template <class Reader>
Step feed(Reader& reader, std::string_view bytes, std::size_t step, std::size_t& used_in_all) {
  std::string ahead;
  used_in_all = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    ahead += bytes.substr(at, step);
    std::size_t used = 0;
    const Step result = reader.read(ahead, used);
    ahead.erase(0, used);
    used_in_all += used;
    if (result != Step::kMore) return result;
  }
  return Step::kMore;
}

TEST(RequestReader, ReadsAHeadHoweverItIsCut) {
  const std::string bytes =
      "PUT /a%20b?c=%20 HTTP/1.1\r\nHost: Example:80\r\nX-Two:  words here \t\r\nContent-Length: "
      "5\r\n"
      "Expect: 100-Continue\r\n\r\nhello";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    RequestReader reader{Limits{}};
    std::size_t used = 0;
    ASSERT_EQ(feed(reader, bytes, step, used), Step::kDone) << step << reader.fault().message;
    EXPECT_EQ(bytes.substr(used), "hello");
    EXPECT_EQ(reader.head().method, "PUT");
    EXPECT_EQ(reader.head().target, "/a%20b?c=%20");
    EXPECT_EQ(reader.head().path, "/a b");
    EXPECT_EQ(reader.head().query, "c=%20");
    EXPECT_EQ(reader.head().authority, "Example:80");
    EXPECT_EQ(reader.head().headers.get("x-two"), "words here");
    EXPECT_EQ(reader.framing().kind, Framing::Kind::kLength);
    EXPECT_EQ(reader.framing().length, 5u);
    EXPECT_TRUE(reader.expects_continue());
    EXPECT_TRUE(reader.keep_alive());
  }
}

TEST(RequestReader, KnowsWhetherTheConnectionIsKept) {
  const std::pair<const char*, bool> rows[] = {
      {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nhost: a\r\nconnection: x, Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", true},
  };
  RequestReader reader{Limits{}};
  for (const auto& [bytes, kept] : rows) {
    reader.reset();
    std::size_t used = 0;
    ASSERT_EQ(reader.read(bytes, used), Step::kDone);
    EXPECT_EQ(reader.keep_alive(), kept) << bytes;
  }
}

std::string read_all(BodyReader& reader, const std::string& bytes, std::size_t step, Step& last) {
  std::string body;
  std::string ahead;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    ahead += bytes.substr(at, step);
    while (true) {
      std::size_t used = 0;
      std::string_view piece;
      last = reader.read(ahead, used, piece);
      body += piece;
      ahead.erase(0, used);
      if (last != Step::kMore || used == 0) break;
    }
    if (last != Step::kMore) break;
  }
  return body;
}

TEST(BodyReader, ReadsChunksHoweverTheyAreCut) {
  const std::string bytes =
      "3;a=\"b\"\r\nabc\r\n00A\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\n\r\nnext";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    BodyReader reader{Limits{}};
    reader.reset({Framing::Kind::kChunked, 0});
    Step last = Step::kMore;
    EXPECT_EQ(read_all(reader, bytes, step, last), "abc0123456789") << step;
    EXPECT_EQ(last, Step::kDone);
    EXPECT_EQ(reader.trailers().get("x-sum"), "1");
  }
}

TEST(BodyReader, StopsAtItsLength) {
  BodyReader reader{Limits{}};
  reader.reset({Framing::Kind::kLength, 3});
  std::size_t used = 0;
  std::string_view piece;
  EXPECT_EQ(reader.read("ab", used, piece), Step::kMore);
  EXPECT_EQ(piece, "ab");
  used = 0;
  EXPECT_EQ(reader.read("cdef", used, piece), Step::kDone);
  EXPECT_EQ(piece, "c");
  EXPECT_EQ(used, 1u);
}

TEST(BodyReader, BoundsTheExtensionsOfAWholeBody) {
  BodyReader reader{Limits{}};
  reader.reset({Framing::Kind::kChunked, 0});
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += "1;" + std::string(200, 'x') + "\r\na\r\n";
  Step last = Step::kMore;
  EXPECT_LT(read_all(reader, bytes, bytes.size(), last).size(), 100u);
  EXPECT_EQ(last, Step::kFault);
  EXPECT_EQ(reader.fault().code, "chunk_extension_too_long");
}

TEST(ResponseReader, KnowsHowABodyIsFramed) {
  const std::tuple<const char*, bool, Framing::Kind> rows[] = {
      {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", false, Framing::Kind::kLength},
      {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true, Framing::Kind::kNone},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, Framing::Kind::kChunked},
      {"HTTP/1.1 200 OK\r\n\r\n", false, Framing::Kind::kUntilClose},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, Framing::Kind::kNone},
      {"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", false, Framing::Kind::kNone},
  };
  ResponseReader reader{Limits{}};
  for (const auto& [bytes, to_head, kind] : rows) {
    reader.reset(to_head);
    std::size_t used = 0;
    ASSERT_EQ(reader.read(bytes, used), Step::kDone) << bytes;
    EXPECT_EQ(reader.framing().kind, kind) << bytes;
  }
}

TEST(H1Writing, LeavesOutWhatFramesAMessage) {
  std::string out;
  append_response_head(
      out, 404,
      {{"connection", "x"}, {"transfer-encoding", "x"}, {"content-length", "1"}, {"a", "b"}});
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\na: b\r\n");
  out.clear();
  append_chunk_size(out, 0xabc);
  EXPECT_EQ(out, "abc\r\n");
}

}  // namespace
}  // namespace serin::net::h1
