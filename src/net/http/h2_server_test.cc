// SPDX-License-Identifier: Apache-2.0
// The server over HTTP/2 as raw frames see it (RFC 9113): what breaks its rules, what floods it,
// and what is slow.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "net/http/raw_peer.h"
#include "net/http/server.h"
#include "net/http/status.h"

namespace serin::net {
namespace {

using namespace std::chrono_literals;

enum Type : std::uint8_t {
  kData,
  kHeaders,
  kPriority,
  kReset,
  kSettings,
  kPush,
  kPing,
  kGoaway,
  kWindow,
  kContinuation
};
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kAck = 1;
constexpr std::uint8_t kEndHeaders = 4;

std::string big_endian(std::uint32_t value, int bytes = 4) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift & 0xff);
  return out;
}

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string out = big_endian(static_cast<std::uint32_t>(payload.size()), 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  return out + big_endian(stream) + std::string(payload);
}

// HPACK: a literal that is not indexed, without Huffman coding (RFC 7541, section 6.2.2).
std::string length(std::size_t size) {
  if (size < 127) return std::string(1, static_cast<char>(size));
  std::string out(1, '\x7f');
  for (size -= 127; size >= 128; size >>= 7) out += static_cast<char>(size % 128 + 128);
  return out + static_cast<char>(size);
}
std::string field(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + length(name.size()) + std::string(name) + length(value.size()) +
         std::string(value);
}
std::string setting(std::uint16_t id, std::uint32_t value) {
  return big_endian(id, 2) + big_endian(value);
}

std::string request(std::string_view method = "GET", std::string_view path = "/") {
  return field(":method", method) + field(":scheme", "http") + field(":authority", "a") +
         field(":path", path);
}
std::string headers(std::uint32_t stream, std::string_view block,
                    std::uint8_t flags = kEndStream | kEndHeaders) {
  return frame(kHeaders, flags, stream, block);
}
const std::string kOpening = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, "");

std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const unsigned char c : bytes) value = value << 8 | c;
  return value;
}

struct Seen {
  std::uint8_t type = 255;  // 255: the connection was closed
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
};

Seen next(RawPeer& peer) {
  const std::string head = peer.exactly(9);
  if (head.size() < 9) return {};
  return {static_cast<std::uint8_t>(head[3]), static_cast<std::uint8_t>(head[4]),
          number(head.substr(5, 4)) & 0x7fffffff, peer.exactly(number(head.substr(0, 3)))};
}

// What the server says first that is no matter of course: "goaway CODE", "reset CODE", "answer",
// "closed".
std::string outcome(RawPeer& peer) {
  while (true) {
    const Seen seen = next(peer);
    switch (seen.type) {
      case 255:
        return "closed";
      case kGoaway:
        return "goaway " + std::to_string(number(std::string_view(seen.payload).substr(4, 4)));
      case kReset:
        return "reset " + std::to_string(number(seen.payload));
      case kHeaders:
        return "answer";
      default:
        break;
    }
  }
}

void echo(const std::shared_ptr<Exchange>& exchange) {
  exchange->read_body([exchange](Result<std::string> body) {
    Response response;
    response.status = body ? 200 : http_status(body.error());
    response.body = body ? exchange->head().path + "[" + *body + "]" : body.error().reason;
    exchange->respond(std::move(response));
  });
}

std::unique_ptr<Server> serve(Handler handler = echo, ServerLimits limits = {}) {
  ServerOptions options;
  options.port = 0;
  options.limits = limits;
  auto server = Server::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value());
  return std::move(*server);
}

std::string repeat(int times, const std::string& text) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

