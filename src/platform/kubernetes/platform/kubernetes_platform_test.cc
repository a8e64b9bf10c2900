// SPDX-License-Identifier: Apache-2.0
// A namespace as a Platform: by the suite that every platform passes, and by what a cluster alone
// can do to one. The API server is ours; the gateways are real.
#include "platform/kubernetes/platform/kubernetes_platform.h"

#include <gmock/gmock.h>

#include <atomic>

#include "base/digest.h"
#include "base/eventually_for_test.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "platform/contract_for_test.h"
#include "platform/kubernetes/client/api_server_for_test.h"
#include "platform/kubernetes/client/informer.h"
#include "platform/kubernetes/plans_for_test.h"
#include "platform/kubernetes/platform/cluster_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Artifacts as a registry has them: what they say of themselves, and no bytes.
class RegistryForTest {
 public:
  RegistryForTest() {
    net::ServerOptions options;
    options.port = 0;
    server_ = *net::Server::create(options, [](const std::shared_ptr<net::Exchange>& exchange) {
      const std::string& path = exchange->head().path;
      const std::size_t name = path.find("/manifests/");
      if (name == std::string::npos || path.find("missing") != std::string::npos)
        return exchange->respond({404, {}, "{}"});
      exchange->respond({200,
                         {{"content-type", "application/vnd.oci.image.manifest.v1+json"}},
                         manifest_of(path)});
    });
  }
  std::string url(const std::string& tag) const {
    return "oci://127.0.0.1:" + std::to_string(server_->port()) + "/models/story:" + tag;
  }

 private:
  static std::string manifest_of(const std::string& path) {
    const std::string digest = "sha256:" + sha256_hex(path);
    const json::object blob{
        {"mediaType", "application/octet-stream"}, {"digest", digest}, {"size", 2}};
    const json::object manifest{{"schemaVersion", 2},
                                {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                {"artifactType", "application/vnd.cncf.model.manifest.v1+json"},
                                {"config", blob},
                                {"layers", json::array{blob}},
                                {"annotations", {{"dev.serin.package.digest", digest}}}};
    return json::serialize(manifest);
  }
  std::unique_ptr<net::Server> server_;
};

constexpr const char* kSpace = "shop";

// Waits are over when a test says so; certificates are of today.
class TestClock final : public Clock {
 public:
  Instant now() const override { return moved_.now(); }
  std::chrono::system_clock::time_point wall() const override { return real().wall(); }
  void advance(Duration by) { moved_.advance(by); }

 private:
  ManualClock moved_;
};

class KubernetesWorld final : public World {
 public:
  KubernetesWorld() {
    deployments_.start();
    pods_.start();
    EXPECT_TRUE(deployments_.wait_synced(60s) && pods_.wait_synced(60s));
    restart();
  }
  Platform& platform() override { return *platform_; }
  KubernetesPlatform& kubernetes() { return *platform_; }
  std::string good_package() override { return registry_.url("good"); }
  std::string other_package() override { return registry_.url("other"); }
  std::string broken_package() override { return registry_.url("broken"); }
  bool until(const std::function<bool()>& holds) override {
    return eventually([&] {
      cluster_.step();
      static_cast<void>(platform_->refresh());  // a gateway may be on its way
      return holds();
    });
  }
  void crash(const ReplicaStatus& replica) override { cluster_.crash(replica.id); }
  void restart() override {
    KubernetesOptions options;
    options.name_space = kSpace;
    options.image = "serin:test";
    options.admin_port = cluster_.admin_port();
    options.source.cache = folder_.path();
    platform_ = *KubernetesPlatform::create(
        *api_, {deployments_.objects(), pods_.objects()},
        [](std::string_view service) { return Owner{std::string(service), "uid-of-it"}; }, options,
        clock_);
  }

  ApiServerForTest& server() { return server_; }
  ClusterForTest& cluster() { return cluster_; }
  TestClock& clock() { return clock_; }
  const RegistryForTest& registry() const { return registry_; }

