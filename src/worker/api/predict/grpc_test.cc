// SPDX-License-Identifier: Apache-2.0
// gRPC over the wire, at times that a test sets. Real clients are in tests/system/test_predict.py.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "engine/fake_model.h"
#include "net/grpc/frame.h"
#include "net/http/client.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

using std::chrono::hours;

// Goes on as time does, from wherever a test puts it.
class AheadClock final : public Clock {
 public:
  Instant now() const override { return Clock::real().now() + ahead_.load(); }
  std::chrono::system_clock::time_point wall() const override { return Clock::real().wall(); }
  void advance(Duration by) { ahead_.store(ahead_.load() + by); }

 private:
  std::atomic<Duration> ahead_{Duration::zero()};
};

// A ModelInferRequest for one token, with gRPC's prefix.
std::string infer_message() {
  constexpr std::string_view kRequest = "\x0a\x05prose\x22\x10\x0a\x0amax_tokens\x12\x02\x10\x01";
  return net::grpc::frame(kRequest);
}

struct Answer {
  int messages = 0;
  net::Headers trailers;
};

Answer stream(std::uint16_t port, std::string body) {
  net::ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) +
                "/inference.GRPCInferenceService/ModelStreamInfer";
  request.method = "POST";
  request.headers = {{"content-type", "application/grpc"}, {"te", "trailers"}};
  request.body = std::move(body);
  request.http2 = true;
  Answer answer;
  net::grpc::Deframer in(1 << 20);
  std::promise<void> done;
  net::ResponseSink sink;
  sink.on_head = [&](const net::ResponseHead&) {};
  sink.on_bytes = [&](std::string_view bytes) {
    in.feed(bytes);
    while (*in.next()) ++answer.messages;
  };
  sink.on_trailers = [&](const net::Headers& trailers) { answer.trailers = trailers; };
  sink.on_end = [&] { done.set_value(); };
  sink.on_error = [&](const Error& error) {
    ADD_FAILURE() << error.message;
    done.set_value();
  };
  const auto client = *net::Client::create();
  client->stream(std::move(request), std::move(sink));
  done.get_future().wait();
  return answer;
}

TEST(InferStream, CountsTheWorkersOwnLimitOfTimeFromEachMessage) {
  AheadClock clock;
  auto package = engine::fake::text_package(1, 60, 4);
  package.manifest.name = "prose";
  const auto parser = engine::fake::parser_of(package);
  WorkerOptions options;
  options.default_timeout = hours(1);
  options.server.port = 0;
  Metrics metrics("prose", "v1", "");
  const auto engine = *engine::Engine::create_with(
      package, parser,
      std::make_unique<engine::fake::FakeModel>(
          engine::fake::text_function(engine::fake::random_letters, true)),
      {}, clock, &metrics);
  const telemetry::Tracer tracer(nullptr, clock);
  Pool pool(1, 8);
  std::atomic<bool> draining{false};
  LogRoom failures(1, hours(1));
  const Context context{options, package, parser, engine.get(), metrics,
                        tracer,  clock,   pool,   draining,     failures};
  const Routes routes(context);
  const auto server =
      *net::Server::create(options.server, [&](std::shared_ptr<net::Exchange> exchange) {
        routes.handle(std::move(exchange));
        clock.advance(hours(2));  // a stream that only stands there loses nothing
      });
  const Answer answer = stream(server->port(), infer_message());
  EXPECT_EQ(answer.trailers.get("grpc-status"), "0") << answer.trailers.get("grpc-message");
  EXPECT_EQ(answer.messages, 2);  // the token and the whole
  const std::string text = metrics.registry().expose();
  const std::size_t sum = text.find("gen_ai_server_time_to_first_token_seconds_sum");
  EXPECT_LT(std::stod(text.substr(text.find("} ", sum) + 2)), 3600);  // from the message too
}

}  // namespace
}  // namespace serin::worker::api
