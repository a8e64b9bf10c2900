// SPDX-License-Identifier: Apache-2.0
#include "engine/batcher.h"

#include <gtest/gtest.h>

#include <string>

namespace serin::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Places = std::vector<std::size_t>;

class Batcher : public ::testing::Test {
 protected:
  Waiting waiting(int arrived_us, std::uint64_t shape_class = 0) {
    return {shape_class, start_ + microseconds(arrived_us), {}, false};
  }
  // `count` requests `gap` apart, each of which finds others there.
  Arrivals busy(Duration gap, int count = 30) {
    Arrivals arrivals;
    for (int i = count; i > 0; --i) arrivals.came(start_ - gap * i, true, milliseconds(2));
    return arrivals;
  }
  BatchPlan plan(const std::vector<Waiting>& queue, int now_us, const Arrivals& arrivals,
                 std::size_t capacity = 4) {
    return plan_batch(queue, start_ + microseconds(now_us), arrivals, {capacity, milliseconds(2)});
  }

  ManualClock clock_;
  Instant start_ = clock_.now();
};

TEST_F(Batcher, RunsNothingWhenNothingWaits) {
  const auto made = plan({}, 0, {});
  EXPECT_TRUE(made.run.empty());
  EXPECT_FALSE(made.wait_until);
}

TEST_F(Batcher, RunsALoneRequestAtOnceWhenNobodyElseEverComes) {
  const auto made = plan({waiting(0)}, 0, {});
  EXPECT_EQ(made.run, Places{0});
}

TEST_F(Batcher, DoesNotWaitForAClientThatSendsOneAfterTheOther) {
  Arrivals arrivals;
  for (int i = 0; i < 50; ++i)
    arrivals.came(start_ - microseconds(100 * (50 - i)), false, milliseconds(2));
  EXPECT_EQ(plan({waiting(0)}, 0, arrivals).run, Places{0});
}

struct Row {
  std::string name;
  std::vector<int> arrived_us;
  int now_us, gap_us;
  std::size_t runs;
  int wait_until_us;  // -1: does not wait
};

TEST_F(Batcher, WaitsAsTheTableSays) {
  const std::vector<Row> table{
      {"company is likely: wait for it", {0}, 0, 100, 0, 400},
      {"still within the patience after the last", {0, 300}, 350, 100, 0, 700},
      {"nobody came for four gaps", {0, 100}, 500, 100, 2, -1},
      {"never longer than max_wait from the head", {0, 1500, 1900}, 1950, 400, 0, 2000},
      {"max_wait is over", {0, 1999}, 2000, 400, 2, -1},
      {"full: run", {0, 1, 2, 3}, 3, 100, 4, -1},
      {"more than full: run the first four", {0, 1, 2, 3, 4, 5}, 5, 100, 4, -1},
      {"arrivals further apart than max_wait are no company", {0}, 0, 5000, 1, -1},
  };
  for (const auto& row : table) {
    std::vector<Waiting> queue;
    for (const int arrived : row.arrived_us) queue.push_back(waiting(arrived));
    const auto made = plan(queue, row.now_us, busy(microseconds(row.gap_us)));
    EXPECT_EQ(made.run.size(), row.runs) << row.name;
    ASSERT_EQ(made.wait_until.has_value(), row.wait_until_us >= 0) << row.name;
    if (made.wait_until) {
      EXPECT_NEAR((*made.wait_until - start_) / microseconds(1), row.wait_until_us, 3) << row.name;
    }
  }
}

TEST_F(Batcher, RunsOnlyOneShapeClassTogether) {
  const auto made = plan({waiting(0, 1), waiting(1, 2), waiting(2, 1)}, 5, {});
  EXPECT_EQ(made.run, (Places{0, 2}));
}

TEST_F(Batcher, AFullClassGoesBeforeOneThatStillWaitsButNotBeforeOneThatWaitedEnough) {
  const auto arrivals = busy(microseconds(400));
  const std::vector<Waiting> queue{waiting(0, 1), waiting(10, 2), waiting(11, 2), waiting(12, 2),
                                   waiting(13, 2)};
  EXPECT_EQ(plan(queue, 20, arrivals).run, (Places{1, 2, 3, 4}));
  EXPECT_EQ(plan(queue, 2000, arrivals).run, Places{0});
}

TEST_F(Batcher, DropsWhatMissedItsDeadlineOrWasCancelledUnrun) {
  std::vector<Waiting> queue{waiting(0), waiting(1), waiting(2)};
  queue[0].deadline = start_ + microseconds(5);
  queue[1].cancelled = true;
  const auto made = plan(queue, 5, {});
  EXPECT_EQ(made.expired, Places{0});
  EXPECT_EQ(made.cancelled, Places{1});
  EXPECT_EQ(made.run, Places{2});
}

TEST_F(Batcher, DoesNotWaitADeadlineAway) {
  std::vector<Waiting> queue{waiting(0)};
  queue[0].deadline = start_ + microseconds(200);
  const auto made = plan(queue, 0, busy(microseconds(400)));
  ASSERT_TRUE(made.wait_until);
  EXPECT_EQ(*made.wait_until, start_ + microseconds(100));
}

TEST_F(Batcher, DropsButRunsNothingWithoutAFreePlace) {
  std::vector<Waiting> queue{waiting(0), waiting(1)};
  queue[0].cancelled = true;
  const auto made = plan(queue, 5, {}, 0);
  EXPECT_EQ(made.cancelled, Places{0});
  EXPECT_TRUE(made.run.empty());
  EXPECT_FALSE(made.wait_until);
}

TEST_F(Batcher, ForgetsCompanyThatNoLongerComes) {
  Arrivals arrivals = busy(microseconds(100));
  EXPECT_GT(arrivals.company(), 0.9);
  for (int i = 1; i <= 12; ++i)
    arrivals.came(start_ + milliseconds(50 * i), false, milliseconds(2));
  EXPECT_LT(arrivals.company(), 0.5);
}

}  // namespace
}  // namespace serin::engine
