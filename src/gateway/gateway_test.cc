// SPDX-License-Identifier: Apache-2.0
// The gateway as clients see it, in front of real servers: names, retries, splits, the admin API.
#include "gateway/gateway.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "base/json.h"
#include "gateway/body_fields.h"
#include "gateway/gateway_for_test.h"
#include "net/grpc/frame.h"
#include "telemetry/trace.h"

namespace serin::gateway {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Gateway, FindsTheServiceByEachWayOfNamingIt) {
  FakeWorker prose(says("prose")), glyphs(says("glyphs"));
  const TestGateway gateway(
      {service_of("prose", {prose.url()}), service_of("glyphs", {glyphs.url()})});
  EXPECT_EQ(gateway.post("/v1/completions", R"({"model":"prose"})").body, "prose");
  EXPECT_EQ(gateway.post("/v1/completions", R"({"model":"glyphs:v1"})").body, "glyphs");
  EXPECT_EQ(gateway.post("/services/glyphs/generate").body, "glyphs");
  EXPECT_EQ(gateway.post("/v2/models/glyphs/infer").body, "glyphs");
  EXPECT_EQ(gateway.post("/v1/models/prose:predict").body, "prose");
  EXPECT_EQ(gateway.post("/generate", "{}", {{"serin-service", "glyphs"}}).body, "glyphs");
  EXPECT_EQ(glyphs.asked().at(1).first.target, "/generate");
}

TEST(Gateway, SaysWhichServicesThereAreWhenNoneIsMeant) {
  FakeWorker worker(says("x"));
  const TestGateway gateway({service_of("a", {worker.url()}), service_of("b", {worker.url()})});
  for (const char* body : {"{}", R"({"model":"c"})"}) {
    const net::Response response = gateway.post("/v1/completions", body);
    EXPECT_EQ(response.status, 404);
    EXPECT_THAT(response.body, HasSubstr("a and b"));
    EXPECT_THAT(response.body, HasSubstr("model_not_found"));
  }
  EXPECT_THAT(gateway.post("/v1/completions", R"({"model":"a:v9"})").body, HasSubstr("no version"));
  EXPECT_THAT(gateway.get("/v1/models").body, HasSubstr(R"("id":"b")"));
}

TEST(Gateway, SaysThatABodyIsNoJsonWhereItWouldHaveToNameTheService) {
  FakeWorker worker(says("x"));
  const TestGateway several({service_of("a", {worker.url()}), service_of("b", {worker.url()})});
  for (const char* body : {"\x89PNG", "{\"model\": \"a\"", "[]"}) {
    const net::Response response = several.post("/v1/completions", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr("the body is not a JSON object")) << body;
  }
  EXPECT_EQ(several.post("/services/a/generate", "\x89PNG").body, "x");  // for the worker to judge
  const TestGateway one({service_of("a", {worker.url()})});
  EXPECT_EQ(one.post("/generate", "\x89PNG").body, "x");
}

TEST(Gateway, SaysWhereServicesDescribeThemselves) {
  FakeWorker worker(says("x"));
  const TestGateway several({service_of("a", {worker.url()}), service_of("b", {worker.url()})});
  const net::Response response = several.get("/openapi.json");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("/services/NAME/openapi.json, of a and b"));
  EXPECT_EQ(several.get("/services/b/openapi.json").body, "x");
  const TestGateway one({service_of("a", {worker.url()})});
  EXPECT_EQ(one.get("/openapi.json").body, "x");
}

TEST(Gateway, TakesTheOnlyServiceWhenNobodyNamesOne) {
  FakeWorker worker(says("x"));
  const TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/generate").body, "x");
  EXPECT_EQ(gateway.post("/v1/chat/completions").status, 200);
}