struct Row {
  const char* name;
  std::string sent;
  std::string outcome;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class H2Rules : public testing::TestWithParam<Row> {};

TEST_P(H2Rules, EndsTheStreamOrTheConnectionAsTheStandardSays) {
  ServerLimits limits;
  limits.body_bytes = 1000;
  const auto server = serve(echo, limits);
  RawPeer peer(server->port());
  peer.send(kOpening + GetParam().sent);
  EXPECT_EQ(outcome(peer), GetParam().outcome);
  EXPECT_GE(server->counters().protocol_errors, 1u);
  RawPeer other(server->port());
  other.send(kOpening + headers(1, request()));
  EXPECT_EQ(outcome(other), "answer");
}

INSTANTIATE_TEST_SUITE_P(
    Conformance, H2Rules,
    testing::Values(
        // Frames
        Row{"data_on_idle_stream", frame(kData, 0, 1, "x"), "goaway 1"},
        Row{"data_on_stream_zero", frame(kData, 0, 0, "x"), "goaway 1"},
        Row{"oversized_frame", frame(kData, 0, 1, std::string(16385, 'x')), "goaway 6"},
        Row{"settings_of_odd_length", frame(kSettings, 0, 0, "12345"), "goaway 6"},
        Row{"settings_on_a_stream", frame(kSettings, 0, 1, setting(3, 1)), "goaway 1"},
        Row{"settings_ack_with_payload", frame(kSettings, kAck, 0, setting(3, 1)), "goaway 6"},
        Row{"settings_push_of_two", frame(kSettings, 0, 0, setting(2, 2)), "goaway 1"},
        Row{"settings_window_over_31_bits", frame(kSettings, 0, 0, setting(4, 0x80000000)),
            "goaway 3"},
        Row{"settings_tiny_frames", frame(kSettings, 0, 0, setting(5, 1)), "goaway 1"},
        Row{"ping_of_seven_bytes", frame(kPing, 0, 0, "1234567"), "goaway 6"},
        Row{"ping_on_a_stream", frame(kPing, 0, 1, "12345678"), "goaway 1"},
        Row{"window_update_of_zero", frame(kWindow, 0, 0, big_endian(0)), "goaway 1"},
        Row{"window_update_overflow", frame(kWindow, 0, 0, big_endian(0x7fffffff)), "goaway 3"},
        Row{"window_update_of_zero_on_a_stream",
            headers(1, request("POST"), kEndHeaders) + frame(kWindow, 0, 1, big_endian(0)),
            "goaway 1"},
        Row{"window_update_on_idle_stream", frame(kWindow, 0, 1, big_endian(1)), "goaway 1"},
        Row{"reset_of_idle_stream", frame(kReset, 0, 1, big_endian(8)), "goaway 1"},
        Row{"continuation_alone", frame(kContinuation, kEndHeaders, 1, ""), "goaway 1"},
        Row{"frame_amid_a_header_block",
            headers(1, request(), kEndStream) + frame(kPing, 0, 0, "12345678"), "goaway 1"},
        Row{"even_stream", headers(2, request()), "goaway 1"},
        Row{"promise_from_a_client",
            headers(1, request(), kEndHeaders) + frame(kPush, kEndHeaders, 1, big_endian(2)),
            "goaway 1"},
        Row{"hpack_index_out_of_range", headers(1, "\xff\xff\xff\x0f"), "goaway 9"},
        Row{"hpack_string_cut_short", headers(1, std::string("\0\x7f", 2)), "goaway 9"},
        Row{"padding_longer_than_frame",
            frame(kHeaders, kEndStream | kEndHeaders | 8, 1, "\xff" + request()), "goaway 1"},
        // Fields
        Row{"upper_case_name", headers(1, request() + field("X-A", "1")), "reset 1"},
        Row{"connection_field", headers(1, request() + field("connection", "close")), "reset 1"},
        Row{"transfer_encoding_field",
            headers(1, request() + field("transfer-encoding", "chunked")), "reset 1"},
        Row{"te_other_than_trailers", headers(1, request() + field("te", "gzip")), "reset 1"},
        Row{"no_path",
            headers(1,
                    field(":method", "GET") + field(":scheme", "http") + field(":authority", "a")),
            "reset 1"},
        Row{"empty_path", headers(1, request("GET", "")), "reset 1"},
        Row{"two_paths", headers(1, request() + field(":path", "/b")), "reset 1"},
        Row{"pseudo_after_regular", headers(1, field("x", "1") + request()), "reset 1"},
        Row{"unknown_pseudo", headers(1, request() + field(":x", "1")), "reset 1"},
        Row{"status_from_a_client", headers(1, request() + field(":status", "200")), "reset 1"},
        Row{"line_feed_in_value", headers(1, request() + field("x", "1\n2")), "reset 1"},
        Row{"nul_in_value", headers(1, request() + field("x", std::string(1, '\0'))), "reset 1"},
        Row{"more_body_than_declared",
            headers(1, request("POST") + field("content-length", "1"), kEndHeaders) +
                frame(kData, kEndStream, 1, "xy"),
            "reset 1"},
        Row{"less_body_than_declared",
            headers(1, request("POST") + field("content-length", "3"), kEndHeaders) +
                frame(kData, kEndStream, 1, "xy"),
            "reset 1"},
        Row{"two_lengths",
            headers(1,
                    request("POST") + field("content-length", "1") + field("content-length", "1"),
                    kEndHeaders),
            "reset 1"},
        Row{"data_after_the_end", headers(1, request()) + frame(kData, 0, 1, "x"), "goaway 5"}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.name); });

