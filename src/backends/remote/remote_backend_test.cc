// SPDX-License-Identifier: Apache-2.0
// What the remote backend must do besides backends/contract_test.cc: what it makes of an upstream
// that fails, and that it ends a call for which nobody waits.
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "backends/contract_for_test.h"

namespace serin::engine {
namespace {

using testing::HasSubstr;

class Remote : public testing::Test {
 protected:
  void SetUp() override {
    backend_ = *create_backend(model::EngineKind::kRemote);
    listen(0);
  }

  // An upstream on `port` that infers as the test says, and otherwise as upstreams do.
  void listen(std::uint16_t port) {
    net::ServerOptions options;
    options.port = port;
    server_ = *net::Server::create(options, [this](std::shared_ptr<net::Exchange> exchange) {
      const std::lock_guard lock(mutex_);
      seen_key_ = exchange->head().headers.get("authorization");
      if (infer_ && exchange->head().path.ends_with("/infer")) return infer_(std::move(exchange));
      models_(std::move(exchange));
    });
  }

  // From now on infer gives this; nothing: as upstreams do.
  void infer(net::Handler handler) {
    const std::lock_guard lock(mutex_);
    infer_ = std::move(handler);
  }

  std::string seen_key() {
    const std::lock_guard lock(mutex_);
    return seen_key_;
  }

  LoadOptions options() const {
    LoadOptions options;
    options.call = simple(4);
    options.upstream = upstream_at(server_->port(), "identity");
    return options;
  }

  static Result<std::vector<Tensor>> run(Model& model, const Abandoned& abandoned = {}) {
    return model.run(std::vector<Tensor>{floats({1, 4}, {1, 2, 3, 4})}, nullptr, abandoned);
  }

  std::unique_ptr<Backend> backend_;
  std::mutex mutex_;
  net::Handler infer_;
  std::string seen_key_;
  const net::Handler models_ = backends::upstream_handler(backends::Form::kBinary);
  std::unique_ptr<net::Server> server_;  // last: it uses the others
};

TEST_F(Remote, HasNoFileToLookAt) {
  EXPECT_EQ(backend_->inspect("/anything").error().code, Code::kInvalidArgument);
}

TEST_F(Remote, SendsTheKeyThatItWasGiven) {
  LoadOptions given = options();
  given.upstream->key = "sk-1";
  const auto model = *backend_->load(given);
  EXPECT_EQ(seen_key(), "Bearer sk-1");
  ASSERT_TRUE(run(*model).has_value());
  EXPECT_EQ(seen_key(), "Bearer sk-1");
}

TEST_F(Remote, TellsWhoseFaultAFailureOfTheUpstreamIsAndLivesOn) {
  struct Case {
    std::uint16_t status;
    std::string body;
    Code code;
    std::string message;
  };
  const auto model = *backend_->load(options());
  for (const Case& said : std::vector<Case>{
           {400, R"({"error": "x is odd"})", Code::kInvalidArgument, "answered 400: x is odd"},
           {401, R"({"error": "no key"})", Code::kInternal, "answered 401: no key"},
           {302, "", Code::kInternal, "answered 302"},
           {500, "out of memory", Code::kInternal, "answered 500"},
           {503, "", Code::kUnavailable, "answered 503"},
           {200, "<html>", Code::kInternal, "cannot be read: not JSON"},
           {200, R"({"outputs": []})", Code::kInternal, "has no output y"}}) {
    infer([&](const std::shared_ptr<net::Exchange>& exchange) {
      exchange->respond({said.status, {}, said.body});
    });
    const auto failed = run(*model);
    ASSERT_FALSE(failed.has_value()) << said.message;
    EXPECT_EQ(failed.error().code, said.code) << failed.error().message;
    EXPECT_THAT(failed.error().message, HasSubstr(said.message));
    infer(nullptr);
    EXPECT_TRUE(run(*model).has_value());
  }
}

TEST_F(Remote, FindsAnUpstreamAgainThatWasGone) {
  const auto model = *backend_->load(options());
  const std::uint16_t port = server_->port();
  server_.reset();
  const auto failed = run(*model);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::kUnavailable) << failed.error().message;
  EXPECT_TRUE(failed.error().retry_after.has_value());
  listen(port);
  EXPECT_TRUE(run(*model).has_value());
}

TEST_F(Remote, EndsACallForWhichNobodyWaits) {
  std::atomic<bool> abandoned{false};
  std::atomic<bool> gone{false};
  infer([&](const std::shared_ptr<net::Exchange>& exchange) {
    exchange->on_gone([&] { gone = true; });
    abandoned = true;  // and never an answer
  });
  const auto model = *backend_->load(options());
  EXPECT_EQ(run(*model, [&] { return abandoned.load(); }).error().code, Code::kCancelled);
  while (!gone) std::this_thread::yield();
}

TEST_F(Remote, HasAsManyCallsUnderWayAsThePackageSays) {
  constexpr std::size_t kCalls = 3;
  std::vector<std::shared_ptr<net::Exchange>> held;
  // Nobody is answered before all are there; mutex_ is held.
  infer([&](std::shared_ptr<net::Exchange> exchange) {
    held.push_back(std::move(exchange));
    if (held.size() < kCalls) return;
    for (const auto& one : held) models_(one);
  });
  LoadOptions given = options();
  given.upstream->remote.concurrency = kCalls;
  const auto model = *backend_->load(given);
  ASSERT_EQ(model->calls_at_once(), kCalls);
  std::vector<std::future<Result<std::vector<Tensor>>>> calls;
  for (std::size_t i = 0; i < kCalls; ++i)
    calls.push_back(std::async(std::launch::async, [&] { return run(*model); }));
  for (auto& call : calls) EXPECT_TRUE(call.get().has_value());
  EXPECT_EQ(held.size(), kCalls);
}

TEST_F(Remote, WaitsNoLongerThanThePackageSays) {
  infer([held = std::vector<std::shared_ptr<net::Exchange>>()](
            std::shared_ptr<net::Exchange> exchange) mutable { held.push_back(exchange); });
  LoadOptions given = options();
  given.upstream->remote.timeout = std::chrono::milliseconds(50);
  const auto model = *backend_->load(given);
  EXPECT_EQ(run(*model).error().code, Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace serin::engine
