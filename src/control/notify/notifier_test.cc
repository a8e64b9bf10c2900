// SPDX-License-Identifier: Apache-2.0
#include "control/notify/notifier.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "base/log.h"
#include "control/fused_store_for_test.h"
#include "control/notify/tell.h"

namespace serin::control::notify {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

// A store with a service that has targets, and a notifier on a connection of its own.
class NotifierTest : public testing::Test {
 protected:
  NotifierTest() : folder_(*TemporaryDirectory::create("notify")) {
    log::configure({log::Level::kError, log::Form::kAuto});
    store_ = open({});
    begin(*(own_ = open({})));
    service_.name = "story";
  }

  std::unique_ptr<Store> open(const StoreLimits& limits) {
    auto opened = open_store(folder_.path() / "control.db", limits);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return std::move(*opened);
  }
  void begin(Store& own) {
    notifier_.reset();
    notifier_ =
        std::make_unique<Notifier>(own, clock_, metrics_,
                                   [this](const Target& target, const Event& event,
                                          const CancelToken&) { return tell(target, event); });
  }
  Status tell(const Target& target, const Event& event) {
    fuse_.burn();
    const Status answer = answers_.contains(target.name) ? answers_[target.name] : Status();
    told_.push_back(target.name + " " + event.reason + (answer ? "" : " refused"));
    fuse_.burn();
    return answer;
  }

  void target(const std::string& name, const std::string& events = R"(["*"])",
              const std::string& retry_for = "1h") {
    service_.targets[name] = R"({"name":")" + name + R"(","url":"http://x","events":)" + events +
                             R"(,"timeout":"1s","retryFor":")" + retry_for + R"("})";
  }
  Event event(const std::string& reason) {
    return {.time = moment_of(clock_),
            .service = "story",
            .version = {},
            .reason = reason,
            .message = "why"};
  }
  void happens(const std::vector<std::string>& reasons, Store* store = nullptr) {
    std::vector<Event> events;
    for (const std::string& reason : reasons) events.push_back(event(reason));
    ASSERT_TRUE((store == nullptr ? *store_ : *store).commit(service_, events));
  }
  std::vector<std::string> round() {
    told_.clear();
    notifier_->round();
    return told_;
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> found;
    const auto events = store_->events({.service = {}, .after = 0, .most = 1000});
    for (const Event& one : *events) found.push_back(one.reason);
    return found;
  }

