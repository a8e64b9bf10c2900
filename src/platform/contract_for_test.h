// SPDX-License-Identifier: Apache-2.0
// What every Platform must do, as one suite. A platform's test program includes this once, says how
// its world is made, and runs it with INSTANTIATE_TEST_SUITE_P.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace serin::platform {

// A platform, and what a test does to it that its interface does not offer.
class World {
 public:
  virtual ~World() = default;
  virtual Platform& platform() = 0;
  // Packages as a manifest names them: two that run, one whose workers end as they start.
  virtual std::string good_package() = 0;
  virtual std::string other_package() = 0;
  virtual std::string broken_package() = 0;
  // Time goes on, at most as long as the platform may take, until `holds` does.
  virtual bool until(const std::function<bool()>& holds) = 0;
  // Ends a replica's process, as nobody asked for.
  virtual void crash(const ReplicaStatus& replica) = 0;
  // The platform ends without a warning and begins again; what it runs stays.
  virtual void restart() = 0;
};

struct MakeWorld {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
};
inline void PrintTo(const MakeWorld& made, std::ostream* out) { *out << made.name; }

class PlatformContract : public testing::TestWithParam<MakeWorld> {
 protected:
  void SetUp() override {
    world_ = GetParam().make();
    ASSERT_NE(world_, nullptr);
  }
  Platform& platform() { return world_->platform(); }
  bool until(const std::function<bool()>& holds) { return world_->until(holds); }

  VersionSpec spec_of(const std::string& package, const std::string& label = "v1") {
    auto model = platform().resolve(package);
    EXPECT_TRUE(model.has_value()) << model.error().message;
    VersionSpec spec;
    spec.service = "story";
    spec.label = label;
    if (model) spec.model = *std::move(model);
    return spec;
  }
  void ensure(const VersionSpec& spec) {
    const Status done = platform().ensure(spec);
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  VersionStatus seen(const std::string& label = "v1") {
    const auto all = platform().observe("story");
    EXPECT_TRUE(all.has_value()) << all.error().message;
    if (!all) return {};
    const auto found = std::ranges::find(*all, label, &VersionStatus::label);
    return found == all->end() ? VersionStatus() : *found;
  }
  bool ready(int count, const std::string& label = "v1") {
    return until([&] {
      const VersionStatus now = seen(label);
      return now.ready() == count && static_cast<int>(now.replicas.size()) == count;
    });
  }
  bool any_is(ReplicaState state) {
    return std::ranges::any_of(seen().replicas,
                               [&](const ReplicaStatus& one) { return one.state == state; });
  }
  std::vector<std::string> ids() {
    std::vector<std::string> found;
    for (const ReplicaStatus& replica : seen().replicas) found.push_back(replica.id);
    return found;
  }
  static Traffic to(const std::string& stable, const std::string& candidate = {}, int weight = 0) {
    Traffic traffic;
    traffic.service = "story";
    traffic.stable = stable;
    traffic.candidate = candidate;
    traffic.weight = weight;
    traffic.salt = "salt";
    return traffic;
  }
  // The gateway may be on its way; the platform has taken it in either case.
  static bool taken(const Status& routed) {
    return routed || routed.error().code == Code::kUnavailable;
  }

  std::unique_ptr<World> world_;
};

TEST_P(PlatformContract, ResolvesANameToTheSameDigestEachTime) {
  const auto first = platform().resolve(world_->good_package());
  const auto again = platform().resolve(world_->good_package());
  const auto other = platform().resolve(world_->other_package());
  ASSERT_TRUE(first && again && other);
  EXPECT_EQ(first->digest.size(), std::string_view("sha256:").size() + 64);
  EXPECT_EQ(first->digest, again->digest);
  EXPECT_NE(first->digest, other->digest);
  EXPECT_EQ(first->source, world_->good_package());
}

TEST_P(PlatformContract, SaysThatAPackageIsNotThere) {
  const auto missing = platform().resolve("nobody:v1");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::kNotFound) << missing.error().message;
}

