// SPDX-License-Identifier: Apache-2.0
#include "control/controller.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "control/world_for_test.h"

namespace serin::control {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kQuick =
    "interval: 2s, stepWeight: 45, undoWindow: 20s, analysis: {falseRollback: 0.01, "
    "falsePromotion: 0.3, metrics: [{name: errorRate, margin: 0.3}]}";

class ControllerTest : public testing::Test {
 protected:
  // v1 serves.
  void serve() {
    world_.applied(manifest_text("story:v1", {}, kQuick));
    world_.run(seconds(4), {});
    ASSERT_EQ(world_.view().record.stable, "v1");
    ASSERT_NE(world_.platform->traffic("story"), nullptr);
  }
  ControlWorld world_;
};

TEST_F(ControllerTest, BringsUpAServiceAndMovesItToAnotherPackageOnEvidence) {
  serve();
  world_.applied(manifest_text("story:v2", {}, kQuick));
  world_.run(seconds(60), {});
  const ServiceView view = world_.view();
  EXPECT_EQ(view.record.stable, "v2");
  EXPECT_EQ(view.record.rollout->ending, Ending::kPromoted);
  EXPECT_EQ(world_.platform->traffic("story")->stable, "v2");
  EXPECT_EQ(world_.platform->spec("story", "v1"), nullptr);  // after the undo window
  EXPECT_THAT(world_.reasons(),
              ElementsAre("Created", "Starting", "Serving", "Configured", "RolloutStarted",
                          "WeightChanged", "WeightChanged", "Promoted", "Retired"));
}

TEST_F(ControllerTest, RollsBackACandidateThatFails) {
  serve();
  world_.applied(manifest_text("story:v2", {}, kQuick));
  world_.run(seconds(60), {.requests = 20, .stable_errors = 0, .candidate_errors = 0.9});
  const ServiceView view = world_.view();
  EXPECT_EQ(view.record.stable, "v1");
  EXPECT_EQ(view.record.rollout->ending, Ending::kRolledBack);
  EXPECT_EQ(view.record.rollout->reason, "Harmful");
  EXPECT_THAT(view.record.rollout->message, HasSubstr("errorRate"));
  EXPECT_EQ(world_.platform->traffic("story")->candidate, "");
  EXPECT_EQ(world_.platform->spec("story", "v2"), nullptr);
}

constexpr const char* kRated =
    "interval: 2s, stepWeight: 45, holdLimit: 30s, analysis: {falsePromotion: 0.3, metrics: "
    "[{name: errorRate, margin: 0.3}, {name: quality, scorer: feedback, margin: 30%}]}";

TEST_F(ControllerTest, DecidesOnWhatUsersSay) {
  serve();
  world_.applied(manifest_text("story:v2", {}, kRated));
  world_.run(seconds(60), {.stable_rating = 0.9, .candidate_rating = 0.2});
  EXPECT_EQ(world_.view().record.rollout->ending, Ending::kRolledBack);
  EXPECT_THAT(world_.view().record.rollout->message, HasSubstr("quality (feedback)"));
  world_.applied(manifest_text("story:v3", {}, kRated));
  world_.run(seconds(60), {.stable_rating = 0.8, .candidate_rating = 0.8});
  EXPECT_EQ(world_.view().record.rollout->ending, Ending::kPromoted);
}

TEST_F(ControllerTest, DecidesNothingWhereUsersSayNothingOrOneSaysAll) {
  serve();
  world_.applied(manifest_text("story:v2", {}, kRated));
  world_.run(seconds(20), {});
  const auto metric = [&] { return world_.view().seen.report.metrics[1]; };
  EXPECT_EQ(metric().verdict, rollout::Verdict::kUndecided);
  platform::Evidence evidence;
  evidence.version = "v2";
  evidence.request.weight = 0.1;
  evidence.request.assigned = 1e12;
  for (int i = 0; i < 20'000; ++i) world_.rate(evidence, 77, 0);
  world_.run(seconds(5), {});
  EXPECT_EQ(metric().verdict, rollout::Verdict::kUndecided);
  EXPECT_EQ(metric().candidate_count, 1u);
  EXPECT_TRUE(world_.view().record.rolling());
}

TEST_F(ControllerTest, RollsBackACandidateThatEndsAgainAndAgain) {
  serve();
  world_.applied(manifest_text("story:bad", {}, kQuick));
  world_.run(seconds(30), {});
  EXPECT_EQ(world_.view().record.rollout->reason, "CrashLoop");
  EXPECT_THAT(world_.view().record.rollout->message, HasSubstr("signal 9"));
  EXPECT_EQ(world_.view().record.stable, "v1");
}

TEST_F(ControllerTest, TellsOfAWorkerThatWasKilled) {
  serve();
  world_.platform->crash(world_.view().seen.versions[0].replicas[0].id);
  world_.run(seconds(5), {});
  EXPECT_EQ(std::ranges::count(world_.reasons(), "WorkerEnded"), 1);
}

TEST_F(ControllerTest, RefusesAReasonThatNoEventHas) {
  const auto wrong =
      world_.apply(manifest_text("story:v1",
                                 "  notifications: [{name: ops, command: [/bin/true], events: "
                                 "[Promoted, RoledBack]}]\n"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().param, "spec.notifications[0].events[1]");
  EXPECT_THAT(wrong.error().message, HasSubstr("did you mean RolledBack?"));
}

TEST_F(ControllerTest, WarnsOfServicesThatAreNotThereYet) {
  constexpr const char* kBoth =
      "  resilience: {fallback: {service: plan-b}, mirror: {service: story2}}\n";
  const auto applied = world_.apply(manifest_text("story:v1", kBoth));
  ASSERT_TRUE(applied.has_value()) << applied.error().message;
  EXPECT_THAT(applied->warnings,
              ElementsAre(HasSubstr("spec.resilience.fallback.service: there is no service plan-b"),
                          HasSubstr("spec.resilience.mirror.service: there is no service story2")));
  EXPECT_TRUE(world_.apply(manifest_text("story:v1"))->warnings.empty());
}

TEST_F(ControllerTest, TellsThePlatformWhatChangedAlone) {
  serve();
  const auto before = world_.platform->calls().size();
  world_.run(seconds(10), {});
  EXPECT_EQ(world_.platform->calls().size(), before);
  world_.applied(manifest_text("story:v1", "  replicas: {min: 2}\n", kQuick));
  world_.run(seconds(10), {});
  EXPECT_EQ(world_.platform->spec("story", "v1")->replicas, 2);
  EXPECT_EQ(world_.view().record.rollouts, 0);
}

TEST_F(ControllerTest, WhatItCannotReadItSaysWithThePlace) {
  const auto wrong = world_.apply(manifest_text("story:v1", "  rolout: {}\n"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message, HasSubstr("story.yaml:7:3: spec.rolout"));
  const auto missing = world_.apply(manifest_text("story:v9"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("story.yaml: spec.model"));
  EXPECT_TRUE(world_.controller->list().empty());
  EXPECT_EQ(world_.controller->get("story").error().code, Code::kNotFound);
}

TEST_F(ControllerTest, ADryRunChangesNothing) {
  serve();
  const auto applied = world_.controller->apply({.text = manifest_text("story:v2"),
                                                 .file = "story.yaml",
                                                 .folder = {},
                                                 .dry_run = true,
                                                 .who = "ada"});
  ASSERT_TRUE(applied.has_value());
  EXPECT_EQ(applied->change, Applied::Change::kConfigured);
  EXPECT_EQ(world_.view().record.generation, 1);
}

TEST_F(ControllerTest, AFolderIsMeantFromWhereTheManifestLies) {
  world_.platform->add_package("/models/story", {});
  const auto applied = world_.controller->apply({.text = manifest_text("./story"),
                                                 .file = "story.yaml",
                                                 .folder = "/models",
                                                 .dry_run = false,
                                                 .who = "ada"});
  ASSERT_TRUE(applied.has_value()) << applied.error().message;
  EXPECT_EQ(applied->record.model.source, "/models/story");
}

TEST_F(ControllerTest, DeletesWhatItRuns) {
  serve();
  ASSERT_TRUE(world_.controller->remove("story", "ada"));
  world_.run(seconds(5));
  EXPECT_TRUE(world_.controller->list().empty());
  EXPECT_TRUE(world_.store->load()->empty());
  EXPECT_EQ(world_.platform->traffic("story"), nullptr);
  EXPECT_TRUE(world_.platform->observe("story")->empty());
  EXPECT_THAT(world_.reasons(), Contains("Deleted"));
}

TEST_F(ControllerTest, GoesOnWhenThePlatformIsBack) {
  world_.applied(manifest_text("story:v1", {}, kQuick));
  world_.platform->set_unavailable(true);
  world_.run(seconds(3));
  EXPECT_THAT(world_.view().problem, HasSubstr("away"));
  world_.platform->set_unavailable(false);
  world_.run(seconds(4));
  EXPECT_EQ(world_.view().problem, "");
  EXPECT_TRUE(world_.view().record.routed);
  EXPECT_THAT(world_.reasons(), Not(Contains("Failed")));
}

TEST_F(ControllerTest, ShowsHowVersionsDidLately) {
  serve();
  world_.run(seconds(10), {.requests = 20, .stable_errors = 0.25, .candidate_errors = 0});
  const auto lately = world_.view().lately;
  ASSERT_TRUE(lately.contains("v1"));
  EXPECT_NEAR(lately.at("v1").rate, 80, 8);
  EXPECT_NEAR(lately.at("v1").errors, 0.25, 0.1);
  ASSERT_TRUE(lately.at("v1").p95);
  EXPECT_NEAR(*lately.at("v1").p95, 0.195, 0.01);
}

TEST_F(ControllerTest, WhatEndedBeforeItBeganIsNotShownAsOfNow) {
  serve();
  world_.run(seconds(60), {});
  world_.run(seconds(1));
  world_.begin(*world_.store, *world_.platform);
  world_.controller->pass();
  EXPECT_THAT(world_.view().lately, IsEmpty());
  world_.run(seconds(10), {});
  EXPECT_NEAR(world_.view().lately.at("v1").rate, 80, 8);
}

TEST_F(ControllerTest, SaysThatRequestsWereLost) {
  serve();
  world_.applied(manifest_text("story:v2", {},
                               "interval: 1h, analysis: {metrics: [{name: "
                               "errorRate, margin: 0.3}]}"));
  world_.run(seconds(5), {});
  ASSERT_TRUE(world_.view().record.rolling());
  world_.answer({.requests = 150'000});
  world_.run(seconds(5));
  EXPECT_THAT(world_.reasons(), Contains("EvidenceLost"));
}

}  // namespace
}  // namespace serin::control