TEST(Gateway, TellsBothSidesWhoTheyDealWith) {
  FakeWorker worker(says("x"));
  const TestGateway gateway({service_of("a", {worker.url()})});
  constexpr std::string_view trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const net::Response response =
      gateway.post("/generate", "{}",
                   {{"x-request-id", "mine"}, {"serin-timeout", "5s"}, {"traceparent", trace}});
  EXPECT_EQ(response.headers.get("serin-version"), "v1");
  EXPECT_EQ(response.headers.get("x-request-id"), "mine");
  const net::Headers seen = worker.asked().at(0).first.headers;
  EXPECT_EQ(seen.get("x-request-id"), "mine");
  EXPECT_EQ(seen.get("traceparent"), trace);
  EXPECT_THAT(std::string(seen.get("serin-timeout")), testing::EndsWith("ms"));
  EXPECT_EQ(seen.get("x-forwarded-for"), "127.0.0.1");
}

TEST(Gateway, DrawsTheSeedThatTheClientLeftOut) {
  FakeWorker worker(says("x"));
  const TestGateway gateway({service_of("a", {worker.url()})});
  gateway.post("/v1/completions", R"({"prompt":"p"})");
  gateway.post("/v1/completions", R"({"prompt":"p","seed":7})");
  gateway.post("/v1/models/a:predict", R"({"instances":[]})");
  const auto asked = worker.asked();
  EXPECT_TRUE(scan_body(asked.at(0).second)->seeded);
  EXPECT_EQ(asked.at(1).second, R"({"prompt":"p","seed":7})");
  EXPECT_EQ(asked.at(2).second, R"({"instances":[]})") << "each instance has its own";
}

TEST(Gateway, DrawsTheSeedOfTheOpenInferenceProtocolToo) {
  FakeWorker worker(says("x"));
  const TestGateway gateway({service_of("a", {worker.url()})});
  const std::string json = R"({"inputs":[]})";
  gateway.post("/v2/models/a/infer", json + std::string("\0\1{}", 4),
               {{"inference-header-content-length", std::to_string(json.size())}});
  net::ClientRequest call = gateway.request("/inference.GRPCInferenceService/ModelInfer",
                                            net::grpc::frame("\x0a\x01"
                                                             "a"),
                                            {{"content-type", "application/grpc"}});
  call.http2 = true;
  ASSERT_TRUE(gateway.client().fetch(std::move(call)));
  const auto asked = worker.asked();
  const auto [head, body] = asked.at(0);
  const auto length = std::stoul(std::string(head.headers.get("inference-header-content-length")));
  ASSERT_GT(length, json.size());
  EXPECT_TRUE(json::parse(body.substr(0, length)).at("parameters").as_object().contains("seed"));
  EXPECT_EQ(body.substr(length), std::string("\0\1{}", 4));
  EXPECT_THAT(asked.at(1).second, HasSubstr("seed"));
}

// --- tries

TEST(Retries, GoToAnotherReplicaWithTheSameSeed) {
  std::mutex mutex;
  std::vector<std::string> bodies;
  const auto first_fails = [&](const std::shared_ptr<net::Exchange>& exchange,
                               const std::string& body) {
    const std::lock_guard lock(mutex);
    bodies.push_back(body);
    exchange->respond({static_cast<std::uint16_t>(bodies.size() == 1 ? 503 : 200), {}, "done"});
  };
  FakeWorker one(first_fails), two(first_fails);
  const TestGateway gateway({service_of("a", {one.url(), two.url()})});
  EXPECT_EQ(gateway.post("/v1/completions").status, 200);
  ASSERT_EQ(bodies.size(), 2u);
  EXPECT_EQ(bodies[0], bodies[1]);
  EXPECT_TRUE(scan_body(bodies[0])->seeded);
  EXPECT_EQ(one.asked().size(), 1u);
  EXPECT_EQ(two.asked().size(), 1u);
}

