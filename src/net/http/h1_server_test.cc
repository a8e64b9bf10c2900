// SPDX-License-Identifier: Apache-2.0
// The server over HTTP/1.1 as a client sees it: raw bytes in, raw bytes out.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/files.h"
#include "net/http/echo_server.h"
#include "net/http/raw_peer.h"

namespace serin::net {
namespace {

using namespace std::chrono_literals;

std::string post(std::string_view body, std::string_view more = "") {
  return "POST /echo HTTP/1.1\r\nhost: a\r\n" + std::string(more) +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(H1Server, AnswersOnOneConnectionInOrderAlsoWhenRequestsAreSentAhead) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send(post("one") + post("two") +
            "GET /three HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const std::string answers = peer.until_closed();
  const auto one = answers.find("POST /echo [one]");
  const auto two = answers.find("POST /echo [two]");
  const auto three = answers.find("GET /three []");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos);
  EXPECT_EQ(server->counters().requests, 3u);
}

TEST(H1Server, AnswersRequestsThatComeByteByByte) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  const std::string chunked =
      "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: v\r\n\r\n";
  for (const char c : chunked) peer.send({&c, 1});
  EXPECT_NE(peer.until("]").find("POST /c [abcde]"), std::string::npos);
  peer.send(post("again"));
  EXPECT_NE(peer.until("]").find("[again]"), std::string::npos);
}

TEST(H1Server, AcceptsWhatIsUnusualButClear) {
  const auto server = serve(echo);
  const std::string accepted[] = {
      "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
      "GET http://a:80/x?y HTTP/1.1\r\nhost: a:80\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHOST: a\r\n\r\n",
      "GET /%e2%82%ac HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
      "GET /a.b/..c?../../x HTTP/1.1\r\nhost: a\r\nx:\t v \t\r\nempty:\r\nbytes: \xff\r\n\r\n",
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: "
      "CHUNKED\r\n\r\n0000A\r\n0123456789\r\n0\r\n\r\n",
  };
  for (const std::string& request : accepted) {
    RawPeer peer(server->port());
    peer.send(request);
    EXPECT_EQ(status_line(peer.until("]")), "HTTP/1.1 200 OK") << request;
  }
}

TEST(H1Server, SendsItsErrorsInOpenAisShape) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_NE(answer.find("content-type: application/json"), std::string::npos);
  EXPECT_NE(answer.find("connection: close"), std::string::npos);
  EXPECT_TRUE(answer.ends_with(
      R"({"error":{"message":"host is missing","type":"invalid_request_error","param":null,"code":"missing_host"}})"));
}

TEST(H1Server, SaysContinueOnlyWhenTheBodyIsWanted) {
  std::atomic<bool> wanted{true};
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    if (wanted) return echo(exchange);
    exchange->respond({.status = 403, .headers = {}, .body = "no"});
  });
  const std::string head =
      "POST /e HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
  RawPeer first(server->port());
  first.send(head);
  EXPECT_EQ(first.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  first.send("abc");
  EXPECT_NE(first.until("]").find("[abc]"), std::string::npos);

  wanted = false;
  RawPeer second(server->port());
  second.send(head);
  const std::string answer = second.until_closed();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 403 Forbidden");
  EXPECT_NE(answer.find("connection: close"),
            std::string::npos);  // whether the body follows is not known
}

TEST(H1Server, GivesAHeadRequestTheLengthAndNoBody) {
  const auto server = serve(echo);
  RawPeer peer(server->port());
  peer.send(
      "HEAD /x HTTP/1.1\r\nhost: a\r\n\r\nGET /y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_NE(answer.find("content-length: 10\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("HEAD /x"), std::string::npos);
  EXPECT_NE(answer.find("GET /y []"), std::string::npos);
}

