// SPDX-License-Identifier: Apache-2.0
// Copies of requests as the servers see them that get them, and what clients see of it: nothing.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "gateway/body_fields.h"
#include "gateway/gateway_for_test.h"
#include "gateway/route.h"
#include "net/grpc/frame.h"

namespace serin::gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// "a", whose requests are also sent to "b".
std::vector<Service> mirrored(const FakeWorker& from, const std::vector<std::string>& to,
                              double percent = 100) {
  Service first = service_of("a", {from.url()});
  first.resilience.mirror_service = "b";
  first.resilience.mirror_percent = percent;
  return {first, service_of("b", to)};
}

GatewayOptions bounded(const CopyLimits& copies) {
  GatewayOptions options;
  options.copies = copies;
  return options;
}

std::string counted(std::string_view outcome, int times) {
  return "serin_gateway_mirror_total{service=\"a\",to=\"b\",outcome=\"" + std::string(outcome) +
         "\"} " + std::to_string(times) + "\n";
}

// Until the gateway has counted so many.
bool counts(const TestGateway& gateway, std::string_view outcome, int times) {
  return eventually([&] {
    return gateway.get("/metrics").body.find(counted(outcome, times)) != std::string::npos;
  });
}

TEST(Mirror, SendsACopyThatIsMarkedAndKeepsTheSeed) {
  FakeWorker first(says("first")), second(says("second"));
  const TestGateway gateway(mirrored(first, {second.url()}));
  const net::Response response =
      gateway.post("/v1/completions", R"({"model":"a","prompt":"p"})",
                   {{"x-request-id", "mine"}, {"authorization", "Bearer s"}, {"serin-copy", "no"}});
  EXPECT_EQ(response.body, "first");
  ASSERT_TRUE(counts(gateway, "answered", 1));
  const auto [head, body] = second.asked().at(0);
  const auto [original, original_body] = first.asked().at(0);
  EXPECT_EQ(head.headers.get("serin-copy"), "mirror");
  EXPECT_FALSE(original.headers.find("serin-copy")) << "nobody passes a request off as a copy";
  EXPECT_EQ(head.headers.get("x-request-id"), "mine");
  EXPECT_EQ(original.headers.get("authorization"), "Bearer s");
  EXPECT_FALSE(head.headers.find("authorization")) << "it is nothing to the other service";
  ASSERT_TRUE(scan_body(body)->seeded);
  EXPECT_EQ(body, with_model(original_body, *scan_body(original_body), "b"));
  EXPECT_EQ(gateway.evidence("a").size(), 1U);
  EXPECT_TRUE(gateway.evidence("b").empty()) << "a copy says nothing of a version";
}

TEST(Mirror, CopiesALargeBodyLikeAnyOther) {
  FakeWorker first(says("first")), second(says("second"));
  const TestGateway gateway(mirrored(first, {second.url()}));
  const std::string body = R"({"seed":1,"prompt":")" + std::string(5'000'000, 'x') + "\"}";
  EXPECT_EQ(gateway.post("/services/a/generate", body).body, "first");
  ASSERT_TRUE(counts(gateway, "answered", 1));
  EXPECT_TRUE(second.asked().at(0).second == body);
}

TEST(Mirror, OfATargetThatHangsDelaysNobody) {
  Holder holder;
  FakeWorker first(says("first")), second(holder.answer());
  auto services = mirrored(first, {second.url()});
  services[1].resilience.timeout = 300ms;
  const TestGateway gateway(services);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "failed", 20));
  EXPECT_EQ(second.asked().size(), 20U);
  for (const json::object& line : gateway.evidence("a"))
    EXPECT_EQ(line.at("outcome").as_string(), "answered");
}

TEST(Mirror, OfATargetThatIsGoneFailsNobody) {
  FakeWorker first(says("first")), dead(says("x")), broken(says("broken", 500));
  const std::string nowhere = dead.url();
  dead.stop();
  TestGateway gateway(mirrored(first, {nowhere}));
  EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "failed", 1));
  gateway.config().services[1] = service_of("b", {broken.url()});
  gateway.apply();
  EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "failed", 2));
  gateway.config().services[1] = service_of("b", {});
  gateway.apply();
  EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "no_worker", 1));
  gateway.config().services.pop_back();
  gateway.apply();
  EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "no_service", 1));
}