// Nothing is decided by its time.
Service patient(const std::string& name, std::vector<std::string> urls) {
  Service service = service_of(name, std::move(urls));
  service.resilience.timeout = service.resilience.first_token_timeout = milliseconds(600'000);
  return service;
}

// Since when every request that waits was looked at: what is answered here is in the log after a
// tick.
void wait_for_tick(const TestGateway& gateway) {
  gateway.get("/services/nobody/tick");
  EXPECT_TRUE(eventually([&] {
    return read_file(gateway.access_log()).value_or("").find("nobody/tick") != std::string::npos;
  }));
}

TEST(Retries, LeaveARequestAtASilentWorkerWhereThereIsNoOther) {
  Holder holder;
  FakeWorker stopped(holder.answer());
  TestGateway gateway({patient("a", {stopped.url()})});
  auto waiting = std::async(std::launch::async, [&] { return gateway.post("/generate"); });
  ASSERT_TRUE(eventually([&] { return holder.held() == 1; }));
  gateway.config().services[0].versions[0].replicas[0].silent = true;
  gateway.apply();
  wait_for_tick(gateway);
  holder.release();
  EXPECT_EQ(waiting.get().body, "late") << "it woke up";
}

TEST(Retries, MoveWhatWaitsAtASilentWorkerOnceThereIsAnotherToAsk) {
  Holder holder;
  FakeWorker stopped(holder.answer()), fresh(says("fresh"));
  TestGateway gateway({patient("a", {})});
  auto& replicas = gateway.config().services[0].versions[0].replicas;
  FakeWorker full([&](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
    replicas.push_back({"r1", stopped.url()});
    gateway.apply();
    exchange->respond({429, {}, "full"});
  });
  replicas.push_back({"r0", full.url()});
  gateway.apply();
  auto waiting = std::async(std::launch::async, [&] { return gateway.post("/generate"); });
  ASSERT_TRUE(eventually([&] { return holder.held() == 1; }));
  replicas[1].silent = true;
  gateway.apply();
  wait_for_tick(gateway);
  replicas.push_back({"r2", fresh.url()});
  gateway.apply();
  EXPECT_EQ(waiting.wait_for(kPatience), std::future_status::ready);
  holder.release();
  EXPECT_EQ(waiting.get().body, "fresh");
}

TEST(Retries, MoveWhatWaitsAtASilentWorkerWhereThatMakesNothingTwice) {
  Holder holder;
  std::atomic<bool> first{true};
  const auto holds_first = [&](const std::shared_ptr<net::Exchange>& exchange,
                               const std::string& body) {
    if (first.exchange(false)) return holder.answer()(exchange, body);
    exchange->respond({200, {}, "other"});
  };
  FakeWorker one(holds_first), two(holds_first);
  for (const auto& [path, body] : {std::pair("/generate", "other"), {"/v1/videos", "late"}}) {
    first = true;
    TestGateway gateway({patient("a", {one.url(), two.url()})});
    const std::size_t before = one.asked().size();
    auto waiting = std::async(std::launch::async, [&] { return gateway.post(path); });
    ASSERT_TRUE(eventually([&] { return holder.held() == 1; }));
    const std::size_t at = one.asked().size() > before ? 0 : 1;
    gateway.config().services[0].versions[0].replicas[at].silent = true;
    gateway.apply();
    wait_for_tick(gateway);
    holder.release();
    EXPECT_EQ(waiting.get().body, body) << path;
  }
}

TEST(Retries, GetAroundAReplicaThatIsNotThere) {
  FakeWorker dead(says("x")), alive(says("alive"));
  const std::string nowhere = dead.url();
  dead.stop();
  const TestGateway gateway({service_of("a", {nowhere, alive.url()})});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.post("/generate").body, "alive");
}

TEST(Retries, DoNotRepeatWhatWouldBeTheSame) {
  FakeWorker one(says("broken", 500)), two(says("broken", 500));
  const TestGateway gateway({service_of("a", {one.url(), two.url()})});
  EXPECT_EQ(gateway.post("/generate").status, 500);
  EXPECT_EQ(one.asked().size() + two.asked().size(), 1u);
}

TEST(Retries, PassOnTheLastAnswerWhenAllFail) {
  FakeWorker one(says("full", 503));
  const TestGateway gateway({service_of("a", {one.url()})});
  const net::Response response = gateway.post("/generate");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "full");
  EXPECT_EQ(one.asked().size(), 3u);  // and two retries
}