TEST_P(PlatformContract, RefusesWhatCannotRun) {
  VersionSpec spec = spec_of(world_->good_package());
  spec.replicas = -1;
  EXPECT_EQ(platform().ensure(spec).error().code, Code::kInvalidArgument);
  spec.replicas = 1;
  spec.service = "../story";
  EXPECT_EQ(platform().ensure(spec).error().code, Code::kInvalidArgument);
}

TEST_P(PlatformContract, HasAsManyReadyReplicasAsWanted) {
  VersionSpec spec = spec_of(world_->good_package());
  spec.replicas = 2;
  ensure(spec);
  EXPECT_EQ(seen().wanted, 2);
  ASSERT_TRUE(ready(2));
  EXPECT_NE(ids()[0], ids()[1]);
  EXPECT_EQ(seen().digest, spec.model.digest);
  EXPECT_EQ(seen().crashes, 0U);
  spec.replicas = 1;
  ensure(spec);
  ASSERT_TRUE(ready(1));
  spec.replicas = 0;
  ensure(spec);
  EXPECT_TRUE(until([&] { return seen().stopped(); }));
}

TEST_P(PlatformContract, EnsuringTheSameAgainChangesNothing) {
  const VersionSpec spec = spec_of(world_->good_package());
  ensure(spec);
  ASSERT_TRUE(ready(1));
  const VersionStatus before = seen();
  ensure(spec);
  const VersionStatus after = seen();
  EXPECT_EQ(before.replicas[0].id, after.replicas[0].id);
  EXPECT_EQ(before.replicas[0].pid, after.replicas[0].pid);
  EXPECT_EQ(after.ready(), 1);
}

TEST_P(PlatformContract, StartsAReplicaAgainThatEnded) {
  ensure(spec_of(world_->good_package()));
  ASSERT_TRUE(ready(1));
  const ReplicaStatus before = seen().replicas[0];
  world_->crash(before);
  ASSERT_TRUE(until([&] { return seen().crashes == 1; }));
  ASSERT_TRUE(ready(1));
  const ReplicaStatus after = seen().replicas[0];
  EXPECT_EQ(after.id, before.id);
  if (before.pid != 0) EXPECT_NE(after.pid, before.pid);
  EXPECT_EQ(after.restarts, 1U);
}

TEST_P(PlatformContract, SaysWhenAReplicaEndsAgainAndAgain) {
  ensure(spec_of(world_->broken_package()));
  ASSERT_TRUE(until([&] { return any_is(ReplicaState::kCrashLoop); }));
  const VersionStatus now = seen();
  EXPECT_GE(now.crashes, 3U);
  EXPECT_EQ(now.ready(), 0);
  EXPECT_FALSE(now.replicas[0].message.empty());
}

TEST_P(PlatformContract, ReplacesWithoutAMomentInWhichNobodyIsReady) {
  VersionSpec spec = spec_of(world_->good_package());
  ensure(spec);
  ASSERT_TRUE(ready(1));
  const std::string before = ids()[0];
  spec.resources.memory_bytes = std::uint64_t{1} << 30;
  ensure(spec);
  bool always_ready = true;
  ASSERT_TRUE(until([&] {
    const VersionStatus now = seen();
    always_ready = always_ready && now.ready() >= 1;
    return now.ready() == 1 && now.replicas.size() == 1 && now.replicas[0].id != before;
  }));
  EXPECT_TRUE(always_ready);
}

TEST_P(PlatformContract, SaysThatThereIsNoRoomAndGoesOnOnceThereIs) {
  VersionSpec spec = spec_of(world_->good_package());
  spec.resources.gpus = 64;
  ensure(spec);
  ASSERT_TRUE(until([&] { return any_is(ReplicaState::kNoRoom); }));
  EXPECT_FALSE(seen().replicas[0].message.empty());
  EXPECT_EQ(seen().crashes, 0U);
  spec.resources.gpus = 0;
  ensure(spec);
  EXPECT_TRUE(ready(1));
}