TEST(H1Server, StreamsInChunksWithTrailersAndWithoutChunksToHttp10) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({200, {{"content-type", "text/plain"}, {"trailer", "x-sum"}}});
    exchange->write("hello ");
    exchange->post([exchange] {
      exchange->write("world");
      exchange->finish({{"x-sum", "11"}});
    });
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string answer = peer.until("0\r\nx-sum: 11\r\n\r\n");
  EXPECT_NE(answer.find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\nx-sum: 11\r\n\r\n"))
      << answer;

  RawPeer old(server->port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  const std::string plain = old.until_closed();
  EXPECT_EQ(plain.find("chunked"), std::string::npos);
  EXPECT_TRUE(plain.ends_with("\r\n\r\nhello world")) << plain;
}

TEST(H1Server, KeepsTheConnectionAfterASmallUnreadBodyAndClosesAfterALargeOne) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 404, .headers = {}, .body = "none"});
  });
  RawPeer small(server->port());
  small.send(post("abc") + post("def"));
  small.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(server->counters().protocol_errors, 0u);
  const std::string answers = small.until_closed();
  EXPECT_EQ(answers.find("connection: close"), answers.rfind("connection: close"));

  RawPeer large(server->port());
  large.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\nabc");
  EXPECT_NE(large.until_closed().find("connection: close"), std::string::npos);
}

TEST(H1Server, TellsTheHandlerAtOnceWhenTheClientGoesAway) {
  for (const bool with_reset : {false, true}) {
    std::promise<std::shared_ptr<Exchange>> entered;
    std::promise<void> gone;
    const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
      exchange->on_gone([&gone] { gone.set_value(); });
      entered.set_value(exchange);
    });
    RawPeer peer(server->port());
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    const auto exchange = entered.get_future().get();
    with_reset ? peer.reset() : peer.close();
    ASSERT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
    std::promise<bool> after;
    exchange->post([&] {
      exchange->respond({});  // too late, and harmless
      after.set_value(exchange->gone());
    });
    EXPECT_TRUE(after.get_future().get());
  }
}

TEST(H1Server, TellsTheReaderOfABodyThatTheClientWentAway) {
  std::promise<Code> told;
  std::promise<void> entered;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->read_body(
        [&told, exchange](Result<std::string> body) { told.set_value(body.error().code); });
    entered.set_value();
  });
  RawPeer peer(server->port());
  peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
  entered.get_future().wait();
  peer.close();
  EXPECT_EQ(told.get_future().get(), Code::kCancelled);
}

// Only one time is short: a busy machine must not let another pass first.
ServerLimits with_short(std::chrono::milliseconds ServerLimits::* time) {
  ServerLimits limits;
  limits.*time = 80ms;
  return limits;
}

TEST(H1Server, CutsASlowHead) {
  const auto server = serve(echo, with_short(&ServerLimits::header_timeout));
  RawPeer head(server->port());
  head.send("GET / HTTP/1.1\r\nho");
  EXPECT_EQ(status_line(head.until_closed()), "HTTP/1.1 408 Request Timeout");
}

TEST(H1Server, CutsASlowBody) {
  const auto server = serve(echo, with_short(&ServerLimits::body_timeout));
  RawPeer body(server->port());
  body.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
  const std::string answer = body.until_closed();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 408 Request Timeout");
  EXPECT_TRUE(answer.ends_with("slow_client"));
}

TEST(H1Server, ClosesAnIdleConnection) {
  ServerLimits limits;
  limits.idle_timeout = 1s;
  const auto server = serve(echo, limits);
  RawPeer between(server->port());
  between.send(post("x"));
  RawPeer idle(server->port());
  EXPECT_EQ(idle.until_closed(), "");
  EXPECT_TRUE(idle.closed());
  EXPECT_NE(between.until_closed().find("[x]"), std::string::npos);
  EXPECT_TRUE(between.closed());
}

TEST(H1Server, CutsAClientThatTakesNoBytesAndTellsTheHandler) {
  std::promise<void> gone;
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        exchange->on_gone([&gone] { gone.set_value(); });
        exchange->start({});
        exchange->write(std::string(32 * 1024 * 1024, 'x'));
        EXPECT_GT(exchange->unsent(), 0u);
      },
      with_short(&ServerLimits::write_timeout));
  RawPeer peer(server->port(), 4096);
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
}

TEST(H1Server, CallsAWriterBackWhenItsBytesWereTaken) {
  constexpr std::size_t kPiece = 1024 * 1024;
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({200, {{"content-length", std::to_string(8 * kPiece)}}});
    const auto write = std::make_shared<std::function<void(int)>>();
    *write = [exchange, weak = std::weak_ptr(write)](int left) {
      if (left == 0) return exchange->finish();
      exchange->write(std::string(kPiece, 'x'));
      exchange->on_drained([next = weak.lock(), left] { (*next)(left - 1); });
    };
    (*write)(8);
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 8 * kPiece);
}

