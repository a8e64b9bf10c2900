// SPDX-License-Identifier: Apache-2.0
// What every backend must do (engine/backend.h), tried on each that this build has. What only those
// must that read a model's file stands in file_contract_test.cc.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "backends/contract_for_test.h"

namespace serin::engine {
namespace {

Call counting() {
  Call call;
  call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}},
                    {"cache", "", DType::kFloat32, {kBatchDimension, 4}}};
  call.results = {{"sum", DType::kFloat32, {kBatchDimension}},
                  {"cache", DType::kFloat32, {kBatchDimension, 4}}};
  return call;
}

TEST_P(BackendContract, SaysWhichFrameworkItIs) {
  EXPECT_TRUE(backend_->version().starts_with(GetParam().framework + " 2.")) << backend_->version();
}

TEST_P(BackendContract, RunsAnyBatchSize) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  // Row 0: 0.1·(0..3)·x + bias, by hand.
  EXPECT_EQ(ran(*model, {floats({1, 4}, {1, 0, 0, 0})})[0].shape(), (Shape{1, 3}));
  const auto one = values_of(ran(*model, {floats({1, 4}, {1, 2, 3, 4})})[0]);
  EXPECT_NEAR(one[0], 1 + 0.1 * (0 * 1 + 1 * 2 + 2 * 3 + 3 * 4), 1e-5);
  EXPECT_NEAR(one[2], 3 + 0.1 * (8 * 1 + 9 * 2 + 10 * 3 + 11 * 4), 1e-5);
  for (const std::int64_t batch : {2, 7, 33}) {
    std::vector<float> x;
    for (std::int64_t i = 0; i < batch; ++i) x.insert(x.end(), {1, 2, 3, 4});
    const Tensor y = ran(*model, {floats({batch, 4}, x)})[0];
    ASSERT_EQ(y.shape(), (Shape{batch, 3}));
    for (std::int64_t i = 0; i < batch; ++i) EXPECT_NEAR(y.row(i).values<float>()[1], one[1], 1e-5);
  }
}

TEST_P(BackendContract, GivesResultsByTheirNames) {
  Call call = simple(4);
  call.method = "named";
  call.results = {{"sum", DType::kFloat32, {kBatchDimension}},
                  {"twice", DType::kFloat32, {kBatchDimension, 4}}};
  auto model = loaded("affine", call);
  ASSERT_NE(model, nullptr);
  const auto results = ran(*model, {floats({1, 4}, {1, 2, 3, 4})});
  EXPECT_EQ(values_of(results[0]), (std::vector<float>{10}));
  EXPECT_EQ(values_of(results[1]), (std::vector<float>{2, 4, 6, 8}));
}

TEST_P(BackendContract, RefusesArgumentsThatTheCallDoesNotDeclare) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  const auto error_of = [&](std::vector<Tensor> arguments) {
    const auto results = model->run(arguments, nullptr, {});
    return results ? Error{Code::kUnknown, "it ran"} : results.error();
  };
  const Error shape = error_of({floats({2, 5}, std::vector<float>(10))});
  EXPECT_EQ(shape.code, Code::kInvalidArgument);
  EXPECT_EQ(shape.message, "argument x must be float32 [N, 4], not float32 [2, 5]");
  EXPECT_EQ(shape.param, "x");
  EXPECT_EQ(error_of({Tensor(DType::kInt64, {2, 4})}).message,
            "argument x must be float32 [N, 4], not int64 [2, 4]");
  EXPECT_EQ(error_of({floats({4}, {1, 2, 3, 4})}).code, Code::kInvalidArgument);
  EXPECT_EQ(error_of({}).code, Code::kInvalidArgument);
  EXPECT_EQ(error_of({Tensor()}).message, "argument x is missing");
  // And lives on.
  EXPECT_EQ(ran(*model, {floats({1, 4}, {0, 0, 0, 0})})[0].shape(), (Shape{1, 3}));
}

