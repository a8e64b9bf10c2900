// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/kubernetes/plans_for_test.h"

namespace serin::platform::kubernetes {
namespace {

const std::string kTestdata = "src/platform/kubernetes/testdata/";

json::value pod_of(const VersionPlan& plan) {
  return deployment_of(plan).at("spec").at("template").at("spec");
}
json::value worker_of(const VersionPlan& plan) { return pod_of(plan).at("containers").at(0); }

std::vector<std::string> names_of(const json::value& list) {
  std::vector<std::string> names;
  for (const json::value& one : list.as_array()) names.emplace_back(one.at("name").as_string());
  return names;
}
std::vector<std::string> arguments_of(const VersionPlan& plan) {
  const json::value worker = worker_of(plan);
  std::vector<std::string> words;
  for (const json::value& word : worker.at("args").as_array()) words.emplace_back(word.as_string());
  return words;
}

TEST(Version, OnProcessorsIsScaledByItsQueue) {
  VersionPlan plan = plan_of(R"({"imagePullSecrets": [{"name": "registry"}]})");
  plan.version.resources = {.cpus = 2, .memory_bytes = std::uint64_t{4} << 30};
  plan.max_replicas = 4;
  expect_golden(yaml_file(objects_of(plan)), kTestdata + "processors.yaml");
}

TEST(Version, OnGpusIsWhereTheManifestWantsIt) {
  VersionPlan plan = plan_of(R"({
    "modelSecret": "models", "gpuResource": "nvidia.com/mig-1g.10gb",
    "nodeSelector": {"accelerator": "h200"}, "priorityClassName": "serving",
    "tolerations": [{"key": "dedicated", "value": "models", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
      {"topologyKey": "kubernetes.io/hostname",
       "labelSelector": {"matchLabels": {"serin.dev/service": "storyteller"}}}]}},
    "topologySpreadConstraints": [{"topologyKey": "rack", "maxSkew": 2,
                                   "whenUnsatisfiable": "DoNotSchedule"}],
    "podLabels": {"team": "stories"}, "podAnnotations": {"linkerd.io/inject": "enabled"},
    "autoscaling": {"scaler": "keda", "queueDepth": 2}})");
  plan.version.model.source = "s3://models/storyteller.serin";
  plan.version.resources = {.cpus = 0.5, .memory_bytes = 1'500'000'000, .gpus = 1};
  plan.version.replicas = 2;
  plan.max_replicas = 8;
  plan.drain = std::chrono::seconds(600);
  expect_golden(yaml_file(objects_of(plan)), kTestdata + "gpus.yaml");
}

TEST(Version, WithoutOperatorHasNoOwnerAndNothingToScale) {
  VersionPlan plan = plan_of(R"({"router": "istio", "serviceAccountName": "reader",
                                 "modelSource": "volumeClaim", "volumeClaim": "models"})");
  plan.version.model.source = "./storyteller";
  plan.version.replicas = 3;
  plan.owner.reset();
  expect_golden(yaml_file(objects_of(plan)), kTestdata + "volume-claim.yaml");
}

TEST(Version, ThatIsToHaveNoWorkersIsNotScaled) {
  VersionPlan plan = plan_of();
  plan.version.replicas = 0;
  plan.max_replicas = 4;
  EXPECT_FALSE(plan.scaled());
  EXPECT_EQ(deployment_of(plan).at("spec").at("replicas").as_int64(), 0);
  for (const json::object& object : objects_of(plan))
    EXPECT_NE(object.at("kind").as_string(), "HorizontalPodAutoscaler");
}

TEST(Version, LeavesTheNumberOfWorkersToItsScaler) {
  VersionPlan plan = plan_of();
  plan.max_replicas = 2;
  EXPECT_FALSE(deployment_of(plan).at("spec").as_object().contains("replicas"));
  EXPECT_EQ(scaler_of(plan).at("spec").at("minReplicas").as_int64(), 1);
  // Processors say nothing where nobody is promised any.
  EXPECT_EQ(scaler_of(plan).at("spec").at("metrics").as_array().size(), 1u);
}