 private:
  static InformerOptions all(const char* group, const char* plural) {
    return {.target = {{group, "v1", plural}, ""}, .backoff = {1ms, 5ms}};
  }
  static void ignore(const Change&) {}

  ApiServerForTest server_;
  RegistryForTest registry_;
  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  TestClock clock_;
  std::unique_ptr<Api> api_ =
      *Api::create(server_.access(), Clock::real(), {.manager = "serin-operator"});
  Informer deployments_{*api_, all("apps", "deployments"), ignore, Clock::real()};
  Informer pods_{*api_, all("", "pods"), ignore, Clock::real()};
  ClusterForTest cluster_{*api_, kSpace};
  std::unique_ptr<KubernetesPlatform> platform_;
};

INSTANTIATE_TEST_SUITE_P(Kubernetes, PlatformContract,
                         testing::Values(MakeWorld{
                             "kubernetes", [] { return std::make_unique<KubernetesWorld>(); }}),
                         [](const auto& info) { return info.param.name; });

class KubernetesPlatformTest : public testing::Test {
 protected:
  VersionSpec spec(const std::string& label = "v1") {
    VersionSpec spec;
    spec.service = "story";
    spec.label = label;
    spec.model = *platform().resolve(world_.good_package());
    return spec;
  }
  static Traffic to(const std::string& stable, const std::string& candidate = {}, int weight = 0) {
    Traffic traffic;
    traffic.service = "story";
    traffic.stable = stable;
    traffic.candidate = candidate;
    traffic.weight = weight;
    return traffic;
  }
  Platform& platform() { return world_.platform(); }
  ApiServerForTest& server() { return world_.server(); }
  void ensure(const VersionSpec& wanted) {
    const Status done = platform().ensure(wanted);
    ASSERT_TRUE(done) << done.error().message;
  }
  bool ready(int count = 1) {
    return world_.until([&] {
      const auto seen = platform().observe("story");
      return seen && !seen->empty() && seen->at(0).ready() == count &&
             static_cast<int>(seen->at(0).replicas.size()) == count;
    });
  }
  // Until all of the gateway's pods have the configuration.
  bool routed(const Traffic& traffic) {
    return world_.until([&] { return platform().route(traffic).has_value(); });
  }
  // Addresses that a gateway sends the version's requests to.
  std::vector<std::string> sent_to(const std::string& gateway) {
    const gateway::Config config = world_.cluster().gateway(gateway)->config();
    std::vector<std::string> ids;
    for (const gateway::Replica& replica : config.services.at(0).versions.at(0).replicas)
      ids.push_back(replica.id);
    return ids;
  }
  std::size_t writes() {
    return server().count("PATCH", "serin-operator") + server().count("DELETE");
  }
  json::object stored(const std::string& path) {
    const auto found = server().stored(path);
    EXPECT_TRUE(found) << path;
    return found.value_or(json::object());
  }
  static std::string name() { return version_name("story", "v1"); }
  static std::string deployment() { return "/apis/apps/v1/namespaces/shop/deployments/" + name(); }
  static std::string scaler() {
    return "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/" + name();
  }

  KubernetesWorld world_;
};

TEST_F(KubernetesPlatformTest, FindsThePackageOfAnArtifactAndOfNothingElse) {
  const auto model = platform().resolve(world_.good_package());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->digest, "sha256:" + sha256_hex("/v2/models/story/manifests/good"));
  EXPECT_EQ(platform().resolve(world_.registry().url("missing")).error().code, Code::kNotFound);
  for (const char* local : {"story:v1", "./story", "/etc", "file:///etc"})
    EXPECT_EQ(platform().resolve(local).error().code, Code::kNotFound) << local;
}

TEST_F(KubernetesPlatformTest, WritesNothingWhileAllIsAsItWas) {
  ensure(spec());
  ASSERT_TRUE(ready());
  ASSERT_TRUE(routed(to("v1")));
  const std::size_t before = writes();
  const std::size_t looks = server().count("GET", "secrets");
  for (int i = 0; i < 5; ++i) {
    ensure(spec());
    EXPECT_TRUE(platform().route(to("v1")));
    EXPECT_TRUE(world_.kubernetes().refresh());
    EXPECT_TRUE(platform().observe("story"));
  }
  EXPECT_EQ(writes(), before);
  EXPECT_EQ(server().count("GET", "secrets"), looks);
}

