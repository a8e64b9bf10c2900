// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/routers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "platform/kubernetes/plans_for_test.h"
#include "platform/kubernetes/routers/backends.h"

namespace serin::platform::kubernetes {
namespace {

using testing::HasSubstr;

const std::string kTestdata = "src/platform/kubernetes/testdata/";

Route route_of(std::string_view kubernetes, std::string_view resilience = "{}", int weight = 10) {
  Route route;
  route.name_space = "shop";
  route.traffic.service = "storyteller";
  route.traffic.stable = "v1";
  route.traffic.candidate = "v2";
  route.traffic.weight = weight;
  route.traffic.resilience = spec_part("resilience", resilience);
  route.fields = read_fields(spec_part("kubernetes", kubernetes));
  route.owner = Owner{"storyteller", "6d2c6a1e-5f7c-4f0e-9d53-1c7a0e6b8f10"};
  return route;
}

json::object holder_of(const Route& route, const json::value& live = nullptr) {
  auto made = router_of(route.fields).set_weights(route, live);
  EXPECT_TRUE(made) << made.error().message;
  return made ? *std::move(made) : json::object();
}
std::string all_of(const Route& route) {
  std::vector<json::object> objects = router_of(route.fields).prepare(route);
  objects.push_back(holder_of(route));
  return yaml_file(objects);
}

TEST(Istio, MapsResilience) {
  expect_golden(all_of(route_of(R"({"router": "istio", "hosts": ["stories.example"],
                                    "gateways": ["edge/public"]})",
                                R"({"timeout": "1h30m", "loadBalancer": "roundRobin",
      "retries": {"attempts": 3, "budget": 0.125, "backoff": "250ms"},
      "connectionPool": {"maxPendingRequests": 100, "maxRequestsPerConnection": 10},
      "circuitBreaker": {"consecutive5xxErrors": 3, "consecutiveGatewayErrors": 2},
      "fault": {"header": "x-fault", "delay": {"percentage": 10, "fixedDelay": "2s"},
                "abort": {"percentage": 0.5}},
      "mirror": {"service": "storyteller-next", "percent": 2.5}})")),
                kTestdata + "istio.yaml");
}

TEST(Istio, FailsOverToTheOtherVersionByLabels) {
  expect_golden(all_of(route_of(R"({"router": "istio"})",
                                R"({"retries": {"attempts": 0}, "fallback": {"otherVersion": true},
                                    "fault": {"abort": {"percentage": 1}}})")),
                kTestdata + "istio-failover.yaml");
}

TEST(Istio, TakesAwayAllThatItPrepared) {
  const Route route = route_of(R"({"router": "istio"})", R"({"fallback": {"otherVersion": true}})");
  const auto removal = istio_router().remove(route, nullptr);
  ASSERT_TRUE(removal) << removal.error().message;
  for (const json::object& object : istio_router().prepare(route)) {
    const Reference reference{std::string(object.at("apiVersion").as_string()),
                              std::string(object.at("kind").as_string()),
                              std::string(object.at("metadata").at("name").as_string())};
    // Versions' own Services go with their versions.
    const bool of_version =
        reference.kind == "Service" && (reference.name == version_name("storyteller", "v1") ||
                                        reference.name == version_name("storyteller", "v2"));
    EXPECT_EQ(std::ranges::count(removal->gone, reference), of_version ? 0 : 1) << reference.name;
  }
  EXPECT_EQ(std::ranges::count(removal->gone, istio_router().holder(route)), 1);
}

TEST(Linkerd, MapsResilience) {
  expect_golden(all_of(route_of(R"({"router": "linkerd"})", R"({"timeout": "90s"})", 25)),
                kTestdata + "linkerd.yaml");
}

// It reads a number and a unit, and drops all of an annotation's policy where it cannot.
TEST(Linkerd, WritesEachTimeInOneUnit) {
  const Route route = route_of(R"({"router": "linkerd"})", R"({"timeout": "1m30.5s",
      "circuitBreaker": {"baseEjectionTime": "90m", "maxEjectionTime": "1h"}})");
  EXPECT_THAT(write_yaml(holder_of(route)), HasSubstr("timeout.linkerd.io/request: 90500ms"));
  const std::string entry = write_yaml(linkerd_router().prepare(route).front());
  EXPECT_THAT(entry, HasSubstr("consecutive-min-penalty: 5400s"));
  EXPECT_THAT(entry, HasSubstr("consecutive-max-penalty: 5400s"));  // at least the least
}

