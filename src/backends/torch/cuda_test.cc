// SPDX-License-Identifier: Apache-2.0
// What the PyTorch backend must do on a GPU besides the contract. Built by the preset "cuda" alone;
// needs a device.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/files.h"
#include "engine/backend.h"

namespace serin::engine {
namespace {

using model::Call;
using model::kBatchDimension;

const std::filesystem::path kFiles = std::filesystem::path(SERIN_TESTDATA) / "torch";

Call simple(std::int64_t width) {
  Call call;
  call.method = "forward";
  call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}}};
  call.results = {{"y", DType::kFloat32, {kBatchDimension, width}}};
  return call;
}

// [rows, 4], every element its place plus `from`.
Tensor counted(std::int64_t rows, float from = 0) {
  std::vector<float> values(static_cast<std::size_t>(rows) * 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = from + static_cast<float>(i);
  return Tensor::of<float>({rows, 4}, values);
}

std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes().size() == b.bytes().size() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

class CudaModels : public testing::Test {
 protected:
  void SetUp() override {
    auto made = create_backend(model::EngineKind::kTorch);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    backend_ = *std::move(made);
  }
  Result<std::unique_ptr<Model>> load(const std::string& file, Call call,
                                      std::uint64_t memory_limit = 0, int index = 0) {
    LoadOptions options;
    options.model = kFiles / file;
    options.call = std::move(call);
    options.device = {Device::Kind::kCuda, index};
    options.memory_limit_bytes = memory_limit;
    return backend_->load(options);
  }
  std::unique_ptr<Model> loaded(const std::string& file, Call call) {
    auto made = load(file, std::move(call));
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? *std::move(made) : nullptr;
  }
  static Tensor ran(Model& model, const Tensor& x) {
    auto results = model.run(std::vector<Tensor>{x}, nullptr, {});
    EXPECT_TRUE(results.has_value()) << results.error().message;
    return results ? std::move(results->front()) : Tensor();
  }

  std::unique_ptr<Backend> backend_;
};

TEST_F(CudaModels, GiveWhatPythonGaveOnTheHost) {
  Call call;
  call.method = "forward";
  call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 8, 4, 4}}};
  call.results = {{"y", DType::kFloat32, {kBatchDimension, 1, 8, 8}}};
  const auto model = loaded("convolution.pt", call);
  const Tensor x = parse_npy(read_file(kFiles / "convolution.x.npy").value()).value();
  const Tensor y = parse_npy(read_file(kFiles / "convolution.y.npy").value()).value();
  for (int i = 0; i < 4; ++i) {  // plainly, recorded, replayed
    const std::vector<float> given = values_of(ran(*model, x)), wanted = values_of(y);
    ASSERT_EQ(given.size(), wanted.size());
    for (std::size_t k = 0; k < given.size(); ++k) EXPECT_NEAR(given[k], wanted[k], 1e-5);
  }
}

TEST_F(CudaModels, GiveTheSameBitsPlainlyAndReplayed) {
  const auto model = loaded("affine.pt", simple(3));
  const Tensor first = ran(*model, counted(5));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(same_bits(ran(*model, counted(5)), first)) << i;
}

TEST_F(CudaModels, ReplayWithTheArgumentsOfEachCall) {
  const auto model = loaded("affine.pt", simple(3));
  const auto fresh = loaded("affine.pt", simple(3));
  for (int i = 0; i < 6; ++i) {
    const Tensor given = ran(*model, counted(2, static_cast<float>(i)));
    // y[0] = 0.1 x[1] + 0.2 x[2] + 0.3 x[3] + 1
    const auto x = values_of(counted(2, static_cast<float>(i)));
    EXPECT_NEAR(values_of(given)[0], 0.1F * x[1] + 0.2F * x[2] + 0.3F * x[3] + 1, 1e-4);
  }
}

TEST_F(CudaModels, RunMoreShapesThanAreRecorded) {
  const auto model = loaded("affine.pt", simple(3));
  for (int round = 0; round < 4; ++round) {
    for (std::int64_t rows = 1; rows <= 40; ++rows)
      EXPECT_EQ(ran(*model, counted(rows)).shape(), (Shape{rows, 3}));
  }
}

TEST_F(CudaModels, RunWhatCannotBeRecorded) {
  const auto model = loaded("looks.pt", simple(4));
  const Tensor negative = Tensor::of<float>({1, 4}, std::vector<float>{-1, -2, -3, -4});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(values_of(ran(*model, counted(1))), (std::vector<float>{0, 2, 4, 6}));
    EXPECT_EQ(values_of(ran(*model, negative)), (std::vector<float>{-2, -3, -4, -5}));
  }
  // and the device is as good as before
  const auto other = loaded("affine.pt", simple(3));
  const Tensor first = ran(*other, counted(2));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(ran(*other, counted(2)), first));
}

