// SPDX-License-Identifier: Apache-2.0
// What a proxy needs: a client on the threads of a server, answers that are held up, bodies that
// are shared or streamed, sockets that are inherited. Over HTTP/1.1 and HTTP/2.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/files.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "net/http/uri.h"
#include "net/io/listener.h"
#include "net/io/threads.h"

namespace serin::net {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

std::unique_ptr<Server> serve(Handler handler, ServerOptions options = {}) {
  if (options.unix_socket.empty() && !options.listen_fd) options.port = 0;
  auto server = Server::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value()) << (server ? "" : server.error().message);
  return std::move(*server);
}

void echo(const std::shared_ptr<Exchange>& exchange) {
  exchange->read_body([exchange](Result<std::string> body) {
    exchange->respond({200, {}, body ? *std::move(body) : body.error().message});
  });
}

// A client on a thread of its own that a test can reach.
class OnThread {
 public:
  OnThread() : io_(IoThreads::start(1)) {
    ClientOptions options;
    options.io = io_;
    client_ = *Client::create(options);
  }
  ~OnThread() {
    stream_.reset();
    io_->stop();
  }

  // Runs `call` there and waits for it.
  template <class Call>
  void run(Call call) {
    std::promise<void> done;
    io_->post(0, [&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }
  void open(ClientRequest request) {
    run([&] {
      ResponseSink sink;
      sink.on_head = [this](const ResponseHead& head) { status_ = head.status; };
      sink.on_bytes = [this](std::string_view bytes) { body_ += bytes; };
      sink.on_end = [this] { ended_.set_value(true); };
      sink.on_error = [this](const Error&) { ended_.set_value(false); };
      stream_ = client_->open(std::move(request), std::move(sink));
    });
  }
  ClientStream& stream() { return *stream_; }
  // Whether the whole answer came.
  bool wait_for_end() {
    auto future = ended_.get_future();
    return future.wait_for(kPatience) == std::future_status::ready && future.get();
  }
  std::string body() {
    std::string copy;
    run([&] { copy = body_; });
    return copy;
  }
  void wait_for_body(const std::string& wanted) {
    while (body() != wanted) std::this_thread::yield();
  }
  std::uint16_t status() const { return status_; }

 private:
  std::shared_ptr<IoThreads> io_;
  std::unique_ptr<Client> client_;
  std::shared_ptr<ClientStream> stream_;
  std::promise<bool> ended_;
  std::string body_;
  std::atomic<std::uint16_t> status_{0};
};

ClientRequest request_to(const Server& server, bool http2, std::string method = "POST") {
  ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  request.method = std::move(method);
  request.http2 = http2;
  request.timeout = kPatience;
  return request;
}

class ClientStreamTest : public testing::TestWithParam<bool> {
 protected:
  bool http2() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Protocols, ClientStreamTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Http2" : "Http1"; });

TEST_P(ClientStreamTest, AsksAnotherServerOnTheThreadOfItsExchange) {
  const auto worker = serve(echo);
  const auto io = IoThreads::start(2);
  ClientOptions of_client;
  of_client.io = io;
  auto client = *Client::create(of_client);
  std::atomic<int> astray{0};
  ServerOptions of_proxy;
  of_proxy.io = io;
  auto proxy = serve(
      [&](const std::shared_ptr<Exchange>& exchange) {
        const unsigned here = io->here();
        ClientRequest request = request_to(*worker, http2());
        request.body = "hello";
        ResponseSink sink;
        sink.on_bytes = [&, here, exchange](std::string_view bytes) {
          if (io->here() != here) ++astray;
          exchange->respond({200, {}, std::string(bytes)});
        };
        client->open(std::move(request), std::move(sink));
      },
      of_proxy);
  const auto asking = *Client::create();
  for (int i = 0; i < 20; ++i) {
    const auto answer = asking->fetch(request_to(*proxy, false, "GET"));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "hello");
  }
  EXPECT_EQ(astray, 0);
  io->stop();
}

TEST_P(ClientStreamTest, HoldsTheServerUpWhileItsAnswerIsPaused) {
  constexpr std::size_t kPiece = 100'000, kPieces = 300;  // 30 MB: more than lies in between
  std::promise<std::shared_ptr<Exchange>> began;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({});
    for (std::size_t i = 0; i < kPieces; ++i) exchange->write(std::string(kPiece, 'x'));
    began.set_value(exchange);
  });
  OnThread client;
  client.open(request_to(*server, http2()));
  client.run([&] { client.stream().pause(true); });
  const auto exchange = began.get_future().get();
  // What lies in between fills up; then nothing moves.
  std::size_t before = kPieces * kPiece + 1, now = kPieces * kPiece;
  while (now != before) {
    before = now;
    std::this_thread::sleep_for(100ms);
    std::promise<std::size_t> unsent;
    exchange->post([&] { unsent.set_value(exchange->unsent()); });
    now = unsent.get_future().get();
  }
  EXPECT_GT(now, kPieces * kPiece / 2);
  exchange->post([exchange] { exchange->finish(); });
  client.run([&] { client.stream().pause(false); });
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.body().size(), kPieces * kPiece);
}