TEST(Retries, LeaveAReplicaThatDoesNotBegin) {
  FakeWorker silent([](const auto& exchange, const std::string&) {
    exchange->on_gone([held = exchange] {});  // and no answer
  });
  FakeWorker quick(says("quick"));
  Service service = service_of("a", {silent.url(), quick.url()});
  service.resilience.first_token_timeout = 60ms;
  const TestGateway gateway({service});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(gateway.post("/generate").body, "quick");
}

TEST(Retries, AskAReplicaThatHasComeSince) {
  TestGateway gateway({service_of("a", {})});
  FakeWorker quick(says("quick"));
  std::string url;
  FakeWorker full([&](const auto& exchange, const std::string&) {
    gateway.config().services[0] = service_of("a", {url, quick.url()});
    gateway.apply();
    exchange->respond({429, {}, "full"});
  });
  url = full.url();
  gateway.config().services[0] = service_of("a", {url});
  gateway.apply();
  EXPECT_EQ(gateway.post("/generate").body, "quick");
}

TEST(Retries, RepeatAConnectionThatBrokeBeforeTheAnswer) {
  std::atomic<int> calls{0};
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    if (calls++ == 0) return exchange->abort();
    exchange->respond({200, {}, "second"});
  });
  const TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/generate").body, "second");
}

TEST(Deadline, IsTheServicesOrTheClientsWhicheverIsSooner) {
  FakeWorker silent(
      [](const auto& exchange, const std::string&) { exchange->on_gone([held = exchange] {}); });
  Service service = service_of("a", {silent.url()});
  service.resilience.timeout = 80ms;
  TestGateway gateway({service});
  EXPECT_EQ(gateway.post("/generate").status, 504);
  gateway.config().services[0].resilience.timeout = 60s;
  gateway.apply();
  EXPECT_EQ(gateway.post("/generate", "{}", {{"serin-timeout", "80ms"}}).status, 504);
  EXPECT_EQ(gateway.post("/generate", "{}", {{"serin-timeout", "soon"}}).status, 400);
}

TEST(Gateway, SaysSoWhenAVersionHasNoWorker) {
  Service service = service_of("a", {});
  service.resilience.first_token_timeout = std::chrono::milliseconds(50);
  const TestGateway gateway({service});
  const net::Response response = gateway.post("/generate");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.get("retry-after"), "1");
  EXPECT_THAT(response.body, HasSubstr("no worker of a v1"));
}

TEST(Gateway, RepeatsNoJobThatMayHaveBegun) {
  FakeWorker worker([](const auto& exchange, const std::string&) { exchange->abort(); });
  const TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/v1/videos").status, 502);
  EXPECT_EQ(worker.asked().size(), 1u);
}

TEST(Gateway, SendsALargeBodyAgainAsItWas) {
  std::atomic<int> calls{0};
  const std::string prompt(5'000'000, 'p');
  const std::string body = R"({"seed":1,"prompt":")" + prompt + "\"}";
  FakeWorker worker([&](const auto& exchange, const std::string& came) {
    if (calls++ == 0) return exchange->respond({503, {}, ""});
    exchange->respond({200, {}, came == body ? "same" : "different"});
  });
  const TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/generate", body).body, "same");
}

// --- splits

Service two_versions(const FakeWorker& stable, const FakeWorker& candidate, double weight) {
  Service service = service_of("a", {stable.url()});
  service.versions.push_back({"v2", "", false, {{"c0", candidate.url()}}});
  service.split.candidate = "v2";
  service.split.weight = weight;
  service.split.salt = "s";
  return service;
}

