// SPDX-License-Identifier: Apache-2.0
#include "worker/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <new>
#include <vector>

namespace serin::worker {
namespace {

using Work = Pool::Work;

// Keeps a pool's only thread until it is let go. The thread may still be on its way out then, so
// that what it touches is shared.
class Busy {
 public:
  explicit Busy(Pool& pool) {
    EXPECT_TRUE(pool.run(Work::kAnswer, [shared = shared_] {
      shared->begun.set_value();
      shared->end.get_future().wait();
    }));
    shared_->begun.get_future().wait();
  }
  void let_go() { shared_->end.set_value(); }

 private:
  struct Shared {
    std::promise<void> begun, end;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

TEST(Pool, RefusesNewWorkPastItsLimitAndNeverAnAnswer) {
  Pool pool(1, 2);
  Busy busy(pool);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(pool.run(Work::kNew, [] {}));
  const Status refused = pool.run(Work::kNew, [] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "pool_full");
  EXPECT_TRUE(refused.error().retry_after);
  EXPECT_TRUE(pool.run(Work::kAnswer, [] {}));
  EXPECT_EQ(pool.waiting(), 3u);
  busy.let_go();
}

TEST(Pool, AnswersGoBeforeNewWork) {
  std::vector<int> order;
  {
    Pool pool(1, 8);
    Busy busy(pool);
    EXPECT_TRUE(pool.run(Work::kNew, [&] { order.push_back(2); }));
    EXPECT_TRUE(pool.run(Work::kAnswer, [&] { order.push_back(1); }));
    busy.let_go();
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Pool, ATaskThatThrowsCostsNobodyElseAnything) {
  std::atomic<int> ran = 0;
  {
    Pool pool(1, 8);
    EXPECT_TRUE(pool.run(Work::kNew, [] { throw std::bad_alloc(); }));
    EXPECT_TRUE(pool.run(Work::kNew, [] { throw 42; }));
    EXPECT_TRUE(pool.run(Work::kNew, [&] { ++ran; }));
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace serin::worker
