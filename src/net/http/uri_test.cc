// SPDX-License-Identifier: Apache-2.0
#include "net/http/uri.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

TEST(Uri, DecodesPathsAndRefusesWhatTwoReadersCouldReadInTwoWays) {
  std::string path;
  EXPECT_EQ(decode_path("/a%20b/%E2%82%AC", path), "");
  EXPECT_EQ(path, "/a b/\xE2\x82\xAC");
  EXPECT_EQ(decode_path("/a..b/...", path), "");
  for (const char* wrong : {"/a/./b", "/..", "/%2e%2e/", "/a/.", "/a%2Fb", "/a%5cb", "/%00", "/%7f",
                            "/%", "/%4", "/%4g"})
    EXPECT_NE(decode_path(wrong, path), "") << wrong;
}

TEST(Uri, DecodesEscapesOrSaysThatItCannot) {
  EXPECT_EQ(percent_decode("a%41+"), "aA+");
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(form_decode("a+%41%4"), "a A%4");
}

TEST(Uri, EscapesAllButTheUnreserved) {
  EXPECT_EQ(percent_encode("a/b c~+%ü", true), "a/b%20c~%2B%25%C3%BC");
  EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
}

TEST(Uri, KnowsAuthorities) {
  for (const char* good : {"a", "a.b-c:80", "[::1]", "[::1]:80", "1.2.3.4:65535", "a:"})
    EXPECT_TRUE(is_authority(good)) << good;
  for (const char* bad :
       {"", ":80", "a:x", "a:65536", "a:-1", "u@a", "a/b", "a b", "[::1", "::1]", "[g]", "[]"})
    EXPECT_FALSE(is_authority(bad)) << bad;
}

TEST(Uri, TakesUrlsApart) {
  const auto plain = parse_url("http://Host:81/p?q#fragment");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->host, "Host");
  EXPECT_EQ(plain->port, 81);
  EXPECT_EQ(plain->target, "/p?q");
  EXPECT_EQ(plain->authority, "Host:81");
  EXPECT_FALSE(plain->tls);
  const auto tls = parse_url("https://[::1]");
  EXPECT_EQ(tls->host, "::1");
  EXPECT_EQ(tls->port, 443);
  EXPECT_EQ(tls->target, "/");
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(parse_url("http://a?q")->target, "/?q");
  const auto local = parse_url("unix:/run/s.sock:/p");
  EXPECT_EQ(local->unix_socket, "/run/s.sock");
  EXPECT_EQ(local->target, "/p");
  EXPECT_EQ(parse_url("unix:/run/s.sock")->target, "/");
  for (const char* wrong :
       {"", "a", "ftp://a", "http://", "http:///p", "http://a/b c", "unix:", "unix:/s:p"})
    EXPECT_FALSE(parse_url(wrong).has_value()) << wrong;
}

TEST(Uri, TellsConnectionsApart) {
  EXPECT_EQ(parse_url("http://a/x")->key(), parse_url("http://a:80/y")->key());
  EXPECT_NE(parse_url("http://a")->key(), parse_url("https://a:80")->key());
  EXPECT_NE(parse_url("unix:/a")->key(), parse_url("unix:/b")->key());
}

}  // namespace
}  // namespace serin::net
