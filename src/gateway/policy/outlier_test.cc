// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/outlier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::gateway {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr Attempt kGood{AttemptEnd::kAnswered, {}, {}};
constexpr Attempt kBad{AttemptEnd::kServerError, {}, {}};
constexpr Attempt kGatewayBad{AttemptEnd::kGatewayError, {}, {}};

class OutlierEjection : public ::testing::Test {
 protected:
  void SetUp() override { have(4); }

  void have(int replicas) {
    names_.clear();
    for (int i = 0; i < replicas; ++i) names_.push_back("r" + std::to_string(i));
    outliers_.set(limits_, names_);
  }
  void set(const OutlierLimits& limits) {
    limits_ = limits;
    outliers_.set(limits_, names_);
  }
  std::vector<Ejection> ended(const std::string& replica, const Attempt& attempt, int times = 1) {
    std::vector<Ejection> all;
    for (int i = 0; i < times; ++i) {
      for (Ejection& one : outliers_.ended(replica, attempt, clock_.now()))
        all.push_back(std::move(one));
    }
    return all;
  }
  bool ejected(const std::string& replica) const {
    return outliers_.ejected(replica, clock_.now());
  }
  // A look at what the interval had happens with the first try after it.
  std::vector<Ejection> after_interval() {
    clock_.advance(limits_.interval);
    return ended("r0", kGood);
  }

  ManualClock clock_;
  OutlierLimits limits_;
  std::vector<std::string> names_;
  Outliers outliers_;
};

TEST_F(OutlierEjection, ComesAfterFiveErrorsInARow) {
  EXPECT_THAT(ended("r1", kBad, 4), IsEmpty());
  EXPECT_FALSE(ejected("r1"));
  const auto ejections = ended("r1", kBad);
  ASSERT_EQ(ejections.size(), 1U);
  EXPECT_EQ(ejections[0].replica, "r1");
  EXPECT_EQ(ejections[0].reason, EjectionReason::kConsecutive5xx);
  EXPECT_EQ(ejections[0].time, seconds(30));
  EXPECT_TRUE(ejected("r1"));
  EXPECT_FALSE(ejected("r0"));
}

TEST_F(OutlierEjection, ASuccessBetweenBeginsTheCountAnew) {
  ended("r1", kBad, 4);
  ended("r1", kGood);
  EXPECT_THAT(ended("r1", kBad, 4), IsEmpty());
}

TEST_F(OutlierEjection, BusyAnswersAndClientsThatLeaveAreNobodysFault) {
  EXPECT_THAT(ended("r1", {AttemptEnd::kFull, {}, {}}, 100), IsEmpty());
  EXPECT_THAT(ended("r1", {AttemptEnd::kAbandoned, {}, {}}, 100), IsEmpty());
  ended("r1", kBad, 4);
  ended("r1", {AttemptEnd::kAbandoned, {}, {}});  // and does not make good what was bad
  EXPECT_EQ(ended("r1", kBad).size(), 1U);
}

TEST_F(OutlierEjection, ZeroErrorsMeansNever) {
  set({.consecutive_5xx_errors = 0});
  EXPECT_THAT(ended("r1", kBad, 1000), IsEmpty());
}

TEST_F(OutlierEjection, GatewayErrorsMayEjectSooner) {
  set({.consecutive_gateway_errors = 2});
  EXPECT_THAT(ended("r1", kGatewayBad), IsEmpty());
  EXPECT_THAT(ended("r1", kBad), IsEmpty());  // is not one
  EXPECT_THAT(ended("r1", kGatewayBad), IsEmpty());
  const auto ejections = ended("r1", kGatewayBad);
  ASSERT_EQ(ejections.size(), 1U);
  EXPECT_EQ(ejections[0].reason, EjectionReason::kConsecutiveGatewayErrors);
}

TEST_F(OutlierEjection, LastsLongerEachTime) {
  for (const int expected : {30, 60, 90}) {
    const auto ejections = ended("r1", kBad, 5);
    ASSERT_EQ(ejections.size(), 1U);
    EXPECT_EQ(ejections[0].time, seconds(expected));
    clock_.advance(seconds(expected) - milliseconds(1));
    EXPECT_TRUE(ejected("r1"));
    clock_.advance(milliseconds(1));
    EXPECT_FALSE(ejected("r1"));
  }
}