TEST_P(BackendContract, SaysWhenThePackageDeclaresOtherResults) {
  Call call = simple(5);
  auto made = backend_->load(options("affine", call));
  if (!made) {  // found while loading: the file says so itself
    EXPECT_EQ(made.error().code, Code::kInvalidArgument);
    return;
  }
  const auto results = (*made)->run(std::vector<Tensor>{floats({1, 4}, {1, 2, 3, 4})}, nullptr, {});
  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().code, Code::kInternal);
  EXPECT_NE(results.error().message.find("declares result y as float32 [N, 5]"), std::string::npos)
      << results.error().message;
}

TEST_P(BackendContract, RefusesACallThatTheModelDoesNotTake) {
  Call many = simple(3);
  many.arguments.push_back({"more", "", DType::kFloat32, {kBatchDimension}});
  EXPECT_EQ(refusal("affine", many).code, Code::kInvalidArgument);
  Call none = simple(3);
  none.arguments.clear();
  EXPECT_EQ(refusal("affine", none).code, Code::kInvalidArgument);
}

TEST_P(BackendContract, RefusesAModelThatIsNotThere) {
  EXPECT_NE(refusal("nothing").code, Code::kUnknown);
}

TEST_P(BackendContract, CarriesStateFromCallToCall) {
  auto model = loaded("counter", counting());
  ASSERT_NE(model, nullptr);
  const std::vector<Model::Carry> pairs{{1, 1}};
  auto state = model->make_state(pairs, 2);
  ASSERT_TRUE(state.has_value()) << state.error().message;
  auto other = model->make_state(pairs, 2);
  ASSERT_TRUE(other.has_value());
  const Tensor x = floats({2, 4}, {1, 1, 1, 1, 2, 2, 2, 2});
  for (int i = 1; i <= 5; ++i) {
    const auto results = ran(*model, {x, Tensor()}, state->get());
    ASSERT_EQ(results.size(), 2u);
    EXPECT_TRUE(results[1].empty());
    EXPECT_EQ(values_of(results[0]),
              (std::vector<float>{4.0F * static_cast<float>(i), 8.0F * static_cast<float>(i)}));
  }
  // Another state of the same model knows nothing of it.
  EXPECT_EQ(values_of(ran(*model, {x, Tensor()}, other->get())[0]), (std::vector<float>{4, 8}));
  // Without a state both are given and taken by hand.
  const auto whole = ran(*model, {x, x});
  EXPECT_EQ(values_of(whole[1]), (std::vector<float>{2, 2, 2, 2, 4, 4, 4, 4}));
}

TEST_P(BackendContract, ChecksAStateAgainstTheCall) {
  auto model = loaded("counter", counting());
  ASSERT_NE(model, nullptr);
  EXPECT_FALSE(model->make_state(std::vector<Model::Carry>{{2, 1}}, 1).has_value());
  EXPECT_FALSE(model->make_state(std::vector<Model::Carry>{{1, 0}}, 1).has_value());
  EXPECT_FALSE(model->make_state(std::vector<Model::Carry>{{1, 1}, {1, 1}}, 1).has_value());
  auto state = model->make_state(std::vector<Model::Carry>{{1, 1}}, 2);
  ASSERT_TRUE(state.has_value());
  // Another batch than the state's, and an argument that the state already feeds.
  EXPECT_FALSE(
      model->run(std::vector<Tensor>{floats({1, 4}, {1, 1, 1, 1}), Tensor()}, state->get(), {})
          .has_value());
  EXPECT_FALSE(model
                   ->run(std::vector<Tensor>{Tensor(DType::kFloat32, {2, 4}),
                                             Tensor(DType::kFloat32, {2, 4})},
                         state->get(), {})
                   .has_value());
}

TEST_P(BackendContract, KeepsResultsValidAfterTheNextRunAndTheModelsEnd) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  const Tensor kept = ran(*model, {floats({1, 4}, {1, 2, 3, 4})})[0];
  const auto before = values_of(kept);
  for (int i = 0; i < 20; ++i) ran(*model, {floats({1, 4}, {9, 9, 9, 9})});
  EXPECT_EQ(values_of(kept), before);
  model.reset();
  EXPECT_EQ(values_of(kept), before);
}