class H2Floods : public testing::TestWithParam<Row> {};

// The kernel may drop our GOAWAY when the flood goes on after it: closed is as good.
TEST_P(H2Floods, AreCutOff) {
  const auto server = serve(
      [](const std::shared_ptr<Exchange>& exchange) { exchange->read_body([exchange](auto) {}); });
  RawPeer peer(server->port());
  peer.send(kOpening);
  peer.send(GetParam().sent);
  const std::string seen = outcome(peer);
  EXPECT_TRUE(seen == GetParam().outcome || seen == "closed") << seen;
  EXPECT_GE(server->counters().protocol_errors, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Conformance, H2Floods,
    testing::Values(
        Row{"ping", repeat(3000, frame(kPing, 0, 0, "12345678")), "goaway 11"},
        Row{"settings", repeat(3000, frame(kSettings, 0, 0, setting(3, 9))), "goaway 11"},
        Row{"priority", repeat(3000, frame(kPriority, 0, 1, big_endian(3) + "1")), "goaway 11"},
        Row{"empty_data",
            headers(1, request("POST"), kEndHeaders) + repeat(3000, frame(kData, 0, 1, "")),
            "goaway 11"},
        Row{"continuation",
            headers(1, request(), kEndStream) +
                repeat(100, frame(kContinuation, 0, 1, field("x", "1"))),
            "closed"}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.name); });

TEST(H2Server, CutsOffAClientThatOpensStreamsAndResetsThem) {
  std::atomic<int> handled{0};
  const auto server = serve([&](const std::shared_ptr<Exchange>&) { ++handled; });
  RawPeer peer(server->port());
  peer.send(kOpening);
  for (std::uint32_t id = 1; id < 4000; id += 2)
    if (!peer.send(headers(id, request()) + frame(kReset, 0, id, big_endian(8)))) break;
  const std::string seen = outcome(peer);
  EXPECT_TRUE(seen.starts_with("goaway") || seen == "closed") << seen;
  EXPECT_LT(handled, 400);
}