TEST(Linkerd, HasNoAnnotationsForWhatIsSwitchedOff) {
  const Route route =
      route_of(R"({"router": "linkerd"})",
               R"({"retries": {"attempts": 0}, "circuitBreaker": {"consecutive5xxErrors": 0}})");
  for (const json::object& object : linkerd_router().prepare(route))
    EXPECT_FALSE(object.at("metadata").as_object().contains("annotations"));
  EXPECT_THAT(write_yaml(holder_of(route)), testing::Not(HasSubstr("retry.linkerd.io")));
}

TEST(GatewayApi, MapsResilience) {
  expect_golden(
      all_of(route_of(R"({"router": "gatewayAPI", "hosts": ["stories.example"],
                          "gateways": ["edge/public", "private"]})",
                      R"({"mirror": {"service": "storyteller-next", "percent": 2.5}})", 0)),
      kTestdata + "gateway-api.yaml");
}

TEST(GatewayApi, PutsAnEndpointPickerInFrontOfEachVersion) {
  expect_golden(all_of(route_of(R"({"router": "gatewayAPI", "endpointPicker": "picker"})",
                                R"({"loadBalancer": "prefixAware"})", 100)),
                kTestdata + "inference-pools.yaml");
}

class SerinGateway : public testing::Test {
 protected:
  SerinGateway() {
    route_.versions = {{"v1", "sha256:1", false, {pod("10.0.0.1"), pod("10.0.0.2")}},
                       {"v2", "sha256:2", false, {pod("10.0.0.3")}}};
  }
  static RoutedReplica pod(const std::string& address) {
    return {"storyteller-" + address, "http://" + address + ":5000", "cpu/x/threads=1", "bitwise",
            true};
  }
  gateway::Config config(const json::value& secret) {
    const auto read = gateway_config_of(secret);
    EXPECT_TRUE(read) << read.error().message;
    return read ? *read : gateway::Config();
  }
  Route route_ = route_of("{}");
};

TEST_F(SerinGateway, TellsItWhatItsFileWouldSay) {
  const gateway::Config told = config(holder_of(route_));
  EXPECT_EQ(told.revision, 1u);
  ASSERT_EQ(told.services.size(), 1u);
  EXPECT_EQ(told.services[0].split.candidate, "v2");
  EXPECT_DOUBLE_EQ(told.services[0].split.weight, 0.1);
  EXPECT_EQ(told.services[0].versions[0].replicas[1].url, "http://10.0.0.2:5000");
}

TEST_F(SerinGateway, GoesOnFromWhatOtherServicesOfTheNamespaceSaid) {
  Route other = route_of("{}");
  other.traffic.service = "poet";
  other.versions = route_.versions;
  const json::value first = holder_of(route_);
  const json::value both = holder_of(other, first);
  EXPECT_EQ(config(both).revision, 2u);
  ASSERT_EQ(config(both).services.size(), 2u);
  EXPECT_EQ(config(both).services[0].name, "poet");
  // The same again is no change.
  EXPECT_EQ(holder_of(route_, both), both);

  const auto removal = serin_router().remove(route_, both);
  ASSERT_TRUE(removal) << removal.error().message;
  ASSERT_TRUE(removal->changed);
  EXPECT_EQ(config(*removal->changed).services.size(), 1u);
  EXPECT_EQ(config(*removal->changed).revision, 3u);
}

TEST_F(SerinGateway, DrainsAsLongAsTheLongestRequestOfItsServicesMayLast) {
  EXPECT_EQ(drain_of(config(holder_of(route_))), std::chrono::seconds(60));
  Route other = route_of("{}", R"({"timeout": "90.5s"})");
  other.traffic.service = "poet";
  other.versions = route_.versions;
  EXPECT_EQ(drain_of(config(holder_of(other, holder_of(route_)))), std::chrono::seconds(91));
}