TEST(Mirror, AnswersAllTheSameWhereOnlyTheMirrorWorks) {
  FakeWorker first(says("first")), second(says("second"));
  auto services = mirrored(first, {second.url()});
  services[0].versions[0].replicas.clear();
  services[0].resilience.first_token_timeout = 200ms;
  const TestGateway gateway(services);
  EXPECT_EQ(gateway.post("/services/a/generate").status, 503);
  EXPECT_TRUE(counts(gateway, "answered", 1));
}

TEST(Mirror, GetsTheAskedPartOfTheRequestsAndTheSameOnesAgain) {
  FakeWorker first(says("first")), second(says("second"));
  const TestGateway gateway(mirrored(first, {second.url()}, 30));
  for (int twice = 0; twice < 2; ++twice) {
    for (int i = 0; i < 300; ++i)
      gateway.post("/services/a/generate", "{}", {{"x-request-id", "id-" + std::to_string(i)}});
  }
  std::map<std::string, int> copies;  // by the request's id
  EXPECT_TRUE(eventually([&] {
    copies.clear();
    for (const auto& [head, body] : second.asked())
      ++copies[std::string(head.headers.get("x-request-id"))];
    return !copies.empty() &&
           std::ranges::all_of(copies, [](const auto& entry) { return entry.second == 2; });
  }));
  EXPECT_GT(copies.size(), 60U);
  EXPECT_LT(copies.size(), 120U);
}

TEST(Mirror, SendsNoMoreCopiesThanMayBeUnderWay) {
  Holder holder;
  FakeWorker first(says("first")), second(holder.answer());
  const TestGateway gateway(mirrored(first, {second.url()}), 1, bounded({.of_service = 3}));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  EXPECT_TRUE(counts(gateway, "limit", 2));
  EXPECT_TRUE(eventually([&] { return holder.held() == 3; }));
  holder.release();
  EXPECT_TRUE(counts(gateway, "answered", 3));
  EXPECT_TRUE(eventually([&] {
    gateway.post("/services/a/generate");
    return holder.held() > 0;
  })) << "their places are free again";
  holder.release();
}

TEST(Mirror, HoldsNoMoreBytesThanMayBe) {
  FakeWorker first(says("first")), second(says("second"));
  const TestGateway gateway(mirrored(first, {second.url()}), 1, bounded({.bytes = 1000}));
  EXPECT_EQ(gateway.post("/services/a/generate", std::string(1001, ' ')).body, "first");
  EXPECT_TRUE(counts(gateway, "limit", 1));
  EXPECT_EQ(gateway.post("/services/a/generate", std::string(1000, ' ')).body, "first");
  EXPECT_TRUE(counts(gateway, "answered", 1));
}

TEST(Mirror, LeavesOutWhatCannotBeMadeTwiceAndSaysSo) {
  FakeWorker first(says("first")), second(says("second"));
  const TestGateway gateway(mirrored(first, {second.url()}));
  gateway.post("/services/a/v1/videos");
  EXPECT_TRUE(counts(gateway, "not_repeatable", 1));
  gateway.post("/services/a:v1/generate");
  EXPECT_TRUE(counts(gateway, "pinned", 1));
  net::ClientRequest stream = gateway.request("/inference.GRPCInferenceService/ModelStreamInfer",
                                              net::grpc::frame(std::string("\x0a\x01", 2) + "a"),
                                              {{"content-type", "application/grpc"}});
  stream.http2 = true;
  EXPECT_TRUE(gateway.client().fetch(stream).has_value());
  EXPECT_TRUE(counts(gateway, "streamed_body", 1));
  gateway.get("/services/a/health/ready");
  EXPECT_TRUE(second.asked().empty());
}

TEST(Mirror, OfAGrpcCallNamesTheOtherModel) {
  const std::string call = net::grpc::frame(std::string("\x0a\x01", 2) + "a" + "\x1a\x01i");
  const std::string renamed = with_grpc_name(call, "other");
  const std::string cut = call.substr(0, call.size() - 1);
  EXPECT_EQ(with_grpc_name(cut, "other"), cut) << "who reads it is to see that it is cut";
  net::grpc::Deframer deframer(1000);
  deframer.feed(renamed);
  EXPECT_EQ(**deframer.next(), std::string("\x0a\x01"
                                           "a\x1a\x01i\x0a\x05other\x12\0",
                                           15));
  EXPECT_TRUE(deframer.empty());
}

