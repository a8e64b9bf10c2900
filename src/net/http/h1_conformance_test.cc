// SPDX-License-Identifier: Apache-2.0
// What an HTTP/1.1 server must refuse (RFC 9112), as bytes: every row is answered, closed, and
// nothing behind it is served.
#include "net/http/echo_server.h"
#include "net/http/raw_peer.h"

namespace serin::net {
namespace {

struct Row {
  const char* name;
  std::string sent;
  const char* status;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class H1Refusals : public testing::TestWithParam<Row> {};

TEST_P(H1Refusals, AnswersWithTheStatusAndClosesAndServesNothingThatFollows) {
  ServerLimits limits;
  limits.header_bytes = 8 * 1024;
  limits.header_fields = 20;
  limits.body_bytes = 1000;
  const auto server = serve(echo, limits);
  RawPeer peer(server->port());
  peer.send(GetParam().sent);
  peer.send("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_EQ(status_line(answer), std::string("HTTP/1.1 ") + GetParam().status) << answer;
  EXPECT_EQ(answer.find("/smuggled"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("HTTP/1.1 200"), std::string::npos) << "more than one answer: " << answer;
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(server->counters().protocol_errors, 1u);
}

const std::string kNul("\0", 1);

INSTANTIATE_TEST_SUITE_P(
    Conformance, H1Refusals,
    testing::Values(
        // Smuggling: where a message ends
        Row{"te_and_cl",
            get("host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n",
                "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"cl_and_te",
            get("host: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n",
                "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"two_lengths",
            get("host: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"the_same_length_twice",
            get("host: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"list_of_lengths", get("host: a\r\ncontent-length: 4, 4\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"signed_length", get("host: a\r\ncontent-length: +4\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"negative_length", get("host: a\r\ncontent-length: -1\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"hexadecimal_length", get("host: a\r\ncontent-length: 0x4\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"empty_length", get("host: a\r\ncontent-length:\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"length_past_64_bits",
            get("host: a\r\ncontent-length: 18446744073709551620\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"unknown_coding",
            get("host: a\r\ntransfer-encoding: gzip, chunked\r\n", "POST / HTTP/1.1"),
            "501 Not Implemented"},
        Row{"vertical_tab_coding",
            get("host: a\r\ntransfer-encoding: \vchunked\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"identity_coding", get("host: a\r\ntransfer-encoding: identity\r\n", "POST / HTTP/1.1"),
            "501 Not Implemented"},
        Row{"chunked_twice",
            get("host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
                "POST / HTTP/1.1"),
            "400 Bad Request"},
        Row{"chunked_in_http10",
            get("host: a\r\ntransfer-encoding: chunked\r\n", "POST / HTTP/1.0"), "400 Bad Request"},
        Row{"space_before_colon",
            get("host: a\r\ntransfer-encoding : chunked\r\n", "POST / HTTP/1.1"),
            "400 Bad Request"},
        // Lines
        Row{"obsolete_fold", get("host: a\r\nx: 1\r\n folded\r\n"), "400 Bad Request"},
        Row{"fold_with_tab", get("host: a\r\nx: 1\r\n\tfolded\r\n"), "400 Bad Request"},
        Row{"fold_before_first_field", get(" host: a\r\n"), "400 Bad Request"},
        Row{"bare_line_feed_in_fields", "GET / HTTP/1.1\r\nhost: a\nx: 1\r\n\r\n",
            "400 Bad Request"},
        Row{"bare_line_feed_after_line", "GET / HTTP/1.1\nhost: a\r\n\r\n", "400 Bad Request"},
        Row{"bare_line_feed_at_end", "GET / HTTP/1.1\r\nhost: a\r\n\n", "400 Bad Request"},
        Row{"bare_carriage_return_in_value", get("host: a\r\nx: 1\r2\r\n"), "400 Bad Request"},
        Row{"bare_carriage_return_in_name", get("host: a\r\nx\r: 1\r\n"), "400 Bad Request"},
        Row{"bare_carriage_return_in_target", "GET /\rx HTTP/1.1\r\nhost: a\r\n\r\n",
            "400 Bad Request"},
        Row{"nul_in_value", get("host: a\r\nx: 1" + kNul + "2\r\n"), "400 Bad Request"},
        Row{"nul_in_name", get("host: a\r\nx" + kNul + ": 1\r\n"), "400 Bad Request"},
        Row{"delete_in_value", get("host: a\r\nx: \x7f\r\n"), "400 Bad Request"},
        Row{"empty_name", get("host: a\r\n: 1\r\n"), "400 Bad Request"},
        Row{"no_colon", get("host: a\r\nnothing\r\n"), "400 Bad Request"},
        Row{"non_ascii_name", get("host: a\r\n\xc3\xa9: 1\r\n"), "400 Bad Request"},
        // Host
        Row{"no_host", get(""), "400 Bad Request"},
        Row{"two_hosts", get("host: a\r\nhost: a\r\n"), "400 Bad Request"},
        Row{"host_with_path", get("host: a/b\r\n"), "400 Bad Request"},
        Row{"host_with_user", get("host: u@a\r\n"), "400 Bad Request"},
        Row{"host_with_bad_port", get("host: a:99999\r\n"), "400 Bad Request"},
        Row{"absolute_form_of_another_host", get("host: a\r\n", "GET http://b/ HTTP/1.1"),
            "400 Bad Request"},
        Row{"absolute_form_of_another_port", get("host: a\r\n", "GET http://a:81/ HTTP/1.1"),
            "400 Bad Request"},
        // The request line
        Row{"no_version", get("host: a\r\n", "GET /"), "400 Bad Request"},
        Row{"two_spaces", get("host: a\r\n", "GET  / HTTP/1.1"), "400 Bad Request"},
        Row{"space_in_target", get("host: a\r\n", "GET /a b HTTP/1.1"), "400 Bad Request"},
        Row{"trailing_space", get("host: a\r\n", "GET / HTTP/1.1 "), "400 Bad Request"},
        Row{"lower_case_version", get("host: a\r\n", "GET / http/1.1"), "400 Bad Request"},
        Row{"other_version", get("host: a\r\n", "GET / HTTP/3.0"),
            "505 HTTP Version Not Supported"},
        Row{"bad_method", get("host: a\r\n", "G(T / HTTP/1.1"), "400 Bad Request"},
        Row{"tunnel", get("host: a\r\n", "CONNECT a:443 HTTP/1.1"), "501 Not Implemented"},
        Row{"relative_target", get("host: a\r\n", "GET x HTTP/1.1"), "400 Bad Request"},
        Row{"fragment", get("host: a\r\n", "GET /#x HTTP/1.1"), "400 Bad Request"},
        Row{"non_ascii_target", get("host: a\r\n", "GET /\xc3\xa9 HTTP/1.1"), "400 Bad Request"},
        Row{"dot_segments", get("host: a\r\n", "GET /a/../b HTTP/1.1"), "400 Bad Request"},
        Row{"escaped_dot_segments", get("host: a\r\n", "GET /a/%2e%2E/b HTTP/1.1"),
            "400 Bad Request"},
        Row{"escaped_slash", get("host: a\r\n", "GET /a%2fb HTTP/1.1"), "400 Bad Request"},
        Row{"escaped_nul", get("host: a\r\n", "GET /a%00 HTTP/1.1"), "400 Bad Request"},
        Row{"malformed_escape", get("host: a\r\n", "GET /a%4 HTTP/1.1"), "400 Bad Request"},
        Row{"garbage", std::string("\x16\x03\x01\x02 hello\r\n\r\n"), "400 Bad Request"},
        Row{"two_empty_lines_first", "\r\n\r\n" + get("host: a\r\n"), "400 Bad Request"},
        // Limits
        Row{"target_too_long", get("host: a\r\n", "GET /" + std::string(9000, 'a') + " HTTP/1.1"),
            "414 URI Too Long"},
        Row{"line_without_end", std::string(9000, 'a'), "414 URI Too Long"},
        Row{"field_too_long", get("host: a\r\nx: " + std::string(9000, 'a') + "\r\n"),
            "431 Request Header Fields Too Large"},
        Row{"too_many_fields", get([] {
              std::string all = "host: a\r\n";
              for (int i = 0; i < 25; ++i) all += "x: 1\r\n";
              return all;
            }()),
            "431 Request Header Fields Too Large"},
        Row{"length_over_limit", get("host: a\r\ncontent-length: 1001\r\n", "POST / HTTP/1.1"),
            "413 Content Too Large"},
        Row{"bad_expectation", get("host: a\r\nexpect: coffee\r\n"), "417 Expectation Failed"},
        // Chunks
        Row{"chunk_size_not_hexadecimal", chunks("g\r\n"), "400 Bad Request"},
        Row{"chunk_size_signed", chunks("+3\r\nabc\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_size_prefixed", chunks("0x3\r\nabc\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_size_past_64_bits", chunks("10000000000000003\r\nabc\r\n0\r\n\r\n"),
            "400 Bad Request"},
        Row{"chunk_size_empty", chunks("\r\nabc\r\n"), "400 Bad Request"},
        Row{"chunk_size_then_space", chunks("3 \r\nabc\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_size_with_bare_line_feed", chunks("3\nabc\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_extension_with_bare_line_feed", chunks("3;a\nb\r\nabc\r\n0\r\n\r\n"),
            "400 Bad Request"},
        Row{"chunk_extension_with_carriage_return", chunks("3;a\rb\r\nabc\r\n0\r\n\r\n"),
            "400 Bad Request"},
        Row{"chunk_extension_too_long",
            chunks("3;" + std::string(300, 'x') + "\r\nabc\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_longer_than_its_size", chunks("3\r\nabcd\r\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunk_end_with_bare_line_feed", chunks("3\r\nabc\n0\r\n\r\n"), "400 Bad Request"},
        Row{"chunks_over_limit", chunks("3e9\r\n"), "413 Content Too Large"},
        Row{"trailer_fold", chunks("0\r\nx: 1\r\n y\r\n\r\n"), "400 Bad Request"},
        Row{"trailer_with_nul", chunks("0\r\nx: 1" + kNul + "\r\n\r\n"), "400 Bad Request"}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace serin::net
