// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/plans.h"

#include <gmock/gmock.h>

namespace serin::platform::kubernetes {
namespace {

using testing::SizeIs;

VersionSpec spec() {
  VersionSpec spec;
  spec.service = "story";
  spec.label = "v1";
  spec.model = {"oci://registry.example/story:1", "sha256:" + std::string(64, '1'), {}};
  spec.replicas = 2;
  spec.max_replicas = 5;
  spec.drain = std::chrono::seconds(90);
  return spec;
}

TEST(VersionPlan, HasAllThatTheManifestSaysOfAVersion) {
  const auto plan = version_plan_of(spec(), "shop", "serin:1", "system", Owner{"story", "uid"});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->scaled());
  EXPECT_EQ(plan->max_replicas, 5);
  EXPECT_EQ(plan->drain, std::chrono::seconds(90));
  EXPECT_EQ(plan->fields.gpu_resource, "nvidia.com/gpu");
  EXPECT_EQ(plan->operator_namespace, "system");
}

TEST(VersionPlan, IsRefusedForWhatNoPodCanHave) {
  VersionSpec local = spec();
  local.model.source = "story:v1";
  EXPECT_EQ(version_plan_of(local, "shop", "serin:1", "system", {}).error().param, "spec.model");
}

TEST(Url, HasBracketsAroundAnAddressWithColons) {
  EXPECT_EQ(url_of("http", "10.0.0.7", 5000), "http://10.0.0.7:5000");
  EXPECT_EQ(url_of("https", "fd00::7", 8081), "https://[fd00::7]:8081");
}

Object pod(const std::string& name, const std::string& digest, const std::string& address,
           bool ready) {
  json::value made{
      {"metadata",
       {{"name", name},
        {"uid", "uid-" + name},
        {"labels", {{kVersionLabel, "v1"}}},
        {"annotations", {{kPackageAnnotation, digest}}}}},
      {"status",
       {{"podIP", address},
        {"conditions",
         json::array{json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}}}};
  return std::make_shared<const json::value>(std::move(made));
}

TEST(RoutedVersions, AreThePodsThatHaveAnAddressAndThePackage) {
  const auto versions = routed_versions(
      {{"v1", "sha256:1"}, {"v2", "sha256:2"}},
      {pod("a", "sha256:1", "10.0.0.1", true), pod("b", "sha256:1", "", false),
       pod("c", "sha256:0", "10.0.0.3", true), pod("d", "sha256:1", "10.0.0.4", false)},
      {{"uid-a", {"cpu/avx2/1", "bitwise"}}});
  ASSERT_THAT(versions, SizeIs(2));
  EXPECT_EQ(versions[1].label, "v2");
  EXPECT_THAT(versions[1].replicas, SizeIs(0));
  ASSERT_THAT(versions[0].replicas, SizeIs(2));
  EXPECT_EQ(versions[0].digest, "sha256:1");
  EXPECT_EQ(versions[0].replicas[0].url, "http://10.0.0.1:5000");
  EXPECT_EQ(versions[0].replicas[0].reproducible, "bitwise");
  EXPECT_TRUE(versions[0].replicas[0].ready);
  EXPECT_FALSE(versions[0].replicas[1].ready);
}

}  // namespace
}  // namespace serin::platform::kubernetes
