// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/held_errors.h"

#include <gtest/gtest.h>

#include <iostream>
#include <thread>

namespace serin::backends {
namespace {

TEST(HeldErrorsType, KeepsWhatItsOwnThreadWrites) {
  testing::internal::CaptureStderr();
  {
    const HeldErrors errors;
    EXPECT_EQ(errors.reason(), "");
    std::cerr << "mine" << 1 << std::endl;
    std::thread([] { std::cerr << "another's\n"; }).join();
    EXPECT_EQ(errors.reason(), "mine1");
  }
  std::cerr << "later\n";
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "another's\nlater\n");
}

TEST(HeldErrorsType, FindsTheReasonInWhatCompiledProgramsWrite) {
  const HeldErrors errors;
  std::cerr
      << "[E1124 shim_common.cpp:460] Exception in aoti_torch: can't allocate memory: you tried\n"
      << "frame #0: c10::alloc_cpu\nError: aoti_torch_empty_strided(2) API call failed\n";
  EXPECT_EQ(errors.reason(), "can't allocate memory: you tried");
}

TEST(HeldErrorsType, IsBounded) {
  const HeldErrors errors;
  for (int i = 0; i < 10'000; ++i) std::cerr << "0123456789 without an end ";
  EXPECT_LT(errors.reason().size(), 100'000U);
}

}  // namespace
}  // namespace serin::backends