TEST(H1Server, ReadsPiecesOnlyAsFastAsTheHandlerTakesThem) {
  std::atomic<std::size_t> taken{0};
  std::promise<std::shared_ptr<Exchange>> paused;
  std::promise<void> ended;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->read_pieces([&, exchange](Result<std::string> piece) {
      if (piece->empty()) {
        exchange->respond({});
        ended.set_value();
        return true;
      }
      if (taken == 0) {
        exchange->pause_pieces(true);
        paused.set_value(exchange);
      }
      taken += piece->size();
      return true;
    });
  });
  constexpr std::size_t kBody = 32 * 1024 * 1024;
  RawPeer peer(server->port());
  std::thread sender([&] { peer.send(post(std::string(kBody, 'x'))); });
  const auto exchange = paused.get_future().get();
  std::promise<std::size_t> seen;
  exchange->post([&] { seen.set_value(taken); });
  EXPECT_LT(seen.get_future().get(), 1024u * 1024u);
  exchange->post([exchange] { exchange->pause_pieces(false); });
  ended.get_future().wait();
  EXPECT_EQ(taken, kBody);
  sender.join();
}

std::string declared(std::size_t length) {
  return "POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: " +
         std::to_string(length) + "\r\n\r\n";
}

ServerLimits with_bodies(std::size_t all, std::size_t one) {
  ServerLimits limits;
  limits.bodies_bytes = all;
  limits.body_bytes = one;
  return limits;
}

TEST(H1Server, RefusesBodiesOfAllConnectionsOverTheLimitBeforeTheyAreRead) {
  const auto server = serve(echo, with_bodies(150, 100));
  RawPeer first(server->port()), second(server->port()), third(server->port());
  first.send(declared(100));
  EXPECT_EQ(status_line(first.until("\r\n\r\n")), "HTTP/1.1 100 Continue");
  EXPECT_EQ(server->counters().body_bytes, 100u);
  second.send(declared(60));
  const std::string refused = second.until("bodies_full");
  EXPECT_EQ(status_line(refused), "HTTP/1.1 429 Too Many Requests");
  third.send(declared(50));
  EXPECT_EQ(status_line(third.until("\r\n\r\n")), "HTTP/1.1 100 Continue");
  first.send(std::string(100, 'x'));
  EXPECT_EQ(status_line(first.until("x]")), "HTTP/1.1 200 OK");
  RawPeer again(server->port());
  again.send(post(std::string(100, 'y')));
  EXPECT_EQ(status_line(again.until("y]")), "HTTP/1.1 200 OK");
  third.close();
  EXPECT_EQ(server->counters().bodies_refused, 1u);
  while (server->counters().body_bytes > 0) std::this_thread::yield();
}

TEST(H1Server, RefusesABodyOfUnknownLengthWhereThereIsNoMoreRoom) {
  const auto server = serve(echo, with_bodies(150, 100));
  RawPeer first(server->port()), second(server->port());
  first.send(declared(100));
  EXPECT_EQ(status_line(first.until("\r\n\r\n")), "HTTP/1.1 100 Continue");
  second.send(chunks("32\r\n" + std::string(50, 'x') + "\r\n1\r\ny\r\n0\r\n\r\n"));
  EXPECT_EQ(status_line(second.until("bodies_full")), "HTTP/1.1 429 Too Many Requests");
  first.send(std::string(100, 'x'));
  EXPECT_EQ(status_line(first.until("x]")), "HTTP/1.1 200 OK");
}

TEST(H1Server, SendsALargeAnswerWhole) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 200, .headers = {}, .body = std::string(20'000'000, 'x')});
  });
  RawPeer peer(server->port());
  for (int i = 0; i < 2; ++i) {
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    const std::string head = peer.exactly(17);
    EXPECT_EQ(head, "HTTP/1.1 200 OK\r\n");
    std::string rest = peer.exactly(20'000'000);
    const std::size_t body = rest.find("\r\n\r\n") + 4;
    rest += peer.exactly(body);
    EXPECT_EQ(rest.find_first_not_of('x', body), std::string::npos);
  }
}