TEST(Split, SendsUsersToTheirSideEachTime) {
  FakeWorker stable(says("v1")), candidate(says("v2"));
  Service service = two_versions(stable, candidate, 0.5);
  service.split.sticky_by = StickyBy::kUser;
  service.split.user_header = "x-user";
  const TestGateway gateway({service});
  std::set<std::string> sides;
  for (int user = 0; user < 20; ++user) {
    const std::string name = "u" + std::to_string(user);
    const std::string side = gateway.post("/generate", "{}", {{"x-user", name}}).body;
    sides.insert(side);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(gateway.post("/generate", R"({"user":")" + name + "\"}").body, side);
  }
  EXPECT_EQ(sides.size(), 2u);
}

TEST(Split, PinsAVersionThatTheClientNames) {
  FakeWorker stable(says("v1")), candidate(says("v2"));
  const TestGateway gateway({two_versions(stable, candidate, 0)});
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(gateway.post("/v1/completions", R"({"model":"a:v2"})").body, "v2");
  EXPECT_TRUE(gateway.evidence("a").empty());
}

TEST(Split, ChangesAtOnceAndDropsNothing) {
  FakeWorker stable(says("v1")), candidate(says("v2"));
  TestGateway gateway({two_versions(stable, candidate, 0)}, 2);
  std::atomic<bool> over{false};
  std::atomic<int> failed{0}, answered{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i)
    users.emplace_back([&] {
      while (!over) gateway.post("/generate").status == 200 ? ++answered : ++failed;
    });
  for (const double weight : {0.0, 1.0, 0.0, 1.0, 0.3, 0.0}) {
    gateway.config().services[0].split.weight = weight;
    gateway.apply();
    if (weight == 0.0 || weight == 1.0)
      for (int i = 0; i < 20; ++i)
        EXPECT_EQ(gateway.post("/generate").body, weight == 0.0 ? "v1" : "v2");
  }
  over = true;
  for (std::thread& user : users) user.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(answered, 0);
}

// --- the admin API

TEST(Admin, ReplacesTheConfigurationByANewerOneOnly) {
  FakeWorker one(says("one")), two(says("two"));
  TestGateway gateway({service_of("a", {one.url()})});
  Config next = gateway.config();
  next.revision = 5;
  next.services[0] = service_of("a", {two.url()});
  EXPECT_EQ(gateway.admin("PUT", "/config", write_config(next)).status, 200);
  EXPECT_EQ(gateway.post("/generate").body, "two");
  EXPECT_EQ(gateway.admin("PUT", "/config", write_config(next)).status, 200);  // the same
  EXPECT_EQ(gateway.admin("PUT", "/config", write_config(gateway.config())).status, 409);
  EXPECT_EQ(gateway.admin("PUT", "/config", "{\"revision\":\"x\"}").status, 400);
  EXPECT_EQ(*read_config(gateway.admin("GET", "/config").body, "f"), next);
  EXPECT_EQ(gateway.post("/generate").body, "two");
}

TEST(Admin, SaysWhetherRequestsMayComeAndWhatWasCounted) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()})});
  gateway.post("/generate");
  EXPECT_EQ(gateway.admin("GET", "/health/ready").status, 200);
  EXPECT_EQ(gateway.get("/health/ready").status, 200);
  EXPECT_EQ(gateway.get("/health/live").status, 200);
  for (const std::string& metrics :
       {gateway.admin("GET", "/metrics").body, gateway.get("/metrics").body})
    EXPECT_THAT(
        metrics,
        HasSubstr(
            R"(serin_gateway_requests_total{service="a",version="v1",arm="stable",code="200"} 1)"));
  EXPECT_EQ(gateway.admin("GET", "/nothing").status, 404);
}

TEST(Admin, AloneHasTheMetricsOfAServiceThatAsksWhoEnters) {
  FakeWorker worker(says("x"));
  Service service = service_of("a", {worker.url()});
  service.access.key_file = "/nowhere";
  const TestGateway gateway({service});
  const net::Response refused = gateway.get("/metrics");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("metrics_not_public"));
  EXPECT_EQ(gateway.admin("GET", "/metrics").status, 200);
}

