// SPDX-License-Identifier: Apache-2.0
#include "backends/call_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace serin::backends {
namespace {

using model::kBatchDimension;
using model::kLoopDimension;

model::Call decoder() {
  model::Call call;
  call.arguments = {{"tokens", "", DType::kInt64, {kBatchDimension, kLoopDimension}},
                    {"positions", "", DType::kInt64, {kBatchDimension}},
                    {"cache", "", DType::kFloat32, {kBatchDimension, 8}}};
  call.results = {{"logits", DType::kFloat32, {kBatchDimension, 16}},
                  {"cache", DType::kFloat32, {kBatchDimension, 8}}};
  return call;
}

Result<Dimensions> checked(Shape tokens, Shape positions, Dimensions known = {}) {
  return check_arguments(decoder(),
                         std::vector<Tensor>{Tensor(DType::kInt64, tokens),
                                             Tensor(DType::kInt64, positions), Tensor()},
                         {false, false, true}, known);
}

TEST(CheckArguments, BindsTheDimensionsThatVary) {
  const auto dimensions = checked({4, 7}, {4});
  ASSERT_TRUE(dimensions.has_value()) << dimensions.error().message;
  EXPECT_EQ(dimensions->batch, 4);
  EXPECT_EQ(dimensions->loop, 7);
}

TEST(CheckArguments, WantsTheSameBatchEverywhere) {
  EXPECT_EQ(checked({4, 7}, {3}).error().message,
            "argument positions must be int64 [N] with N = 4 and T = 7, not int64 [3]");
  EXPECT_EQ(checked({4, 7}, {4}, {.batch = 2}).error().param, "tokens");
}

TEST(CheckResult, SaysWhatWasDeclaredAndWhatCame) {
  const Dimensions known{.batch = 4, .loop = 1};
  EXPECT_TRUE(check_result(decoder().results[0], DType::kFloat32, {4, 16}, known).has_value());
  const Status wrong = check_result(decoder().results[0], DType::kFloat64, {4, 16}, known);
  EXPECT_EQ(wrong.error().code, Code::kInternal);
  EXPECT_EQ(wrong.error().message,
            "the package declares result logits as float32 [N, 16] with N = 4 and T = 1, its model "
            "gave float64 [4, 16]");
  EXPECT_FALSE(check_result(decoder().results[0], DType::kFloat32, {5, 16}, known).has_value());
}

TEST(CheckCarry, WantsArgumentAndResultAlike) {
  using Carry = engine::Model::Carry;
  EXPECT_TRUE(check_carry(decoder(), std::vector<Carry>{{2, 1}}).has_value());
  EXPECT_FALSE(check_carry(decoder(), std::vector<Carry>{{2, 0}}).has_value());
  EXPECT_FALSE(check_carry(decoder(), std::vector<Carry>{{2, 1}, {2, 1}}).has_value());
  EXPECT_FALSE(check_carry(decoder(), std::vector<Carry>{{9, 1}}).has_value());
}

TEST(ConcreteShape, NeedsEveryDimension) {
  EXPECT_EQ(*concrete_shape({kBatchDimension, 3}, {.batch = 2}), (Shape{2, 3}));
  EXPECT_FALSE(concrete_shape({kBatchDimension, kLoopDimension}, {.batch = 2}).has_value());
  EXPECT_FALSE(concrete_shape({kBatchDimension, std::int64_t{1} << 60}, {.batch = 16}).has_value());
}

TEST(HoldsNan, FindsOneAmongMany) {
  Tensor tensor(DType::kFloat32, {10'000});
  const auto values = tensor.mutable_values<float>();
  values[5] = std::numeric_limits<float>::infinity();
  values[6] = -std::numeric_limits<float>::infinity();
  EXPECT_FALSE(holds_nan(DType::kFloat32, tensor.bytes()));
  values[9'999] = std::nanf("");
  EXPECT_TRUE(holds_nan(DType::kFloat32, tensor.bytes()));
  const Tensor wide = Tensor::of<double>({2}, std::vector<double>{1, -std::nan("")});
  EXPECT_TRUE(holds_nan(DType::kFloat64, wide.bytes()));
  Tensor half(DType::kFloat16, {2});
  half.mutable_bytes()[3] = std::byte{0x7e};
  EXPECT_TRUE(holds_nan(DType::kFloat16, half.bytes()));
  EXPECT_TRUE(holds_nan(DType::kInt64, half.bytes()) == false);
}

}  // namespace
}  // namespace serin::backends