TEST(H2Server, AnswersWhatIsWellFramedAndStillWrong) {
  ServerLimits limits;
  limits.header_bytes = 4096;
  limits.header_fields = 20;
  limits.body_bytes = 1000;
  const auto server = serve(echo, limits);
  const std::pair<std::string, std::string> rows[] = {
      {headers(1, request() + field("x", std::string(5000, 'a'))), "431"},
      {headers(1, request() + repeat(30, field("x", "a"))), "431"},
      {headers(1, request("GET", "/a/../b")), "400"},
      {headers(1, request("GET", "/a%2fb")), "400"},
      {headers(1, request("GET", "/a%00")), "400"},
      {headers(1, request() + field("host", "b")), "400"},
      {headers(1, field(":method", "GET") + field(":scheme", "http") + field(":path", "/") +
                      field("host", "a:99999")),
       "400"},
      {headers(1, request("POST") + field("content-length", "1001"), kEndHeaders), "413"},
      {headers(1, request("POST"), kEndHeaders) +
           frame(kData, kEndStream, 1, std::string(1001, 'x')),
       "413"},
  };
  for (const auto& [sent, status] : rows) {
    RawPeer peer(server->port());
    peer.send(kOpening + sent);
    Seen seen = next(peer);
    while (seen.type != kHeaders && seen.type != 255) seen = next(peer);
    // The status is Huffman-coded or indexed; of the static table only 400 is among these (RFC
    // 7541, appendix A).
    ASSERT_EQ(seen.type, kHeaders) << status;
    if (status == "400") {
      EXPECT_EQ(seen.payload[0], '\x8c');
    } else {
      EXPECT_NE(seen.payload[0], '\x88');
    }
    while (seen.type != kData && seen.type != 255) seen = next(peer);
    const std::string_view code = status == "431"   ? "header_too_large"
                                  : status == "413" ? "body_too_large"
                                                    : "code";
    EXPECT_NE(seen.payload.find(code), std::string::npos) << seen.payload;
  }
}

TEST(H2Server, RefusesStreamsOverTheLimit) {
  ServerLimits limits;
  limits.streams_per_connection = 2;
  const auto server = serve([](const std::shared_ptr<Exchange>&) {}, limits);
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request()) + headers(3, request()) + headers(5, request()));
  EXPECT_EQ(outcome(peer), "reset 7");
  EXPECT_EQ(server->counters().requests, 2u);
}

TEST(H2Server, EndsAConnectionThatGoesOnWithAStreamItHasEnded) {
  const auto server = serve();
  const std::string ended = headers(1, request());
  const std::string reset = headers(1, request(), kEndHeaders) + frame(kReset, 0, 1, big_endian(8));
  for (const std::string& before : {ended, reset}) {
    for (const std::string& after : {frame(kData, 0, 1, "x"), headers(1, request())}) {
      RawPeer peer(server->port());
      peer.send(kOpening + before);
      if (before == ended) EXPECT_EQ(outcome(peer), "answer");
      peer.send(after);
      EXPECT_EQ(outcome(peer), "goaway 5");
      EXPECT_EQ(outcome(peer), "closed");
    }
  }
  RawPeer peer(server->port());
  peer.send(kOpening + headers(5, request()));
  EXPECT_EQ(outcome(peer), "answer");
  peer.send(headers(3, request()));
  EXPECT_EQ(outcome(peer), "goaway 5");
}

TEST(H2Server, ForgivesWhatIsOnItsWayToAStreamThatItCutOff) {
  ServerLimits limits;
  limits.streams_per_connection = 1;
  const auto server = serve(
      [](const std::shared_ptr<Exchange>& exchange) {
        exchange->respond({.status = 403, .headers = {}, .body = "no"});
      },
      limits);
  RawPeer peer(server->port());
  // The second is refused, the first is answered before its body is there.
  peer.send(kOpening + headers(1, request("POST"), kEndHeaders) +
            headers(3, request("POST"), kEndHeaders) + frame(kData, kEndStream, 3, "x"));
  while (outcome(peer) != "reset 0") {
  }
  peer.send(frame(kData, kEndStream, 1, "x") + headers(5, request()));
  EXPECT_EQ(outcome(peer), "answer");
}

TEST(H2Server, TellsTheHandlerWhenAStreamIsResetAndLeavesTheOthers) {
  std::promise<void> gone;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path == "/") return exchange->on_gone([&] { gone.set_value(); });
    echo(exchange);
  });
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request()) + frame(kReset, 0, 1, big_endian(8)));
  EXPECT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
  peer.send(headers(3, request("GET", "/three")));
  EXPECT_EQ(outcome(peer), "answer");
}

TEST(H2Server, TellsTheHandlerWhenTheConnectionGoesAway) {
  std::promise<void> gone;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_gone([&] { gone.set_value(); });
  });
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request()));
  next(peer);
  peer.close();
  EXPECT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
}