TEST_F(SerinGateway, IsWhereClientsOfTheServiceCome) {
  const auto services = serin_router().prepare(route_);
  ASSERT_EQ(services.size(), 3u);
  EXPECT_EQ(services[0].at("metadata").at("name").as_string(), "storyteller");
  EXPECT_EQ(canonical_json(services[0].at("spec").at("selector")),
            R"({"app.kubernetes.io/name":"serin-gateway"})");
}

TEST_F(SerinGateway, IsNotGoneOnFromWhenSomebodyElseHasChangedIt) {
  json::object secret = holder_of(route_);
  const struct {
    json::value data;
    const char* error;
  } kRows[] = {{json::object(), "has no gateway.json"},
               {json::object{{"gateway.json", "%"}}, "is no base64"},
               {json::object{{"gateway.json", "e30="}}, ""},
               {json::object{{"gateway.json", "W10="}}, "is no configuration"}};
  for (const auto& row : kRows) {
    secret["data"] = row.data;
    const auto made = serin_router().set_weights(route_, secret);
    EXPECT_EQ(made.has_value(), *row.error == '\0') << row.error;
    if (made) continue;
    EXPECT_EQ(made.error().code, Code::kFailedPrecondition);
    EXPECT_THAT(made.error().message, HasSubstr(row.error));
  }
}

// Of every layer.
class Layer : public testing::TestWithParam<const char*> {
 protected:
  Route route(int weight = 10) {
    return route_of(R"({"router": ")" + std::string(GetParam()) + R"("})", "{}", weight);
  }
  const TrafficRouter& router() { return router_of(route().fields); }
};

TEST_P(Layer, SaysTheWeightsThatItWasGiven) {
  for (const int weight : {0, 1, 10, 50, 99, 100}) {
    Route one = route(weight);
    one.versions = {{"v1", "sha256:1", false, {}}, {"v2", "sha256:2", false, {}}};
    const auto said = router().weights(one, holder_of(one));
    ASSERT_TRUE(said) << said.error().message;
    EXPECT_EQ(*said, (Weights{"v1", "v2", weight}));
  }
}

TEST_P(Layer, SaysThatThereIsNoCandidate) {
  Route one = route(0);
  one.traffic.candidate.clear();
  one.versions = {{"v1", "sha256:1", false, {}}};
  const auto said = router().weights(one, holder_of(one));
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(*said, (Weights{"v1", "", 0}));
}

TEST_P(Layer, KnowsNothingOfAServiceBeforeItsFirstWeights) {
  const auto said = router().weights(route(), nullptr);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().code, Code::kNotFound);
}

TEST_P(Layer, HasAServiceForTheServiceAndForEachVersion) {
  std::vector<std::string> names;
  for (const json::object& object : router().prepare(route())) {
    if (object.at("kind") == "Service")
      names.emplace_back(object.at("metadata").at("name").as_string());
  }
  EXPECT_THAT(names, testing::ElementsAre("storyteller", version_name("storyteller", "v1"),
                                          version_name("storyteller", "v2")));
}

TEST_P(Layer, RemovesTheServiceThatClientsKnow) {
  const auto removal = router().remove(route(), nullptr);
  ASSERT_TRUE(removal) << removal.error().message;
  EXPECT_THAT(removal->gone, testing::Contains(Reference{"v1", "Service", "storyteller"}));
}

INSTANTIATE_TEST_SUITE_P(Router, Layer, testing::Values("serin", "istio", "linkerd", "gatewayAPI"),
                         [](const auto& info) { return std::string(info.param); });