TEST(Mirror, OfAStreamIsReadToItsEndAndThrownAway) {
  FakeWorker first(says("first"));
  FakeWorker second([](const std::shared_ptr<net::Exchange>& exchange, const std::string& body) {
    exchange->start({200, {{"content-type", "text/event-stream"}}});
    for (int i = 0; i < 100; ++i) exchange->write("data: " + std::string(10'000, 'x') + "\n\n");
    if (body == "fail") exchange->write("event: error\ndata: {}\n\n");
    exchange->finish();
  });
  const TestGateway gateway(mirrored(first, {second.url()}));
  gateway.post("/services/a/generate");
  EXPECT_TRUE(counts(gateway, "answered", 1));
  gateway.post("/services/a/generate", "fail");
  EXPECT_TRUE(counts(gateway, "failed", 1));
}

// --- shadow rollouts

// v1 serves; of such a part of the requests a copy goes to v2.
Service shadowed(const FakeWorker& stable, const std::vector<std::string>& candidate,
                 double weight = 1) {
  Service service = service_of("a", {stable.url()});
  Version& version = service.versions.emplace_back();
  version.label = "v2";
  for (const std::string& url : candidate)
    version.replicas.push_back({"c" + std::to_string(version.replicas.size()), url});
  service.split.candidate = "v2";
  service.split.weight = weight;
  service.split.salt = "s";
  service.split.shadow = true;
  return service;
}

// Lines of evidence of that version, once there are so many of all.
std::vector<json::object> evidence_of(const TestGateway& gateway, std::string_view version,
                                      std::size_t all) {
  EXPECT_TRUE(eventually([&] { return gateway.evidence("a").size() >= all; }));
  std::vector<json::object> found = gateway.evidence("a");
  EXPECT_EQ(found.size(), all);
  std::erase_if(
      found, [&](const json::object& line) { return line.at("version").as_string() != version; });
  return found;
}

TEST(Shadow, TheCopysEndIsTheEvidenceForTheCandidate) {
  FakeWorker stable(says("stable")), candidate(says("broken", 500));
  const TestGateway gateway({shadowed(stable, {candidate.url()})});
  const net::Response response = gateway.post("/v1/completions", R"({"prompt":"p"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "stable");
  EXPECT_EQ(response.headers.get("serin-version"), "v1");
  const auto copy = evidence_of(gateway, "v2", 2);
  ASSERT_EQ(copy.size(), 1U);
  EXPECT_EQ(copy[0].at("arm"), "candidate");
  EXPECT_EQ(copy[0].at("weight"), 1.0);
  EXPECT_EQ(copy[0].at("outcome"), "failed");
  const auto original = evidence_of(gateway, "v1", 2);
  ASSERT_EQ(original.size(), 1U);
  EXPECT_EQ(original[0].at("arm"), "stable");
  EXPECT_EQ(original[0].at("weight"), 0.0) << "each request counts once";
  EXPECT_EQ(original[0].at("outcome"), "answered");
  EXPECT_EQ(candidate.asked().at(0).first.headers.get("serin-copy"), "shadow");
  EXPECT_EQ(candidate.asked().at(0).second, stable.asked().at(0).second) << "with the same seed";
  EXPECT_THAT(gateway.get("/metrics").body,
              HasSubstr("serin_gateway_shadow_total{service=\"a\",version=\"v2\",outcome="
                        "\"failed\"} 1"));
}

TEST(Shadow, WhatWasDrawnForTheStableVersionHasNoCopy) {
  FakeWorker stable(says("stable")), candidate(says("candidate"));
  const TestGateway gateway({shadowed(stable, {candidate.url()}, 0.3)});
  for (int i = 0; i < 200; ++i) EXPECT_EQ(gateway.post("/generate").body, "stable");
  ASSERT_TRUE(
      eventually([&] { return gateway.evidence("a").size() == 200 + candidate.asked().size(); }));
  const std::size_t copies = candidate.asked().size();
  EXPECT_GT(copies, 30U);
  EXPECT_LT(copies, 90U);
  std::size_t counted = 0;
  for (const json::object& line : gateway.evidence("a")) {
    if (line.at("weight") == 0.0) continue;
    ++counted;
    EXPECT_EQ(line.at("weight"), 0.3);
    EXPECT_EQ(line.at("arm") == "candidate", line.at("version") == "v2");
  }
  EXPECT_EQ(counted, 200U);
}

TEST(Shadow, DrawsByUserLikeACanary) {
  FakeWorker stable(says("stable")), candidate(says("candidate"));
  Service service = shadowed(stable, {candidate.url()}, 0.5);
  service.split.sticky_by = StickyBy::kUser;
  TestGateway gateway({service});
  for (int i = 0; i < 20; ++i)
    gateway.post("/generate", R"({"user":"u)" + std::to_string(i) + "\"}");
  ASSERT_TRUE(
      eventually([&] { return gateway.evidence("a").size() == 20 + candidate.asked().size(); }));
  std::set<std::string> shadows, canaries;
  for (const auto& [head, body] : candidate.asked()) shadows.insert(scan_body(body)->user);
  gateway.config().services[0].split.shadow = false;
  gateway.apply();
  for (int i = 0; i < 20; ++i) {
    const std::string user = "u" + std::to_string(i);
    if (gateway.post("/generate", R"({"user":")" + user + "\"}").body == "candidate")
      canaries.insert(user);
  }
  EXPECT_EQ(shadows, canaries);
}

TEST(Shadow, ACandidateThatHangsDelaysNobodyAndFails) {
  Holder holder;
  FakeWorker stable(says("stable")), candidate(holder.answer());
  Service service = shadowed(stable, {candidate.url()});
  service.resilience.first_token_timeout = 200ms;
  const TestGateway gateway({service});
  EXPECT_EQ(gateway.post("/generate").body, "stable");
  const auto copy = evidence_of(gateway, "v2", 2);
  ASSERT_EQ(copy.size(), 1U);
  EXPECT_EQ(copy[0].at("outcome"), "failed");
  EXPECT_TRUE(copy[0].at("latency").is_null());
}

TEST(Shadow, ACandidateWithoutAWorkerFailsUnlessOneComes) {
  FakeWorker stable(says("stable")), late(says("late"));
  Service service = shadowed(stable, {});
  service.resilience.first_token_timeout = 200ms;
  TestGateway gateway({service});
  EXPECT_EQ(gateway.post("/generate").body, "stable");
  const auto copy = evidence_of(gateway, "v2", 2);
  ASSERT_EQ(copy.size(), 1U);
  EXPECT_EQ(copy[0].at("outcome"), "failed");
  gateway.config().services[0].resilience.first_token_timeout = kPatience;
  gateway.apply();
  EXPECT_EQ(gateway.post("/generate").body, "stable");
  gateway.config().services[0].versions[1].replicas.push_back({"c0", late.url()});
  gateway.apply();
  const auto both = evidence_of(gateway, "v2", 4);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[1].at("outcome"), "answered");
}