TEST(H2Server, HoldsBackAClientWhoseBodyNobodyReadsWithoutHoldingUpOtherStreams) {
  std::promise<std::shared_ptr<Exchange>> held;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path == "/held") return held.set_value(exchange);
    echo(exchange);
  });
  RawPeer peer(server->port());
  const std::string piece(16384, 'x');
  // Eight frames fill the stream's window of 128 KiB exactly; the ninth breaks it.
  peer.send(kOpening + frame(kSettings, kAck, 0, "") +
            headers(1, request("POST", "/held"), kEndHeaders) +
            repeat(8, frame(kData, 0, 1, piece)));
  const auto exchange = held.get_future().get();
  peer.send(headers(3, request("POST", "/other"), kEndHeaders) +
            frame(kData, kEndStream, 3, "free"));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_TRUE(next(peer).payload.starts_with("/other[free]"));
  peer.send(frame(kData, 0, 1, "x"));
  EXPECT_TRUE(outcome(peer).ends_with(" 3"));  // FLOW_CONTROL_ERROR
}

TEST(H2Server, RefusesBodiesOfAllStreamsOverTheLimitAlsoThoseThatNobodyReadsYet) {
  ServerLimits limits;
  limits.bodies_bytes = 150;
  limits.body_bytes = 100;
  std::promise<std::shared_ptr<Exchange>> held;
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        if (exchange->head().path == "/held") return held.set_value(exchange);
        echo(exchange);
      },
      limits);
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request("POST", "/held"), kEndHeaders) +
            frame(kData, 0, 1, std::string(90, 'x')));
  const auto exchange = held.get_future().get();
  // A declared length is refused before its body; one that was not, when it goes past.
  peer.send(headers(3, request("POST") + field("content-length", "61"), kEndHeaders));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "bodies_full");
  EXPECT_EQ(outcome(peer), "reset 0");
  peer.send(headers(5, request("POST"), kEndHeaders) + frame(kData, 0, 5, std::string(61, 'y')));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "bodies_full");
  EXPECT_EQ(outcome(peer), "reset 0");
  peer.send(headers(7, request("POST"), kEndHeaders) +
            frame(kData, kEndStream, 7, std::string(60, 'z')));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "/[" + std::string(60, 'z') + "]");
  // Past the limit while nobody reads: who reads then is told.
  RawPeer other(server->port());
  other.send(kOpening + headers(1, request("POST"), kEndHeaders) +
             frame(kData, 0, 1, std::string(60, 'w')));
  while (server->counters().body_bytes < 150) std::this_thread::yield();
  peer.send(frame(kData, kEndStream, 1, "x"));
  while (server->counters().bodies_refused < 3) std::this_thread::yield();
  exchange->post([exchange] { echo(exchange); });
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "bodies_full");
}

TEST(H2Server, CountsOnlyWhatAReaderOfPiecesStillHolds) {
  ServerLimits limits;
  limits.body_bytes = limits.bodies_bytes = 100'000;
  std::atomic<std::size_t> taken{0};
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        exchange->read_pieces([&, exchange](Result<std::string> piece) {
          if (!piece || piece->empty()) exchange->respond({200, {}, piece ? "whole" : "cut"});
          if (!piece) return false;
          exchange->give_back(piece->size());
          taken += piece->size();
          return true;
        });
      },
      limits);
  RawPeer peer(server->port());
  const std::string grpc = field("content-type", "application/grpc");  // of any length
  peer.send(kOpening + frame(kSettings, kAck, 0, "") +
            headers(1, request("POST") + grpc, kEndHeaders));
  constexpr std::size_t kPiece = 16'000;
  for (std::size_t sent = kPiece; sent <= 20 * kPiece; sent += kPiece) {
    peer.send(frame(kData, 0, 1, std::string(kPiece, 'x')));
    while (taken < sent && server->counters().bodies_refused == 0) std::this_thread::yield();
  }
  peer.send(frame(kData, kEndStream, 1, ""));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "whole");
}

// Only one time is short: a busy machine must not let another pass first.
ServerLimits with_short(std::chrono::milliseconds ServerLimits::* time) {
  ServerLimits limits;
  limits.*time = 80ms;
  return limits;
}