TEST(IstioWeights, TellsWhatSomebodyElseHasChanged) {
  const Route route = route_of(R"({"router": "istio"})");
  const json::value made = holder_of(route);
  const auto error_after = [&](auto change) {
    json::value live = made;
    change(live);
    const auto said = istio_router().weights(route, live);
    if (said) return std::string("no error");
    EXPECT_EQ(said.error().code, Code::kFailedPrecondition);
    return said.error().message;
  };
  const auto http = [](json::value& live) -> json::array& {
    return live.at("spec").at("http").as_array();
  };
  EXPECT_EQ(
      error_after([](json::value& live) { live.at("metadata").as_object().erase("annotations"); }),
      "shop/storyteller: it has no annotation serin.dev/stable: somebody else has changed it");
  EXPECT_THAT(error_after([&](json::value& live) { http(live).clear(); }),
              HasSubstr("it has no rule"));
  EXPECT_THAT(error_after([&](json::value& live) {
                http(live).insert(http(live).begin(), json::object{{"redirect", {{"uri", "/"}}}});
              }),
              HasSubstr("spec.http[0] sends requests to no version"));
  EXPECT_THAT(error_after([&](json::value& live) {
                http(live)[0].at("route").at(1).at("destination").at("host") = "elsewhere";
              }),
              HasSubstr("spec.http[0].route[1].destination.host is \"elsewhere\", which is neither "
                        "v1 nor a candidate"));
  EXPECT_THAT(
      error_after([&](json::value& live) { http(live)[0].at("route").at(0).at("weight") = 80; }),
      HasSubstr("the weights of spec.http[0] are 90 together, not 100"));
  EXPECT_THAT(error_after([&](json::value& live) {
                http(live)[0].at("route").at(0).at("weight") = 110;
                http(live)[0].at("route").at(1).at("weight") = -10;
              }),
              HasSubstr("a weight of spec.http[0] is not 0 to 100"));
  EXPECT_THAT(error_after([&](json::value& live) {
                http(live).push_back(http(live)[0]);
                http(live)[1].at("route").at(0).at("weight") = 0;
                http(live)[1].at("route").at(1).at("weight") = 100;
              }),
              HasSubstr("spec.http[1] gives the candidate 100 %, and spec.http[0] 10 %"));
}

TEST(HttpRouteWeights, TellsWhatSomebodyElseHasChanged) {
  const Route route = route_of(R"({"router": "gatewayAPI"})");
  json::value live = holder_of(route);
  live.at("spec").at("rules").at(0).at("backendRefs").at(0).at("name") = "elsewhere";
  const auto said = gateway_api_router().weights(route, live);
  ASSERT_FALSE(said);
  EXPECT_THAT(said.error().message,
              HasSubstr("spec.rules[0].backendRefs[0].name is \"elsewhere\""));
  live = "no object of ours";
  EXPECT_FALSE(gateway_api_router().weights(route, live));
  live = json::object{{"spec", json::array()}, {"metadata", 3}};
  EXPECT_FALSE(gateway_api_router().weights(route, live));
}

TEST(IstioWeights, ReadsWhatWasWrittenByHandWhereItIsStillADivision) {
  const Route route = route_of(R"({"router": "istio"})");
  json::value live = holder_of(route);
  live.at("spec").at("http").at(0).at("route").at(0).at("weight") = 35;
  live.at("spec").at("http").at(0).at("route").at(1).at("weight") = 65;
  EXPECT_EQ(*istio_router().weights(route, live), (Weights{"v1", "v2", 65}));
}

// What a manifest with these parts is told.
std::string refused(std::string_view router, std::string_view part, std::string_view written) {
  const auto spec_of = [](const std::string& name, std::string_view text) {
    json::object spec;
    for (const std::string one : {"rollout", "resilience", "access", "kubernetes"})
      spec[one] = spec_part(one, one == name ? text : "{}");
    return spec;
  };
  json::object spec = spec_of(std::string(part), written);
  spec["kubernetes"].as_object()["router"] = router;
  const Status status = check_route(spec, spec_of("", "{}"));
  if (status) return "no error";
  EXPECT_EQ(status.error().code, Code::kUnimplemented);
  EXPECT_TRUE(status.error().message.starts_with(status.error().param)) << status.error().param;
  return status.error().message;
}

TEST(CheckRoute, RefusesNothingThatIsLeftAtItsDefault) {
  for (const char* router : {"serin", "istio", "linkerd", "gatewayAPI"}) {
    EXPECT_EQ(refused(router, "resilience", "{}"), "no error");
    EXPECT_EQ(refused(router, "resilience", R"({"firstTokenTimeout": "15s"})"), "no error");
  }
}

TEST(CheckRoute, LetsOurGatewayDoEverything) {
  EXPECT_EQ(refused("serin", "resilience", R"({"hedging": {"maxExtraLoad": "5%"}})"), "no error");
  EXPECT_EQ(refused("serin", "rollout", R"({"stickyBy": "user"})"), "no error");
}

