// SPDX-License-Identifier: Apache-2.0
// The spans of real requests, as a collector gets them.
#include <algorithm>
#include <map>

#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

constexpr std::string_view kClients = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string text_of(const json::object& span, std::string_view field) {
  const json::value* found = span.if_contains(field);
  return found == nullptr ? "" : std::string(found->as_string());
}

// An attribute as text; empty: there is none.
std::string attribute(const json::object& span, std::string_view name) {
  for (const json::value& one : span.at("attributes").as_array()) {
    if (one.at("key").as_string() != name) continue;
    for (const auto& [kind, value] : one.at("value").as_object())
      return std::string(value.as_string());
  }
  return "";
}

class Traces : public testing::Test {
 protected:
  GatewayOptions traced(double share = 1) const {
    GatewayOptions options;
    options.tracing = {.endpoint = collector_.url(), .share = share};
    return options;
  }
  // All spans that the gateway sent before it ended, those of requests before those of tries.
  std::vector<json::object> spans(TestGateway& gateway) {
    gateway.close();
    std::vector<json::object> found;
    for (const auto& [head, body] : collector_.asked()) {
      EXPECT_EQ(head.path, "/v1/traces");
      const json::value batch = json::parse(body);
      for (const json::value& span :
           batch.at_pointer("/resourceSpans/0/scopeSpans/0/spans").as_array())
        found.push_back(span.as_object());
    }
    std::ranges::sort(found, {}, [](const json::object& span) {
      return std::pair(span.at("kind").as_int64(), text_of(span, "startTimeUnixNano"));
    });
    return found;
  }

 private:
  FakeWorker collector_{says("{}")};
};

