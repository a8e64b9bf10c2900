// SPDX-License-Identifier: Apache-2.0
// Elections stepped by hand, each with a clock of its own, over one server.
#include "platform/kubernetes/client/lease.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>

#include "base/eventually_for_test.h"
#include "platform/kubernetes/client/api_server_for_test.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;

const std::string kPath = "/apis/coordination.k8s.io/v1/namespaces/serin/leases/operator";

TEST(LeaseSteps, FollowFromTheLeaseAndOnesOwnClock) {
  const auto held = [](const char* holder, int lasts) {
    return json::value{{"spec", {{"holderIdentity", holder}, {"leaseDurationSeconds", lasts}}}};
  };
  EXPECT_EQ(next_step(nullptr, "a", 0s, 15s), LeaseStep::kCreate);
  const json::value ours = held("a", 15), others = held("b", 20), nobodys = held("", 15);
  EXPECT_EQ(next_step(&ours, "a", 1h, 15s), LeaseStep::kRenew);
  EXPECT_EQ(next_step(&nobodys, "a", 0s, 15s), LeaseStep::kTake);
  EXPECT_EQ(next_step(&others, "a", 19s, 15s), LeaseStep::kWait);  // as long as its holder said
  EXPECT_EQ(next_step(&others, "a", 20s, 15s), LeaseStep::kTake);
  const json::value silent{{"spec", {{"holderIdentity", "b"}}}};
  EXPECT_EQ(next_step(&silent, "a", 14s, 15s), LeaseStep::kWait);
  EXPECT_EQ(next_step(&silent, "a", 15s, 15s), LeaseStep::kTake);
  for (const json::value& empty : {json::value(json::object()), json::value{{"spec", nullptr}}})
    EXPECT_EQ(next_step(&empty, "a", 0s, 15s), LeaseStep::kTake);
}

struct Candidate {
  Candidate(const ApiServerForTest& server, const std::string& name) {
    ApiOptions once;
    once.attempts = 1;
    api = *Api::create(server.access(), clock, once);
    election = std::make_unique<Election>(
        *api, LeaseOptions{.ns = "serin", .name = "operator", .identity = name}, clock);
  }
  bool step() {
    static_cast<void>(election->step());
    return election->leading();
  }
  ManualClock clock;
  std::unique_ptr<Api> api;
  std::unique_ptr<Election> election;
};

struct LeaseTest : testing::Test {
  // For both alike, also where a request is on its way meanwhile.
  void pass(Duration time) {
    const std::lock_guard lock(passing);
    a.clock.advance(time);
    b.clock.advance(time);
  }
  std::string holder() const {
    const auto lease = server.stored(kPath);
    return lease ? std::string(text_at(*lease, "/spec/holderIdentity")) : "none";
  }
  ApiServerForTest server;
  Candidate a{server, "a"}, b{server, "b"};
  std::mutex passing;
};

TEST_F(LeaseTest, OneLeadsAndTheOtherWaitsForItsEnd) {
  b.clock.advance(std::chrono::hours(1000));  // what b takes for the time is far from a's
  EXPECT_TRUE(a.step());
  EXPECT_FALSE(b.step());
  for (int i = 0; i < 20; ++i) {
    pass(5s);
    EXPECT_TRUE(a.step());
    EXPECT_FALSE(b.step());
  }
  pass(14s);
  EXPECT_FALSE(b.step());
  EXPECT_FALSE(a.election->leading());
  pass(1s);
  EXPECT_TRUE(b.step());
  EXPECT_EQ(holder(), "b");
  EXPECT_FALSE(a.step());
  const json::object lease = *server.stored(kPath);
  EXPECT_EQ(value_at(lease, "/spec/leaseTransitions")->to_number<int>(), 1);
}