TEST(CheckRoute, NamesTheFieldAndSaysWhatToWrite) {
  const struct {
    const char* router;
    const char* part;
    const char* written;
    const char* error;
  } kRows[] = {
      {"istio", "rollout", R"({"stickyBy": "user"})",
       "spec.rollout.stickyBy: not with router istio: the cluster's proxies draw every request by "
       "itself, so that a user would change sides; write router: serin, or stickyBy: request"},
      {"istio", "rollout", R"({"strategy": "shadow"})", "spec.rollout.strategy: not with"},
      {"istio", "rollout", R"({"strategy": "blueGreen"})", "no error"},
      {"linkerd", "rollout",
       R"({"analysis": {"metrics": [{"name": "quality", "scorer": "feedback", "margin": 0.1}]}})",
       "spec.rollout.analysis.metrics: not with router linkerd: what users say"},
      {"istio", "access", R"({"keyFile": "/keys"})", "spec.access.keyFile: not with"},
      {"istio", "resilience", R"({"firstTokenTimeout": "5s"})", "bound a whole try"},
      {"istio", "resilience", R"({"circuitBreaker": {"mode": "on"}})", "no circuit of a whole"},
      {"istio", "resilience", R"({"circuitBreaker": {"maxEjectionTime": "60s"}})",
       "spec.resilience.circuitBreaker.maxEjectionTime"},
      {"istio", "resilience", R"({"fallback": {"service": "small"}})",
       "spec.resilience.fallback.service"},
      {"istio", "resilience", R"({"fallback": {"otherVersion": true}})", "no error"},
      {"istio", "resilience", R"({"loadBalancer": "prefixAware"})", "does not see"},
      {"istio", "resilience", R"({"loadBalancer": "roundRobin"})", "no error"},
      {"istio", "resilience", R"({"retries": {"budget": "50%"}})", "no error"},
      {"linkerd", "resilience", R"({"retries": {"budget": "50%"}})",
       "spec.resilience.retries.budget: not with router linkerd"},
      {"linkerd", "resilience", R"({"retries": {"attempts": 5}})", "no error"},
      {"linkerd", "resilience", R"({"circuitBreaker": {"maxEjectionTime": "60s"}})", "no error"},
      {"linkerd", "resilience", R"({"loadBalancer": "roundRobin"})", "always balances"},
      {"linkerd", "resilience", R"({"mirror": {"service": "next"}})", "copies no requests"},
      {"gatewayAPI", "resilience", R"({"mirror": {"service": "next"}})", "no error"},
      {"gatewayAPI", "resilience", R"({"retries": {"attempts": 5}})", "standard channel"},
      {"gatewayAPI", "resilience", R"({"circuitBreaker": {"interval": "5s"}})",
       "the layer has no such thing"},
      {"gatewayAPI", "resilience", R"({"loadBalancer": "prefixAware"})",
       "spec.kubernetes.endpointPicker"},
  };
  for (const auto& row : kRows)
    EXPECT_THAT(refused(row.router, row.part, row.written), HasSubstr(row.error)) << row.written;
}

TEST(CheckRoute, SaysEverythingAtOnce) {
  const std::string error =
      refused("gatewayAPI", "resilience",
              R"({"hedging": {"maxExtraLoad": 0.1}, "connectionPool": {"maxConnections": 3}})");
  EXPECT_THAT(error, HasSubstr("spec.resilience.hedging.maxExtraLoad: "));
  EXPECT_THAT(error, HasSubstr("\nspec.resilience.connectionPool.maxConnections: "));
}

TEST(GoDuration, IsWhatEveryLayerReads) {
  const std::pair<const char*, const char*> kRows[] = {
      {"60s", "1m"}, {"250ms", "250ms"},  {"1h30m", "1h30m"}, {"7d", "168h"},
      {"0s", "0s"},  {"1.5s", "1s500ms"}, {"90s", "1m30s"},   {"10us", "1ms"}};  // 0: no bound
  for (const auto& [written, read] : kRows) EXPECT_EQ(go_duration(json::value(written)), read);
}

}  // namespace
}  // namespace serin::platform::kubernetes