TEST_F(KubernetesPlatformTest, GivesEveryObjectToTheServiceThatItIsOf) {
  ensure(spec());
  const json::value owner = stored(deployment())["metadata"].at("ownerReferences").at(0);
  EXPECT_EQ(owner.at("kind"), "GenerativeService");
  EXPECT_EQ(owner.at("uid"), "uid-of-it");
}

TEST_F(KubernetesPlatformTest, BringsBackWhatSomebodyHasChangedOrRemoved) {
  ensure(spec());
  ASSERT_TRUE(ready());
  json::object changed = stored(deployment());
  changed["spec"].as_object()["replicas"] = 9;
  server().put(deployment(), changed);
  EXPECT_TRUE(world_.until([&] { return stored(deployment())["spec"].at("replicas") == 1; }));
  ASSERT_TRUE(ready());
  server().erase(deployment());
  EXPECT_TRUE(world_.until([&] { return server().stored(deployment()).has_value(); }));
  EXPECT_TRUE(ready());
}

TEST_F(KubernetesPlatformTest, BringsItsGatewayBack) {
  const std::string path = "/apis/apps/v1/namespaces/shop/deployments/serin-gateway";
  ensure(spec());
  ASSERT_TRUE(routed(to("v1")));
  server().erase(path);
  EXPECT_TRUE(world_.until([&] { return server().stored(path).has_value(); }));
  EXPECT_TRUE(routed(to("v1")));
}

TEST_F(KubernetesPlatformTest, LeavesTheNumberOfWorkersToAScaler) {
  VersionSpec scaled = spec();
  scaled.max_replicas = 4;
  ensure(scaled);
  ASSERT_TRUE(ready());
  EXPECT_EQ(stored(scaler())["spec"].at("maxReplicas"), 4);
  json::object changed = stored(deployment());
  changed["spec"].as_object()["replicas"] = 3;
  server().put(deployment(), changed);
  ASSERT_TRUE(ready(3));
  scaled.resources.cpus = 2;  // another template
  ensure(scaled);
  EXPECT_EQ(stored(deployment())["spec"].at("replicas"), 3);
  scaled.max_replicas = 0;
  ensure(scaled);
  EXPECT_FALSE(server().stored(scaler()));
  EXPECT_EQ(stored(deployment())["spec"].at("replicas"), 1);
}

TEST_F(KubernetesPlatformTest, LeavesNothingOfAVersionThatIsRemoved) {
  VersionSpec scaled = spec();
  scaled.max_replicas = 4;
  ensure(scaled);
  ASSERT_TRUE(ready());
  ASSERT_TRUE(routed(to("v1")));
  ASSERT_TRUE(platform().unroute("story"));
  world_.restart();  // whoever removes it need not be who made it
  ASSERT_TRUE(platform().remove("story", "v1"));
  for (const std::string& path :
       {deployment(), scaler(), "/api/v1/namespaces/shop/services/" + name(),
        "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/" + name()})
    EXPECT_FALSE(server().stored(path)) << path;
  EXPECT_TRUE(world_.until([&] { return platform().observe("story")->empty(); }));
}

TEST_F(KubernetesPlatformTest, SaysThatRequestsGoElsewhereOnceEveryGatewayHasHeard) {
  ensure(spec());
  ASSERT_TRUE(ready());
  world_.cluster().hold_gateways(true);
  const Status early = platform().route(to("v1"));
  EXPECT_EQ(early.error().code, Code::kUnavailable) << early.error().message;
  world_.cluster().hold_gateways(false);
  ASSERT_TRUE(routed(to("v1")));
  ASSERT_TRUE(world_.until([&] { return world_.cluster().gateways().size() == 2; }));
  ensure(spec("v2"));
  ASSERT_TRUE(routed(to("v1", "v2", 10)));
  for (const std::string& gateway : world_.cluster().gateways()) {
    const gateway::Config config = world_.cluster().gateway(gateway)->config();
    EXPECT_EQ(config.services.at(0).split.candidate, "v2");
    EXPECT_DOUBLE_EQ(config.services.at(0).split.weight, 0.1);
  }
}

