// SPDX-License-Identifier: Apache-2.0
// What the policies make of real requests: a gateway in front of servers that fail, are slow, or
// are full, and clients with keys and tokens.
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/digest.h"
#include "gateway/access/signer_for_test.h"
#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

std::string code_of(const net::Response& response) {
  const auto body = parse_json(response.body);
  if (!body || !body->is_object() || !body->get_object().contains("error")) return response.body;
  return std::string(body->at("error").at("code").as_string());
}

// Answers with a status that a test changes.
struct Switch {
  std::atomic<std::uint16_t> status{200};
  FakeWorker::Answer answer() {
    return [this](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
      exchange->respond({status.load(), {{"content-type", "text/plain"}}, "switch"});
    };
  }
};

// --- replicas

TEST(Ejection, ABurstOf5xxTakesAReplicaOut) {
  FakeWorker good(says("good")), other(says("good")), bad(says("bad", 500));
  const TestGateway gateway({service_of("a", {good.url(), other.url(), bad.url()})});
  int failed = 0;
  for (int i = 0; i < 100; ++i) failed += gateway.post("/generate").status == 500 ? 1 : 0;
  EXPECT_EQ(failed, 5);
  EXPECT_EQ(bad.asked().size(), 5u);
  EXPECT_THAT(gateway.get("/metrics").body,
              HasSubstr("serin_gateway_ejections_total{service=\"a\",version=\"v1\",reason="
                        "\"consecutive_5xx\"} 1"));
}

TEST(Ejection, ADeadWorkerIsNotAskedForLong) {
  FakeWorker good(says("good")), dead(says("dead"));
  const std::string nowhere = dead.url();
  dead.stop();
  const TestGateway gateway({service_of("a", {good.url(), nowhere})});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(gateway.post("/generate").body, "good");
  EXPECT_THAT(gateway.get("/metrics").body,
              HasSubstr("serin_gateway_retries_total{service=\"a\",version=\"v1\",after="
                        "\"not_connected\"} 5\n"));
}

TEST(Ejection, AWorkerThatHangsIsTakenOut) {
  Holder holder;
  FakeWorker good(says("good")), hangs(holder.answer());
  Service service = service_of("a", {good.url(), hangs.url()});
  service.resilience.first_token_timeout = 500ms;
  service.resilience.outliers.consecutive_5xx_errors = 2;
  const TestGateway gateway({service});
  for (int i = 0; i < 40; ++i) EXPECT_EQ(gateway.post("/generate").body, "good");
  EXPECT_EQ(hangs.asked().size(), 2u);
}

TEST(Ejection, TheLastReplicaIsAlwaysAsked) {
  FakeWorker bad(says("bad", 500));
  const TestGateway gateway({service_of("a", {bad.url()})});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.post("/generate").body, "bad");
}

TEST(Hedges, AnswerWhereOneReplicaIsSlow) {
  Holder holder;
  std::atomic<bool> hangs{false};
  const auto quick_at_first = [&](const std::shared_ptr<net::Exchange>& exchange,
                                  const std::string& body) {
    hangs ? holder.answer()(exchange, body) : says("same")(exchange, body);
  };
  FakeWorker good(says("same")), slow(quick_at_first);
  Service service = service_of("a", {good.url(), slow.url()});
  service.versions[0].bitwise = true;
  service.resilience.first_token_timeout = kPatience;
  service.resilience.guard.hedging = {.quantile = 0.5, .max_extra_load = 1, .min_delay = 1ms};
  const TestGateway gateway({service});
  for (int i = 0; i < 60; ++i) EXPECT_EQ(gateway.post("/generate").body, "same");
  hangs = true;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.post("/generate").body, "same");
  EXPECT_GT(holder.held(), 0u);
  EXPECT_THAT(gateway.get("/metrics").body, HasSubstr("serin_gateway_hedges_total"));
  EXPECT_EQ(gateway.evidence("a").size(), 80u);
}

// --- the whole service

Service with_breaker(const std::string& url) {
  Service service = service_of("a", {url});
  BreakerLimits& breaker = service.resilience.guard.breaker;
  breaker.mode = BreakerLimits::Mode::kOn;
  breaker.sliding_window_size = 10;
  breaker.permitted_number_of_calls_in_half_open_state = 2;
  return service;
}

