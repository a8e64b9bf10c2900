// SPDX-License-Identifier: Apache-2.0
// Streamed texts that outlive their workers: real servers that die where a test says.
#include <gmock/gmock.h>

#include <atomic>

#include "gateway/gateway_for_test.h"
#include "gateway/stream/event_id.h"
#include "gateway/stream/stream_for_test.h"

namespace serin::gateway {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kPackage =
    "sha256:4e91648df8d533e9a4daca342ed5be3276c16a68a9e489895c805a6662913482";
constexpr std::int64_t kTokens = 6;
constexpr std::string_view kChat = "/v1/chat/completions";
constexpr std::string_view kAsk = R"({"messages":[],"stream":true,"seed":7})";

// How much of its stream a worker gives: all of it by default.
struct Mortal {
  std::string_view answer = "chatcmpl-000000000000000000000001";
  std::size_t dies_after = std::string::npos;  // bytes
  std::string_view profile = "cpu/x86-64-v4/threads=1";
  std::string_view reproducible = "bitwise";
  bool hangs = false;  // instead of dying
};

std::vector<std::int64_t> continued_in(const std::string& body) {
  std::vector<std::int64_t> ids;
  const json::value parsed = json::parse(body);
  if (const json::value* given = parsed.as_object().if_contains("serin_continue")) {
    for (const json::value& id : given->as_array()) ids.push_back(id.as_int64());
  }
  return ids;
}

FakeWorker::Answer gives(Mortal mortal) {
  return [mortal](const std::shared_ptr<net::Exchange>& exchange, const std::string& body) {
    const json::value asked = json::parse(body);
    const json::value* seed = asked.as_object().if_contains("seed");
    exchange->start({200,
                     {{"content-type", "text/event-stream; charset=utf-8"},
                      {"serin-package", kPackage},
                      {"serin-profile", mortal.profile},
                      {"serin-reproducible", mortal.reproducible},
                      {"serin-seed", std::to_string(seed == nullptr ? 0 : seed->as_int64())}}});
    const bool numbered = exchange->head().headers.get("serin-tokens") == "include";
    if (mortal.reproducible == "bitwise") EXPECT_EQ(numbered, exchange->head().path == kChat);
    const std::string said = TestStream(mortal.answer, 1000, kTokens).stream(continued_in(body));
    exchange->write(std::string_view(said).substr(0, mortal.dies_after));
    if (mortal.dies_after >= said.size()) return exchange->finish();
    if (!mortal.hangs) exchange->on_drained([exchange] { exchange->abort(); });
  };
}

Service immortal(std::vector<std::string> urls) {
  Service service = service_of("prose", std::move(urls));
  service.versions.front().package = kPackage;
  service.versions.front().bitwise = true;
  service.resilience.balancer = Resilience::Balancer::kRoundRobin;
  return service;
}

std::string uncut() {
  FakeWorker worker(gives({}));
  TestGateway gateway({immortal({worker.url()})});
  return gateway.post(std::string(kChat), std::string(kAsk)).body;
}

TEST(Survival, AStreamIsTheSameWhereverItsWorkerDies) {
  const std::string whole = uncut();
  ASSERT_THAT(whole, AllOf(HasSubstr("data: [DONE]"), Not(HasSubstr("tokens\":[100]"))));
  const std::string said = TestStream(Mortal().answer, 1000, kTokens).stream({});
  std::size_t event_end = 0;
  for (int events = 1; (event_end = said.find("\n\n", event_end)) != std::string::npos; ++events) {
    event_end += 2;
    if (event_end == said.size()) break;
    // In the middle of the event after this one.
    FakeWorker first(gives({.dies_after = event_end + 5}));
    FakeWorker second(gives({.answer = "chatcmpl-000000000000000000000002"}));
    TestGateway gateway({immortal({first.url(), second.url()})});
    const net::Response answer = gateway.post(std::string(kChat), std::string(kAsk));
    EXPECT_EQ(answer.body, whole) << "died after event " << events;
    EXPECT_EQ(first.asked().size() + second.asked().size(), first.asked().empty() ? 1u : 2u);
  }
}

TEST(Survival, ALostWorkerCountsAgainstItsVersion) {
  FakeWorker first(gives({.dies_after = 900}));
  FakeWorker second(gives({}));
  TestGateway gateway({immortal({first.url(), second.url()})});
  for (int i = 0; i < 4; ++i) gateway.post(std::string(kChat), std::string(kAsk));
  const auto records = gateway.evidence("prose");
  ASSERT_EQ(records.size(), 4u);
  const auto failed = std::ranges::count_if(
      records, [](const json::object& record) { return record.at("outcome") == "failed"; });
  EXPECT_GE(failed, 1);
  EXPECT_EQ(static_cast<std::size_t>(failed), first.asked().size());
}

TEST(Survival, ItSurvivesDeathAfterDeath) {
  const std::string whole = uncut();
  // Each gives one or two events more than the one before had given.
  FakeWorker first(gives({.dies_after = 700}));
  FakeWorker second(gives({.answer = "chatcmpl-000000000000000000000002", .dies_after = 800}));
  TestGateway gateway({immortal({first.url(), second.url()})});
  EXPECT_EQ(gateway.post(std::string(kChat), std::string(kAsk)).body, whole);
}

TEST(Survival, ALoneWorkerMayComeBack) {
  const std::string whole = uncut();
  std::atomic<int> asked{0};
  FakeWorker worker([&](const auto& exchange, const std::string& body) {
    gives({.dies_after = asked++ == 0 ? 700 : std::string::npos})(exchange, body);
  });
  TestGateway gateway({immortal({worker.url()})});
  EXPECT_EQ(gateway.post(std::string(kChat), std::string(kAsk)).body, whole);
  EXPECT_EQ(asked, 2);
}

TEST(Survival, AWorkerThatGivesNoMoreIsLost) {
  const std::string whole = uncut();
  FakeWorker first(gives({.dies_after = 700, .hangs = true}));
  FakeWorker second(gives({}));
  Service service = immortal({first.url(), second.url()});
  service.resilience.first_token_timeout = std::chrono::milliseconds(300);
  TestGateway gateway({service});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(gateway.post(std::string(kChat), std::string(kAsk)).body, whole);
}

TEST(Survival, AnotherGatewayGivesTheIdenticalRest) {
  const std::string whole = uncut();
  FakeWorker worker(gives({.answer = "chatcmpl-000000000000000000000002"}));
  TestGateway gateway({immortal({worker.url()})});
  for (std::size_t at = whole.find("id: "); at != std::string::npos;
       at = whole.find("\nid: ", at + 1)) {
    const std::size_t id = whole.find("id: ", at) + 4;
    const std::size_t rest = whole.find("\n\n", id) + 2;
    const net::Response answer =
        gateway.post(std::string(kChat), R"({"messages":[],"stream":true})",
                     {{"last-event-id", whole.substr(id, whole.find('\n', id) - id)}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, whole.substr(rest));
  }
}

TEST(Survival, SaysWhenAStreamCannotGoOn) {
  FakeWorker worker(gives({.profile = "cpu/x86-64-v3/threads=1"}));
  Service service = immortal({worker.url()});
  TestGateway gateway({service});
  const auto with_id = [&](const std::string& id, std::string_view body) {
    const net::Response answer =
        gateway.post(std::string(kChat), std::string(body), {{"last-event-id", id}});
    return std::to_string(answer.status) + " " +
           std::string(json::parse(answer.body).at("error").at("code").as_string());
  };
  const std::string profile = short_profile("cpu/x86-64-v4/threads=1");
  const std::string end = ".7.1000.chatcmpl-000000000000000000000001.3";
  EXPECT_EQ(with_id("4e91648df8d533e9." + profile + end, kAsk), "409 stream_changed");
  EXPECT_EQ(with_id("0000000000000000." + profile + end, kAsk), "404 stream_gone");
  EXPECT_EQ(with_id("12", kAsk), "400 invalid_argument");
  // Where no stream of text is asked for, the field means nothing to a gateway.
  EXPECT_EQ(gateway.post("/generate", "{}", {{"last-event-id", "12"}}).status, 200);
}

TEST(Survival, WhatIsNotTheSameToTheBitBreaksWithAnErrorThatMayBeTriedAgain) {
  Mortal mortal{.dies_after = 700, .reproducible = "unknown"};
  FakeWorker first(gives(mortal));
  FakeWorker second(gives(mortal));
  Service service = immortal({first.url(), second.url()});
  service.versions.front().bitwise = false;
  TestGateway gateway({service});
  const std::string body = gateway.post(std::string(kChat), std::string(kAsk)).body;
  EXPECT_THAT(body, AllOf(HasSubstr("event: error"), HasSubstr("\"retryable\":true"),
                          Not(HasSubstr("id: 4e91"))));
  EXPECT_EQ(first.asked().size() + second.asked().size(), 1u);
}

TEST(Survival, EndsWhereNobodyCanGoOn) {
  FakeWorker first([](const auto& exchange, const std::string& body) {
    if (!continued_in(body).empty()) return exchange->respond({503, {}, "busy"});
    gives({.dies_after = 700})(exchange, body);
  });
  FakeWorker second([](const auto& exchange, const std::string& body) {
    if (continued_in(body).empty()) return exchange->respond({503, {}, "busy"});
    gives({.profile = "cpu/x86-64-v3/threads=1"})(exchange, body);
  });
  Service service = immortal({first.url(), second.url()});
  service.resilience.first_token_timeout = std::chrono::milliseconds(200);
  TestGateway gateway({service});
  const std::string body = gateway.post(std::string(kChat), std::string(kAsk)).body;
  EXPECT_THAT(body, AllOf(HasSubstr("id: 4e91"), HasSubstr("event: error"),
                          HasSubstr("\"retryable\":true")));
}

}  // namespace
}  // namespace serin::gateway