TEST_F(KubernetesPlatformTest, TellsGatewaysWhichPodsCameAndWent) {
  VersionSpec wanted = spec();
  ensure(wanted);
  ASSERT_TRUE(ready());
  ASSERT_TRUE(routed(to("v1")));
  const std::string gateway = world_.cluster().gateways().at(0);
  EXPECT_THAT(sent_to(gateway), SizeIs(1));
  wanted.replicas = 2;
  ensure(wanted);
  EXPECT_TRUE(world_.until([&] { return sent_to(gateway).size() == 2; }));
  wanted.replicas = 1;
  ensure(wanted);
  EXPECT_TRUE(world_.until([&] { return sent_to(gateway).size() == 1; }));
}

TEST_F(KubernetesPlatformTest, GoesOnFromAConfigurationThatAnotherHasWrittenMeanwhile) {
  ensure(spec());
  ASSERT_TRUE(routed(to("v1")));
  ensure(spec("v2"));
  std::atomic<bool> once = true;
  server().script([&](const Asked& asked) -> std::optional<net::Response> {
    if (asked.method != "PATCH" || asked.target.find("secrets/serin-gateway?") == std::string::npos)
      return std::nullopt;
    if (!once.exchange(false)) return std::nullopt;
    return refusal(409, "Conflict", "the object has been modified");
  });
  EXPECT_TRUE(routed(to("v1", "v2", 20)));
  EXPECT_FALSE(once);
}

TEST_F(KubernetesPlatformTest, WritesTheConfigurationAnewWhereSomebodyHasRemovedIt) {
  ensure(spec());
  ASSERT_TRUE(routed(to("v1")));
  server().erase("/api/v1/namespaces/shop/secrets/serin-gateway");
  world_.clock().advance(11min);
  EXPECT_TRUE(routed(to("v1")));
  EXPECT_TRUE(server().stored("/api/v1/namespaces/shop/secrets/serin-gateway"));
}

TEST_F(KubernetesPlatformTest, HasNoGatewayWithoutAService) {
  ensure(spec());
  ASSERT_TRUE(routed(to("v1")));
  ASSERT_TRUE(platform().unroute("story"));
  for (const char* path : {"/apis/apps/v1/namespaces/shop/deployments/serin-gateway",
                           "/api/v1/namespaces/shop/secrets/serin-gateway",
                           "/api/v1/namespaces/shop/secrets/serin-gateway-admin",
                           "/api/v1/namespaces/shop/services/story"})
    EXPECT_FALSE(server().stored(path)) << path;
  ASSERT_TRUE(routed(to("v1")));
  EXPECT_TRUE(server().stored("/api/v1/namespaces/shop/services/story"));
}

TEST_F(KubernetesPlatformTest, RefusesFieldsThatTheGatewayDoesNotKnowBeforeItKeepsThem) {
  ensure(spec());
  Traffic wrong = to("v1");
  wrong.resilience = {{"nonsense", 1}};
  EXPECT_EQ(platform().route(wrong).error().code, Code::kInvalidArgument);
  EXPECT_TRUE(platform().remove("story", "v1"));  // nothing goes there
}

