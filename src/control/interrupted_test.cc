// SPDX-License-Identifier: Apache-2.0
// A control plane that is killed at any call of its store or its platform, before or after it took
// effect, and begun anew: everything comes to the same end, and nothing is done twice that may not.
#include <gmock/gmock.h>

#include "control/controller.h"
#include "control/fused_store_for_test.h"
#include "control/world_for_test.h"

namespace serin::control {
namespace {

using std::chrono::seconds;

class FusedPlatform final : public platform::Platform {
 public:
  FusedPlatform(platform::Platform& platform, Fuse& fuse) : platform_(platform), fuse_(fuse) {}
  Result<platform::Model> resolve(const std::string& model) override {
    return around([&] { return platform_.resolve(model); });
  }
  Status ensure(const platform::VersionSpec& spec) override {
    return around([&] { return platform_.ensure(spec); });
  }
  Status remove(std::string_view service, std::string_view label) override {
    return around([&] { return platform_.remove(service, label); });
  }
  Result<std::vector<platform::VersionStatus>> observe(std::string_view service) override {
    return around([&] { return platform_.observe(service); });
  }
  Status route(const platform::Traffic& traffic) override {
    return around([&] { return platform_.route(traffic); });
  }
  Status unroute(std::string_view service) override {
    return around([&] { return platform_.unroute(service); });
  }
  Result<platform::EvidencePage> evidence(std::string_view service, std::string_view after,
                                          std::size_t most) override {
    return around([&] { return platform_.evidence(service, after, most); });
  }
  Result<std::vector<platform::Sample>> samples(std::string_view service, std::string_view scorer,
                                                double part, std::size_t most) override {
    return platform_.samples(service, scorer, part, most);
  }
  Status score(std::string_view service, std::string_view scorer,
               const std::vector<platform::SampleScore>& scores) override {
    return platform_.score(service, scorer, scores);
  }
  Result<platform::Reply> ask(std::string_view service, std::string body,
                              std::chrono::milliseconds within,
                              const CancelToken& cancel) override {
    return platform_.ask(service, std::move(body), within, cancel);
  }
  Result<std::string> logs(std::string_view service, std::string_view replica,
                           std::size_t lines) override {
    return platform_.logs(service, replica, lines);
  }

 private:
  template <class Call>
  auto around(Call&& call) -> decltype(call()) {
    fuse_.burn();
    auto done = call();
    fuse_.burn();
    return done;
  }
  platform::Platform& platform_;
  Fuse& fuse_;
};

// A world whose control plane is killed once, and begun anew.
class Interrupted {
 public:
  explicit Interrupted(int at) : platform_(*world.platform, fuse) {
    begin();
    fuse.left = at;
  }

  // A person who gets no answer asks again.
  void apply(const std::string& text) {
    if (!survives([&] { world.applied(text); })) world.applied(text);
  }
  void run(int ticks, const ControlWorld::Load& load) {
    for (int i = 0; i < ticks; ++i) {
      survives([&] { world.controller->pass(); });
      world.clock.advance(std::chrono::milliseconds(1000));
      world.answer(load);
    }
  }

  ControlWorld world;
  Fuse fuse;
  bool killed = false;

 private:
  template <class Work>
  bool survives(Work&& work) {
    try {
      work();
      return true;
    } catch (const Killed&) {
      killed = true;
      begin();
      return false;
    }
  }
  void begin() {
    world.controller.reset();
    world.store = world.open();
    store_ = std::make_unique<FusedStore>(*world.store, fuse);
    world.begin(*store_, platform_);
  }

