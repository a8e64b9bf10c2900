// SPDX-License-Identifier: Apache-2.0
// The client against our server over each transport, and against servers that misbehave byte by
// byte.
#include "net/http/client.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/files.h"
#include "net/http/raw_peer.h"
#include "net/http/server.h"
#include "net/http/tls_files_for_test.h"
#include "net/io/listener.h"
#include "net/io/threads.h"
#include "net/tls.h"

namespace serin::net {
namespace {

using namespace std::chrono_literals;

void echo(const std::shared_ptr<Exchange>& exchange) {
  exchange->read_body([exchange](Result<std::string> body) {
    Response response;
    response.headers.add("x-protocol", exchange->head().http2 ? "h2" : "h1");
    response.headers.add("x-authority", exchange->head().authority);
    response.body =
        exchange->head().method + " " + exchange->head().target + " " + (body ? *body : "?");
    exchange->respond(std::move(response));
  });
}

std::unique_ptr<Server> serve(Handler handler, ServerOptions options = {}) {
  if (options.unix_socket.empty()) options.port = 0;
  auto server = Server::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value());
  return std::move(*server);
}

std::unique_ptr<Client> make_client(ClientOptions options = {}) {
  auto client = Client::create(std::move(options));
  EXPECT_TRUE(client.has_value());
  return std::move(*client);
}

ClientRequest to(std::uint16_t port, std::string path = "/", std::string method = "GET",
                 std::string body = "") {
  ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) + path;
  request.method = std::move(method);
  request.body = std::move(body);
  request.timeout = 10s;
  return request;
}

