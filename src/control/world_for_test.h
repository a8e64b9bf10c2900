// SPDX-License-Identifier: Apache-2.0
// For tests of the control plane: a store, a platform in memory and a clock that the test moves,
// and manifests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/log.h"
#include "control/controller.h"
#include "control/notify/reasons.h"
#include "platform/fake_for_test.h"

namespace serin::control {

inline std::string manifest_text(const std::string& model, const std::string& more = {},
                                 const std::string& rollout = "interval: 30s, undoWindow: 60s") {
  return "apiVersion: serin.dev/v1alpha1\nkind: GenerativeService\nmetadata: {name: story}\nspec:\n"
         "  model: " +
         model + "\n  rollout: {" + rollout + "}\n" + more;
}

inline Manifest manifest_of(const std::string& text) {
  auto manifest = read_manifest(text, "story.yaml");
  EXPECT_TRUE(manifest.has_value()) << manifest.error().message;
  return manifest ? std::move(*manifest) : Manifest();
}

// Packages: "story:v1" to "story:v3" run, "story:bad" ends as it starts, "story:slow" takes an
// hour.
class ControlWorld {
 public:
  static constexpr std::chrono::milliseconds kTick{250};

  ControlWorld()
      : folder_(*TemporaryDirectory::create("control")),
        platform(std::make_unique<platform::FakePlatform>(clock)) {
    log::configure({log::Level::kError, log::Form::kAuto});
    for (const char* name : {"story:v1", "story:v2", "story:v3"}) platform->add_package(name, {});
    platform->add_package("story:bad", {.ready_after = std::chrono::seconds(1), .crashes = true});
    platform->add_package("story:slow", {.ready_after = std::chrono::hours(1), .crashes = false});
    store = open();
    begin(*store, *platform);
  }

  std::unique_ptr<Store> open() {
    auto opened = open_store(folder_.path() / "control.db");
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  // A control plane that finds what the one before left.
  void begin(Store& on, platform::Platform& with) {
    controller.reset();
    auto made = Controller::create(on, with, clock);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    controller = std::move(*made);
  }

  Result<Applied> apply(const std::string& text) {
    return controller->apply(
        {.text = text, .file = "story.yaml", .folder = {}, .dry_run = false, .who = "ada"});
  }
  void applied(const std::string& text) {
    const auto done = apply(text);
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }

  // Passes while requests come: so many a tick, of which such a part fails by version.
  struct Load {
    int requests = 20;
    double stable_errors = 0;
    double candidate_errors = 0;
    // Each is rated, by a user of its own, when it is told of; or scored, by a scorer of this name.
    std::optional<double> stable_rating = std::nullopt, candidate_rating = std::nullopt;
    std::string scorer = "feedback";
  };
  void run(std::chrono::seconds time, const Load& load) {
    const auto ticks = std::chrono::duration_cast<std::chrono::milliseconds>(time) / kTick;
    for (std::int64_t i = 0; i < ticks; ++i) {
      controller->pass();
      clock.advance(kTick);
      answer(load);
    }
    controller->pass();
  }
  void run(std::chrono::seconds time) { run(time, {.requests = 0}); }
  // What the gateway would tell of one tick.
  void answer(const Load& load) {
    const platform::Traffic* traffic = platform->traffic("story");
    // Until the first version serves they wait.
    served_ = served_ || (traffic != nullptr && view().record.routed);
    if (traffic == nullptr || !served_) return;
    for (int i = 0; i < load.requests; ++i) {
      ++asked_;
      const bool candidate =
          !traffic->candidate.empty() &&
          static_cast<int>(asked_ * 61 % 100) < traffic->weight;  // 61 and 100: no common factor
      platform::Evidence evidence;
      evidence.version = candidate ? traffic->candidate : traffic->stable;
      evidence.request.assigned =
          std::chrono::duration<double>(clock.wall().time_since_epoch()).count();
      evidence.request.arm = candidate ? rollout::Arm::kCandidate : rollout::Arm::kStable;
      evidence.request.weight = traffic->weight / 100.0;
      evidence.request.worker = candidate ? 2 : 1;
      const double errors = candidate ? load.candidate_errors : load.stable_errors;
      const bool failed = static_cast<double>(asked_ * 37 % 1000) < errors * 1000;
      evidence.request.outcome = failed ? rollout::Outcome::kFailed : rollout::Outcome::kAnswered;
      // Like each other, and not all the same.
      evidence.request.latency = 0.1 + 0.001 * static_cast<double>(asked_ * 7919 % 100);
      const auto rating = candidate ? load.candidate_rating : load.stable_rating;
      if (rating) rate(evidence, asked_ * 0x9e3779b97f4a7c15, *rating, load.scorer);
      platform->record("story", evidence);
      if (!candidate || !traffic->shadow) continue;
      // What the user got, which is compared with nothing.
      evidence.version = traffic->stable;
      evidence.request.arm = rollout::Arm::kStable;
      evidence.request.weight = 0;
      evidence.request.outcome = rollout::Outcome::kAnswered;
      if (failed) {
        evidence.compared = rollout::NotCompared::kFailed;
      } else {
        evidence.compared = rollout::Comparison{.agreement = 0.5, .identical = false};
      }
      platform->record("story", std::move(evidence));
    }
  }
  // What the gateway would tell of a user's rating of the request, or of a scorer's score.
  void rate(platform::Evidence evidence, std::uint64_t user, double rating,
            const std::string& scorer = "feedback") {
    evidence.late = true;
    evidence.request.key = user;
    evidence.scores = {{scorer, rating}};
    platform->record("story", std::move(evidence));
  }

  ServiceView view() {
    auto found = controller->get("story");
    EXPECT_TRUE(found.has_value());
    return found ? std::move(*found) : ServiceView();
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> found;
    const auto events = store->events({.service = {}, .after = 0, .most = 1000});
    for (const Event& event : *events) {
      EXPECT_TRUE(notify::check_pattern(event.reason)) << event.reason << " is not documented";
      found.push_back(event.reason);
    }
    return found;
  }

 private:
  TemporaryDirectory folder_;
  std::uint64_t asked_ = 0;
  bool served_ = false;

 public:
  ManualClock clock;
  std::unique_ptr<platform::FakePlatform> platform;
  std::unique_ptr<Store> store;
  std::unique_ptr<Controller> controller;
};

}  // namespace serin::control
