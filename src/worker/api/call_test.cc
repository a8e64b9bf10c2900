// SPDX-License-Identifier: Apache-2.0
// Calls over the wire, of a model that fails.
#include "worker/api/call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "engine/fake_model.h"
#include "net/http/client.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

std::size_t count_of(std::string_view word, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

TEST(FailedCalls, AreAllAnsweredAndNotAllLogged) {
  const auto package = engine::fake::number_package({1});
  const auto parser = engine::fake::parser_of(package);
  WorkerOptions options;
  options.server.port = 0;
  Metrics metrics("numbers", "v1", "");
  const auto engine = *engine::Engine::create_with(
      package, parser,
      std::make_unique<engine::fake::FakeModel>(
          [](std::span<const Tensor>, auto&) -> Result<std::vector<Tensor>> {
            return fail(Code::kInternal, "the model broke");
          }),
      {}, Clock::real(), &metrics);
  const telemetry::Tracer tracer(nullptr, Clock::real());
  Pool pool(1, 8);
  std::atomic<bool> draining{false};
  LogRoom failures(2, std::chrono::hours(1));
  const Context context{options, package,       parser, engine.get(), metrics,
                        tracer,  Clock::real(), pool,   draining,     failures};
  const Routes routes(context);
  testing::internal::CaptureStderr();
  {
    const auto server = *net::Server::create(
        options.server,
        [&](std::shared_ptr<net::Exchange> exchange) { routes.handle(std::move(exchange)); });
    const auto client = *net::Client::create();
    for (int i = 0; i < 5; ++i) {
      net::ClientRequest request;
      request.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/generate";
      request.method = "POST";
      request.headers = {{"content-type", "application/json"}};
      request.body = R"({"x": 1})";
      const auto answer = client->fetch(std::move(request));
      ASSERT_TRUE(answer.has_value()) << answer.error().message;
      EXPECT_EQ(answer->status, 500);
    }
  }
  EXPECT_EQ(count_of("a request failed", testing::internal::GetCapturedStderr()), 2U);
}

}  // namespace
}  // namespace serin::worker::api