TEST_F(KubernetesPlatformTest, ReadsTheEvidenceOfEveryGatewayOnce) {
  ensure(spec());
  ASSERT_TRUE(ready());
  ASSERT_TRUE(routed(to("v1")));
  ASSERT_TRUE(world_.until([&] { return world_.cluster().gateways().size() == 2; }));
  ASSERT_TRUE(routed(to("v1")));
  const auto client = *net::Client::create();
  for (const std::string& pod : world_.cluster().gateways()) {
    net::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(world_.cluster().gateway(pod)->port()) +
                  "/services/story/generate";
    request.method = "POST";
    request.body = "{}";
    EXPECT_TRUE(client->fetch(std::move(request)));  // no worker answers there: 503
  }
  const auto page = platform().evidence("story", "", 100);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_THAT(page->records, SizeIs(2));
  EXPECT_EQ(page->lost, 0U);
  const auto next = platform().evidence("story", page->next, 100);
  ASSERT_TRUE(next);
  EXPECT_THAT(next->records, IsEmpty());
  EXPECT_EQ(next->next, page->next);
  EXPECT_THAT(platform().evidence("nobody", "", 100)->records, IsEmpty());
}

TEST_F(KubernetesPlatformTest, AsksAGatewayForSamplesAndAnswers) {
  ensure(spec());
  EXPECT_EQ(platform().ask("story", "{}", 1s, {}).error().code, Code::kUnavailable);
  ASSERT_TRUE(ready());
  ASSERT_TRUE(routed(to("v1")));
  EXPECT_THAT(*platform().samples("story", "judge", 1, 10), IsEmpty());
  EXPECT_TRUE(platform().score("story", "judge", {{4, 0.5}}));
  const auto reply = platform().ask("story", "{}", 1s, {});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_GE(reply->status, 500);  // no worker is there
  EXPECT_EQ(platform().samples("../x", "judge", 1, 10).error().code, Code::kInvalidArgument);
}

TEST_F(KubernetesPlatformTest, MovesTheWeightsOfAMeshAndLeavesWhatOthersMadeOfThem) {
  const std::string path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/story";
  VersionSpec stable = spec(), candidate = spec("v2");
  stable.kubernetes = candidate.kubernetes = spec_part("kubernetes", R"({"router": "istio"})");
  ensure(stable);
  ensure(candidate);
  Traffic traffic = to("v1", "v2", 10);
  traffic.kubernetes = stable.kubernetes;
  traffic.resilience = spec_part("resilience");
  const Status moved = platform().route(traffic);
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(stored(path)["spec"].at_pointer("/http/0/route/1/weight"), 10);
  EXPECT_FALSE(server().stored("/api/v1/namespaces/shop/secrets/serin-gateway"));
  EXPECT_THAT(platform().evidence("story", "", 10)->records, IsEmpty());
  json::object changed = stored(path);
  changed["spec"].at_pointer("/http/0/route/1/destination/host") = "elsewhere";
  server().put(path, changed);
  traffic.weight = 20;
  const Status refused = platform().route(traffic);
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("elsewhere"));
  world_.restart();
  ASSERT_TRUE(platform().unroute("story"));
  EXPECT_FALSE(server().stored(path));
}

TEST_F(KubernetesPlatformTest, LeavesTheLayerThatAServiceWentThroughBefore) {
  const std::string weights = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/story";
  const std::string gateway = "/apis/apps/v1/namespaces/shop/deployments/serin-gateway";
  ensure(spec());
  Traffic traffic = to("v1");
  traffic.kubernetes = spec_part("kubernetes", R"({"router": "istio"})");
  traffic.resilience = spec_part("resilience");
  ASSERT_TRUE(platform().route(traffic));
  EXPECT_TRUE(server().stored(weights));
  world_.restart();
  ensure(spec());
  ASSERT_TRUE(routed(to("v1")));
  EXPECT_FALSE(server().stored(weights));
  EXPECT_TRUE(server().stored(gateway));
  ASSERT_TRUE(platform().route(traffic));
  EXPECT_TRUE(server().stored(weights));
  EXPECT_FALSE(server().stored(gateway));
  EXPECT_TRUE(server().stored("/api/v1/namespaces/shop/services/story"));
}

TEST_F(KubernetesPlatformTest, ShowsLogsOfTheServicesPodsAlone) {
  server().put("/api/v1/namespaces/shop/pods/stranger");
  ensure(spec());
  ASSERT_TRUE(ready());
  EXPECT_EQ(platform().logs("story", "stranger", 1).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace serin::platform::kubernetes
