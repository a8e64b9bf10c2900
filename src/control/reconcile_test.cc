// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile.h"

#include <gmock/gmock.h>

#include "control/verbs.h"
#include "control/world_for_test.h"

namespace serin::control {
namespace {

using platform::ReplicaState;
using platform::ReplicaStatus;
using platform::VersionStatus;
using rollout::Verdict;
using std::chrono::seconds;
using testing::HasSubstr;

platform::Model model(const std::string& name) {
  return {.source = "story:" + name, .digest = "sha256:" + name, .root = {}};
}

VersionStatus status(const std::string& label, ReplicaState state = ReplicaState::kReady,
                     int replicas = 1) {
  VersionStatus version{
      .label = label, .digest = {}, .wanted = replicas, .crashes = 0, .replicas = {}};
  for (int i = 0; i < replicas; ++i)
    version.replicas.push_back(
        {.id = label + "-" + std::to_string(i),
         .state = state,
         .pid = 1,
         .restarts = 0,
         .message = state == ReplicaState::kReady ? "" : "no such operator"});
  return version;
}

// A service as a test moves it from step to step.
class Reconcile : public testing::Test {
 protected:
  // Another manifest; its package is the version of that name.
  void apply(const std::string& package, const std::string& more = {},
             const std::string& rollout = "interval: 30s, undoWindow: 60s") {
    manifest_ = manifest_of(manifest_text("story:" + package, more, rollout));
    auto step = control::apply(record_, manifest_, model(package), "ada", now_);
    ASSERT_TRUE(step.has_value()) << step.error().message;
    record_ = step->next;
  }
  // Steps until there is none; the last one's event.
  std::string settle() {
    std::string reason;
    for (int i = 0; i < 20; ++i) {
      const auto step = next_step(record_, manifest_, seen_, now_);
      if (!step) return reason;
      record_ = step->next;
      erased_ = step->erase;
      for (const Event& event : step->events) {
        reason = event.reason;
        message_ = event.message;
      }
      if (erased_) return reason;
    }
    ADD_FAILURE() << "steps do not end";
    return reason;
  }
  void see(std::vector<VersionStatus> versions) { seen_.versions = std::move(versions); }
  // v1 serves.
  void serve() {
    apply("one");
    settle();
    see({status("v1")});
    ASSERT_EQ(settle(), "Serving");
  }
  // v2 is a candidate with its first weight.
  void roll(const std::string& rollout = "interval: 30s, undoWindow: 60s") {
    serve();
    apply("two", {}, rollout);
    settle();
    see({status("v1"), status("v2")});
    ASSERT_EQ(settle(), "WeightChanged");
  }
  void judge(Verdict verdict) {
    seen_.report = {};
    seen_.report.verdict = verdict;
    rollout::MetricReport metric;
    metric.name = "errorRate";
    metric.verdict = verdict;
    seen_.report.metrics.push_back(metric);
  }
  Step ask(Verb verb) {
    auto step = control::ask(record_, manifest_, seen_, verb, "ada", now_);
    EXPECT_TRUE(step.has_value()) << step.error().message;
    if (step) record_ = step->next;
    return step ? *step : Step();
  }
  Error refused(Verb verb) {
    const auto step = control::ask(record_, manifest_, seen_, verb, "ada", now_);
    return step ? Error{} : step.error();
  }
  Wish wish() const { return wish_of(record_, manifest_, scorers_); }
  int replicas(const std::string& label) const {
    for (const auto& spec : wish().versions)
      if (spec.label == label) return spec.replicas;
    return -1;
  }
  VersionState state(const std::string& label) const { return record_.version(label)->state; }

