// SPDX-License-Identifier: Apache-2.0
// Streams through the gateway: unbuffered, held up by slow clients, cancelled and broken.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <thread>

#include "gateway/gateway_for_test.h"
#include "net/grpc/frame.h"
#include "net/io/threads.h"

namespace serin::gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// What a client gathers of a stream; to be waited for from the test's thread.
class Gathered {
 public:
  net::ResponseSink sink() {
    net::ResponseSink made;
    made.on_head = [this](net::ResponseHead head) { change([&] { head_ = std::move(head); }); };
    made.on_bytes = [this](std::string_view bytes) { change([&] { body_ += bytes; }); };
    made.on_trailers = [this](const net::Headers& trailers) {
      change([&] { trailers_ = trailers; });
    };
    made.on_end = [this] { change([&] { ended_ = true; }); };
    made.on_error = [this](const Error& error) { change([&] { error_ = error; }); };
    return made;
  }
  bool wait_for(std::function<bool(const Gathered&)> fits) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return fits(*this); });
  }
  bool wait_for_end() {
    return wait_for([](const Gathered& g) { return g.ended_ || g.error_; });
  }
  const std::string& body() const { return body_; }
  const net::Headers& trailers() const { return trailers_; }
  const net::ResponseHead& head() const { return head_; }
  bool ended() const { return ended_; }

 private:
  void change(const std::function<void()>& how) {
    const std::lock_guard lock(mutex_);
    how();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  net::ResponseHead head_;
  std::string body_;
  net::Headers trailers_;
  bool ended_ = false;
  std::optional<Error> error_;
};

const net::ResponseHead kEvents{200, {{"content-type", "text/event-stream"}}};

TEST(Stream, PassesEachEventOnAtOnce) {
  std::promise<void> seen;
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    exchange->start(kEvents);
    exchange->write("data: 1\n\n");
    std::thread([&, exchange] {
      seen.get_future().wait();  // the client has the first before the second is written
      exchange->post([exchange] {
        exchange->write("data: 2\n\n");
        exchange->finish({{"serin-score", "wellFormed=1"}});
      });
    }).detach();
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  Gathered gathered;
  gateway.client().stream(gateway.request("/generate"), gathered.sink());
  ASSERT_TRUE(gathered.wait_for([](const Gathered& g) { return g.body() == "data: 1\n\n"; }));
  seen.set_value();
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(gathered.body(), "data: 1\n\ndata: 2\n\n");
  EXPECT_EQ(gathered.trailers().get("serin-score"), "wellFormed=1");
  const auto records = gateway.evidence("a");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].at("scores").at("wellFormed"), 1.0);
  EXPECT_TRUE(records[0].contains("timePerOutputToken"));
}

TEST(Stream, SaysWhenItsWorkerDied) {
  FakeWorker worker([](const auto& exchange, const std::string&) {
    exchange->start(kEvents);
    exchange->write("data: 1\n\n");
    exchange->on_drained([exchange] { exchange->abort(); });
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  Gathered gathered;
  gateway.client().stream(gateway.request("/generate"), gathered.sink());
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_TRUE(gathered.ended());
  EXPECT_THAT(gathered.body(), HasSubstr("data: 1\n\nevent: error\n"));
  EXPECT_THAT(gathered.body(), HasSubstr("\"retryable\":true"));
  const auto records = gateway.evidence("a");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].at("outcome"), "failed");
  EXPECT_TRUE(records[0].at("latency").is_null());
}