TEST(CircuitOfAService, OpensAfterABurstAndRefusesAtOnce) {
  Switch worker;
  FakeWorker server(worker.answer());
  const TestGateway gateway({with_breaker(server.url())});
  worker.status = 500;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(gateway.post("/generate").status, 500);
  const net::Response refused = gateway.post("/generate");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(code_of(refused), "circuit_open");
  EXPECT_EQ(refused.headers.get("retry-after"), "60");
  EXPECT_EQ(server.asked().size(), 10u);
  EXPECT_EQ(gateway.evidence("a").size(), 10u) << "what was not tried says nothing of a version";
  EXPECT_TRUE(eventually([&] {
    return gateway.get("/metrics").body.find("serin_gateway_breaker_state{service=\"a\"} 1") !=
           std::string::npos;
  }));
  EXPECT_THAT(gateway.get("/metrics").body,
              HasSubstr("serin_gateway_refused_total{service=\"a\",code=\"circuit_open\"} 1"));
}

TEST(CircuitOfAService, ClosesWhenTrialCallsSucceed) {
  Switch worker;
  FakeWorker server(worker.answer());
  Service service = with_breaker(server.url());
  service.resilience.guard.breaker.wait_duration_in_open_state = 300ms;
  const TestGateway gateway({service});
  worker.status = 500;
  for (int i = 0; i < 10; ++i) gateway.post("/generate");
  worker.status = 200;
  EXPECT_TRUE(eventually([&] { return gateway.post("/generate").status == 200; }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.post("/generate").status, 200);
}

TEST(CircuitOfAService, ForMetricsOnlyRefusesNothing) {
  FakeWorker server(says("bad", 500));
  Service service = with_breaker(server.url());
  service.resilience.guard.breaker.mode = BreakerLimits::Mode::kMetricsOnly;
  const TestGateway gateway({service});
  for (int i = 0; i < 30; ++i) EXPECT_EQ(gateway.post("/generate").status, 500);
}

TEST(Overload, RefusesLowerPrioritiesFirst) {
  Holder holder;
  FakeWorker server(holder.answer());
  Service service = service_of("a", {server.url()});
  service.resilience.guard.max_concurrent_calls = 10;
  TestGateway gateway({service});
  std::size_t begun = 0;
  const auto begin = [&](std::string_view priority, std::size_t count) {
    hold(gateway, {{"serin-priority", priority}}, count);
    begun += count;
    EXPECT_TRUE(eventually([&] { return holder.held() == begun; }));
  };
  const auto refused = [&](std::string_view priority) {
    return code_of(gateway.post("/generate", "{}", {{"serin-priority", priority}}));
  };
  begin("low", 7);
  EXPECT_EQ(refused("low"), "shed");
  begin("normal", 2);
  EXPECT_EQ(refused("normal"), "shed");
  EXPECT_EQ(refused("high"), "shed") << "nobody raises its own priority";
  const net::Response full = gateway.post("/generate");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.headers.get("retry-after"), "1");
  holder.release();
  EXPECT_TRUE(eventually([&] {
    return gateway.get("/metrics").body.find("serin_gateway_in_flight{service=\"a\"} 0") !=
           std::string::npos;
  }));
}

TEST(Faults, AreInjectedForMarkedRequests) {
  FakeWorker server(says("fine"));
  Service service = service_of("a", {server.url()});
  service.resilience.fault = {.delay_percentage = 100,
                              .fixed_delay = 50ms,
                              .abort_percentage = 100,
                              .http_status = 507,
                              .header = "x-fault"};
  TestGateway gateway({service});
  EXPECT_EQ(gateway.post("/generate").body, "fine");
  const net::Response aborted = gateway.post("/generate", "{}", {{"x-fault", "1"}});
  EXPECT_EQ(aborted.status, 507);
  EXPECT_EQ(code_of(aborted), "fault_injected");
  gateway.config().services[0].resilience.fault.abort_percentage = 0;
  gateway.apply();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(gateway.post("/generate", "{}", {{"x-fault", "1"}}).body, "fine");
  EXPECT_GE(std::chrono::steady_clock::now() - began, 50ms);
  EXPECT_EQ(gateway.evidence("a").size(), 1u) << "faults on purpose say nothing of a version";
}

// --- fallbacks

Service canary(const std::string& stable, const std::string& candidate) {
  Service service = service_of("a", {stable});
  service.versions.push_back({.label = "v2", .package = {}, .replicas = {{"c0", candidate}}});
  service.split.candidate = "v2";
  service.split.weight = 1;
  return service;
}

TEST(Fallbacks, AskTheOtherVersionAndCountTheFailure) {
  FakeWorker stable(says("stable")), candidate(says("broken", 500));
  Service service = canary(stable.url(), candidate.url());
  service.resilience.fallback.other_version = true;
  const TestGateway gateway({service});
  const net::Response response = gateway.post("/generate");
  EXPECT_EQ(response.body, "stable");
  EXPECT_EQ(response.headers.get("serin-version"), "v1");
  const auto evidence = gateway.evidence("a");
  ASSERT_EQ(evidence.size(), 1u);
  EXPECT_EQ(evidence[0].at("version").as_string(), "v2");
  EXPECT_EQ(evidence[0].at("outcome").as_string(), "failed");
}

