// SPDX-License-Identifier: Apache-2.0
#include "engine/dtypes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace serin::engine {
namespace {

TEST(Dtypes, StoreAndLoadEveryDtype) {
  for (const DType dtype :
       {DType::kUInt8, DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64, DType::kFloat16,
        DType::kBFloat16, DType::kFloat32, DType::kFloat64}) {
    Tensor tensor(dtype, {2});
    store(tensor, 1, 96);
    EXPECT_EQ(load(tensor, 0), 0) << name_of(dtype);
    EXPECT_EQ(load(tensor, 1), 96) << name_of(dtype);
    EXPECT_EQ(tensor.to_float32().values<float>()[1], 96) << name_of(dtype);
  }
}

TEST(Dtypes, SixteenBitFloatsRoundToTheNearest) {
  Tensor half(DType::kFloat16, {1}), brain(DType::kBFloat16, {2});
  store(half, 0, 1.0 / 3);
  EXPECT_NEAR(load(half, 0), 0.33325, 1e-5);
  store(brain, 0, 1 + 0x1p-8);  // a tie: to even
  EXPECT_EQ(load(brain, 0), 1);
  store(brain, 1, std::nan(""));
  EXPECT_TRUE(std::isnan(load(brain, 1)));
}

TEST(Dtypes, SayWhatFits) {
  EXPECT_TRUE(fits(255, DType::kUInt8));
  EXPECT_FALSE(fits(256, DType::kUInt8));
  EXPECT_FALSE(fits(-1, DType::kUInt8));
  EXPECT_FALSE(fits(0.5, DType::kInt32));
  EXPECT_TRUE(fits(-128, DType::kInt8));
  EXPECT_FALSE(fits(0x1p63, DType::kInt64));
  EXPECT_FALSE(fits(std::nan(""), DType::kInt16));
  EXPECT_FALSE(fits(2, DType::kBool));
  EXPECT_TRUE(fits(0.5, DType::kFloat32));
}

TEST(Dtypes, CastKeepsLargeIntegersExact) {
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  const Tensor tensor = Tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{large});
  EXPECT_EQ(cast(tensor, DType::kInt64).values<std::int64_t>()[0], large);
  const Tensor small = Tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{-7});
  EXPECT_EQ(cast(small, DType::kInt32).values<std::int32_t>()[0], -7);
  EXPECT_EQ(cast(small, DType::kFloat32).values<float>()[0], -7);
}

TEST(Dtypes, FindWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(first_not_finite(Tensor::of<float>({3}, std::vector<float>{0, 1, 2})), -1);
  EXPECT_EQ(first_not_finite(Tensor::of<float>({3}, std::vector<float>{0, infinity, 2})), 1);
  EXPECT_EQ(first_not_finite(Tensor::of<float>({1}, std::vector<float>{std::nanf("")})), 0);
  Tensor brain(DType::kBFloat16, {2});
  store(brain, 1, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(first_not_finite(brain), 1);
}

}  // namespace
}  // namespace serin::engine