std::vector<std::string> outcomes(const std::vector<json::object>& records) {
  std::vector<std::string> found;
  for (const json::object& record : records)
    found.emplace_back(record.at("version").as_string().c_str() + std::string(" ") +
                       record.at("outcome").as_string().c_str());
  return found;
}

TEST(Evidence, SaysHowEachRequestEnded) {
  FakeWorker worker([](const auto& exchange, const std::string& body) {
    const auto status = static_cast<std::uint16_t>(json::parse(body).at("status").as_int64());
    exchange->respond({status, {{"serin-score", "wellFormed=0.5"}}, "x"});
  });
  Service service = service_of("a", {worker.url()});
  service.resilience.retry_attempts = 0;
  const TestGateway gateway({service});
  for (const int status : {200, 400, 404, 429, 500, 503})
    gateway.post("/generate", R"({"status":)" + std::to_string(status) + "}");
  const auto records = gateway.evidence("a");
  EXPECT_THAT(outcomes(records), ElementsAre("v1 answered", "v1 censored", "v1 censored",
                                             "v1 failed", "v1 failed", "v1 failed"));
  EXPECT_EQ(records[0].at("scores").at("wellFormed"), 0.5);
  EXPECT_GE(records[0].at("latency").to_number<double>(),
            records[0].at("timeToFirstToken").to_number<double>());
}

TEST(Evidence, CountsAFailureThatARetryHid) {
  std::atomic<int> calls{0};
  FakeWorker worker([&](const auto& exchange, const std::string&) {
    exchange->respond({static_cast<std::uint16_t>(calls++ == 0 ? 503 : 200), {}, "x"});
  });
  const TestGateway gateway({service_of("a", {worker.url()})});
  EXPECT_EQ(gateway.post("/generate").status, 200);
  EXPECT_THAT(outcomes(gateway.evidence("a")), ElementsAre("v1 failed"));
}

TEST(Evidence, IsHeldUntilThereIsSome) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()})});
  const net::Response empty = gateway.admin("GET", "/evidence?service=a&wait=1ms");
  EXPECT_EQ(empty.body, "");
  const std::string next(empty.headers.get("serin-next"));
  std::thread later([&] { gateway.post("/generate"); });
  const net::Response page = gateway.admin("GET", "/evidence?service=a&wait=60s&after=" + next);
  later.join();
  EXPECT_THAT(page.body, HasSubstr("answered"));
  EXPECT_EQ(page.headers.get("serin-lost"), "0");
  EXPECT_EQ(gateway.admin("GET", "/evidence?service=b").status, 404);
  EXPECT_EQ(gateway.admin("GET", "/evidence?service=a&after=x").status, 400);
}

TEST(AccessLog, HasALineOfJsonForEachRequest) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()})});
  gateway.post("/generate?b=1", "{}", {{"x-request-id", "id\"7"}});
  std::string text;
  while (text.empty()) {  // lines are written at the next tick
    gateway.get("/health/live");
    text = read_file(gateway.access_log()).value_or("");
  }
  const json::value line = json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(line.at("id"), "id\"7");
  EXPECT_EQ(line.at("path"), "/generate");
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_EQ(line.at("replica"), "r0");
  EXPECT_EQ(line.at("bytes_out"), 1);
}

TEST(Gateway, ForgetsTheMetricsOfAServiceThatIsGone) {
  FakeWorker worker(says("here"));
  TestGateway gateway({service_of("a", {worker.url()}), service_of("b", {worker.url()})});
  EXPECT_EQ(gateway.post("/services/a/generate").status, 200);
  EXPECT_THAT(gateway.get("/metrics").body, HasSubstr("service=\"a\""));
  gateway.config().services.erase(gateway.config().services.begin());
  gateway.apply();
  EXPECT_TRUE(eventually([&] {
    gateway.apply();  // what a request held goes with the next change
    return gateway.get("/metrics").body.find("service=\"a\"") == std::string::npos;
  }));
  EXPECT_THAT(gateway.get("/metrics").body, HasSubstr("service=\"b\""));
}

}  // namespace
}  // namespace serin::gateway