TEST(H1Server, AbortBreaksAStreamSoThatTheClientSeesIt) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({});
    exchange->write("half");
    exchange->abort();
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_TRUE(answer.ends_with("4\r\nhalf\r\n")) << answer;  // no last chunk
  RawPeer old(server->port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  old.until_closed();
  EXPECT_TRUE(old.was_reset());
}

TEST(H1Server, AnswersAHandlerThatThrows) {
  const auto server =
      serve([](const std::shared_ptr<Exchange>&) { throw std::runtime_error("oops"); });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(status_line(peer.until("}}")), "HTTP/1.1 500 Internal Server Error");
}

TEST(H1Server, AnswersForCallBacksThatThrowWhateverTheyThrow) {
  using Way = std::function<void(const std::shared_ptr<Exchange>&)>;
  const std::vector<Way> ways = {
      [](const auto&) { throw 42; },
      [](const auto& exchange) { exchange->post([] { throw std::bad_alloc(); }); },
      [](const auto& exchange) {
        exchange->read_body([exchange](const Result<std::string>&) { throw 42; });
      },
      [](const auto& exchange) {
        exchange->read_pieces([exchange](const Result<std::string>&) -> bool { throw 42; });
      }};
  std::atomic<std::size_t> way = 0;
  std::atomic<int> told = 0;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_gone([&told] { ++told; });
    ways[way](exchange);
  });
  for (; way < ways.size(); ++way) {
    RawPeer peer(server->port());
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    EXPECT_EQ(status_line(peer.until("}}")), "HTTP/1.1 500 Internal Server Error") << way;
    EXPECT_EQ(told, static_cast<int>(way) + 1) << "whoever was to answer knows";
  }
}

TEST(H1Server, CutsAStreamWhoseCallBackThrowsAndLeavesTheOthers) {
  std::promise<std::shared_ptr<Exchange>> other;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path == "/other") return other.set_value(exchange);
    exchange->start({200, {}});
    exchange->write("begun");
    exchange->post([] { throw std::runtime_error("oops"); });
  });
  RawPeer waiting(server->port());
  waiting.send("GET /other HTTP/1.1\r\nhost: a\r\n\r\n");
  const auto exchange = other.get_future().get();
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string answer = peer.until_closed();
  EXPECT_NE(answer.find("begun"), std::string::npos);
  EXPECT_EQ(answer.find("\r\n0\r\n"), std::string::npos) << "it must not look whole";
  exchange->post([exchange] { exchange->respond({.status = 204, .headers = {}, .body = ""}); });
  EXPECT_EQ(status_line(waiting.until("\r\n\r\n")), "HTTP/1.1 204 No Content");
}

TEST(H1Server, NeverLetsAFieldEndItsLine) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 200,
                       .headers = {{"x-a", "1\r\nset-cookie: stolen"}, {"bad\r\nname", "v"}},
                       .body = ""});
  });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string answer = peer.until("\r\n\r\n");
  EXPECT_EQ(answer.find("\r\nset-cookie"), std::string::npos);
  EXPECT_NE(answer.find("bad--name: v\r\n"), std::string::npos);
}

TEST(H1Server, RefusesConnectionsOverTheLimit) {
  ServerLimits limits;
  limits.connections = 1;
  const auto server = serve(echo, limits);
  RawPeer first(server->port());
  first.send(post("x"));
  EXPECT_NE(first.until("]").find("[x]"), std::string::npos);
  RawPeer second(server->port());
  EXPECT_EQ(status_line(second.until_closed()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(server->counters().connections_refused, 1u);
  first.send(post("y"));
  EXPECT_NE(first.until("]").find("[y]"), std::string::npos);
}

TEST(H1Server, DrainFinishesWhatIsOpenAnswersWhatIsUnderWayAndClosesTheIdle) {
  std::promise<std::shared_ptr<Exchange>> entered;
  const auto server = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        if (exchange->head().path == "/slow") return entered.set_value(exchange);
        echo(exchange);
      },
      {.drain_grace = 1s}, 2);
  RawPeer slow(server->port());
  slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
  const auto exchange = entered.get_future().get();
  RawPeer idle(server->port());
  idle.send(post("warm"));
  idle.until("]");
  auto drained = std::async(std::launch::async, [&] { return server->drain(60s); });
  idle.send(post("last"));  // on its way as the drain begins
  const std::string last = idle.until_closed();
  EXPECT_NE(last.find("[last]"), std::string::npos);
  EXPECT_FALSE(RawPeer(server->port()).connected() &&
               drained.wait_for(0s) == std::future_status::ready);
  exchange->post([exchange] { exchange->respond({.status = 200, .headers = {}, .body = "done"}); });
  const std::string answer = slow.until_closed();
  EXPECT_TRUE(answer.ends_with("done"));
  EXPECT_NE(answer.find("connection: close"), std::string::npos);
  EXPECT_TRUE(drained.get());
  EXPECT_EQ(server->counters().connections_open, 0u);
}