  FusedPlatform platform_;
  std::unique_ptr<FusedStore> store_;
};

// What must be the same in the end.
struct Outcome {
  std::vector<std::string> events, versions, rollouts, platform;
  std::int64_t labels = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(ControlWorld& world) {
  Outcome outcome;
  outcome.events = world.reasons();
  const auto records = world.store->load();
  for (const ServiceRecord& record : *records) {
    outcome.labels += record.labels;
    for (const VersionRecord& version : record.versions)
      outcome.versions.push_back(version.label + " " + std::string(name_of(version.state)));
    const auto history = world.store->history(record.name, 10);
    for (const RolloutRecord& rollout : *history)
      outcome.rollouts.push_back(rollout.candidate + " " + std::string(name_of(rollout.ending)) +
                                 " " + rollout.reason);
  }
  if (const auto* traffic = world.platform->traffic("story"))
    outcome.platform.push_back(traffic->stable + "/" + traffic->candidate);
  const auto versions = world.platform->observe("story");
  for (const auto& version : *versions)
    outcome.platform.push_back(version.label + " " + std::to_string(version.ready()));
  return outcome;
}

constexpr const char* kCanary =
    "interval: 2s, stepWeight: 45, undoWindow: 100s, analysis: {falsePromotion: 0.3, metrics: "
    "[{name: errorRate, margin: 0.3}]}";

// One version, a promoted second, a third in a crash loop.
void canary(Interrupted& at) {
  at.apply(manifest_text("story:v1", {}, kCanary));
  at.run(6, {});
  at.apply(manifest_text("story:v2", {}, kCanary));
  at.run(22, {.requests = 60});
  at.apply(manifest_text("story:bad", {}, kCanary));
  at.run(16, {});
}

// The same without a user of the candidate.
constexpr const char* kShadow =
    "strategy: shadow, interval: 2s, stepWeight: 45, undoWindow: 100s, analysis: {falsePromotion: "
    "0.3, metrics: [{name: errorRate, margin: 0.3}]}";

void shadow(Interrupted& at) {
  at.apply(manifest_text("story:v1", {}, kShadow));
  at.run(6, {});
  at.apply(manifest_text("story:v2", {}, kShadow));
  at.run(22, {.requests = 60});
  at.apply(manifest_text("story:v3", {}, kShadow));
  at.run(12, {.requests = 60, .candidate_errors = 0.9});
}

void recreate(Interrupted& at) {
  at.apply(manifest_text("story:v1", {}, "strategy: recreate"));
  at.run(6, {});
  at.apply(manifest_text("story:v2", {}, "strategy: recreate"));
  at.run(10, {});
  at.apply(manifest_text("story:bad", {}, "strategy: recreate"));
  at.run(20, {});
}

void supersede(Interrupted& at) {
  at.apply(manifest_text("story:v1", {}, kCanary));
  at.run(6, {});
  at.apply(manifest_text("story:slow", {}, kCanary));
  at.run(3, {});
  at.apply(manifest_text("story:v3", "  replicas: {min: 2}\n", "strategy: blueGreen"));
  at.run(10, {});
}

// `rollouts`: how they end, the last first.
void compare(const std::function<void(Interrupted&)>& story,
             const std::vector<std::string>& rollouts) {
  Interrupted undisturbed(-1);
  story(undisturbed);
  const Outcome wanted = outcome_of(undisturbed.world);
  ASSERT_EQ(wanted.rollouts, rollouts);
  ASSERT_GT(undisturbed.fuse.burned, 50);
  for (int i = 0; i < undisturbed.fuse.burned; ++i) {
    Interrupted at(i);
    story(at);
    ASSERT_TRUE(at.killed) << i;
    const Outcome outcome = outcome_of(at.world);
    EXPECT_EQ(outcome.events, wanted.events) << "killed at call " << i;
    EXPECT_EQ(outcome.versions, wanted.versions) << "killed at call " << i;
    EXPECT_EQ(outcome.rollouts, wanted.rollouts) << "killed at call " << i;
    EXPECT_EQ(outcome.platform, wanted.platform) << "killed at call " << i;
    EXPECT_EQ(outcome.labels, wanted.labels) << "killed at call " << i;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(InterruptedControlPlane, ACanaryComesToTheSameEnd) {
  compare(canary, {"v3 rolledBack CrashLoop", "v2 promoted Safe"});
}
TEST(InterruptedControlPlane, AShadowComesToTheSameEnd) {
  compare(shadow, {"v3 rolledBack Harmful", "v2 promoted Safe"});
}
TEST(InterruptedControlPlane, ARecreationComesToTheSameEnd) {
  compare(recreate, {"v3 rolledBack CrashLoop", "v2 promoted Ready"});
}
TEST(InterruptedControlPlane, ASupersededRolloutComesToTheSameEnd) {
  compare(supersede, {"v3 promoted Ready", "v2 superseded Superseded"});
}

TEST(InterruptedControlPlane, EveryRequestCountsOnceAndIsComparedOnce) {
  constexpr const char* kHeld =
      "strategy: shadow, interval: 1h, initialWeight: 50, analysis: {metrics: "
      "[{name: errorRate, margin: 0.3}]}";
  // Ticks of which the first few see the weight set; the rest are counted.
  const auto counted = [&](Interrupted& at) {
    at.apply(manifest_text("story:v1", {}, kHeld));
    at.run(6, {});
    at.apply(manifest_text("story:v2", {}, kHeld));
    for (int i = 0; i < 30 && at.world.platform->traffic("story")->weight == 0; ++i)
      at.run(1, {.requests = 0});
    at.run(8, {.requests = 10});
    at.run(3, {.requests = 0});
    const ServiceView view = at.world.view();
    const auto& metrics = view.seen.report.metrics;
    const auto agreements = rollout::Agreements::load(view.record.rollout->agreements);
    EXPECT_TRUE(agreements.has_value());
    if (agreements && !metrics.empty())
      EXPECT_EQ(agreements->compared(), metrics[0].candidate_count);
    return metrics.empty() ? 0 : metrics[0].stable_count + metrics[0].candidate_count;
  };
  Interrupted undisturbed(-1);
  EXPECT_EQ(counted(undisturbed), 80U);
  for (int i = 0; i < undisturbed.fuse.burned; ++i) {
    Interrupted at(i);
    EXPECT_EQ(counted(at), 80U) << "killed at call " << i;
    if (testing::Test::HasFailure()) return;
  }
}

// How many requests were counted, and how many scores.
std::pair<std::uint64_t, std::uint64_t> scored(Interrupted& at, const std::string& scorer) {
  const std::string scorers =
      scorer == "feedback" ? "" : "scorers: [{name: " + scorer + ", command: [\"true\"]}], ";
  const std::string held =
      "interval: 1h, initialWeight: 50, analysis: {" + scorers +
      "metrics: [{name: errorRate, margin: 0.3}, {name: quality, scorer: " + scorer +
      ", margin: 0.5}]}";
  at.apply(manifest_text("story:v1", {}, held));
  at.run(6, {});
  at.apply(manifest_text("story:v2", {}, held));
  for (int i = 0; i < 30 && at.world.platform->traffic("story")->weight == 0; ++i)
    at.run(1, {.requests = 0});
  at.run(6, {.requests = 3, .stable_rating = 0.9, .candidate_rating = 0.3, .scorer = scorer});
  at.run(3, {.requests = 0});
  const auto metrics = at.world.view().seen.report.metrics;
  const auto count = [&](std::size_t i) {
    return i < metrics.size() ? metrics[i].stable_count + metrics[i].candidate_count : 0;
  };
  return {count(0), count(1)};
}

void each_score_counts_once(const std::string& scorer) {
  const std::pair<std::uint64_t, std::uint64_t> each_once{18, 18};
  Interrupted undisturbed(-1);
  EXPECT_EQ(scored(undisturbed, scorer), each_once);
  for (int i = 0; i < undisturbed.fuse.burned; ++i) {
    Interrupted at(i);
    EXPECT_EQ(scored(at, scorer), each_once) << "killed at call " << i;
    if (testing::Test::HasFailure()) return;
  }
}

// A user who rates twice counts once anyway, so the requests beside the ratings show whether a page
// was read twice. A scorer's scores show it themselves.
TEST(InterruptedControlPlane, EveryRatingCountsOnce) { each_score_counts_once("feedback"); }
TEST(InterruptedControlPlane, EveryScoreOfAScorerCountsOnce) { each_score_counts_once("judge"); }

}  // namespace
}  // namespace serin::control
