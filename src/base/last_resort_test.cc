// SPDX-License-Identifier: Apache-2.0
#include "base/last_resort.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace serin {
namespace {

Result<int> attempted(void (*work)()) {
  return attempt("counting", [work]() -> Result<int> {
    work();
    return 7;
  });
}

TEST(LastResort, WhatWorksIsGivenOn) {
  EXPECT_EQ(attempted([] {}).value(), 7);
}

TEST(LastResort, AnExceptionIsAnInternalErrorThatSaysWhatItWas) {
  const auto failed = attempted([] { throw std::runtime_error("no abacus"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_EQ(failed.error().message, "counting failed: no abacus");
}

TEST(LastResort, NoMemoryIsWorthAnotherTry) {
  const auto failed = attempted([] { throw std::bad_alloc(); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  EXPECT_EQ(failed.error().reason, "out_of_memory");
}

TEST(LastResort, WhatIsNoExceptionIsCaughtToo) {
  const auto failed = attempted([] { throw 42; });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_FALSE(survives("counting", [] { throw 42; }));
  EXPECT_TRUE(survives("counting", [] {}));
}

}  // namespace
}  // namespace serin