TEST_P(ClientStreamTest, GivesAllThatCameBeforeAnEndThatItWasPausedFor) {
  std::promise<void> finished;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({200, {{"connection", "close"}}});
    exchange->write("one");
    exchange->finish();
    finished.set_value();
  });
  OnThread client;
  client.open(request_to(*server, http2()));
  client.run([&] { client.stream().pause(true); });
  finished.get_future().wait();
  client.run([&] { client.stream().pause(false); });
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.body(), "one");
}

TEST_P(ClientStreamTest, SendsASharedBodyAsOftenAsItIsAsked) {
  const auto server = serve(echo);
  const auto body = std::make_shared<const std::string>(3'000'000, 'b');
  const auto client = *Client::create();
  for (int i = 0; i < 2; ++i) {
    ClientRequest request = request_to(*server, http2());
    request.shared_body = body;
    const auto answer = client->fetch(std::move(request));
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->body == *body);
  }
}

TEST_P(ClientStreamTest, StreamsABodyWhileTheAnswerComes) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start({});
    exchange->read_pieces([exchange](Result<std::string> piece) {
      if (!piece) return false;
      if (piece->empty()) {
        exchange->finish();
        return false;
      }
      exchange->write(*piece);
      return true;
    });
  });
  OnThread client;
  ClientRequest request = request_to(*server, http2());
  request.streamed = true;
  client.open(std::move(request));
  std::string wanted;
  for (const std::string piece : {"a", "bb", "ccc"}) {
    client.run([&] { client.stream().write(piece); });
    wanted += piece;
    client.wait_for_body(wanted);
  }
  client.run([&] { client.stream().finish(); });
  EXPECT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.body(), wanted);
}

TEST_P(ClientStreamTest, SaysWhenAStreamedBodyHasGoneOut) {
  const auto server = serve(echo);
  OnThread client;
  ClientRequest request = request_to(*server, http2());
  request.streamed = true;
  client.open(std::move(request));
  std::promise<void> drained;
  client.run([&] {
    client.stream().write(std::string(2'000'000, 'x'));
    EXPECT_GT(client.stream().unsent(), 0u);
    client.stream().on_drained([&] { drained.set_value(); });
  });
  ASSERT_EQ(drained.get_future().wait_for(kPatience), std::future_status::ready);
  client.run([&] { client.stream().finish(); });
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.body().size(), 2'000'000u);
}

TEST_P(ClientStreamTest, TellsTheServerAtOnceThatItWasCancelled) {
  std::promise<void> began, gone;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_gone([&, held = exchange] { gone.set_value(); });
    exchange->start({});
    exchange->write("x");
    began.set_value();
  });
  OnThread client;
  client.open(request_to(*server, http2()));
  began.get_future().wait();
  client.wait_for_body("x");
  client.run([&] { client.stream().cancel(); });
  EXPECT_EQ(gone.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST_P(ClientStreamTest, TakesANewConnectionAfterSoManyRequests) {
  const auto server = serve(echo);
  const auto client = *Client::create();
  for (int i = 0; i < 6; ++i) {
    ClientRequest request = request_to(*server, http2());
    request.host.requests_per_connection = 2;
    ASSERT_TRUE(client->fetch(std::move(request)));
  }
  EXPECT_EQ(server->counters().connections_accepted, 3u);
}

TEST(HostLimits, RefuseWhatWouldWaitBeyondThem) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_gone([held = exchange] {});  // and no answer
  });
  const auto client = *Client::create();
  std::promise<Error> refused;
  for (int i = 0; i < 3; ++i) {  // one on the connection, one that waits, one too many
    ClientRequest request = request_to(*server, false);
    request.host = {.connections = 1, .pending = 1, .requests_per_connection = 0};
    ResponseSink sink;
    if (i == 2) sink.on_error = [&](Error error) { refused.set_value(std::move(error)); };
    client->stream(std::move(request), std::move(sink));
  }
  auto future = refused.get_future();
  ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(future.get().reason, "too_many_pending");
}

TEST(Endpoints, AreParsedOnceForManyRequests) {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({200, {}, exchange->head().target});
  });
  const auto endpoint = std::make_shared<const Endpoint>(
      *parse_url("http://127.0.0.1:" + std::to_string(server->port())));
  const auto client = *Client::create();
  for (const std::string target : {"/a?b=c", "/d"}) {
    ClientRequest request;
    request.endpoint = endpoint;
    request.target = target;
    const auto answer = client->fetch(std::move(request));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, target);
  }
}

TEST(InheritedSocket, IsServedAndStaysOpenForItsOwner) {
  const OwnedFd listening = *listen_tcp("127.0.0.1", 0);
  const auto client = *Client::create();
  for (int i = 0; i < 2; ++i) {  // a server, and its successor
    ServerOptions options;
    options.listen_fd = ::dup(listening.get());
    const auto server = serve(echo, options);
    ASSERT_EQ(server->port(), port_of(listening.get()));
    EXPECT_TRUE(client->fetch(request_to(*server, false)));
  }
}

TEST(InheritedSocket, IsRefusedWhereItIsNone) {
  const auto refused = [](int fd) {
    ServerOptions options;
    options.listen_fd = fd;
    const auto server = Server::create(options, echo);
    return !server && server.error().code == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused(9999));
  const OwnedFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(refused(file.get()));
  const OwnedFd unbound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(refused(unbound.get()));
  const auto folder = *TemporaryDirectory::create();
  const OwnedFd local = *listen_unix(folder.path() / "s");
  EXPECT_TRUE(refused(local.get()));
}

}  // namespace
}  // namespace serin::net