TEST_P(PlatformContract, RunsTwoVersionsBesideEachOther) {
  ensure(spec_of(world_->good_package(), "v1"));
  ensure(spec_of(world_->other_package(), "v2"));
  ASSERT_TRUE(ready(1, "v1"));
  ASSERT_TRUE(ready(1, "v2"));
  EXPECT_NE(seen("v1").digest, seen("v2").digest);
  EXPECT_NE(seen("v1").replicas[0].id, seen("v2").replicas[0].id);
}

TEST_P(PlatformContract, ForgetsAVersionThatWasRemoved) {
  ensure(spec_of(world_->good_package()));
  ASSERT_TRUE(ready(1));
  ASSERT_TRUE(platform().remove("story", "v1").has_value());
  EXPECT_TRUE(until([&] { return platform().observe("story")->empty(); }));
  EXPECT_TRUE(platform().remove("story", "v1").has_value());
  EXPECT_TRUE(platform().remove("nobody", "v1").has_value());
}

TEST_P(PlatformContract, RoutesToVersionsThatItKnowsAlone) {
  EXPECT_EQ(platform().route(to("v1")).error().code, Code::kFailedPrecondition);
  ensure(spec_of(world_->good_package()));
  ASSERT_TRUE(ready(1));
  EXPECT_TRUE(taken(platform().route(to("v1"))));
  EXPECT_TRUE(taken(platform().route(to("v1"))));
  EXPECT_EQ(platform().route(to("v1", "v2", 10)).error().code, Code::kFailedPrecondition);
  EXPECT_EQ(platform().route(to("v1", {}, 10)).error().code, Code::kInvalidArgument);
  EXPECT_EQ(platform().route(to("v1", "v1", 101)).error().code, Code::kInvalidArgument);
}

TEST_P(PlatformContract, KeepsAVersionThatRequestsGoTo) {
  ensure(spec_of(world_->good_package()));
  ASSERT_TRUE(taken(platform().route(to("v1"))));
  EXPECT_EQ(platform().remove("story", "v1").error().code, Code::kFailedPrecondition);
  ASSERT_TRUE(taken(platform().unroute("story")));
  ASSERT_TRUE(taken(platform().unroute("story")));
  EXPECT_TRUE(platform().remove("story", "v1").has_value());
}

TEST_P(PlatformContract, FindsWhatItRanWhenItComesBack) {
  VersionSpec spec = spec_of(world_->good_package());
  ensure(spec);
  ASSERT_TRUE(ready(1));
  ASSERT_TRUE(taken(platform().route(to("v1"))));
  const ReplicaStatus before = seen().replicas[0];
  world_->restart();
  ASSERT_EQ(seen().replicas.size(), 1U);
  EXPECT_EQ(seen().replicas[0].id, before.id);
  EXPECT_EQ(seen().replicas[0].pid, before.pid);
  EXPECT_EQ(seen().wanted, 1);
  ensure(spec);
  ASSERT_TRUE(ready(1));
  EXPECT_EQ(seen().replicas[0].pid, before.pid);
  EXPECT_EQ(seen().crashes, 0U);
  world_->crash(seen().replicas[0]);
  EXPECT_TRUE(until([&] { return seen().crashes == 1; }));
  EXPECT_TRUE(ready(1));
}

TEST_P(PlatformContract, HasTheLastLinesOfALog) {
  ensure(spec_of(world_->good_package()));
  ASSERT_TRUE(ready(1));
  const auto one = platform().logs("story", ids()[0], 1);
  ASSERT_TRUE(one.has_value()) << one.error().message;
  EXPECT_EQ(std::ranges::count(*one, '\n'), 1) << *one;
  EXPECT_TRUE(platform().logs("story", "", 10).has_value());
  EXPECT_EQ(platform().logs("story", "story-v1-999", 10).error().code, Code::kNotFound);
  EXPECT_EQ(platform().logs("nobody", "", 10).error().code, Code::kNotFound);
}

}  // namespace serin::platform