TEST_P(BackendContract, GivesAnArgumentBackWithoutSharingItsFate) {
  auto model = loaded("identity", simple(4));
  ASSERT_NE(model, nullptr);
  Tensor result;
  {
    Tensor x = floats({1, 4}, {1, 2, 3, 4});
    result = ran(*model, {x})[0];
    x.mutable_values<float>()[0] = 100;
  }
  EXPECT_EQ(values_of(result), (std::vector<float>{1, 2, 3, 4}));
}

TEST_P(BackendContract, TakesRowsAndEmptyBatches) {
  auto model = loaded("identity", simple(4));
  ASSERT_NE(model, nullptr);
  // A row of a larger tensor is not aligned as frameworks like it.
  const Tensor rows = floats({3, 1, 4}, {0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0});
  EXPECT_EQ(values_of(ran(*model, {rows.row(1)})[0]), (std::vector<float>{5, 6, 7, 8}));
  EXPECT_EQ(ran(*model, {Tensor(DType::kFloat32, {0, 4})})[0].shape(), (Shape{0, 4}));
}

TEST_P(BackendContract, RunsOnWhicheverThreadCalls) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  const auto expected = values_of(ran(*model, {floats({1, 4}, {1, 2, 3, 4})})[0]);
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      EXPECT_EQ(values_of(ran(*model, {floats({1, 4}, {1, 2, 3, 4})})[0]), expected);
    }).join();
  }
}

TEST_P(BackendContract, RunsTwoModelsAtOnceOnTwoThreads) {
  auto first = loaded("affine", simple(3)), second = loaded("affine", simple(3));
  ASSERT_TRUE(first != nullptr && second != nullptr);
  const auto expected = values_of(ran(*first, {floats({1, 4}, {1, 2, 3, 4})})[0]);
  const auto work = [&](Model* model) {
    for (int i = 0; i < 200; ++i)
      EXPECT_EQ(values_of(ran(*model, {floats({1, 4}, {1, 2, 3, 4})})[0]), expected);
  };
  std::thread other(work, first.get());
  work(second.get());
  other.join();
}

// A sanitizer keeps what is freed, and finds leaks by itself.
#ifndef SERIN_SANITIZED
std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t whole = 0, resident = 0;
  statm >> whole >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// SERIN_CYCLES=1000 for the whole length; the default keeps a test run short.
TEST_P(BackendContract, KeepsItsMemoryFlatOverLoadsAndUnloads) {
  const char* asked = std::getenv("SERIN_CYCLES");
  const int cycles = asked == nullptr ? 150 : std::atoi(asked);
  const Tensor x = floats({1, 4}, {1, 2, 3, 4});
  std::size_t at_100 = 0;
  for (int i = 1; i <= cycles; ++i) {
    auto model = backend_->load(options("affine", simple(3)));
    ASSERT_TRUE(model.has_value()) << model.error().message;
    ASSERT_TRUE((*model)->run(std::vector<Tensor>{x}, nullptr, {}).has_value());
    model->reset();
    if (i == 100) at_100 = resident_bytes();
  }
  const std::size_t at_end = resident_bytes();
  RecordProperty("resident_at_100", std::to_string(at_100));
  RecordProperty("resident_at_end", std::to_string(at_end));
  EXPECT_LT(static_cast<double>(at_end), 1.01 * static_cast<double>(at_100));
}
#endif

INSTANTIATE_TEST_SUITE_P(Every, BackendContract, testing::ValuesIn(every_backend()), name_of);

#ifndef SERIN_HAS_TORCH
TEST(Backends, ThatThisBuildLacksSayWhereTheyWereLookedFor) {
  const auto made = create_backend(model::EngineKind::kTorch);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::kUnimplemented);
  EXPECT_NE(made.error().message.find("libserin_torch.so"), std::string::npos)
      << made.error().message;
}
#endif

}  // namespace
}  // namespace serin::engine
