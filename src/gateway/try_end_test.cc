// SPDX-License-Identifier: Apache-2.0
#include "gateway/try_end.h"

#include <gtest/gtest.h>

namespace serin::gateway {
namespace {

using rollout::Outcome;
using std::chrono::seconds;

RetryFacts usual() {
  RetryFacts facts;
  facts.other_replica = true;
  facts.left = seconds(30);
  return facts;
}

RetryDecision after(const TryEnd& tried, const RetryFacts& facts = usual(),
                    std::uint64_t random = ~std::uint64_t{0}) {
  return decide_retry(Resilience{}, tried, facts, random);
}

TEST(Outcome, IsAFailureWhereTheVersionIsToBlame) {
  for (const std::uint16_t status : {429, 500, 501, 502, 503, 504})
    EXPECT_EQ(outcome_of({End::kAnswer, status}), Outcome::kFailed) << status;
  for (const End end : {End::kEmpty, End::kNotConnected, End::kNoAnswer, End::kLateFirstByte,
                        End::kBroken, End::kDeadline})
    EXPECT_EQ(outcome_of({end}), Outcome::kFailed) << name_of(end);
}

TEST(Outcome, IsNoEvidenceWhereTheClientIs) {
  for (const std::uint16_t status : {400, 401, 404, 413, 422, 499})
    EXPECT_EQ(outcome_of({End::kAnswer, status}), Outcome::kCensored) << status;
  EXPECT_EQ(outcome_of({End::kClientGone}), Outcome::kCensored);
  EXPECT_EQ(outcome_of({End::kAnswer, 200}), Outcome::kAnswered);
}

TEST(Retry, ComesAfterWhatAnotherTryMayMend) {
  EXPECT_TRUE(after({End::kAnswer, 502}).retry);
  EXPECT_TRUE(after({End::kAnswer, 503}).retry);
  EXPECT_TRUE(after({End::kAnswer, 429}).retry);
  EXPECT_TRUE(after({End::kNotConnected}).retry);
  EXPECT_TRUE(after({End::kNoAnswer}).retry);
  EXPECT_TRUE(after({End::kLateFirstByte}).retry);
}

TEST(Retry, DoesNotComeWhereItWouldBeTheSameOrTooLate) {
  for (const std::uint16_t status : {200, 400, 404, 500, 501, 504})
    EXPECT_FALSE(after({End::kAnswer, status}).retry) << status;
  for (const End end : {End::kEmpty, End::kBroken, End::kDeadline, End::kClientGone})
    EXPECT_FALSE(after({end}).retry) << name_of(end);
  RetryFacts answering = usual();
  answering.answering = true;
  EXPECT_FALSE(after({End::kNoAnswer}, answering).retry);
}

TEST(Retry, SaysWhyThereIsNone) {
  const auto why = [](const TryEnd& tried, auto change) {
    RetryFacts facts = usual();
    change(facts);
    const RetryDecision decision = after(tried, facts);
    EXPECT_FALSE(decision.retry);
    return decision.why_not;
  };
  const TryEnd broken{End::kNoAnswer};
  EXPECT_EQ(why(broken, [](RetryFacts& f) { f.made = 2; }), "attempts");
  EXPECT_EQ(why(broken, [](RetryFacts& f) { f.body_kept = false; }), "body_not_kept");
  EXPECT_EQ(why(broken, [](RetryFacts& f) { f.repeatable = false; }), "not_repeatable");
  EXPECT_EQ(why(broken, [](RetryFacts& f) { f.budget = false; }), "budget");
  EXPECT_EQ(why({End::kLateFirstByte}, [](RetryFacts& f) { f.other_replica = false; }),
            "no_other_replica");
  EXPECT_EQ(why({End::kAnswer, 429}, [](RetryFacts& f) { f.other_replica = false; }),
            "no_other_replica");
  EXPECT_EQ(why(broken,
                [](RetryFacts& f) {
                  f.made = 1;
                  f.left = std::chrono::milliseconds(1);
                }),
            "deadline");
}

TEST(Retry, SendsAgainWhatWasNeverSentWhateverItIs) {
  RetryFacts facts = usual();
  facts.repeatable = false;
  EXPECT_TRUE(after({End::kNotConnected}, facts).retry);
}

TEST(Retry, AsksAnotherReplicaAtOnceAndTheSameOneAfterAWait) {
  EXPECT_EQ(after({End::kNoAnswer}).wait, Duration::zero());
  RetryFacts alone = usual();
  alone.other_replica = false;
  EXPECT_GT(after({End::kNoAnswer}, alone).wait, Duration::zero());
}

TEST(Retry, WaitsLongerEachTimeAndNeverTwiceTheSame) {
  RetryFacts facts = usual();
  facts.other_replica = false;
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  const Duration first = after({End::kNoAnswer}, facts, kHalf).wait;
  EXPECT_LT(first, after({End::kNoAnswer}, facts, ~std::uint64_t{0}).wait);
  facts.made = 1;
  EXPECT_EQ(after({End::kNoAnswer}, facts, kHalf).wait, 2 * first);
}

}  // namespace
}  // namespace serin::gateway