  ServiceRecord record_;
  Manifest manifest_;
  std::vector<ScorerSpec> scorers_;
  Seen seen_;
  Moment now_{seconds(1000)};
  bool erased_ = false;
  std::string message_;
};

TEST_F(Reconcile, TheFirstVersionIsRoutedAtOnceAndServesWhenItIsReady) {
  apply("one");
  EXPECT_EQ(settle(), "Starting");
  EXPECT_EQ(record_.stable, "v1");
  EXPECT_EQ(replicas("v1"), 1);
  ASSERT_TRUE(wish().traffic);
  EXPECT_EQ(wish().traffic->stable, "v1");
  see({status("v1", ReplicaState::kStarting)});
  EXPECT_EQ(settle(), "");
  EXPECT_FALSE(record_.routed);
  see({status("v1")});
  EXPECT_EQ(settle(), "Serving");
  EXPECT_TRUE(record_.routed);
  ASSERT_TRUE(wish().traffic);
  EXPECT_EQ(wish().traffic->candidate, "");
  EXPECT_EQ(settle(), "");
}

TEST_F(Reconcile, UntilTheFirstVersionServesAnotherPackageTakesItsPlace) {
  apply("one");
  settle();
  see({status("v1", ReplicaState::kCrashLoop)});
  EXPECT_EQ(settle(), "CrashLoop");
  EXPECT_THAT(message_, HasSubstr("no such operator"));
  apply("two");
  EXPECT_EQ(settle(), "Starting");
  EXPECT_EQ(record_.stable, "v2");
  EXPECT_EQ(wish().traffic->stable, "v2");
  EXPECT_EQ(replicas("v1"), -1);
  EXPECT_EQ(replicas("v2"), 1);
}

TEST_F(Reconcile, ACanaryGoesStepByStepOnSafeVerdictsAlone) {
  roll();
  EXPECT_EQ(wish().traffic->candidate, "v2");
  EXPECT_EQ(wish().traffic->weight, 10);
  EXPECT_EQ(wish().traffic->salt, "story/1");
  judge(Verdict::kSafe);
  now_ += seconds(29);
  EXPECT_EQ(settle(), "");
  now_ += seconds(1);
  EXPECT_EQ(settle(), "WeightChanged");
  EXPECT_EQ(record_.rollout->weight, 20);
  judge(Verdict::kUndecided);
  now_ += seconds(300);
  EXPECT_EQ(settle(), "");
  EXPECT_EQ(record_.rollout->reason, "Undecided");
  judge(Verdict::kSafe);
  for (int weight = 30; weight < 100; weight += 10) {
    EXPECT_EQ(settle(), "WeightChanged");
    EXPECT_EQ(record_.rollout->weight, weight);
    now_ += seconds(30);
  }
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(record_.stable, "v2");
  EXPECT_EQ(record_.rollout->ending, Ending::kPromoted);
  EXPECT_EQ(wish().traffic->stable, "v2");
  EXPECT_EQ(wish().traffic->candidate, "");
}

TEST_F(Reconcile, AReplacedVersionIsKeptForTheUndoWindow) {
  roll();
  ask(Verb::kPromote);
  EXPECT_EQ(state("v1"), VersionState::kKept);
  EXPECT_EQ(replicas("v1"), 1);
  now_ += seconds(59);
  EXPECT_EQ(settle(), "");
  now_ += seconds(1);
  EXPECT_EQ(settle(), "Retired");
  EXPECT_EQ(replicas("v1"), -1);
}

TEST_F(Reconcile, HarmRollsBackAtOnceAndTheSamePackageIsNotTriedAgain) {
  roll();
  judge(Verdict::kHarmful);
  EXPECT_EQ(settle(), "RolledBack");
  EXPECT_THAT(message_, HasSubstr("Harmful"));
  EXPECT_EQ(record_.rollout->ending, Ending::kRolledBack);
  EXPECT_EQ(wish().traffic->candidate, "");
  EXPECT_EQ(replicas("v2"), -1);
  EXPECT_EQ(settle(), "");
  apply("two", "  replicas: {min: 2}\n");
  EXPECT_EQ(settle(), "");
  EXPECT_EQ(replicas("v1"), 2);
  judge(Verdict::kUndecided);
  apply("three");
  EXPECT_EQ(settle(), "RolloutStarted");
}

TEST_F(Reconcile, HarmRollsBackWhileItIsPaused) {
  roll();
  ask(Verb::kPause);
  judge(Verdict::kHarmful);
  EXPECT_EQ(settle(), "RolledBack");
}

TEST_F(Reconcile, ADryRunTellsOfHarmOnceAndGoesOn) {
  roll("interval: 30s, dryRun: true");
  judge(Verdict::kHarmful);
  EXPECT_EQ(settle(), "WouldRollBack");
  EXPECT_EQ(settle(), "");
  EXPECT_TRUE(record_.rolling());
}

TEST_F(Reconcile, ACandidateInACrashLoopIsRolledBackWithItsLastWords) {
  serve();
  apply("two");
  settle();
  see({status("v1"), status("v2", ReplicaState::kBackoff)});
  EXPECT_EQ(settle(), "");
  see({status("v1"), status("v2", ReplicaState::kCrashLoop)});
  EXPECT_EQ(settle(), "RolledBack");
  EXPECT_EQ(record_.rollout->reason, "CrashLoop");
  EXPECT_THAT(record_.rollout->message, HasSubstr("no such operator"));
}

TEST_F(Reconcile, ACandidateThatIsNotReadyInTimeIsRolledBackWithItsLastWords) {
  serve();
  apply("two", {}, "progressDeadline: 20s");
  settle();
  see({status("v1"), status("v2", ReplicaState::kUnready)});
  now_ += seconds(20);
  EXPECT_EQ(settle(), "");
  now_ += seconds(1);
  EXPECT_EQ(settle(), "RolledBack");
  EXPECT_EQ(record_.rollout->reason, "ProgressDeadlineExceeded");
  EXPECT_THAT(record_.rollout->message, HasSubstr("no such operator"));
}

TEST_F(Reconcile, TheDeadlineBeginsAnewWhenACandidateWasReady) {
  roll("interval: 30s, progressDeadline: 20s");
  now_ += seconds(100);
  see({status("v1"), status("v2", ReplicaState::kUnready)});
  settle();
  now_ += seconds(20);
  EXPECT_EQ(settle(), "");
  see({status("v1"), status("v2")});
  settle();
  EXPECT_FALSE(record_.rollout->unready_since);
}

TEST_F(Reconcile, AnUndecidedStepPausesAtTheHoldLimitUntilItIsResumed) {
  roll("interval: 30s, holdLimit: 60s");
  judge(Verdict::kUndecided);
  now_ += seconds(90);
  EXPECT_EQ(settle(), "Paused");
  EXPECT_EQ(record_.rollout->paused_by, "holdLimit");
  EXPECT_EQ(settle(), "");
  ask(Verb::kResume);
  EXPECT_EQ(settle(), "");
  EXPECT_FALSE(record_.rollout->paused());
  now_ += seconds(90);
  EXPECT_EQ(settle(), "Paused");
}

TEST_F(Reconcile, BlueGreenSwitchesWhenTheNewVersionIsReady) {
  serve();
  apply("two", {}, "strategy: blueGreen, undoWindow: 60s");
  settle();
  see({status("v1"), status("v2", ReplicaState::kStarting)});
  EXPECT_EQ(settle(), "");
  EXPECT_EQ(wish().traffic->stable, "v1");
  see({status("v1"), status("v2")});
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(wish().traffic->stable, "v2");
  EXPECT_EQ(state("v1"), VersionState::kKept);
}

TEST_F(Reconcile, RecreateEndsTheOldVersionBeforeItStartsTheNewOne) {
  serve();
  apply("two", {}, "strategy: recreate");
  EXPECT_EQ(settle(), "RolloutStarted");
  EXPECT_EQ(replicas("v1"), 0);
  EXPECT_EQ(replicas("v2"), -1);
  EXPECT_EQ(wish().traffic->stable, "v1");
  see({status("v1", ReplicaState::kStopping, 1)});
  EXPECT_EQ(settle(), "");
  see({status("v1", ReplicaState::kReady, 0)});
  EXPECT_EQ(settle(), "Starting");
  EXPECT_EQ(replicas("v2"), 1);
  see({status("v1", ReplicaState::kReady, 0), status("v2")});
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(replicas("v1"), -1);
  EXPECT_EQ(wish().traffic->stable, "v2");
}

TEST_F(Reconcile, RecreateBringsTheOldVersionBackOnceTheNewOneHasEnded) {
  serve();
  apply("two", {}, "strategy: recreate");
  settle();
  see({status("v1", ReplicaState::kReady, 0)});
  settle();
  see({status("v1", ReplicaState::kReady, 0), status("v2", ReplicaState::kCrashLoop)});
  EXPECT_EQ(settle(), "RolledBack");
  EXPECT_TRUE(record_.rolling());
  EXPECT_EQ(replicas("v1"), 0);
  EXPECT_EQ(replicas("v2"), -1);
  see({status("v1", ReplicaState::kReady, 0)});
  settle();
  EXPECT_FALSE(record_.rolling());
  EXPECT_EQ(record_.rollout->ending, Ending::kRolledBack);
  EXPECT_EQ(replicas("v1"), 1);
}

TEST_F(Reconcile, AnotherManifestSupersedesTheCandidateNeverTheStableVersion) {
  roll();
  apply("three");
  EXPECT_EQ(settle(), "RolloutStarted");
  EXPECT_EQ(record_.rollout->candidate, "v3");
  EXPECT_EQ(record_.rollout->number, 2);
  EXPECT_EQ(record_.stable, "v1");
  EXPECT_EQ(state("v2"), VersionState::kRolledBack);
  EXPECT_EQ(wish().traffic->candidate, "");
  EXPECT_EQ(replicas("v1"), 1);
}

TEST_F(Reconcile, SupersededByTheStablePackageTheRolloutIsOver) {
  roll();
  apply("one");
  EXPECT_EQ(settle(), "Superseded");
  EXPECT_FALSE(record_.rolling());
  EXPECT_EQ(record_.rollout->ending, Ending::kSuperseded);
  EXPECT_EQ(record_.attempted, record_.generation);
}

TEST_F(Reconcile, SettingsChangeWithoutARollout) {
  roll();
  apply("two", "  replicas: {min: 3}\n  resources: {memory: 1Gi, cpu: 500m}\n");
  EXPECT_EQ(settle(), "");
  EXPECT_EQ(record_.rollout->number, 1);
  EXPECT_EQ(replicas("v1"), 3);
  EXPECT_EQ(replicas("v2"), 3);
  EXPECT_EQ(wish().versions[0].resources.memory_bytes, std::uint64_t{1} << 30);
  EXPECT_DOUBLE_EQ(wish().versions[0].resources.cpus, 0.5);
  apply("two", "  resilience: {timeout: 9s}\n");
  EXPECT_EQ(settle(), "");
  EXPECT_EQ(wish().traffic->resilience.at("timeout").as_string(), "9s");
}

TEST_F(Reconcile, TheSameManifestAgainChangesNothing) {
  serve();
  const std::int64_t generation = record_.generation;
  apply("one");
  EXPECT_EQ(record_.generation, generation);
}

TEST_F(Reconcile, ASharedFolderWithOtherBytesIsAnotherPackage) {
  serve();
  const auto step = control::apply(record_, manifest_, model("other"), "ada", now_);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->next.generation, record_.generation + 1);
}

TEST_F(Reconcile, UndoTakesTheKeptVersionBackAndThenTheOtherOneAgain) {
  roll();
  ask(Verb::kPromote);
  EXPECT_EQ(ask(Verb::kUndo).events.back().reason, "UndoStarted");
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(record_.stable, "v1");
  EXPECT_EQ(state("v2"), VersionState::kKept);
  EXPECT_EQ(settle(), "");
  ask(Verb::kUndo);
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(record_.stable, "v2");
}

TEST_F(Reconcile, UndoOfARolloutThatRunsAbortsIt) {
  roll();
  ask(Verb::kUndo);
  EXPECT_EQ(record_.rollout->ending, Ending::kRolledBack);
  EXPECT_EQ(record_.rollout->reason, "Aborted");
  EXPECT_EQ(record_.stable, "v1");
}

TEST_F(Reconcile, StartTriesThePackageOfTheManifestAgain) {
  roll();
  EXPECT_THAT(refused(Verb::kStart).message, HasSubstr("runs already"));
  ask(Verb::kAbort);
  EXPECT_EQ(settle(), "");
  ask(Verb::kStart);
  EXPECT_EQ(record_.rollout->candidate, "v3");
  EXPECT_EQ(record_.version("v3")->model.digest, "sha256:two");
}

TEST_F(Reconcile, VerbsSayWhyTheyCannotBeDone) {
  serve();
  for (const Verb verb : {Verb::kPause, Verb::kResume, Verb::kPromote, Verb::kAbort}) {
    EXPECT_EQ(refused(verb).code, Code::kFailedPrecondition);
    EXPECT_THAT(refused(verb).message, HasSubstr("no rollout runs"));
  }
  EXPECT_THAT(refused(Verb::kUndo).message, HasSubstr("no version before v1"));
  EXPECT_THAT(refused(Verb::kStart).message, HasSubstr("v1 is the package"));
  apply("two");
  settle();
  see({status("v1"), status("v2", ReplicaState::kStarting)});
  EXPECT_THAT(refused(Verb::kPromote).message, HasSubstr("v2 is not ready"));
  EXPECT_THAT(verb_of("promot").error().message, HasSubstr("did you mean promote?"));
}

TEST_F(Reconcile, ADeletedServiceIsForgottenWhenNothingOfItRuns) {
  roll();
  record_ = control::remove(record_, "ada", now_)->next;
  EXPECT_TRUE(wish().versions.empty());
  EXPECT_FALSE(wish().traffic);
  EXPECT_EQ(settle(), "");
  see({});
  EXPECT_EQ(settle(), "Deleted");
  EXPECT_TRUE(erased_);
  const auto again = control::apply(record_, manifest_, model("one"), "ada", now_);
  EXPECT_EQ(again.error().code, Code::kFailedPrecondition);
}

TEST_F(Reconcile, AShadowGoesByEvidenceAndAnswersNobodyUntilItIsPromoted) {
  roll("strategy: shadow, interval: 30s, stepWeight: 60, initialWeight: 30");
  ASSERT_TRUE(wish().traffic);
  EXPECT_TRUE(wish().traffic->shadow);
  EXPECT_EQ(wish().traffic->stable, "v1");
  EXPECT_EQ(wish().traffic->candidate, "v2");
  EXPECT_EQ(wish().traffic->weight, 30);
  judge(Verdict::kSafe);
  now_ += seconds(30);
  EXPECT_EQ(settle(), "WeightChanged");
  EXPECT_EQ(wish().traffic->weight, 90);
  EXPECT_TRUE(wish().traffic->shadow);
  now_ += seconds(30);
  EXPECT_EQ(settle(), "Promoted");
  EXPECT_EQ(wish().traffic->stable, "v2");
  EXPECT_EQ(wish().traffic->candidate, "");
  EXPECT_FALSE(wish().traffic->shadow);
}

TEST_F(Reconcile, AHarmfulShadowGoesBack) {
  roll("strategy: shadow, interval: 30s");
  judge(Verdict::kHarmful);
  EXPECT_EQ(settle(), "RolledBack");
  EXPECT_EQ(wish().traffic->stable, "v1");
  EXPECT_EQ(wish().traffic->candidate, "");
}

TEST_F(Reconcile, BackFromAShadowIsAtOnce) {
  roll("strategy: shadow, interval: 30s");
  ask(Verb::kPromote);
  EXPECT_EQ(record_.stable, "v2");
  ask(Verb::kUndo);
  EXPECT_EQ(record_.rollout->strategy, Strategy::kBlueGreen);
}

TEST_F(Reconcile, AServiceWithoutWorkersChangesItsPackageAtOnce) {
  apply("one", "  replicas: {min: 0}\n");
  settle();
  see({status("v1", ReplicaState::kReady, 0)});
  EXPECT_EQ(settle(), "Serving");
  apply("two", "  replicas: {min: 0}\n");
  settle();
  see({status("v1", ReplicaState::kReady, 0), status("v2", ReplicaState::kReady, 0)});
  EXPECT_EQ(settle(), "Promoted");
}

TEST_F(Reconcile, OldVersionsAreForgottenByAndBy) {
  serve();
  for (int i = 2; i < 40; ++i) {
    apply("p" + std::to_string(i), {}, "strategy: blueGreen, undoWindow: 0s");
    settle();
    see({status(record_.stable), status("v" + std::to_string(i))});
    settle();
    see({status(record_.stable)});
    settle();
  }
  EXPECT_EQ(record_.stable, "v39");
  EXPECT_EQ(record_.versions.size(), 20U);
}

TEST_F(Reconcile, KeepsAsMuchForScorersAsTheOneWhoWantsMost) {
  serve();
  EXPECT_EQ(wish().traffic->sample, 0);
  for (const double sample : {0.1, 0.4, 0.2}) scorers_.emplace_back().sample = sample;
  EXPECT_EQ(wish().traffic->sample, 0.4);
}

TEST_F(Reconcile, TellsOfWorkersOfWhatServesThatEnded) {
  serve();
  const auto ends = [&](std::uint64_t before, VersionStatus after) {
    VersionStatus earlier = status(after.label);
    earlier.crashes = before;
    return worker_ends(record_, {earlier}, {std::move(after)}, now_);
  };
  VersionStatus killed = status("v1", ReplicaState::kBackoff);
  killed.crashes = 2;
  const auto events = ends(1, killed);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].reason, "WorkerEnded");
  EXPECT_EQ(events[0].version, "v1");
  EXPECT_EQ(events[0].message, "a worker ended: no such operator");
  EXPECT_TRUE(events[0].warning);
  EXPECT_THAT(ends(0, killed)[0].message, HasSubstr("2 workers ended"));
  EXPECT_TRUE(ends(2, killed).empty());
  EXPECT_TRUE(worker_ends(record_, {}, {killed}, now_).empty()) << "the first look knows none";
  killed.replicas[0].state = ReplicaState::kStarting;
  EXPECT_EQ(ends(1, killed)[0].message, "a worker ended") << "the message is about its start";
  killed.replicas[0].state = ReplicaState::kCrashLoop;
  EXPECT_TRUE(ends(1, killed).empty()) << "that is an event of its own";
}

}  // namespace
}  // namespace serin::control