TEST(Version, GetsItsPackageInTheWayThatTheManifestNames) {
  VersionPlan plan = plan_of();
  EXPECT_THAT(arguments_of(plan),
              testing::IsSupersetOf({"serve", "oci://registry.example/models/storyteller:2"}));
  EXPECT_THAT(names_of(pod_of(plan).at("volumes")), testing::ElementsAre("cache", "tmp"));

  plan.fields = read_fields(spec_part("kubernetes", R"({"modelSource": "imageVolume"})"));
  EXPECT_THAT(arguments_of(plan), testing::IsSupersetOf({"serve", "/package"}));
  EXPECT_EQ(worker_of(plan).at("image").as_string(), "registry.example/serin:0.1.0");
  const json::value pod = pod_of(plan);
  const json::value& volume = pod.at("volumes").at(2);
  EXPECT_EQ(volume.at("image").at("reference").as_string(),
            "registry.example/models/storyteller:2");

  plan.fields = read_fields(spec_part("kubernetes", R"({"modelSource": "image"})"));
  EXPECT_EQ(worker_of(plan).at("image").as_string(), "registry.example/models/storyteller:2");
  // Its command and its package are the image's.
  EXPECT_EQ(arguments_of(plan).front(), "--address=0.0.0.0");

  plan.fields = read_fields(spec_part("kubernetes", R"({"image": "mirror.example/serin:1"})"));
  EXPECT_EQ(worker_of(plan).at("image").as_string(), "mirror.example/serin:1");
}

TEST(Version, EndsNoSoonerThanTheRequestsThatItHas) {
  VersionPlan plan = plan_of();
  plan.drain = std::chrono::seconds(90);
  const auto sleep =
      worker_of(plan).at("lifecycle").at("preStop").at("sleep").at("seconds").as_int64();
  EXPECT_THAT(arguments_of(plan), testing::Contains("--drain-within=90"));
  EXPECT_GT(pod_of(plan).at("terminationGracePeriodSeconds").as_int64(), sleep + 90);
}

TEST(Version, KeepsTheLabelsByWhichItsServiceFindsIt) {
  VersionPlan plan = plan_of();
  plan.fields.pod_labels["serin.dev/version"] = "v9";
  const json::value labels =
      deployment_of(plan).at("spec").at("template").at("metadata").at("labels");
  EXPECT_EQ(labels.at("serin.dev/version").as_string(), "v2");
}

TEST(VersionName, IsAnotherForEachVersionAndFits) {
  EXPECT_NE(version_name("a", "b-c"), version_name("a-b", "c"));
  EXPECT_TRUE(is_name(version_name("storyteller", "v2")));
  for (const std::size_t length : {40u, 52u, 53u, 54u, 63u}) {
    const std::string name = version_name(std::string(length - 1, 'a') + "b", "v123");
    EXPECT_TRUE(is_name(name)) << name;
  }
  const std::string cut = version_name(std::string(50, 'a') + "-" + std::string(12, 'b'), "v123");
  EXPECT_TRUE(is_name(cut)) << cut;
  EXPECT_THAT(cut, testing::Not(testing::HasSubstr("--")));
  EXPECT_TRUE(is_name(version_name(std::string(63, 'a'), std::string(63, 'v'))));
}

TEST(CheckModel, SaysWhatToWriteInstead) {
  const struct {
    const char* kubernetes;
    const char* model;
    const char* error;  // a part of it; empty: none
  } kRows[] = {
      {"{}", "oci://r/m:1", ""},
      {"{}", "s3://b/k", ""},
      {"{}", "azblob://a/c/k", ""},
      {"{}", "storyteller:v2", "fetch oci://, s3:// or azblob:// only; push the package there"},
      {"{}", "./storyteller", "push the package there"},
      {R"({"modelSource": "image"})", "oci://r/m:1", ""},
      {R"({"modelSource": "image"})", "s3://b/k", "wants an image here, oci://HOST/NAME:TAG"},
      {R"({"modelSource": "imageVolume"})", "m:1", "wants an image here"},
      {R"({"modelSource": "volumeClaim", "volumeClaim": "c"})", "./m", ""},
      {R"({"modelSource": "volumeClaim", "volumeClaim": "c"})", "../m", "a folder of the claim"},
      {R"({"modelSource": "volumeClaim", "volumeClaim": "c"})", "/m", "a folder of the claim"},
      {R"({"modelSource": "volumeClaim", "volumeClaim": "c"})", "m:1", "a folder of the claim"},
  };
  for (const auto& row : kRows) {
    const Status status =
        check_model(row.model, read_fields(spec_part("kubernetes", row.kubernetes)));
    EXPECT_EQ(status.has_value(), *row.error == '\0') << row.model;
    if (status) continue;
    EXPECT_THAT(status.error().message, testing::HasSubstr(row.error));
    EXPECT_EQ(status.error().param, "spec.model");
  }
}

}  // namespace
}  // namespace serin::platform::kubernetes