TEST_F(CudaModels, KeepTheirStateOnTheDevice) {
  Call call;
  call.method = "forward";
  call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}},
                    {"cache", "", DType::kFloat32, {kBatchDimension, 4}}};
  call.results = {{"sum", DType::kFloat32, {kBatchDimension}},
                  {"cache", DType::kFloat32, {kBatchDimension, 4}}};
  const auto model = loaded("counter.pt", call);
  const std::vector<Model::Carry> pairs{{1, 1}};
  auto a = model->make_state(pairs, 1), b = model->make_state(pairs, 1);
  ASSERT_TRUE(a.has_value() && b.has_value());
  const Tensor ones = Tensor::of<float>({1, 4}, std::vector<float>{1, 1, 1, 1});
  for (int i = 1; i <= 5; ++i) {
    for (State* state : {a->get(), b->get()}) {
      const auto given = model->run(std::vector<Tensor>{ones, Tensor()}, state, {});
      ASSERT_TRUE(given.has_value()) << given.error().message;
      EXPECT_EQ(values_of((*given)[0])[0], static_cast<float>(4 * i));
    }
  }
}

TEST_F(CudaModels, LeaveTheirArgumentsAlone) {
  const auto model = loaded("in_place.pt", simple(4));
  const Tensor x = counted(1);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(values_of(ran(*model, x)), (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(values_of(x), (std::vector<float>{0, 1, 2, 3}));
  }
}

TEST_F(CudaModels, GiveResultsThatOutliveTheNextCallAndTheModel) {
  auto model = loaded("identity.pt", simple(4));
  std::vector<Tensor> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(ran(*model, counted(1, static_cast<float>(10 * i))));
  model.reset();
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(values_of(kept[static_cast<std::size_t>(i)])[0], static_cast<float>(10 * i));
}

TEST_F(CudaModels, LiveOnWhenMemoryRunsOut) {
  const auto model = loaded("large.pt", simple(4)), fine = loaded("affine.pt", simple(3));
  const Tensor first = ran(*fine, counted(2));
  for (int i = 0; i < 3; ++i) {
    const auto results = model->run(std::vector<Tensor>{counted(1)}, nullptr, {});
    ASSERT_FALSE(results.has_value());
    EXPECT_EQ(results.error().code, Code::kResourceExhausted) << results.error().message;
    EXPECT_EQ(results.error().reason, "out_of_memory");
    EXPECT_TRUE(same_bits(ran(*fine, counted(2)), first));
  }
}

TEST_F(CudaModels, StayWithinTheirCap) {
  constexpr std::uint64_t kCap = std::uint64_t{256} << 20;
  auto capped = load("affine.pt", simple(3), kCap);
  ASSERT_TRUE(capped.has_value()) << capped.error().message;
  const auto results =
      (*capped)->run(std::vector<Tensor>{counted(std::int64_t{1} << 25)}, nullptr, {});
  ASSERT_FALSE(results.has_value());  // 512 MiB of arguments
  EXPECT_EQ(results.error().reason, "out_of_memory") << results.error().message;
  EXPECT_LE((*capped)->device_memory_bytes(), kCap);
  EXPECT_EQ(ran(**capped, counted(2)).shape(), (Shape{2, 3}));
  EXPECT_TRUE(load("affine.pt", simple(3)).has_value());  // lifts the cap again
}

TEST_F(CudaModels, SayWhichDeviceIsNotThere) {
  const auto made = load("affine.pt", simple(3), 0, 63);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::kUnimplemented);
  EXPECT_NE(made.error().message.find("no device cuda:63"), std::string::npos);
}

TEST_F(CudaModels, RunOnTwoThreadsAtOnce) {
  const auto work = [&](Model& model) {
    const Tensor first = ran(model, counted(3));
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(same_bits(ran(model, counted(3)), first));
  };
  const auto a = loaded("affine.pt", simple(3)), b = loaded("affine.pt", simple(3));
  std::thread other([&] { work(*a); });
  work(*b);
  other.join();
}

TEST_F(CudaModels, GiveTheirMemoryBackOverLoadsAndUnloads) {
  std::uint64_t at_20 = 0, at_end = 0;
  for (int i = 1; i <= 200; ++i) {
    const auto model = loaded("affine.pt", simple(3));
    for (int k = 0; k < 3; ++k) ran(*model, counted(4));
    at_end = model->device_memory_bytes();
    if (i == 20) at_20 = at_end;
  }
  EXPECT_LE(at_end, at_20);
}

}  // namespace
}  // namespace serin::engine