TEST(H1Server, DrainSaysWhenItCutSomething) {
  std::promise<std::shared_ptr<Exchange>> entered;
  auto server =
      serve([&](const std::shared_ptr<Exchange>& exchange) { entered.set_value(exchange); });
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const auto exchange = entered.get_future().get();
  EXPECT_FALSE(server->drain(20ms));
  server.reset();
  EXPECT_TRUE(exchange->gone());
  exchange->post([] { FAIL() << "posted after the server's end"; });
}

TEST(H1Server, ListensOnAUnixSocketThatOnlyItsOwnerMayOpen) {
  const auto folder = TemporaryDirectory::create();
  const std::string path = (folder->path() / "s").string();
  ServerOptions options;
  options.unix_socket = path;
  auto server = Server::create(options, echo);
  ASSERT_TRUE(server.has_value()) << server.error().message;
  EXPECT_EQ((*server)->port(), 0);
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  RawPeer peer(path);
  peer.send(post("local"));
  EXPECT_NE(peer.until("]").find("[local]"), std::string::npos);
  const auto second = Server::create(options, echo);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(H1Server, TellsWhoIsAtTheOtherEndAndRefusesOtherUsers) {
  const auto folder = TemporaryDirectory::create();
  const std::string path = (folder->path() / "s").string();
  ServerOptions options;
  options.unix_socket = path;
  options.own_user_only = true;
  const auto server = Server::create(options, [](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 200, .headers = {}, .body = "<" + exchange->head().peer + ">"});
  });
  ASSERT_TRUE(server.has_value()) << server.error().message;
  RawPeer peer(path);
  peer.send(get("host: a\r\n"));
  EXPECT_NE(peer.until(">").find("<unix:" + std::to_string(::geteuid()) + ">"), std::string::npos);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  using std::filesystem::perms;
  std::filesystem::permissions(folder->path(), perms::all);
  std::filesystem::permissions(path, perms::all);
  std::thread([&] {
    // Of this thread alone, which the C library's function would not do.
    constexpr long kNobody = 65534;
    ASSERT_EQ(::syscall(SYS_setresuid, -1L, kNobody, -1L), 0);
    RawPeer other(path);
    EXPECT_EQ(other.until_closed(), "");
  }).join();
  EXPECT_EQ((*server)->counters().connections_refused, 1U);
}

TEST(H1Server, SaysWhyItCannotListen) {
  const auto server = serve(echo);
  ServerOptions taken;
  taken.port = server->port();
  EXPECT_EQ(Server::create(taken, echo).error().code, Code::kAlreadyExists);
  ServerOptions nowhere;
  EXPECT_EQ(Server::create(nowhere, echo).error().code, Code::kInvalidArgument);
  ServerOptions address;
  address.port = 0;
  address.address = "not an address";
  EXPECT_EQ(Server::create(address, echo).error().code, Code::kInvalidArgument);
  ServerOptions tls;
  tls.port = 0;
  tls.tls = TlsFiles{"/nonexistent/cert.pem", "/nonexistent/key.pem"};
  EXPECT_NE(Server::create(tls, echo).error().message.find("/nonexistent/cert.pem"),
            std::string::npos);
}

TEST(H1Server, ServesManyConnectionsOnManyThreads) {
  const auto server = serve(echo, {}, 4);
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&, i] {
      RawPeer peer(server->port());
      for (int n = 0; n < 50; ++n) {
        const std::string body = std::to_string(i) + "." + std::to_string(n);
        peer.send(post(body));
        if (peer.until("]").find("[" + body + "]") != std::string::npos) ++right;
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 400);
}

}  // namespace
}  // namespace serin::net