// A request whose version has no worker is dealt anew when one comes: the draw stays.
TEST(Shadow, WhatWaitedForAWorkerCountsOnce) {
  FakeWorker stable(says("stable")), candidate(says("candidate"));
  Service service = shadowed(stable, {candidate.url()});
  const auto replicas = std::exchange(service.versions[0].replicas, {});
  TestGateway gateway({service});
  hold(gateway, {}, 1);
  ASSERT_TRUE(eventually([&] { return candidate.asked().size() == 1; }));
  gateway.config().services[0].versions[0].replicas = replicas;
  gateway.apply();
  const auto original = evidence_of(gateway, "v1", 2);
  ASSERT_EQ(original.size(), 1U);
  EXPECT_EQ(original[0].at("weight"), 0.0);
  EXPECT_EQ(original[0].at("arm"), "stable");
}

TEST(Shadow, WhatCannotBeCopiedCountsForNeitherVersion) {
  for (const double weight : {0.000001, 1.0}) {
    FakeWorker stable(says("stable")), candidate(says("candidate"));
    const TestGateway gateway({shadowed(stable, {candidate.url()}, weight)}, 1,
                              bounded({.of_service = 0}));
    EXPECT_EQ(gateway.post("/generate").body, "stable");
    const auto original = evidence_of(gateway, "v1", 1);
    ASSERT_EQ(original.size(), 1U);
    EXPECT_EQ(original[0].at("weight"), 0.0);
    const bool drawn = weight == 1.0;
    EXPECT_EQ(gateway.get("/metrics").body.find("outcome=\"limit\"} 1") != std::string::npos,
              drawn);
  }
}

