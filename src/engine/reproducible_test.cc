// SPDX-License-Identifier: Apache-2.0
#include "engine/reproducible.h"

#include <gtest/gtest.h>

#include "engine/fake_model.h"
#include "engine/golden.h"
#include "engine/loaded_package.h"

namespace serin::engine {
namespace {

using namespace fake;

Result<ReproducibilityReport> check(const model::Package& package, FakeModel::Function function) {
  auto loaded =
      load_package_with(package, parser_of(package),
                        std::make_unique<FakeModel>(std::move(function)), Clock::real(), nullptr);
  EXPECT_TRUE(loaded);
  return check_reproducible(package, *loaded->parser, *loaded->loop);
}

// y = x + what `effect` gives for (place in the batch, rows of the batch).
FakeModel::Function disturbed(std::function<float(std::size_t, std::size_t)> effect) {
  return [effect](std::span<const Tensor> arguments, auto&) -> Result<std::vector<Tensor>> {
    Tensor y(DType::kFloat32, arguments[0].shape());
    const auto rows = static_cast<std::size_t>(y.elements());
    for (std::size_t i = 0; i < rows; ++i) {
      y.mutable_values<float>()[i] = arguments[0].values<float>()[i] + effect(i, rows);
    }
    return std::vector<Tensor>{y};
  };
}

TEST(Reproducible, IsBitwiseForAnHonestModel) {
  const auto report = check(number_package({1, 4}), disturbed([](auto, auto) { return 0.0f; }));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->bitwise());
  EXPECT_EQ(report->requests, 1u);
  EXPECT_EQ(report->runs, 5u) << "four places of four, and one of one";
  EXPECT_EQ(report->outputs.at(0).output, "y");
}

TEST(Reproducible, FindsADependenceOnThePlace) {
  const auto report = check(number_package({4}),
                            disturbed([](auto place, auto) { return place == 3 ? 0.25f : 0.0f; }));
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->bitwise());
  EXPECT_EQ(report->outputs.at(0).largest_difference, 0.25);
}

TEST(Reproducible, FindsADependenceOnTheSizeOfTheBatch) {
  const auto report = check(number_package({1, 2}),
                            disturbed([](auto, auto rows) { return rows == 2 ? 0.5f : 0.0f; }));
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->bitwise());
}

TEST(Reproducible, SeesTextThroughItsLogProbabilities) {
  auto package = text_package(3, 40, 4);
  package.manifest.golden = {{json::object{{"seed", 1}, {"prompt", "abcdef"}}, {}, 0}};
  const auto honest = check(package, text_function(random_letters, true));
  ASSERT_TRUE(honest) << honest.error().message;
  EXPECT_TRUE(honest->bitwise());
  EXPECT_EQ(honest->runs, 3u);
  // The last slot's logits are a little off: no token changes, but the model is not bitwise.
  const auto exact = text_function(random_letters, true);
  const auto off =
      check(package,
            [exact](std::span<const Tensor> arguments, auto& seen) -> Result<std::vector<Tensor>> {
              auto results = exact(arguments, seen);
              (*results)[0].template mutable_values<float>()[2 * 256 + 'a'] += 1e-4f;
              return results;
            });
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->bitwise());
  EXPECT_GT(off->outputs.at(0).largest_difference, 0);
}

TEST(Reproducible, SaysWhatWentWrong) {
  const auto report = check(number_package({2}), [](auto, auto&) -> Result<std::vector<Tensor>> {
    return fail(Code::kInternal, "boom");
  });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "boom");
}

TEST(Golden, RunsGiveTheOutputsThatAreWrittenWhenAPackageIsSealed) {
  auto package = number_package({2});
  package.manifest.golden = {{json::object{{"x", 3}}, {{"y", "golden/0.y.npy"}}, 1e-3}};
  auto loaded = load_package_with(
      package, parser_of(package),
      std::make_unique<FakeModel>(by_row([](float x) { return x + 1; })), Clock::real(), nullptr);
  const auto recorded = run_golden(package, *loaded->parser, *loaded->loop);
  ASSERT_TRUE(recorded);
  EXPECT_EQ(std::get<Tensor>(recorded->at(0).at("y")).values<float>()[0], 4);
}

TEST(Golden, TheSmallestIsTheCheapestOrAllDefaults) {
  auto package = text_package(1, 40, 4);
  package.manifest.golden = {{json::object{{"max_tokens", 9}}, {}, 0},
                             {json::object{{"max_tokens", 2}}, {}, 0}};
  auto loaded = load_package_with(package, parser_of(package),
                                  std::make_unique<FakeModel>(text_function(random_letters, true)),
                                  Clock::real(), nullptr);
  EXPECT_EQ(smallest_golden(package, *loaded->parser, *loaded->loop)->sampling.max_tokens, 2);
  package.manifest.golden.clear();
  EXPECT_EQ(smallest_golden(package, *loaded->parser, *loaded->loop)->sampling.max_tokens, 16);
}

}  // namespace
}  // namespace serin::engine
