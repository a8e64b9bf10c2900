// SPDX-License-Identifier: Apache-2.0
#include "platform/contract_for_test.h"
#include "platform/fake_for_test.h"

namespace serin::platform {
namespace {

class FakeWorld final : public World {
 public:
  FakeWorld() : platform_(clock_) {
    platform_.add_package("good:v1", {});
    platform_.add_package("good:v2", {});
    FakePlatform::Behaviour broken;
    broken.crashes = true;
    platform_.add_package("broken:v1", broken);
  }
  Platform& platform() override { return platform_; }
  std::string good_package() override { return "good:v1"; }
  std::string other_package() override { return "good:v2"; }
  std::string broken_package() override { return "broken:v1"; }
  bool until(const std::function<bool()>& holds) override {
    for (int i = 0; i < 200; ++i) {
      if (holds()) return true;
      clock_.advance(std::chrono::milliseconds(250));
    }
    return false;
  }
  void crash(const ReplicaStatus& replica) override { platform_.crash(replica.id); }
  void restart() override {}

 private:
  ManualClock clock_;
  FakePlatform platform_;
};

INSTANTIATE_TEST_SUITE_P(Fake, PlatformContract,
                         testing::Values(MakeWorld{"fake",
                                                   [] { return std::make_unique<FakeWorld>(); }}),
                         [](const auto& info) { return info.param.name; });

class Fake : public testing::Test {
 protected:
  void SetUp() override { platform_.add_package("good:v1", {}); }
  VersionSpec spec() {
    VersionSpec spec;
    spec.service = "story";
    spec.label = "v1";
    spec.model = *platform_.resolve("good:v1");
    return spec;
  }
  ManualClock clock_;
  FakePlatform platform_{clock_};
};

TEST_F(Fake, TellsEachRequestOnceAndHowManyWereForgotten) {
  for (int i = 0; i < 100'003; ++i) {
    Evidence evidence;
    evidence.version = "v1";
    evidence.request.assigned = i;
    platform_.record("story", evidence);
  }
  const auto first = platform_.evidence("story", {}, 2);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->lost, 3U);
  ASSERT_EQ(first->records.size(), 2U);
  EXPECT_EQ(first->records[0].request.assigned, 3);
  const auto second = platform_.evidence("story", first->next, 1);
  EXPECT_EQ(second->lost, 0U);
  EXPECT_EQ(second->records[0].request.assigned, 5);
  const auto none = platform_.evidence("story", "100003", 5);
  EXPECT_TRUE(none->records.empty());
  EXPECT_EQ(none->next, "100003");
}

TEST_F(Fake, IsUnreadyWhenTold) {
  ASSERT_TRUE(platform_.ensure(spec()).has_value());
  clock_.advance(std::chrono::seconds(3));
  const std::string id = platform_.observe("story")->at(0).replicas.at(0).id;
  platform_.set_ready(id, false);
  EXPECT_EQ(platform_.observe("story")->at(0).replicas.at(0).state, ReplicaState::kUnready);
  EXPECT_EQ(platform_.observe("story")->at(0).ready(), 0);
}

TEST_F(Fake, RefusesEverythingWhileItIsAway) {
  platform_.set_unavailable(true);
  EXPECT_EQ(platform_.observe("story").error().code, Code::kUnavailable);
  EXPECT_EQ(platform_.resolve("good:v1").error().code, Code::kUnavailable);
  platform_.set_unavailable(false);
  EXPECT_TRUE(platform_.observe("story").has_value());
}

TEST_F(Fake, RemembersWhatItWasTold) {
  ASSERT_TRUE(platform_.ensure(spec()).has_value());
  ASSERT_NE(platform_.spec("story", "v1"), nullptr);
  ASSERT_EQ(platform_.calls().size(), 1U);
  EXPECT_EQ(platform_.calls()[0].verb, "ensure");
  EXPECT_EQ(platform_.traffic("story"), nullptr);
}

}  // namespace
}  // namespace serin::platform