TEST(Fallbacks, AskAnotherServiceByItsName) {
  FakeWorker big(says("broken", 500)), small(says("small"));
  Service first = service_of("big", {big.url()});
  first.resilience.fallback.service = "small";
  const TestGateway gateway({first, service_of("small", {small.url()})});
  EXPECT_EQ(gateway.post("/v1/completions", R"({"model":"big","seed":1,"prompt":"p"})").body,
            "small");
  EXPECT_EQ(small.asked().at(0).second, R"({"model":"small","seed":1,"prompt":"p"})");
  EXPECT_EQ(gateway.post("/v2/models/big/infer").body, "small");
  EXPECT_EQ(small.asked().at(1).first.target, "/v2/models/small/infer");
}

TEST(Fallbacks, EndWithAFixedAnswer) {
  FakeWorker big(says("broken", 500)), small(says("broken", 503));
  Service first = service_of("big", {big.url()});
  first.resilience.fallback = {.service = "small",
                               .answer = FixedAnswer{200, "text/plain", "come back later"}};
  const TestGateway gateway({first, service_of("small", {small.url()})});
  const net::Response response = gateway.post("/services/big/generate");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "come back later");
  EXPECT_EQ(response.headers.get("content-type"), "text/plain");
  EXPECT_EQ(response.headers.get("serin-fallback"), "answer");
  EXPECT_THAT(gateway.get("/metrics").body,
              HasSubstr("serin_gateway_fallbacks_total{service=\"big\",to=\"answer\"} 1"));
}

TEST(Fallbacks, ServeWhileTheCircuitIsOpen) {
  FakeWorker big(says("broken", 500)), small(says("small"));
  Service first = with_breaker(big.url());
  first.resilience.fallback.service = "small";
  const TestGateway gateway({first, service_of("small", {small.url()})});
  for (int i = 0; i < 30; ++i) EXPECT_EQ(gateway.post("/services/a/generate").body, "small");
  EXPECT_EQ(big.asked().size(), 10u);
}

// --- who may enter

class Keys : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(*TemporaryDirectory::create());
    file_ = folder_->path() / "keys.yaml";
    write(entry("team-a", "secret-a"));
  }
  static std::string entry(const std::string& name, const std::string& secret,
                           const std::string& more = "") {
    return "- {name: " + name + ", hashes: [" + sha256_hex(secret) + "]" + more + "}\n";
  }
  void write(const std::string& entries) {
    ASSERT_TRUE(write_file(file_, "keys:\n" + entries).has_value());
  }
  Service closed(const FakeWorker& server) const {
    Service service = service_of("a", {server.url()});
    service.access.key_file = file_;
    return service;
  }
  static net::Response with(const TestGateway& gateway, const std::string& secret,
                            net::Headers more = {}) {
    more.add("authorization", "Bearer " + secret);
    return gateway.post("/services/a/generate", "{}", more);
  }

  std::optional<TemporaryDirectory> folder_;
  std::string file_;
};

TEST_F(Keys, OpenTheDoorAndStayThere) {
  FakeWorker server(says("in"));
  const TestGateway gateway({closed(server)});
  EXPECT_EQ(with(gateway, "secret-a").body, "in");
  const net::Response refused = with(gateway, "wrong");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(code_of(refused), "invalid_api_key");
  EXPECT_EQ(gateway.post("/services/a/generate").status, 401);
  EXPECT_EQ(gateway.post("/generate").status, 401);
  ASSERT_EQ(server.asked().size(), 1u);
  EXPECT_FALSE(server.asked()[0].first.headers.find("authorization"));
  EXPECT_EQ(gateway.get("/health/ready").status, 200);
}

TEST_F(Keys, AreChangedWithoutARestart) {
  FakeWorker server(says("in"));
  const TestGateway gateway({closed(server)});
  write(entry("team-a", "secret-b"));
  EXPECT_TRUE(eventually([&] { return with(gateway, "secret-b").status == 200; }));
  EXPECT_EQ(with(gateway, "secret-a").status, 401);
}

TEST_F(Keys, HaveScopes) {
  write(entry("reader", "r", ", methods: [GET /*]") + entry("other", "o", ", services: [b]"));
  FakeWorker server(says("in"));
  const TestGateway gateway({closed(server)});
  EXPECT_EQ(code_of(with(gateway, "r")), "method_not_allowed");
  const net::Response other = with(gateway, "o");
  EXPECT_EQ(other.status, 403);
  EXPECT_EQ(code_of(other), "service_not_allowed");
}