TEST_F(OutlierEjection, IsNeverLongerThanTheMost) {
  set({.max_ejection_time = milliseconds(45'000)});
  ended("r1", kBad, 5);
  clock_.advance(seconds(30));
  EXPECT_EQ(ended("r1", kBad, 5).at(0).time, seconds(45));
}

TEST_F(OutlierEjection, IsForgivenByIntervalsInService) {
  ended("r1", kBad, 5);
  clock_.advance(seconds(30));
  ended("r1", kBad, 5);         // 60 s
  clock_.advance(seconds(70));  // back for one interval
  after_interval();
  after_interval();
  EXPECT_EQ(ended("r1", kBad, 5).at(0).time, seconds(30));
}

TEST_F(OutlierEjection, LeavesHalfOfTheReplicas) {
  for (const std::string& name : names_) ended(name, kBad, 50);
  EXPECT_EQ(outliers_.ejected(clock_.now()), 2U);
}

TEST_F(OutlierEjection, KeepsOneHostWhenAllFail) {
  set({.max_ejection_percent = 100});
  for (const std::string& name : names_) ended(name, kBad, 50);
  EXPECT_EQ(outliers_.ejected(clock_.now()), 3U);
  outliers_.set(limits_, {"only"});
  ended("only", kBad, 50);
  EXPECT_FALSE(ejected("only"));
}

TEST_F(OutlierEjection, APercentOfZeroEjectsNobody) {
  set({.max_ejection_percent = 0});
  ended("r1", kBad, 50);
  EXPECT_FALSE(ejected("r1"));
}

TEST_F(OutlierEjection, TriesThatEndDuringItDoNotLengthenIt) {
  ended("r1", kBad, 5);
  EXPECT_THAT(ended("r1", kBad, 20), IsEmpty());
}

TEST_F(OutlierEjection, AReplicaThatIsThereStillKeepsItsPast) {
  ended("r1", kBad, 5);
  outliers_.set(limits_, {"r1", "r2", "new"});
  EXPECT_TRUE(ejected("r1"));
  outliers_.set(limits_, {"r2", "new"});
  EXPECT_FALSE(ejected("r1"));
  EXPECT_THAT(ended("r1", kBad, 5), IsEmpty()) << "it is none of the replicas any more";
}

TEST_F(OutlierEjection, ALowSuccessRateStandsOutOfFive) {
  have(5);
  for (const std::string& name : names_) {
    const int bad = name == "r3" ? 30 : 1;
    for (int i = 0; i < 120; ++i) ended(name, i % 4 == 0 && i / 4 < bad ? kBad : kGood);
  }
  EXPECT_FALSE(ejected("r3"));
  const auto ejections = after_interval();
  ASSERT_EQ(ejections.size(), 1U);
  EXPECT_EQ(ejections[0].replica, "r3");
  EXPECT_EQ(ejections[0].reason, EjectionReason::kSuccessRate);
}

TEST_F(OutlierEjection, SuccessRatesNeedEnoughReplicasAndRequests) {
  const auto rates = [&](int replicas, int requests) {
    have(replicas);
    for (const std::string& name : names_) {
      for (int i = 0; i < requests; ++i) ended(name, name == "r3" && i % 2 == 0 ? kBad : kGood);
    }
    return after_interval();
  };
  EXPECT_THAT(rates(4, 200), IsEmpty());
  EXPECT_THAT(rates(5, 99), IsEmpty());
  EXPECT_EQ(rates(5, 100).size(), 1U);
}

TEST_F(OutlierEjection, EqualSuccessRatesEjectNobody) {
  have(5);
  for (const std::string& name : names_) {
    for (int i = 0; i < 150; ++i) ended(name, i % 3 == 0 ? kBad : kGood);
  }
  EXPECT_THAT(after_interval(), IsEmpty());
}

Attempt answered_after(milliseconds time) { return {AttemptEnd::kAnswered, time, {}}; }

TEST_F(OutlierEjection, ASlowFirstTokenStandsOut) {
  have(3);
  ended("r0", answered_after(milliseconds(40)), 20);
  ended("r1", answered_after(milliseconds(50)), 20);
  ended("r2", answered_after(milliseconds(260)), 20);
  const auto ejections = after_interval();
  ASSERT_EQ(ejections.size(), 1U);
  EXPECT_EQ(ejections[0].replica, "r2");
  EXPECT_EQ(ejections[0].reason, EjectionReason::kLatency);
}

TEST_F(OutlierEjection, FirstTokensThatAreAllSlowEjectNobody) {
  have(3);
  for (const std::string& name : names_) ended(name, answered_after(seconds(9)), 30);
  EXPECT_THAT(after_interval(), IsEmpty());
}

TEST_F(OutlierEjection, LatenciesNeedEnoughReplicasAndRequests) {
  have(2);
  ended("r0", answered_after(milliseconds(10)), 100);
  ended("r1", answered_after(seconds(9)), 100);
  EXPECT_THAT(after_interval(), IsEmpty());
  have(3);
  ended("r0", answered_after(milliseconds(10)), 100);
  ended("r1", answered_after(milliseconds(10)), 100);
  ended("r2", answered_after(seconds(9)), 19);
  EXPECT_THAT(after_interval(), IsEmpty());
}

TEST_F(OutlierEjection, AnIntervalDoesNotCountForTheNext) {
  have(3);
  ended("r2", answered_after(seconds(9)), 19);
  after_interval();
  ended("r0", answered_after(milliseconds(10)), 100);
  ended("r1", answered_after(milliseconds(10)), 100);
  ended("r2", answered_after(seconds(9)), 1);
  EXPECT_THAT(after_interval(), IsEmpty());
}

}  // namespace
}  // namespace serin::gateway