TEST(Stream, SaysWhenItsDeadlineHasPassed) {
  FakeWorker worker([](const auto& exchange, const std::string&) {
    exchange->start(kEvents);
    exchange->write("data: 1\n\n");
  });
  const TestGateway gateway({service_of("a", {worker.url()})});
  const net::Response answer = gateway.post("/v1/completions", "{}", {{"serin-timeout", "100ms"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("data: 1\n\nevent: error\n"));
  EXPECT_THAT(answer.body, HasSubstr(R"("code":"deadline_exceeded")"));
}

TEST(Stream, ThatIsEmptyIsAFailure) {
  FakeWorker worker([](const auto& exchange, const std::string&) {
    exchange->start(kEvents);
    exchange->finish();
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/generate").status, 200);
  EXPECT_EQ(gateway.evidence("a").at(0).at("outcome"), "failed");
}

TEST(Stream, BreaksWhereItIsNoStreamOfEvents) {
  FakeWorker worker([](const auto& exchange, const std::string&) {
    exchange->start({200, {{"content-type", "audio/wav"}}});
    exchange->write("RIFF");
    exchange->on_drained([exchange] { exchange->abort(); });
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_FALSE(gateway.client().fetch(gateway.request("/generate")));
}

TEST(Stream, IsCancelledAtTheWorkerWhenItsClientLeaves) {
  std::promise<void> gone;
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    exchange->on_gone([&] { gone.set_value(); });
    exchange->start(kEvents);
    exchange->write("data: 1\n\n");
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  Gathered gathered;
  net::ClientRequest request = gateway.request("/generate");
  const CancelToken cancel = request.cancel;
  gateway.client().stream(std::move(request), gathered.sink());
  ASSERT_TRUE(gathered.wait_for([](const Gathered& g) { return !g.body().empty(); }));
  cancel.cancel();
  EXPECT_EQ(gone.get_future().wait_for(kPatience), std::future_status::ready);
  std::vector<json::object> records;
  while (records.empty()) records = gateway.evidence("a");
  EXPECT_EQ(records.at(0).at("outcome"), "censored");
}

// What the worker has written and nobody took is seen at the worker: a gateway that buffered
// without a bound would take it all.
TEST(Stream, HoldsTheWorkerUpWhileTheClientReadsNothing) {
  constexpr std::size_t kPieces = 400, kPiece = 100'000;  // 40 MB
  std::promise<std::shared_ptr<net::Exchange>> began;
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    exchange->start({200, {{"content-type", "application/octet-stream"}}});
    for (std::size_t i = 0; i < kPieces; ++i) exchange->write(std::string(kPiece, 'x'));
    began.set_value(exchange);
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  const auto io = net::IoThreads::start(1);
  net::ClientOptions options;
  options.io = io;
  auto client = *net::Client::create(options);
  std::atomic<std::size_t> received{0};
  std::promise<void> ended;
  std::shared_ptr<net::ClientStream> stream;
  io->post(0, [&] {
    net::ResponseSink sink;
    sink.on_head = [&](const net::ResponseHead&) { stream->pause(true); };
    sink.on_bytes = [&](std::string_view bytes) { received += bytes.size(); };
    sink.on_end = [&] { ended.set_value(); };
    sink.on_error = [&](const Error&) { ended.set_value(); };
    stream = client->open(gateway.request("/generate"), std::move(sink));
  });
  const auto exchange = began.get_future().get();
  // Until what is in between is full nothing says so: it is full once nothing moves any more.
  std::size_t before = kPieces * kPiece + 1, now = kPieces * kPiece;
  while (now != before) {
    before = now;
    std::promise<std::size_t> unsent;
    std::this_thread::sleep_for(100ms);
    exchange->post([&] { unsent.set_value(exchange->unsent()); });
    now = unsent.get_future().get();
  }
  EXPECT_GT(now, kPieces * kPiece / 2);
  EXPECT_EQ(received, 0u);
  exchange->post([exchange] { exchange->finish(); });
  io->post(0, [&] { stream->pause(false); });
  ASSERT_EQ(ended.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(received, kPieces * kPiece);
  io->stop();
}

// --- gRPC

net::ClientRequest grpc_request(const TestGateway& gateway, std::string method, std::string body) {
  net::ClientRequest request =
      gateway.request("/inference.GRPCInferenceService/" + std::move(method), std::move(body),
                      {{"content-type", "application/grpc"}, {"te", "trailers"}});
  request.http2 = true;
  return request;
}

std::string named(std::string_view service) {
  return net::grpc::frame(std::string("\x0a") + static_cast<char>(service.size()) +
                          std::string(service));
}

TEST(Grpc, FindsTheServiceInTheMessageAndPassesTheStatusOn) {
  const auto answers = [](std::string word) {
    return [word](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
      exchange->start({200, {{"content-type", "application/grpc"}}});
      exchange->write(net::grpc::frame(word));
      exchange->finish({{"grpc-status", "0"}});
    };
  };
  FakeWorker one(answers("one")), two(answers("two"));
  TestGateway gateway({service_of("a", {one.url()}), service_of("b", {two.url()})});
  Gathered gathered;
  gateway.client().stream(grpc_request(gateway, "ModelInfer", named("b")), gathered.sink());
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(gathered.body(), net::grpc::frame("two"));
  EXPECT_EQ(gathered.trailers().get("grpc-status"), "0");
  EXPECT_EQ(gateway.evidence("b").at(0).at("outcome"), "answered");
}

TEST(Grpc, SaysWhatIsWrongInItsOwnWay) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()}), service_of("b", {worker.url()})});
  Gathered gathered;
  gateway.client().stream(grpc_request(gateway, "ModelInfer", named("c")), gathered.sink());
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(gathered.head().status, 200);
  EXPECT_EQ(gathered.head().headers.get("grpc-status"), "5");
}

TEST(Grpc, TriesAgainAfterAStatusThatMayPass) {
  std::atomic<int> calls{0};
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    const char* status = calls++ == 0 ? "14" : "0";
    exchange->respond({200, {{"content-type", "application/grpc"}, {"grpc-status", status}}, ""});
  });
  TestGateway gateway({service_of("a", {worker.url()})});
  Gathered gathered;
  gateway.client().stream(grpc_request(gateway, "ModelInfer", named("a")), gathered.sink());
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(gathered.head().headers.get("grpc-status"), "0");
  EXPECT_EQ(calls, 2);
}