  // What was counted of a target; "none" where it is not told.
  std::string counted(const std::string& target, const std::string& outcome) {
    const std::string series = "serin_notifications_total{service=\"story\",target=\"" + target +
                               "\",outcome=\"" + outcome + "\"} ";
    return value_of(series);
  }
  std::string value_of(const std::string& series) {
    const std::string text = metrics_.registry().expose();
    const std::size_t at = text.find(series);
    if (at == std::string::npos) return "none";
    const std::size_t begin = at + series.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  TemporaryDirectory folder_;
  ManualClock clock_;
  Metrics metrics_{"test", clock_};
  std::unique_ptr<Store> store_, own_;
  ServiceRecord service_;
  std::map<std::string, Status> answers_;
  std::vector<std::string> told_;
  Fuse fuse_;
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, TellsEachTargetOfWhatItAsksForOnceAndInOrder) {
  target("all");
  target("ends", R"(["Promoted", "Rolled*"])");
  happens({"Created", "Starting"});
  happens({"Promoted"});
  EXPECT_THAT(round(), testing::UnorderedElementsAre("all Created", "all Starting", "all Promoted",
                                                     "ends Promoted"));
  EXPECT_THAT(round(), ElementsAre());
  happens({"RolledBack"});
  EXPECT_THAT(round(), testing::UnorderedElementsAre("all RolledBack", "ends RolledBack"));
}

TEST_F(NotifierTest, ANewTargetIsToldFromTheCommitThatBroughtIt) {
  happens({"Created", "Serving"});
  target("late");
  happens({"Configured"});
  EXPECT_THAT(round(), ElementsAre("late Configured"));
}

TEST_F(NotifierTest, WhatIsRefusedIsTriedAgainLaterAndHoldsUpNobodyElse) {
  target("bad");
  target("good");
  answers_["bad"] = fail(Code::kUnavailable, "it answered 503");
  happens({"Created", "Serving"});
  EXPECT_THAT(round(),
              testing::UnorderedElementsAre("bad Created refused", "good Created", "good Serving"));
  EXPECT_THAT(round(), ElementsAre());
  clock_.advance(seconds(1));
  EXPECT_THAT(round(), ElementsAre("bad Created refused"));
  clock_.advance(seconds(1));
  EXPECT_THAT(round(), ElementsAre());
  clock_.advance(seconds(1));
  answers_.clear();
  EXPECT_THAT(round(), ElementsAre("bad Created", "bad Serving"));
}

TEST_F(NotifierTest, WaitsAsLongAsTheTargetSays) {
  target("busy");
  answers_["busy"] = fail({.code = Code::kUnavailable,
                           .message = "it answered 429",
                           .retry_after = std::chrono::milliseconds(30'000)});
  happens({"Created"});
  round();
  clock_.advance(seconds(29));
  EXPECT_THAT(round(), ElementsAre());
  clock_.advance(seconds(1));
  EXPECT_THAT(round(), ElementsAre("busy Created refused"));
}

TEST_F(NotifierTest, GivesUpInTimeSaysSoAndGoesOn) {
  target("bad", R"(["*"])", "10s");
  answers_["bad"] = fail(Code::kUnavailable, "it answered 500");
  happens({"Created"});
  for (int i = 0; i < 20; ++i) {
    round();
    clock_.advance(seconds(1));
  }
  EXPECT_THAT(reasons(), ElementsAre("Created", "WebhookFailed"));
  const auto events = store_->events({.service = {}, .after = 0, .most = 1});
  EXPECT_EQ(events->back().message, "bad was not told of Created: it answered 500");
  // Nobody is told that somebody could not be told.
  answers_.clear();
  happens({"Serving"});
  EXPECT_THAT(round(), ElementsAre("bad Serving"));
}

TEST_F(NotifierTest, CountsWhatBecameOfEachTry) {
  target("bad", R"(["*"])", "2s");
  target("good");
  answers_["bad"] = fail(Code::kUnavailable, "it answered 500");
  happens({"Created"});
  round();
  EXPECT_EQ(counted("good", "delivered"), "1");
  EXPECT_EQ(counted("good", "failed"), "0");
  EXPECT_EQ(counted("bad", "delivered"), "0");
  EXPECT_EQ(counted("bad", "failed"), "1");
  EXPECT_EQ(counted("bad", "given_up"), "0");
  clock_.advance(seconds(2));
  round();
  EXPECT_EQ(counted("bad", "failed"), "2");
  EXPECT_EQ(counted("bad", "given_up"), "1");
  EXPECT_EQ(value_of("serin_events_total{service=\"story\",type=\"Warning\",reason="
                     "\"WebhookFailed\"} "),
            "1");
  service_.targets.erase("bad");
  happens({"Configured"});
  answers_.clear();
  round();
  EXPECT_EQ(counted("bad", "given_up"), "none") << "what is gone is told no more";
  EXPECT_EQ(counted("good", "delivered"), "2");
}

TEST_F(NotifierTest, ATargetThatWantsNoMoreOfItIsNotAskedAgain) {
  target("gone");
  answers_["gone"] = fail(
      {.code = Code::kUnavailable, .message = "it answered 410", .reason = std::string(kGone)});
  happens({"Created"});
  EXPECT_THAT(round(), ElementsAre("gone Created refused"));
  EXPECT_THAT(reasons(), ElementsAre("Created", "WebhookFailed"));
  clock_.advance(std::chrono::hours(2));
  EXPECT_THAT(round(), ElementsAre()) << "it is asked once, and never again";
  // Of what happens next it is.
  happens({"Serving"});
  EXPECT_THAT(round(), ElementsAre("gone Serving refused"));
}

TEST_F(NotifierTest, ATargetThatGoesIsToldOfWhatHappenedBefore) {
  target("old");
  target("new");
  answers_["old"] = fail(Code::kUnavailable, "no");
  happens({"Created"});
  round();
  service_.targets.erase("old");
  happens({"Configured"});
  happens({"Serving"});
  answers_.clear();
  clock_.advance(seconds(2));
  EXPECT_THAT(round(), testing::UnorderedElementsAre("old Created", "old Configured",
                                                     "new Configured", "new Serving"));
  EXPECT_EQ(store_->subscriptions()->size(), 1U);
}

TEST_F(NotifierTest, TheEndOfAServiceIsToldAndThenForgotten) {
  target("ops");
  happens({"Created"});
  const Event deleted = event("Deleted");
  ASSERT_TRUE(store_->erase("story", {&deleted, 1}));
  EXPECT_THAT(round(), ElementsAre("ops Created", "ops Deleted"));
  EXPECT_TRUE(store_->subscriptions()->empty());
}

TEST_F(NotifierTest, WhatHadToBeForgottenIsCounted) {
  const auto small = open({.events = 5, .rollouts_of_service = 5});
  target("ops", R"(["Created"])");
  happens({"Created"}, small.get());
  for (int i = 0; i < 10; ++i) happens({"WeightChanged"}, small.get());
  EXPECT_THAT(round(), ElementsAre());
  const auto events = store_->events({.service = {}, .after = 0, .most = 1});
  EXPECT_EQ(events->back().reason, "WebhookFailed");
  EXPECT_EQ(events->back().message, "ops: 6 events were forgotten before it was told");
  EXPECT_EQ(counted("ops", "lost"), "6");
  happens({"Created"}, small.get());
  EXPECT_THAT(round(), ElementsAre("ops Created"));
}

// Killed before or after every write and every telling, and begun anew.
TEST_F(NotifierTest, WhoeverIsKilledLosesNothingAndTellsAtMostTheLastAgain) {
  target("ops");
  happens({"One", "Two", "Three"});
  const std::vector<std::string> wanted{"ops One", "ops Two", "ops Three"};
  FusedStore fused(*own_, fuse_);
  begin(fused);
  fuse_ = {};
  EXPECT_EQ(round(), wanted);
  const int calls = fuse_.burned;
  ASSERT_EQ(calls, 12);
  for (int i = 0; i < calls; ++i) {
    happens({"One", "Two", "Three"});
    fuse_ = {.left = i};
    told_.clear();
    bool killed = false;
    try {
      notifier_->round();
    } catch (const Killed&) {
      killed = true;
      begin(fused);
      notifier_->round();
    }
    EXPECT_TRUE(killed) << i;
    EXPECT_LE(told_.size(), 4U) << i;
    told_.erase(std::unique(told_.begin(), told_.end()), told_.end());
    EXPECT_EQ(told_, wanted) << "killed at call " << i;
  }
}

TEST_F(NotifierTest, AThreadThatWaitsForOneTargetLeavesOthersToOthers) {
  target("slow");
  target("quick");
  happens({"Created", "Serving"});
  std::mutex mutex;
  std::condition_variable woken;
  int quick = 0;
  const auto own = open({});
  Notifier notifier(*own, Clock::real(), metrics_,
                    [&](const Target& one, const Event&, const CancelToken& cancel) -> Status {
                      if (one.name == "quick") {
                        const std::lock_guard lock(mutex);
                        ++quick;
                        woken.notify_all();
                        return {};
                      }
                      while (!cancel.cancelled()) std::this_thread::yield();
                      return fail(Code::kCancelled, "it was cut short");
                    });
  notifier.start();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(woken.wait_for(lock, seconds(30), [&] { return quick == 2; }));
}

}  // namespace
}  // namespace serin::control::notify
