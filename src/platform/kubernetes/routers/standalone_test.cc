// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/standalone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "platform/kubernetes/plans_for_test.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

const std::string kTestdata = "src/platform/kubernetes/testdata/";

json::object spec_of() {
  return {{"resilience", spec_part("resilience")}, {"access", spec_part("access")}};
}
VersionPlan plan_without_operator(std::string_view kubernetes) {
  VersionPlan plan = plan_of(kubernetes);
  plan.owner.reset();
  plan.version.label = "v1";
  return plan;
}

TEST(Standalone, HasOurGatewayInFront) {
  auto objects = standalone_objects(plan_without_operator("{}"), spec_of());
  ASSERT_TRUE(objects) << objects.error().message;
  // What the gateway is told is the gateway's, and tested below.
  for (json::object& object : *objects) {
    if (object.at("kind") == "Secret") object["data"] = "of gateway/config.h";
    if (object.at("metadata").at("name") == json::value(own_gateway_name("storyteller")) &&
        object.at("kind") == "Deployment")
      object.at("spec").at("template").at("metadata").at("annotations") = "a digest";
  }
  expect_golden(yaml_file(*objects), kTestdata + "standalone.yaml");
}

TEST(Standalone, TellsTheGatewayWhereTheVersionIs) {
  const auto objects = standalone_objects(plan_without_operator("{}"), spec_of());
  ASSERT_TRUE(objects) << objects.error().message;
  for (const json::object& object : *objects) {
    if (object.at("kind") != "Secret") continue;
    const auto config = gateway_config_of(object);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->services[0].versions[0].replicas[0].url,
              "http://" + version_name("storyteller", "v1") + ".shop.svc:80");
    return;
  }
  FAIL() << "there is no Secret";
}

// Each manifest is printed and applied by itself.
TEST(Standalone, LeavesAloneWhatAnotherServiceOfTheNamespaceHas) {
  std::set<std::string> known;
  for (const char* service : {"storyteller", "poet"}) {
    VersionPlan plan = plan_without_operator("{}");
    plan.version.service = service;
    const auto objects = standalone_objects(plan, spec_of());
    ASSERT_TRUE(objects) << objects.error().message;
    for (const json::object& object : *objects) {
      const json::object named{{"kind", object.at("kind")},
                               {"name", object.at("metadata").at("name")}};
      EXPECT_TRUE(known.insert(canonical_json(named)).second) << named;
    }
  }
}

TEST(Standalone, SendsClientsToTheServicesOwnGateway) {
  const auto objects = standalone_objects(plan_without_operator("{}"), spec_of());
  ASSERT_TRUE(objects) << objects.error().message;
  const auto found = [&](const char* kind, const json::value& name) {
    return *std::ranges::find_if(*objects, [&](const json::object& object) {
      return object.at("kind") == kind && object.at("metadata").at("name") == name;
    });
  };
  const json::object gateway = found("Deployment", json::value(own_gateway_name("storyteller")));
  EXPECT_EQ(found("Service", "storyteller").at("spec").at("selector"),
            gateway.at("spec").at("selector").at("matchLabels"));
  EXPECT_EQ(gateway.at("spec")
                .at("template")
                .at("spec")
                .at("volumes")
                .at(0)
                .at("secret")
                .at("secretName"),
            json::value(own_gateway_name("storyteller")));
}

TEST(Standalone, GivesRequestsTheirTimeAtTheGatewayToo) {
  VersionPlan plan = plan_without_operator("{}");
  plan.drain = std::chrono::seconds(600);
  const auto objects = standalone_objects(plan, spec_of());
  ASSERT_TRUE(objects) << objects.error().message;
  int deployments = 0;
  for (const json::object& object : *objects) {
    if (object.at("kind") != "Deployment") continue;
    ++deployments;
    EXPECT_THAT(write_yaml(object), testing::HasSubstr("--drain-within=600"));
    EXPECT_THAT(write_yaml(object), testing::HasSubstr("terminationGracePeriodSeconds: 610"));
  }
  EXPECT_EQ(deployments, 2);
}

TEST(Standalone, StartsGatewaysAnewWhenTheirConfigurationChanges) {
  const auto digest_of = [](const json::object& spec) {
    const auto objects = standalone_objects(plan_without_operator("{}"), spec);
    EXPECT_TRUE(objects) << objects.error().message;
    return canonical_json(objects->at(objects->size() - 2)
                              .at("spec")
                              .at("template")
                              .at("metadata")
                              .at("annotations"));
  };
  json::object changed = spec_of();
  changed["resilience"] = spec_part("resilience", R"({"timeout": "5s"})");
  EXPECT_NE(digest_of(spec_of()), digest_of(changed));
}

TEST(Standalone, IsScaledByProcessorsOrByKedaAlone) {
  VersionPlan plan = plan_without_operator(R"({"router": "istio"})");
  plan.max_replicas = 4;
  const auto refused = standalone_objects(plan, spec_of());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "spec.replicas.max");
  plan.version.resources.cpus = 2;
  const auto made = standalone_objects(plan, spec_of());
  ASSERT_TRUE(made) << made.error().message;
  const auto scaler = std::ranges::find_if(*made, [](const json::object& object) {
    return object.at("kind") == "HorizontalPodAutoscaler";
  });
  ASSERT_NE(scaler, made->end());
  const json::value metrics = scaler->at("spec").at("metrics");
  ASSERT_EQ(metrics.as_array().size(), 1u);
  EXPECT_EQ(metrics.at(0).at("type"), "ContainerResource");
  plan.version.resources.cpus = 0;
  plan.fields.scaler = Scaler::kKeda;
  EXPECT_TRUE(standalone_objects(plan, spec_of()));
}

}  // namespace
}  // namespace serin::platform::kubernetes