TEST(Shadow, AClientThatLeavesTakesTheCopyWithIt) {
  Holder slow, hangs;
  FakeWorker stable(slow.answer()), candidate(hangs.answer());
  const TestGateway gateway({shadowed(stable, {candidate.url()})});
  {
    const auto client = *net::Client::create();
    client->stream(gateway.request("/generate"), nobody());
    ASSERT_TRUE(eventually([&] { return slow.held() == 1 && hangs.held() == 1; }));
  }
  for (const std::string_view version : {"v1", "v2"})
    EXPECT_EQ(evidence_of(gateway, version, 2).at(0).at("outcome"), "censored") << version;
}

TEST(Shadow, WhoNamesTheCandidateGetsIt) {
  FakeWorker stable(says("stable")), candidate(says("candidate"));
  const TestGateway gateway({shadowed(stable, {candidate.url()})});
  EXPECT_EQ(gateway.post("/services/a:v2/generate").body, "candidate");
  EXPECT_TRUE(stable.asked().empty());
  EXPECT_TRUE(gateway.evidence("a").empty());
}

// What comparing the answers gave, of the one request that there was.
json::object comparison_of(const TestGateway& gateway) {
  EXPECT_TRUE(eventually([&] { return gateway.evidence("a").size() == 2; }));
  std::vector<json::object> said;
  for (const json::object& line : gateway.evidence("a")) {
    if (line.contains("compared") || line.contains("notCompared")) said.push_back(line);
  }
  EXPECT_EQ(said.size(), 1U) << "it is said once";
  return said.empty() ? json::object() : said[0];
}

FakeWorker::Answer streams(std::vector<std::string> words) {
  return [words](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
    exchange->start({200, {{"content-type", "text/event-stream"}}});
    for (const std::string& word : words)
      exchange->write(R"(data: {"id":"x","choices":[{"text":")" + word + "\"}]}\n\n");
    exchange->write("data: [DONE]\n\n");
    exchange->finish();
  };
}

TEST(Shadow, TheAnswersAreCompared) {
  FakeWorker stable(says("a b c d"));
  FakeWorker same(says("a b c d")), other(says("a b x d")), broken(says("broken", 500));
  FakeWorker streamed(streams({"a ", "b ", "c ", "d"}));
  const TestGateway first({shadowed(stable, {same.url()})});
  first.post("/generate");
  EXPECT_EQ(
      comparison_of(first).at("compared"),
      json::parse(R"({"agreement":1.0,"identical":true,"stableBytes":7,"candidateBytes":7})"));
  EXPECT_THAT(first.get("/metrics").body,
              HasSubstr("serin_gateway_shadow_compared_total{service=\"a\",version=\"v2\","
                        "outcome=\"identical\"} 1"));
  const TestGateway second({shadowed(stable, {other.url()})});
  second.post("/generate");
  EXPECT_EQ(comparison_of(second).at("compared").at("agreement").to_number<double>(), 0.75);
  const TestGateway third({shadowed(stable, {streamed.url()})});
  third.post("/generate");
  EXPECT_TRUE(comparison_of(third).at("compared").at("identical").as_bool());
  const TestGateway fourth({shadowed(streamed, {stable.url()})});
  fourth.post("/generate");
  EXPECT_TRUE(comparison_of(fourth).at("compared").at("identical").as_bool());
  const TestGateway fifth({shadowed(stable, {broken.url()})});
  fifth.post("/generate");
  EXPECT_EQ(comparison_of(fifth).at("notCompared"), "failed");
}

TEST(Shadow, TheAnswersAreComparedWhoeverIsSlower) {
  for (const bool slow_candidate : {false, true}) {
    Holder holder;
    FakeWorker quick(says("late")), slow(holder.answer());
    const FakeWorker& stable = slow_candidate ? quick : slow;
    const TestGateway gateway({shadowed(stable, {(slow_candidate ? slow : quick).url()})});
    hold(gateway, {}, 1);
    ASSERT_TRUE(eventually([&] { return gateway.evidence("a").size() == 1; }));
    ASSERT_TRUE(eventually([&] { return holder.held() == 1; }));
    EXPECT_FALSE(gateway.evidence("a")[0].contains("compared"));
    holder.release();
    EXPECT_EQ(comparison_of(gateway).at("compared").at("agreement").to_number<double>(), 0)
        << "a text beside what says of itself that it is none";
  }
}

}  // namespace
}  // namespace serin::gateway