// A server that does exactly what a test says: each connection is given to `talk` with its number.
class Puppet {
 public:
  explicit Puppet(std::function<void(int fd, int connection)> talk)
      : fd_(*listen_tcp("127.0.0.1", 0)),
        port_(port_of(fd_.get())),
        thread_([this, talk = std::move(talk)] {
          while (!ended_) {
            const int fd = ::accept(fd_.get(), nullptr, nullptr);
            if (fd < 0) {
              std::this_thread::sleep_for(1ms);
              continue;
            }
            talk(fd, connections_++);
            ::close(fd);
          }
        }) {}
  ~Puppet() {
    ended_ = true;
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

  static std::string hear(int fd, std::string_view end = "\r\n\r\n") {
    std::string got;
    char byte = 0;
    while (!got.ends_with(end) && ::recv(fd, &byte, 1, 0) == 1) got += byte;
    return got;
  }
  static std::string exactly(int fd, std::size_t bytes) {
    std::string got(bytes, '\0');
    const ssize_t came = ::recv(fd, got.data(), bytes, MSG_WAITALL);
    got.resize(came > 0 ? static_cast<std::size_t>(came) : 0);
    return got;
  }
  static void say(int fd, std::string_view bytes) {
    ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

 private:
  OwnedFd fd_;
  std::uint16_t port_;
  std::atomic<bool> ended_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

TEST(Client, AHostWhoseAddressesAreKnownIsNotLookedUp) {
  const auto server = serve(echo);
  ClientOptions options;
  options.addresses["no.such.invalid"] = {"127.0.0.1"};
  const auto client = make_client(std::move(options));
  ClientRequest request = to(server->port());
  request.url = "http://no.such.invalid:" + std::to_string(server->port()) + "/";
  const auto answer = client->fetch(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->headers.get("x-authority"),
            "no.such.invalid:" + std::to_string(server->port()));
}

TEST(Client, FetchesOverHttp1AndKeepsTheConnection) {
  const auto server = serve(echo);
  const auto client = make_client();
  for (int i = 0; i < 5; ++i) {
    const auto response = client->fetch(to(server->port(), "/a?b=c", "POST", std::to_string(i)));
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_EQ(response->body, "POST /a?b=c " + std::to_string(i));
    EXPECT_EQ(response->headers.get("x-protocol"), "h1");
    EXPECT_EQ(response->headers.get("x-authority"), "127.0.0.1:" + std::to_string(server->port()));
  }
  EXPECT_EQ(server->counters().connections_accepted, 1u);
}

TEST(Client, FetchesOverHttp2WithManyStreamsOnOneConnection) {
  const auto server = serve(echo);
  const auto client = make_client();
  std::vector<std::future<Result<Response>>> answers;
  for (int i = 0; i < 20; ++i)
    answers.push_back(std::async(std::launch::async, [&, i] {
      ClientRequest request =
          to(server->port(), "/" + std::to_string(i), "POST", std::string(300'000, 'x'));
      request.http2 = true;
      return client->fetch(std::move(request));
    }));
  for (int i = 0; i < 20; ++i) {
    const auto response = answers[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_TRUE(response->body.starts_with("POST /" + std::to_string(i) + " xxx"));
    EXPECT_GT(response->body.size(), 300'000u);
    EXPECT_EQ(response->headers.get("x-protocol"), "h2");
  }
  EXPECT_EQ(server->counters().connections_accepted, 1u);
}

TEST(Client, FetchesOverAUnixSocket) {
  const auto folder = TemporaryDirectory::create();
  ServerOptions options;
  options.unix_socket = (folder->path() / "s").string();
  const auto server = serve(echo, options);
  const auto client = make_client();
  for (const bool http2 : {false, true}) {
    ClientRequest request;
    request.url = "unix:" + options.unix_socket + ":/path";
    request.http2 = http2;
    const auto response = client->fetch(std::move(request));
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_EQ(response->body, "GET /path ");
  }
  ClientRequest nowhere;
  nowhere.url = "unix:/nonexistent/socket:/";
  EXPECT_EQ(client->fetch(std::move(nowhere)).error().code, Code::kUnavailable);
}

TEST(Client, FetchesOverTlsFromAServerItCanVerify) {
  const auto folder = TemporaryDirectory::create();
  ServerOptions options;
  options.tls = make_tls_files(folder->path());
  const auto server = serve(echo, options);
  const Trusting trusting(options.tls->certificate);
  const auto client = make_client();
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    ClientRequest request = to(server->port(), "/", "POST", std::string(2'000'000, 'x'));
    request.url = "https://" + host + ":" + std::to_string(server->port()) + "/tls";
    const auto response = client->fetch(std::move(request));
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_EQ(response->body.size(), 2'000'010u);
    EXPECT_EQ(response->headers.get("x-protocol"), "h2");  // ALPN
  }
}

// Speaks HTTP/1.1 under TLS, which our client never chooses by itself.
TEST(Tls, CarriesLargeBodiesBothWaysOverHttp1) {
  const auto folder = TemporaryDirectory::create();
  ServerOptions options;
  options.tls = make_tls_files(folder->path());
  const auto server = serve(echo, options);
  const Trusting trusting(options.tls->certificate);
  const auto context = *TlsContext::client();
  const auto tls = context->connect("localhost", false);
  RawPeer peer(server->port());
  std::string out;
  std::string in;
  const auto read = [&](std::size_t wanted) {
    while (in.size() < wanted && tls->state() != TlsSession::State::kFailed) {
      char bytes[16384];
      const std::size_t came = tls->read(bytes, sizeof bytes);
      in.append(bytes, came);
      if (came > 0) continue;
      const std::string cipher = peer.exactly(1) + peer.some();
      if (cipher.empty()) return;
      tls->feed(cipher);
      tls->take(out);
      peer.send(std::exchange(out, {}));
    }
  };
  tls->take(out);
  peer.send(std::exchange(out, {}));
  while (tls->state() == TlsSession::State::kHandshake) {
    tls->feed(peer.exactly(1) + peer.some());
    tls->take(out);
    peer.send(std::exchange(out, {}));
  }
  ASSERT_EQ(tls->state(), TlsSession::State::kOpen) << tls->failure();
  EXPECT_EQ(tls->alpn(), "http/1.1");
  const std::string body(5'000'000, 'x');
  tls->write("POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n");
  tls->write(body);
  tls->take(out);
  peer.send(std::exchange(out, {}));
  read(body.size());
  const std::size_t begin = in.find("\r\n\r\n") + 4;
  read(begin + 8 + body.size());
  EXPECT_EQ(in.substr(begin, 8), "POST /p ");
  EXPECT_EQ(in.find_first_not_of('x', begin + 8), std::string::npos);
  EXPECT_EQ(in.size(), begin + 8 + body.size());
}

TEST(Client, RefusesAServerThatItCannotVerify) {
  const auto folder = TemporaryDirectory::create();
  ServerOptions options;
  options.tls = make_tls_files(folder->path());
  const auto server = serve(echo, options);
  ClientRequest request = to(server->port());
  request.url = "https://localhost:" + std::to_string(server->port()) + "/";
  const auto stranger = make_client()->fetch(request);
  ASSERT_FALSE(stranger.has_value());
  EXPECT_EQ(stranger.error().code, Code::kUnavailable);
  EXPECT_THAT(stranger.error().message,
              testing::HasSubstr("self-signed certificate; if its authority is to be trusted"));

  const Trusting trusting(options.tls->certificate);
  ClientOptions elsewhere;
  elsewhere.addresses["another.example"] = {"127.0.0.1"};
  request.url = "https://another.example:" + std::to_string(server->port()) + "/";
  EXPECT_THAT(make_client(elsewhere)->fetch(request).error().message,
              testing::EndsWith("its certificate is refused: hostname mismatch"));
  EXPECT_EQ(server->counters().requests, 0u);
}

TEST(Client, SaysThatItCannotReadTheAuthoritiesThatItIsToTrust) {
  const Trusting trusting("/nonexistent/ca.pem");
  ClientRequest request;
  request.url = "https://localhost:1/";
  const Error error = make_client()->fetch(request).error();
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_THAT(error.message,
              testing::HasSubstr("from /nonexistent/ca.pem, which SSL_CERT_FILE names"));
}

TEST(Client, GivesAStreamInOrderWithItsTrailers) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({201, {{"x-a", "1"}}});
    exchange->write("one");
    exchange->post([exchange] {
      exchange->write("two");
      exchange->finish({{"x-end", "yes"}});
    });
  });
  const auto client = make_client();
  for (const bool http2 : {false, true}) {
    std::promise<std::string> told;
    auto log = std::make_shared<std::string>();
    ResponseSink sink;
    sink.on_head = [log](ResponseHead head) { *log += std::to_string(head.status) + ":"; };
    sink.on_bytes = [log](std::string_view bytes) { *log += bytes; };
    sink.on_trailers = [log](const Headers& trailers) {
      *log += ":" + std::string(trailers.get("x-end"));
    };
    sink.on_end = [log, &told] { told.set_value(*log + ":end"); };
    sink.on_error = [&told](Error error) { told.set_value(error.message); };
    ClientRequest request = to(server->port());
    request.http2 = http2;
    client->stream(std::move(request), std::move(sink));
    EXPECT_EQ(told.get_future().get(), "201:onetwo:yes:end");
  }
}

TEST(Client, GivesUpAtItsTimeAndWhenCancelledAndTheServerNotices) {
  std::atomic<int> gone{0};
  const auto server =
      serve([&](const std::shared_ptr<Exchange>& exchange) { exchange->on_gone([&] { ++gone; }); });
  const auto client = make_client();
  int expected = 0;
  for (const bool http2 : {false, true}) {
    ClientRequest late = to(server->port());
    late.http2 = http2;
    late.timeout = 60ms;
    EXPECT_EQ(client->fetch(late).error().code, Code::kDeadlineExceeded);
    ClientRequest unwanted = to(server->port());
    unwanted.http2 = http2;
    const CancelToken cancel = unwanted.cancel;
    std::thread canceller([cancel, &server, wanted = server->counters().requests] {
      while (server->counters().requests == wanted) std::this_thread::sleep_for(1ms);
      cancel.cancel();
    });
    EXPECT_EQ(client->fetch(unwanted).error().code, Code::kCancelled);
    canceller.join();
    expected += 2;
    for (int i = 0; i < 60'000 && gone < expected; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(gone, expected);
  }
}

TEST(Client, SaysUnavailableWhereNothingListens) {
  std::uint16_t port = 0;
  {
    port = serve(echo)->port();
  }
  const auto client = make_client();
  const auto refused = client->fetch(to(port));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  ClientRequest malformed = to(port);
  for (const char* url :
       {"ftp://a/", "http://", "http://a:99999/", "http://u@a/", "http://a/ b", "unix:", "a"}) {
    malformed.url = url;
    EXPECT_EQ(client->fetch(malformed).error().code, Code::kInvalidArgument) << url;
  }
}

TEST(Client, TriesAgainOnlyWhatMayBeSentTwice) {
  Puppet puppet([](int fd, int) { Puppet::hear(fd); });  // hears a request and hangs up
  const auto client = make_client();
  EXPECT_EQ(client->fetch(to(puppet.port(), "/", "POST", "x")).error().code, Code::kAborted);
  EXPECT_EQ(puppet.connections(), 1);
  EXPECT_EQ(client->fetch(to(puppet.port())).error().code, Code::kAborted);
  EXPECT_EQ(puppet.connections(), 3);
}

struct H2Frame {
  int type = -1;  // there is none
  std::string content;
};
constexpr int kHeaders = 1, kPing = 6;

H2Frame next_frame(int fd) {
  const std::string head = Puppet::exactly(fd, 9);
  if (head.size() < 9) return {};
  const auto size = static_cast<unsigned char>(head[1]) * 256 + static_cast<unsigned char>(head[2]);
  return {head[3], Puppet::exactly(fd, static_cast<std::size_t>(size))};
}

void answer_ping(int fd, const H2Frame& ping) {
  Puppet::say(fd, std::string_view("\0\0\x08\6\1\0\0\0\0", 9));
  Puppet::say(fd, ping.content);
}

TEST(Client, GivesUpAnHttp2ConnectionThatSaysNothingAnyMore) {
  std::atomic<bool> over{false};
  Puppet puppet([&over](int fd, int) {
    Puppet::say(fd, std::string_view("\0\0\0\4\0\0\0\0\0", 9));  // SETTINGS, and then no word
    while (!over) std::this_thread::sleep_for(1ms);
  });
  ClientOptions options;
  options.limits.silence = 40ms;
  const auto client = make_client(std::move(options));
  ClientRequest request = to(puppet.port(), "/", "POST", "x");
  request.http2 = true;
  const auto answer = client->fetch(std::move(request));
  over = true;
  EXPECT_EQ(answer.error().code, Code::kAborted);
}

TEST(Client, WaitsForAnHttp2ServerThatSaysThatItLives) {
  Puppet puppet([](int fd, int) {
    Puppet::say(fd, std::string_view("\0\0\0\4\0\0\0\0\0", 9));
    Puppet::exactly(fd, 24);  // the preface
    for (int pings = 0; pings < 3;) {
      const H2Frame frame = next_frame(fd);
      if (frame.type < 0) return;
      if (frame.type != kPing) continue;
      ++pings;
      answer_ping(fd, frame);
    }
    Puppet::say(fd, std::string_view("\0\0\1\1\5\0\0\0\1\x88", 10));  // HEADERS: 200, the end
  });
  ClientOptions options;
  options.limits.silence = 500ms;
  const auto client = make_client(std::move(options));
  ClientRequest request = to(puppet.port(), "/", "POST", "x");
  request.http2 = true;
  const auto answer = client->fetch(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(Client, GivesUpNoHttp2ConnectionThatItHasNotAsked) {
  std::promise<void> begun;
  Puppet puppet([&](int fd, int) {
    Puppet::say(fd, std::string_view("\0\0\0\4\0\0\0\0\0", 9));
    Puppet::exactly(fd, 24);
    for (H2Frame frame = next_frame(fd); frame.type != kPing; frame = next_frame(fd)) {
      if (frame.type < 0) return;
      if (frame.type == kHeaders) begun.set_value();
    }
    Puppet::say(fd, std::string_view("\0\0\1\1\5\0\0\0\1\x88", 10));
  });
  ClientOptions options;
  options.io = IoThreads::start(1);
  options.limits.silence = 100ms;
  const auto io = options.io;
  const auto client = make_client(std::move(options));
  ClientRequest request = to(puppet.port());
  request.http2 = true;
  auto answer = std::async(std::launch::async, [&] { return client->fetch(std::move(request)); });
  begun.get_future().wait();
  // A thread that is held up sees no tick for longer than a silent server has.
  io->post(0, [] { std::this_thread::sleep_for(300ms); });
  const auto answered = answer.get();
  io->stop();
  ASSERT_TRUE(answered.has_value()) << answered.error().message;
  EXPECT_EQ(answered->status, 200);
}

TEST(Client, SaysAbortedWhenAnAnswerBreaksOff) {
  const std::string answers[] = {
      "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
      "HTTP/1.1 200 OK\r\ncontent-le",
  };
  for (const std::string& answer : answers) {
    Puppet puppet([&](int fd, int) {
      Puppet::hear(fd);
      Puppet::say(fd, answer);
    });
    const auto broken = make_client()->fetch(to(puppet.port()));
    ASSERT_FALSE(broken.has_value()) << answer;
    EXPECT_EQ(broken.error().code, Code::kAborted);
    EXPECT_EQ(puppet.connections(), 1);  // some of an answer came: not again
  }
}

TEST(Client, RefusesAnswersThatAreNotHttp) {
  const std::string answers[] = {
      "nonsense\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\nx: y\r\n\r\n",
      "HTTP/1.1 200 OK\r\nx: " + std::string(70'000, 'a') + "\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  };
  for (const std::string& answer : answers) {
    Puppet puppet([&](int fd, int) {
      Puppet::hear(fd);
      Puppet::say(fd, answer);
      Puppet::hear(fd);
    });
    const auto wrong = make_client()->fetch(to(puppet.port()));
    ASSERT_FALSE(wrong.has_value()) << answer;
    EXPECT_EQ(wrong.error().code, Code::kAborted) << answer;
  }
}

TEST(Client, ReadsAnswersThatEndWithTheConnectionAndSkipsInterimOnes) {
  Puppet puppet([](int fd, int) {
    Puppet::hear(fd);
    Puppet::say(
        fd, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200\r\nx: y\r\n\r\nto the end");
  });
  const auto response = make_client()->fetch(to(puppet.port()));
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->body, "to the end");
}

TEST(Client, DoesNotGatherMoreThanItsLimit) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 200, .headers = {}, .body = std::string(2000, 'x')});
  });
  ClientOptions options;
  options.limits.body_bytes = 1000;
  const auto client = make_client(options);
  for (const bool http2 : {false, true}) {
    ClientRequest request = to(server->port());
    request.http2 = http2;
    EXPECT_EQ(client->fetch(request).error().code, Code::kResourceExhausted);
  }
}

TEST(Client, QueuesForABoundedNumberOfConnectionsAndRefusesPastTheQueue) {
  std::atomic<int> open{0};
  std::atomic<int> most{0};
  std::promise<void> go;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    most = std::max(most.load(), ++open);
    exchange->post([&, exchange] {
      --open;
      exchange->respond({});
    });
  });
  ClientOptions options;
  options.limits.connections_per_host = 2;
  options.limits.pending_per_host = 5;
  const auto client = make_client(options);
  std::atomic<int> right{0};
  std::atomic<int> refused{0};
  std::atomic<int> left{20};
  std::promise<void> done;
  for (int i = 0; i < 20; ++i) {
    ResponseSink sink;
    const auto end = [&] {
      if (--left == 0) done.set_value();
    };
    sink.on_end = [&, end] {
      ++right;
      end();
    };
    sink.on_error = [&, end](Error error) {
      refused += error.code == Code::kResourceExhausted ? 1 : 0;
      end();
    };
    client->stream(to(server->port()), std::move(sink));
  }
  done.get_future().wait();
  EXPECT_LE(most, 2);
  EXPECT_GE(right, 5);
  EXPECT_EQ(right + refused, 20);
  EXPECT_LE(server->counters().connections_accepted, 2u);
}

TEST(Client, EndsOpenRequestsWhenItIsDestroyed) {
  const auto server = serve([](const std::shared_ptr<Exchange>&) {});
  auto client = make_client();
  std::promise<Code> told;
  ResponseSink sink;
  sink.on_error = [&](Error error) { told.set_value(error.code); };
  client->stream(to(server->port()), std::move(sink));
  while (server->counters().requests == 0) std::this_thread::sleep_for(1ms);
  client.reset();
  EXPECT_EQ(told.get_future().get(), Code::kCancelled);
}

TEST(Client, LosesNothingWhileAServerDrains) {
  for (const bool http2 : {false, true}) {
    auto server = serve(echo);
    ClientOptions options;
    options.threads = 2;
    const auto client = make_client(options);
    std::atomic<bool> draining{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        while (true) {
          ClientRequest request = to(server->port(), "/", "POST", "x");
          request.http2 = http2;
          const auto response = client->fetch(std::move(request));
          if (response.has_value()) continue;
          // Once it drains, a new connection is refused: nothing was sent, and it may be sent
          // elsewhere.
          if (!draining || response.error().code != Code::kUnavailable) ++wrong;
          return;
        }
      });
    while (server->counters().requests < 100) std::this_thread::sleep_for(1ms);
    draining = true;
    EXPECT_TRUE(server->drain(60s));
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0) << (http2 ? "h2" : "h1");
  }
}

}  // namespace
}  // namespace serin::net