TEST_F(LeaseTest, LeadsNoMoreBeforeAnotherMay) {
  EXPECT_TRUE(a.step());
  b.step();
  server.stop();
  pass(9'999ms);
  EXPECT_TRUE(a.step());
  pass(1ms);
  EXPECT_FALSE(a.election->leading());
  server.start();
  EXPECT_FALSE(b.step());
  EXPECT_TRUE(a.step());  // nobody took it meanwhile
}

TEST_F(LeaseTest, OutlastsATryThatFailed) {
  EXPECT_TRUE(a.step());
  server.answer_next("PUT", {refusal(409, "Conflict")});
  pass(2s);
  EXPECT_EQ(a.election->step().error().code, Code::kAborted);
  EXPECT_TRUE(a.election->leading());
}

TEST_F(LeaseTest, IsNotLedByWhoCameSecond) {
  server.answer_next("POST", {refusal(409, "AlreadyExists")});
  EXPECT_FALSE(a.step());
  EXPECT_TRUE(b.step());
  EXPECT_FALSE(a.step());
}

TEST_F(LeaseTest, IsTakenAtOnceWhenItIsGivenUp) {
  EXPECT_TRUE(a.step());
  EXPECT_FALSE(b.step());
  ASSERT_TRUE(a.election->release().has_value());
  EXPECT_FALSE(a.election->leading());
  EXPECT_TRUE(b.step());
  ASSERT_TRUE(a.election->release().has_value());  // not its own any more
  EXPECT_EQ(holder(), "b");
}

// Draws from one row, on whichever thread.
class Dice {
 public:
  int operator()(int sides) {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(random_() % static_cast<unsigned>(sides));
  }

 private:
  std::mutex mutex_;
  std::mt19937 random_{7};
};

// Time passes while a request is on its way there and while its answer is on its way back; requests
// are refused, and answers are lost whose requests were done.
TEST_F(LeaseTest, IsNeverLedByTwo) {
  Dice dice;
  const auto meanwhile = [&] { pass(std::chrono::milliseconds(dice(4) == 0 ? dice(6'000) : 0)); };
  server.script([&](const Asked& asked) -> std::optional<net::Response> {
    meanwhile();
    if (dice(10) == 0) return refusal(503, "ServiceUnavailable");
    if (asked.method != "PUT" || dice(4) != 0) return std::nullopt;
    const json::value written = *parse_json(asked.body);
    if (version_of(written) == version_of(*server.stored(kPath)))
      server.put(kPath, written.as_object());
    meanwhile();
    return refusal(500, "InternalError");
  });
  int led = 0, changes = 0;
  const Candidate* leader = nullptr;
  for (int i = 0; i < 3000; ++i) {
    Candidate& one = dice(2) == 0 ? a : b;
    switch (dice(40)) {
      case 0:
        pass(std::chrono::milliseconds(dice(20'000)));
        break;
      case 1:
        static_cast<void>(one.election->release());
        break;
      default:
        pass(std::chrono::milliseconds(dice(2'000)));
        one.step();
    }
    ASSERT_FALSE(a.election->leading() && b.election->leading()) << i;
    const Candidate* now = a.election->leading() ? &a : b.election->leading() ? &b : nullptr;
    led += now != nullptr ? 1 : 0;
    if (now != nullptr && now != std::exchange(leader, now)) ++changes;
  }
  server.script({});
  EXPECT_GT(led, 1000);
  EXPECT_GT(changes, 20);
}

// A server that says nothing costs the lease no later than one that says no: the end is told before
// the lease, of 4 s, may be another's.
TEST(Election, TellsItsEndInTimeWhenTheServerIsSilent) {
  ApiServerForTest server;
  const auto api = *Api::create(server.access());
  std::atomic<Instant> began{Instant()}, ended{Instant()};
  Election election(*api,
                    {.ns = "serin",
                     .name = "operator",
                     .identity = "a",
                     .lasts = 4s,
                     .renew_within = 2s,
                     .every = 1400ms},
                    Clock::real());
  election.start([&](bool leading) {
    if (leading) server.hush();
    (leading ? began : ended) = std::chrono::steady_clock::now();
  });
  EXPECT_TRUE(eventually([&] { return ended.load() != Instant(); }));
  EXPECT_LT(ended.load() - began.load(), 3s);
  server.stop();
}

TEST_F(LeaseTest, DoesNotWaitForAnAnswerLongerThanItLeads) {
  EXPECT_TRUE(a.step());
  pass(9'900ms);
  server.hush();
  const Instant asked = std::chrono::steady_clock::now();
  EXPECT_FALSE(a.election->step());
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 2s);
  server.stop();
  server.start();
}

TEST(Election, TellsItsBeginningAndItsEndAndGivesTheLeaseUp) {
  ApiServerForTest server;
  const auto api = *Api::create(server.access());
  std::atomic<int> began{0}, ended{0};
  {
    Election election(
        *api,
        {.ns = "serin", .name = "operator", .identity = "a", .every = std::chrono::milliseconds(5)},
        Clock::real());
    election.start([&](bool leading) { ++(leading ? began : ended); });
    EXPECT_TRUE(eventually([&] { return server.count("PUT") > 2; }));
    EXPECT_EQ(began, 1);
    EXPECT_EQ(ended, 0);
  }
  EXPECT_EQ(began, 1);
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(text_at(*server.stored(kPath), "/spec/holderIdentity"), "");
}

}  // namespace
}  // namespace serin::platform::kubernetes