TEST_F(Traces, GoFromTheClientThroughTheGatewayToTheWorker) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()})}, 1, traced());
  gateway.post("/services/a/generate", "{}", {{"traceparent", kClients}, {"tracestate", "v=1"}});
  const net::Headers seen = worker.asked().at(0).first.headers;
  const auto sent = telemetry::parse_traceparent(seen.get("traceparent"));
  ASSERT_TRUE(sent);
  EXPECT_EQ(seen.get("tracestate"), "v=1");
  const auto found = spans(gateway);
  ASSERT_EQ(found.size(), 2u);
  const json::object& request = found[0];
  const json::object& tried = found[1];
  EXPECT_EQ(text_of(request, "traceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(text_of(request, "parentSpanId"), "b7ad6b7169203331");
  EXPECT_EQ(text_of(request, "name"), "POST /generate");
  EXPECT_EQ(attribute(request, "serin.service"), "a");
  EXPECT_EQ(attribute(request, "serin.version"), "v1");
  EXPECT_EQ(attribute(request, "serin.arm"), "stable");
  EXPECT_EQ(attribute(request, "http.response.status_code"), "200");
  EXPECT_EQ(text_of(tried, "parentSpanId"), text_of(request, "spanId"));
  EXPECT_EQ(text_of(tried, "spanId"), sent->span_hex());
  EXPECT_EQ(text_of(tried, "traceId"), sent->trace_hex());
  EXPECT_EQ(attribute(tried, "serin.try"), "first");
}

TEST_F(Traces, HaveASpanForEveryTry) {
  FakeWorker bad(says("bad", 503)), good(says("good"));
  Service service = service_of("a", {bad.url(), good.url()});
  service.resilience.balancer = Resilience::Balancer::kRoundRobin;
  TestGateway gateway({service}, 1, traced());
  EXPECT_EQ(gateway.post("/generate").body, "good");
  const auto found = spans(gateway);
  std::map<std::string, int> kinds;
  for (const json::object& span : found) ++kinds[attribute(span, "serin.try")];
  EXPECT_EQ(kinds, (std::map<std::string, int>{{"", 1}, {"first", 1}, {"retry", 1}}));
  for (const json::object& span : found) {
    const bool failed = span.contains("status");
    EXPECT_EQ(failed, attribute(span, "http.response.status_code") == "503");
    if (attribute(span, "serin.try") != "retry") continue;
    EXPECT_EQ(attribute(span, "http.request.resend_count"), "1");
  }
}

TEST_F(Traces, HaveASpanForEveryCopy) {
  FakeWorker first(says("first")), second(says("second", 500));
  Service from = service_of("a", {first.url()});
  from.resilience.mirror_service = "b";
  TestGateway gateway({from, service_of("b", {second.url()})}, 1, traced());
  EXPECT_EQ(gateway.post("/services/a/generate").body, "first");
  ASSERT_TRUE(eventually([&] {
    return gateway.get("/metrics").body.find(R"(to="b",outcome="failed"} 1)") != std::string::npos;
  }));
  const auto sent =
      telemetry::parse_traceparent(second.asked().at(0).first.headers.get("traceparent"));
  ASSERT_TRUE(sent);
  const auto found = spans(gateway);
  ASSERT_EQ(found.size(), 3u);
  const auto copy = std::ranges::find_if(
      found, [](const json::object& span) { return attribute(span, "serin.copy") == "mirror"; });
  ASSERT_NE(copy, found.end());
  EXPECT_EQ(text_of(*copy, "spanId"), sent->span_hex());
  EXPECT_EQ(text_of(*copy, "traceId"), text_of(found[0], "traceId"));
  EXPECT_EQ(text_of(*copy, "parentSpanId"), text_of(found[0], "spanId"));
  EXPECT_EQ(attribute(*copy, "serin.service"), "b");
  EXPECT_EQ(attribute(*copy, "serin.version"), "v1");
  EXPECT_EQ(attribute(*copy, "serin.replica"), "r0");
  EXPECT_EQ(attribute(*copy, "error.type"), "500");
  EXPECT_FALSE(attribute(*copy, "server.port").empty());
}

TEST_F(Traces, OfCopiesToTheCandidateSayThatTheyAreAShadowsAndAreSampledAsTheRequest) {
  FakeWorker stable(says("x")), candidate(says("x"));
  Service service = service_of("a", {stable.url()});
  service.versions.push_back({"v2", {}, false, {{"r2", candidate.url()}}});
  service.split.candidate = "v2";
  service.split.weight = 1;
  service.split.shadow = true;
  TestGateway gateway({service}, 1, traced(0));
  gateway.post("/generate");
  gateway.post("/generate", "{}", {{"traceparent", kClients}});
  ASSERT_TRUE(eventually([&] { return gateway.evidence("a").size() == 4; }));
  const auto found = spans(gateway);
  ASSERT_EQ(found.size(), 3u) << "of the second request, its try and its copy";
  const auto copy = std::ranges::find_if(
      found, [](const json::object& span) { return attribute(span, "serin.copy") == "shadow"; });
  ASSERT_NE(copy, found.end());
  EXPECT_EQ(text_of(*copy, "parentSpanId"), text_of(found[0], "spanId"));
  EXPECT_EQ(attribute(*copy, "serin.version"), "v2");
}

TEST_F(Traces, SayWhyThereWasNoAnswer) {
  FakeWorker worker(says("x"));
  const std::string nowhere = worker.url();
  worker.stop();
  TestGateway gateway({service_of("a", {nowhere})}, 1, traced());
  EXPECT_EQ(gateway.post("/services/b/generate").status, 404);
  EXPECT_EQ(gateway.post("/services/a/generate").status, 503);
  const auto found = spans(gateway);
  ASSERT_GE(found.size(), 3u);
  EXPECT_EQ(attribute(found[0], "serin.error"), "model_not_found");
  EXPECT_FALSE(found[0].contains("status"));
  EXPECT_EQ(attribute(found[1], "error.type"), "503");
  EXPECT_TRUE(found[1].contains("status"));
  EXPECT_EQ(attribute(found[2], "error.type"), "not_connected");
}

TEST_F(Traces, AreSampledAsTheirBeginningSays) {
  FakeWorker worker(says("x"));
  TestGateway gateway({service_of("a", {worker.url()})}, 1, traced(0));
  gateway.post("/generate");
  gateway.post("/generate", "{}", {{"traceparent", kClients}});
  EXPECT_EQ(spans(gateway).size(), 2u);
  const net::Headers own = worker.asked().at(0).first.headers;
  const auto sent = telemetry::parse_traceparent(own.get("traceparent"));
  ASSERT_TRUE(sent);
  EXPECT_FALSE(sent->sampled);
}

}  // namespace
}  // namespace serin::gateway
