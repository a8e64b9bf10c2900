// SPDX-License-Identifier: Apache-2.0
// Requests of a version that has no worker at this moment.
#include <future>

#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

using std::chrono::milliseconds;

std::future<net::Response> posted(const TestGateway& gateway) {
  return std::async(std::launch::async, [&gateway] { return gateway.post("/generate"); });
}

double in_flight(const TestGateway& gateway) {
  const std::string text = gateway.get("/metrics").body;
  const std::string name = "serin_gateway_in_flight{service=\"a\"} ";
  const std::size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size()));
}

std::string code_of(const net::Response& response) {
  return std::string(json::parse(response.body).at("error").at("code").as_string());
}

TEST(Await, ARequestIsAnsweredWhenItsVersionHasAWorker) {
  FakeWorker worker(says("here"));
  TestGateway gateway({service_of("a", {})});
  auto answer = posted(gateway);
  ASSERT_TRUE(eventually([&] { return in_flight(gateway) == 1; }));
  gateway.config().services.front() = service_of("a", {worker.url()});
  gateway.apply();
  EXPECT_EQ(answer.get().body, "here");
  const auto records = gateway.evidence("a");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records.front().at("outcome"), "answered");
}

TEST(Await, ARequestGoesToTheVersionThatReplacedItsOwn) {
  FakeWorker worker(says("new"));
  TestGateway gateway({service_of("a", {})});
  auto answer = posted(gateway);
  ASSERT_TRUE(eventually([&] { return in_flight(gateway) == 1; }));
  Service replaced = service_of("a", {worker.url()});
  replaced.versions.front().label = replaced.split.stable = "v2";
  gateway.config().services.front() = replaced;
  gateway.apply();
  const net::Response response = answer.get();
  EXPECT_EQ(response.body, "new");
  EXPECT_EQ(response.headers.get("serin-version"), "v2");
  EXPECT_EQ(gateway.evidence("a").at(0).at("version"), "v2");
  ASSERT_TRUE(eventually([&] { return in_flight(gateway) == 0; }));
}

TEST(Await, ARetryWaitsForTheWorkersSuccessor) {
  FakeWorker successor(says("successor"));
  TestGateway gateway({service_of("a", {})});
  FakeWorker dying([&](const auto& exchange, const std::string&) {
    gateway.config().services.front() = service_of("a", {});
    gateway.apply();
    exchange->abort();
  });
  gateway.config().services.front() = service_of("a", {dying.url()});
  gateway.apply();
  auto answer = posted(gateway);
  ASSERT_TRUE(eventually([&] { return gateway.gateway().config().revision == 3; }));
  gateway.config().services.front() = service_of("a", {successor.url()});
  gateway.apply();
  EXPECT_EQ(answer.get().body, "successor");
  EXPECT_EQ(gateway.evidence("a").at(0).at("outcome"), "failed");
}

TEST(Await, EndsAfterTheTimeForAFirstToken) {
  Service service = service_of("a", {});
  service.resilience.first_token_timeout = milliseconds(150);
  service.resilience.guard.shed_deadlines = false;
  TestGateway gateway({service});
  const auto began = std::chrono::steady_clock::now();
  const net::Response response = gateway.post("/generate");
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(150));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(code_of(response), "no_worker");
  EXPECT_TRUE(gateway.evidence("a").empty()) << "it never had a worker";
  const net::Response late = gateway.post("/generate", "{}", {{"serin-timeout", "50ms"}});
  EXPECT_EQ(late.status, 504);
}

TEST(Await, IsForSoManyAndForNobodyWhoOnlyReads) {
  Service service = service_of("a", {});
  service.resilience.max_pending_requests = 1;
  service.resilience.guard.shed_deadlines = false;
  TestGateway gateway({service});
  const auto read = gateway.client().fetch(
      gateway.request("/services/a/health/ready", "", {{"serin-timeout", "500ms"}}, "GET"));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->status, 503) << "who waits gets 504";
  auto first = posted(gateway);
  ASSERT_TRUE(eventually([&] { return in_flight(gateway) == 1; }));
  EXPECT_EQ(code_of(gateway.post("/generate")), "no_worker");
  FakeWorker worker(says("here"));
  gateway.config().services.front() = service_of("a", {worker.url()});
  gateway.apply();
  EXPECT_EQ(first.get().body, "here");
}

TEST(Await, AFallbackNeedsNoWait) {
  FakeWorker worker(says("other"));
  Service service = service_of("a", {});
  service.resilience.fallback.service = "b";
  TestGateway gateway({service, service_of("b", {worker.url()})});
  EXPECT_EQ(gateway.post("/services/a/generate").body, "other");
}

}  // namespace
}  // namespace serin::gateway