TEST(Grpc, LosesNothingOfWhatComesBeforeItsTry) {
  std::atomic<std::size_t> got{0};
  FakeWorker worker([&](const auto& exchange, const std::string& body) {
    got = body.size();
    exchange->respond({200, {{"content-type", "application/grpc"}, {"grpc-status", "0"}}, ""});
  });
  Service service = service_of("a", {worker.url()});
  service.resilience.fault.delay_percentage = 100;
  service.resilience.fault.fixed_delay = 300ms;
  TestGateway gateway({service});
  const std::string body = named("a") + std::string(3 << 20, 'x');
  Gathered gathered;
  gateway.client().stream(grpc_request(gateway, "ModelStreamInfer", body), gathered.sink());
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(got, body.size());
}

TEST(Grpc, PassesMessagesToAndFroWhileTheRequestIsOpen) {
  // A worker that echoes each message as it comes.
  net::ServerOptions echo_options;
  echo_options.port = 0;
  auto echo = *net::Server::create(echo_options, [](std::shared_ptr<net::Exchange> exchange) {
    exchange->start({200, {{"content-type", "application/grpc"}}});
    exchange->read_pieces([exchange](Result<std::string> piece) {
      if (!piece) return false;
      if (piece->empty()) {
        exchange->finish({{"grpc-status", "0"}});
        return false;
      }
      exchange->write(*piece);
      return true;
    });
  });
  TestGateway gateway({service_of("a", {"http://127.0.0.1:" + std::to_string(echo->port())})});
  const auto io = net::IoThreads::start(1);
  net::ClientOptions options;
  options.io = io;
  auto client = *net::Client::create(options);
  Gathered gathered;
  std::shared_ptr<net::ClientStream> stream;
  io->post(0, [&] {
    net::ClientRequest request = grpc_request(gateway, "ModelStreamInfer", "");
    request.streamed = true;
    stream = client->open(std::move(request), gathered.sink());
    stream->write(named("a"));
  });
  std::string wanted = named("a");
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(gathered.wait_for([&](const Gathered& g) { return g.body() == wanted; }));
    wanted += net::grpc::frame("more");
    io->post(0, [&] { stream->write(net::grpc::frame("more")); });
  }
  ASSERT_TRUE(gathered.wait_for([&](const Gathered& g) { return g.body() == wanted; }));
  io->post(0, [&] { stream->finish(); });
  ASSERT_TRUE(gathered.wait_for_end());
  EXPECT_EQ(gathered.trailers().get("grpc-status"), "0");
  io->stop();
}

}  // namespace
}  // namespace serin::gateway