TEST(H2Server, CutsASlowHead) {
  const auto server = serve(echo, with_short(&ServerLimits::header_timeout));
  RawPeer head(server->port());
  head.send(kOpening + headers(1, request(), kEndStream));  // and never a CONTINUATION
  EXPECT_TRUE(outcome(head).starts_with("goaway"));
}

TEST(H2Server, CutsASlowBody) {
  const auto server = serve(echo, with_short(&ServerLimits::body_timeout));
  RawPeer body(server->port());
  body.send(kOpening + headers(1, request("POST"), kEndHeaders));
  EXPECT_EQ(outcome(body), "answer");
  EXPECT_EQ(next(body).payload, "slow_client");
}

TEST(H2Server, ClosesAnIdleConnection) {
  ServerLimits limits;
  limits.idle_timeout = 1s;
  const auto server = serve(echo, limits);
  RawPeer idle(server->port());
  idle.send(kOpening);
  EXPECT_TRUE(outcome(idle).starts_with("goaway"));
}

TEST(H2Server, CutsAReaderThatGivesNoWindow) {
  std::promise<void> gone;
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        if (exchange->head().path != "/stream") return echo(exchange);
        exchange->on_gone([&] { gone.set_value(); });
        exchange->start({});
        exchange->write(std::string(200'000, 'x'));
      },
      with_short(&ServerLimits::write_timeout));
  RawPeer reader(server->port());  // gives no window beyond the first 64 KiB
  reader.send(kOpening + headers(1, request("GET", "/stream")));
  EXPECT_EQ(outcome(reader), "answer");
  EXPECT_EQ(outcome(reader), "reset 8");
  EXPECT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
}

TEST(H2Server, DrainSaysGoawayAndServesWhatIsOnItsWay) {
  std::promise<std::shared_ptr<Exchange>> entered;
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        if (exchange->head().path == "/slow") return entered.set_value(exchange);
        echo(exchange);
      },
      {.drain_grace = 1s});
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request("GET", "/slow")));
  const auto exchange = entered.get_future().get();
  auto drained = std::async(std::launch::async, [&] { return server->drain(60s); });
  EXPECT_EQ(outcome(peer), "goaway 0");  // the notice
  peer.send(headers(3, request("GET", "/late")));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(outcome(peer), "goaway 0");  // and the last
  exchange->post([exchange] { exchange->respond({.status = 200, .headers = {}, .body = "done"}); });
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(next(peer).payload, "done");
  EXPECT_EQ(outcome(peer), "closed");
  EXPECT_TRUE(drained.get());
}

TEST(H2Server, AbortResetsTheStream) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({});
    exchange->write("half");
    exchange->post([exchange] { exchange->abort(); });
  });
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request()));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(outcome(peer), "reset 2");
}

TEST(H2Server, TakesForAWhileABodyThatTheAnswerDoesNotNeed) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 403, .headers = {}, .body = "no"});
  });
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request("POST"), kEndHeaders));
  EXPECT_EQ(outcome(peer), "answer");
  peer.send(frame(kData, kEndStream, 1, "x") + headers(3, request()));
  EXPECT_EQ(outcome(peer), "answer") << "and no reset before it";
}

TEST(H2Server, AsksAClientToStopABodyThatGoesOn) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 403, .headers = {}, .body = "no"});
  });
  RawPeer peer(server->port());
  peer.send(kOpening + headers(1, request("POST"), kEndHeaders));
  EXPECT_EQ(outcome(peer), "answer");
  EXPECT_EQ(outcome(peer), "reset 0");
}

TEST(H2Server, ClosesWhenThePrefaceIsCutShortOrWrong) {
  const auto server = serve(echo, with_short(&ServerLimits::header_timeout));
  RawPeer cut(server->port());
  cut.send("PRI * HTTP/2.0\r\n\r\nSM");
  cut.until_closed();
  EXPECT_TRUE(cut.closed());
  RawPeer wrong(server->port());
  wrong.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  EXPECT_TRUE(wrong.until_closed().starts_with("HTTP/1.1 505"));
}

}  // namespace
}  // namespace serin::net
