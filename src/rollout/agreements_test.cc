// SPDX-License-Identifier: Apache-2.0
#include "rollout/agreements.h"

#include <gtest/gtest.h>

namespace serin::rollout {
namespace {

Agreements some() {
  Agreements agreements;
  for (int i = 0; i < 30; ++i)
    agreements.add(
        Comparison{.agreement = 1, .identical = true, .stable_bytes = 100, .candidate_bytes = 100});
  for (int i = 0; i < 10; ++i)
    agreements.add(Comparison{
        .agreement = 0.5, .identical = false, .stable_bytes = 100, .candidate_bytes = 140});
  agreements.add(NotCompared::kFailed);
  agreements.add(NotCompared::kFailed);
  agreements.add(NotCompared::kTooLong);
  return agreements;
}

TEST(Agreements, AreCountedAndAveraged) {
  const Agreements agreements = some();
  EXPECT_EQ(agreements.compared(), 40U);
  EXPECT_EQ(agreements.identical(), 30U);
  EXPECT_DOUBLE_EQ(agreements.mean(), 0.875);
  EXPECT_DOUBLE_EQ(agreements.size_ratio(), 1.1);
  EXPECT_EQ(agreements.not_compared(NotCompared::kFailed), 2U);
  EXPECT_EQ(agreements.not_compared(NotCompared::kTooLong), 1U);
  EXPECT_EQ(agreements.not_compared(NotCompared::kLimit), 0U);
}

TEST(Agreements, HaveAnIntervalThatShrinks) {
  EXPECT_DOUBLE_EQ(Agreements().interval().low, 0);
  EXPECT_DOUBLE_EQ(Agreements().interval().high, 1);
  EXPECT_DOUBLE_EQ(Agreements().size_ratio(), 1);
  Agreements agreements = some();
  const Interval few = agreements.interval();
  EXPECT_LT(few.low, 0.875);
  EXPECT_GE(few.high, 0.875);
  for (int i = 0; i < 5000; ++i)
    agreements.add(Comparison{.agreement = i % 8 == 0 ? 0.0 : 1.0, .identical = false});
  const Interval many = agreements.interval();
  EXPECT_LT(many.high - many.low, (few.high - few.low) / 3);
  EXPECT_LE(many.low, 0.875);
  EXPECT_GE(many.high, 0.875);
}

TEST(Agreements, GoOnAfterTheyWereSaved) {
  const std::string saved = some().save();
  const auto loaded = Agreements::load(saved);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->save(), saved);
  EXPECT_DOUBLE_EQ(loaded->mean(), 0.875);
  for (const std::string& wrong :
       {std::string(), std::string("x"), saved.substr(0, saved.size() - 1), saved + "x"})
    EXPECT_FALSE(Agreements::load(wrong).has_value());
}

}  // namespace
}  // namespace serin::rollout