TEST_F(Keys, AreBoundByTokensPerMinute) {
  write(entry("team-a", "secret-a", ", limits: {tokensPerMinute: 1000, requestsPerMinute: 100}"));
  FakeWorker server(says(R"({"usage":{"total_tokens":600}})"));
  const TestGateway gateway({closed(server)});
  const net::Response first = with(gateway, "secret-a");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers.get("x-ratelimit-limit-tokens"), "1000");
  EXPECT_EQ(first.headers.get("x-ratelimit-remaining-requests"), "99");
  EXPECT_EQ(with(gateway, "secret-a").status, 200);
  const net::Response refused = with(gateway, "secret-a");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code_of(refused), "rate_limited");
  EXPECT_TRUE(refused.headers.find("retry-after"));
  EXPECT_EQ(server.asked().size(), 2u);
  EXPECT_EQ(gateway.evidence("a").size(), 2u);
}

TEST_F(Keys, HaveQuotas) {
  write(entry("team-a", "secret-a", ", limits: {requestsPerDay: 1}"));
  FakeWorker server(says("in"));
  const TestGateway gateway({closed(server)});
  EXPECT_EQ(with(gateway, "secret-a").status, 200);
  EXPECT_EQ(code_of(with(gateway, "secret-a")), "quota_exceeded");
}

TEST_F(Keys, HavePriorities) {
  write(entry("high", "h", ", priority: high") + entry("normal", "n"));
  Holder holder;
  FakeWorker server(holder.answer());
  Service service = closed(server);
  service.resilience.guard.max_concurrent_calls = 10;
  const TestGateway gateway({service});
  hold(gateway, {{"authorization", "Bearer n"}}, 9);
  EXPECT_TRUE(eventually([&] { return holder.held() == 9; }));
  EXPECT_EQ(code_of(with(gateway, "n")), "shed");
  hold(gateway, {{"authorization", "Bearer h"}}, 1);
  EXPECT_TRUE(eventually([&] { return holder.held() == 10; }));
  EXPECT_EQ(code_of(with(gateway, "h")), "bulkhead_full");
  holder.release();
}

TEST_F(Keys, NameTheUserOfASplit) {
  FakeWorker stable(says("stable")), candidate(says("candidate"));
  Service service = canary(stable.url(), candidate.url());
  service.split.weight = 0.5;
  service.split.sticky_by = StickyBy::kUser;
  service.access.key_file = file_;
  std::string entries;
  for (int i = 0; i < 20; ++i) entries += entry("k" + std::to_string(i), std::to_string(i));
  write(entries);
  const TestGateway gateway({service});
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const std::string side = with(gateway, std::to_string(i)).body;
    for (int again = 0; again < 5; ++again) EXPECT_EQ(with(gateway, std::to_string(i)).body, side);
    seen.insert(side);
  }
  EXPECT_EQ(seen.size(), 2u) << "twenty keys are on both sides";
}

TEST_F(Keys, AreNamedInTheAccessLog) {
  FakeWorker server(says("in"));
  const TestGateway gateway({closed(server)});
  with(gateway, "secret-a");
  EXPECT_TRUE(eventually([&] {
    return read_file(gateway.access_log()).value_or("").find(R"("client":"team-a")") !=
           std::string::npos;
  }));
  EXPECT_THAT(*read_file(gateway.access_log()), Not(HasSubstr("secret-a")));
}

TEST(Tokens, OpenTheDoorOnceTheirKeysWereFetched) {
  const Signer signer(JwtAlgorithm::kEs256, "k1");
  FakeWorker issuer(says(signer.jwks())), server(says("in"));
  Service service = service_of("a", {server.url()});
  service.access.jwt_rules = {
      {.issuer = "https://id.example", .audiences = {"serin"}, .jwks_uri = issuer.url() + "/keys"}};
  const TestGateway gateway({service});
  const auto with = [&](std::string_view audience) {
    const std::string token =
        signer.token(R"({"iss":"https://id.example","sub":"ada","aud":")" + std::string(audience) +
                     R"(","exp":)" + std::to_string(unix_seconds(Clock::real()) + 600) + "}");
    return gateway.post("/generate", "{}", {{"authorization", "Bearer " + token}});
  };
  EXPECT_TRUE(eventually([&] { return with("serin").status == 200; }));
  const net::Response refused = with("somebody else");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(code_of(refused), "invalid_token");
}

}  // namespace
}  // namespace serin::gateway
