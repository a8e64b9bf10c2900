// SPDX-License-Identifier: Apache-2.0
#include "platform/gateway_config.h"

#include <gmock/gmock.h>

namespace serin::platform {
namespace {

class ServiceOf : public testing::Test {
 protected:
  ServiceOf() {
    traffic_.service = "story";
    traffic_.stable = "v1";
    versions_ = {{"v1", "sha256:1", false, {replica("story-v1-1"), replica("story-v1-2")}},
                 {"v0", "sha256:0", false, {replica("story-v0-3")}}};
  }
  static RoutedReplica replica(const std::string& id) {
    return {id, "unix:/state/" + id + ".sock:", "cpu/x/threads=1", "bitwise", true};
  }
  gateway::Service made() {
    auto service = service_of(traffic_, versions_);
    EXPECT_TRUE(service.has_value()) << service.error().message;
    return service ? *std::move(service) : gateway::Service();
  }
  Traffic traffic_;
  std::vector<RoutedVersion> versions_;
};

TEST_F(ServiceOf, HasTheVersionsThatRequestsGoToAlone) {
  const gateway::Service service = made();
  ASSERT_EQ(service.versions.size(), 1U);
  EXPECT_EQ(service.versions[0].package, "sha256:1");
  ASSERT_EQ(service.versions[0].replicas.size(), 2U);
  EXPECT_EQ(service.versions[0].replicas[0].url, "unix:/state/story-v1-1.sock:");
}

TEST_F(ServiceOf, NamesReplicasThatDoNotAnswerAndNoneThatOnlyIsNotReady) {
  versions_[0].replicas[0].ready = false;
  EXPECT_EQ(made().versions[0].replicas.size(), 1U);
  versions_[0].replicas[0].silent = true;
  const auto replicas = made().versions[0].replicas;
  ASSERT_EQ(replicas.size(), 2U);
  EXPECT_TRUE(replicas[0].silent);
  EXPECT_FALSE(replicas[1].silent);
}

TEST_F(ServiceOf, TakesTheSplitAsItIs) {
  traffic_.candidate = "v0";
  traffic_.weight = 30;
  traffic_.by_user = traffic_.shadow = true;
  traffic_.salt = "s";
  traffic_.user_header = "x-user";
  traffic_.sample = 0.5;
  EXPECT_DOUBLE_EQ(made().sample, 0.5);
  const gateway::Split split = made().split;
  EXPECT_EQ(split.candidate, "v0");
  EXPECT_DOUBLE_EQ(split.weight, 0.3);
  EXPECT_EQ(split.sticky_by, gateway::StickyBy::kUser);
  EXPECT_EQ(split.user_header, "x-user");
  EXPECT_TRUE(split.shadow);
  EXPECT_EQ(made().versions.size(), 2U);
}

TEST_F(ServiceOf, IsBitwiseWhenEveryReplicaIsOnTheSameProfile) {
  EXPECT_TRUE(made().versions[0].bitwise);
  versions_[0].replicas[1].profile = "cpu/x/threads=2";
  EXPECT_FALSE(made().versions[0].bitwise);
  versions_[0].replicas.pop_back();
  EXPECT_TRUE(made().versions[0].bitwise);
  versions_[0].replicas[0].reproducible = "within 0.001";
  EXPECT_FALSE(made().versions[0].bitwise);
  versions_[0].replicas[0] = replica("story-v1-1");
  versions_[0].remote = true;
  EXPECT_FALSE(made().versions[0].bitwise);
  versions_[0].remote = false;
  versions_[0].replicas.clear();
  EXPECT_FALSE(made().versions[0].bitwise);
}

TEST_F(ServiceOf, IsBitwiseAlsoWhileItsOnlyWorkerIsStartedAgain) {
  versions_[0].replicas.pop_back();
  versions_[0].replicas[0].ready = false;
  EXPECT_TRUE(made().versions[0].bitwise);
  EXPECT_TRUE(made().versions[0].replicas.empty());
  versions_[0].replicas[0].profile = versions_[0].replicas[0].reproducible = "";
  EXPECT_FALSE(made().versions[0].bitwise);
  versions_[0].replicas.push_back(replica("story-v1-2"));
  EXPECT_TRUE(made().versions[0].bitwise);
  EXPECT_EQ(made().versions[0].replicas.size(), 1U);
}

TEST_F(ServiceOf, ReadsTheResilienceOfTheManifest) {
  traffic_.resilience = {{"timeout", "5s"}, {"retries", {{"attempts", 1}}}};
  EXPECT_EQ(made().resilience.timeout, std::chrono::seconds(5));
  EXPECT_EQ(made().resilience.retry_attempts, 1);
  traffic_.resilience = {{"timeuot", "5s"}};
  EXPECT_FALSE(service_of(traffic_, versions_).has_value());
}

TEST_F(ServiceOf, ReadsWhoMayEnter) {
  EXPECT_TRUE(made().access.open());
  traffic_.access = {{"keyFile", "/etc/keys.yaml"}};
  EXPECT_EQ(made().access.key_file, "/etc/keys.yaml");
  traffic_.access = {{"keyfile", "/etc/keys.yaml"}};
  EXPECT_FALSE(service_of(traffic_, versions_).has_value());
}

}  // namespace
}  // namespace serin::platform
