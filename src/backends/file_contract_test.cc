// SPDX-License-Identifier: Apache-2.0
// What a backend must do besides contract_test.cc that reads a model's file, and what files of one
// framework alone are tried with. None of it is asked of the remote backend: an upstream's methods,
// arithmetic, memory and devices are its own, and it gives no file that could be broken or evil.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "backends/contract_for_test.h"
#include "base/log.h"

namespace serin::engine {
namespace {

class FileContract : public BackendContract {};

TEST_P(FileContract, AgreesWithPython) {
  const Tensor x = from_python("convolution.x.npy");
  const Tensor expected = from_python("convolution.y.npy");
  Call call;
  call.arguments = {{"x", "", DType::kFloat32, x.shape()}};
  call.results = {{"y", DType::kFloat32, expected.shape()}};
  call.arguments[0].shape[0] = call.results[0].shape[0] = kBatchDimension;
  auto model = loaded("convolution", call);
  ASSERT_NE(model, nullptr);
  const Tensor y = ran(*model, {x})[0];
  ASSERT_EQ(y.shape(), expected.shape());
  for (std::int64_t i = 0; i < y.elements(); ++i) {
    ASSERT_NEAR(y.values<float>()[static_cast<std::size_t>(i)],
                expected.values<float>()[static_cast<std::size_t>(i)], 1e-5);
  }
}

TEST_P(FileContract, GivesTheSameBitsEachTime) {
  const Tensor x = from_python("convolution.x.npy");
  Call call;
  call.arguments = {{"x", "", DType::kFloat32, x.shape()}};
  call.results = {{"y", DType::kFloat32, from_python("convolution.y.npy").shape()}};
  auto model = loaded("convolution", call);
  auto again = loaded("convolution", call);
  ASSERT_TRUE(model != nullptr && again != nullptr);
  const auto first = values_of(ran(*model, {x})[0]);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(values_of(ran(*model, {x})[0]), first);
  EXPECT_EQ(values_of(ran(*again, {x})[0]), first);
}

TEST_P(FileContract, SaysWhichMethodsThereAre) {
  Call call = simple(3);
  call.method = "nothing";
  const Error error = refusal("affine", call);
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_NE(error.message.find("named"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(GetParam().method), std::string::npos) << error.message;
}

TEST_P(FileContract, DescribesItsModel) {
  const auto signatures = backend_->inspect(path_of("affine"));
  ASSERT_TRUE(signatures.has_value()) << signatures.error().message;
  ASSERT_EQ(signatures->size(), 2u);
  for (const Signature& signature : *signatures) {
    EXPECT_TRUE(signature.method == "named" || signature.method == GetParam().method)
        << signature.method;
    ASSERT_EQ(signature.arguments.size(), 1u);
    EXPECT_EQ(signature.arguments[0].name, "x");
    if (signature.arguments[0].shape_known) EXPECT_EQ(signature.arguments[0].shape, (Shape{-1, 4}));
    EXPECT_GE(signature.results.size(), 1u);
  }
}

TEST_P(FileContract, LivesOnWhenMemoryRunsOut) {
  auto model = loaded("large", simple(4));
  if (model == nullptr) return;
  Call call = simple(4);
  call.results[0].shape = {kBatchDimension, 4};
  const auto results = model->run(std::vector<Tensor>{floats({1, 4}, {1, 2, 3, 4})}, nullptr, {});
  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().code, Code::kResourceExhausted) << results.error().message;
  EXPECT_EQ(results.error().reason, "out_of_memory");
  auto fine = loaded("identity", simple(4));
  EXPECT_EQ(values_of(ran(*fine, {floats({1, 4}, {1, 2, 3, 4})})[0]),
            (std::vector<float>{1, 2, 3, 4}));
}

TEST_P(FileContract, RefusesOperationsOnFilesByName) {
  const Error saves = refusal("saves"), reads = refusal("reads");
  EXPECT_EQ(saves.code, Code::kPermissionDenied) << saves.message;
  EXPECT_EQ(reads.code, Code::kPermissionDenied) << reads.message;
  const std::map<std::string, std::pair<std::string, std::string>> names{
      {"torch", {"aten::save", "aten::from_file"}},
      {"exported", {"torch.save", "torch.ops.aten.from_file.default"}},
      {"tensorflow", {"WriteFile", "ReadFile"}}};
  const auto& [writer, reader] = names.at(GetParam().name);
  EXPECT_NE(saves.message.find(writer), std::string::npos) << saves.message;
  EXPECT_NE(reads.message.find(reader), std::string::npos) << reads.message;
  EXPECT_FALSE(std::filesystem::exists("/tmp/serin-should-never-be"));
  // inspect() is as careful as load().
  EXPECT_EQ(backend_->inspect(path_of("reads")).error().code, Code::kPermissionDenied);
}

TEST_P(FileContract, RefusesWeightsThatHoldNan) {
  const Error error = refusal("nan", simple(3));
  EXPECT_EQ(error.code, Code::kDataLoss) << error.message;
  EXPECT_NE(error.message.find("bias"), std::string::npos) << error.message;
}

TEST_P(FileContract, RefusesWhatIsBroken) {
  EXPECT_EQ(refusal("cut").code, Code::kInvalidArgument);
  EXPECT_FALSE(backend_->inspect(folder() / "convolution.x.npy").has_value());
}

TEST_P(FileContract, RefusesADeviceThatIsNotThere) {
  LoadOptions wanted = options("affine", simple(3));
  wanted.device = {Device::Kind::kCuda, 63};
  const auto made = backend_->load(wanted);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::kUnimplemented);
}

TEST_P(FileContract, TellsHowLargeItsWeightsAre) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->device_memory_bytes(), (12 + 3) * sizeof(float));
}

INSTANTIATE_TEST_SUITE_P(Every, FileContract, testing::ValuesIn(readers_of_files()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FileContract);

#ifdef SERIN_HAS_TORCH
class TorchFiles : public testing::Test {
 protected:
  void SetUp() override { backend_ = *create_backend(model::EngineKind::kTorch); }
  Error refusal(const std::string& file) {
    const auto signatures =
        backend_->inspect(std::filesystem::path(SERIN_TESTDATA) / "torch" / file);
    return signatures ? Error{Code::kUnknown, "it was read"} : signatures.error();
  }
  // x: [N, 4] → y: [N, 4]
  static LoadOptions plain_options(const std::string& file) {
    LoadOptions options;
    options.model = std::filesystem::path(SERIN_TESTDATA) / file;
    options.cache = SERIN_COMPILED;
    options.call.method = "forward";
    options.call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}}};
    options.call.results = {{"y", DType::kFloat32, {kBatchDimension, 4}}};
    return options;
  }
  std::unique_ptr<Backend> backend_;
};

TEST_F(TorchFiles, ThatArePickledModulesNameTheCommandThatConvertsThem) {
  for (const char* file : {"state_dict.pt", "legacy.pt"}) {
    const Error error = refusal(file);
    EXPECT_EQ(error.code, Code::kInvalidArgument) << file;
    EXPECT_EQ(error.reason, "needs_class");
    EXPECT_NE(
        error.message.find(std::string("serin package import ") + file + " --class FILE:CLASS"),
        std::string::npos)
        << error.message;
  }
}

TEST_F(TorchFiles, ThatAreNoModelsAreNotTakenForPickledOnes) {
  const Error error = refusal("garbage.pt");
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.message, "garbage.pt: is not a file that torch.jit.save wrote");
}

TEST_F(TorchFiles, ThatCallForeignCodeAreRefusedByName) {
  const Error error = refusal("evil_pickle.pt");
  EXPECT_EQ(error.code, Code::kPermissionDenied);
  EXPECT_NE(error.message.find("posix.system"), std::string::npos) << error.message;
}

TEST_F(TorchFiles, ThatReadAFileWhileLoadingAreRefusedBeforeTheyCan) {
  const Error error = refusal("reads_on_load.pt");
  EXPECT_EQ(error.code, Code::kPermissionDenied);
  EXPECT_NE(error.message.find("aten::from_file in code/"), std::string::npos) << error.message;
}

TEST_F(TorchFiles, WithNamesThatLeaveTheArchiveAreRefused) {
  EXPECT_EQ(refusal("escapes.pt").code, Code::kPermissionDenied);
}

TEST_F(TorchFiles, ThatWriteIntoTheirArgumentsDoNotChangeTheCallers) {
  for (const char* file : {"torch/in_place.pt", "exported/in_place.pt2"}) {
    auto model = backend_->load(plain_options(file));
    ASSERT_TRUE(model.has_value()) << model.error().message;
    const Tensor x = floats({1, 4}, {1, 2, 3, 4});
    EXPECT_EQ(values_of(ran(**model, {x})[0]), (std::vector<float>{2, 3, 4, 5})) << file;
    EXPECT_EQ(values_of(x), (std::vector<float>{1, 2, 3, 4})) << file;
  }
}

TEST_F(TorchFiles, ThatTakeAnotherDtypeThanIsDeclaredSayWhich) {
  LoadOptions options = plain_options("torch/affine.pt");
  options.call.arguments[0].dtype = DType::kInt64;
  options.call.results[0].shape = {kBatchDimension, 3};
  const std::vector<Tensor> whole{Tensor(DType::kInt64, {2, 4})};
  const auto model = backend_->load(options);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const auto refused = (*model)->run(whole, nullptr, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_TRUE(refused.error().message.starts_with(
      "the model does not take the argument x as int64, as the package declares it; it takes "
      "float32. PyTorch: "))
      << refused.error().message;
  EXPECT_EQ(refused.error().message.find('\n'), std::string::npos) << refused.error().message;
}

TEST_F(TorchFiles, ThatAreExportedProgramsAreCheckedBeforeTheyAreCompiled) {
  const auto refused = [&](const std::string& file) {
    auto loaded = backend_->load(plain_options("exported/" + file));
    return loaded ? Error{Code::kUnknown, "it was loaded"} : loaded.error();
  };
  for (const char* file : {"machine_code.pt2", "evil_size.pt2", "evil_container.pt2",
                           "pickled_weights.pt2", "saves.pt2"}) {
    EXPECT_EQ(refused(file).code, Code::kPermissionDenied) << file << ": " << refused(file).message;
  }
  EXPECT_NE(refused("machine_code.pt2").message.find("torch.export.save"), std::string::npos);
  EXPECT_EQ(refused("channels_last.pt2").code, Code::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists("/tmp/serin-should-never-be"));
}

TEST_F(TorchFiles, ThatRememberEarlierCallsAreRefusedWhenTheyAreCompiled) {
  const auto loaded = backend_->load(plain_options("exported/remembers.pt2"));
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::kInvalidArgument);
  EXPECT_NE(loaded.error().message.find("changes its own calls"), std::string::npos)
      << loaded.error().message;
}

TEST_F(TorchFiles, ThatAreExportedProgramsNameTheCommandWhereTheyCannotBeCompiled) {
  const auto cache = TemporaryDirectory::create();
  ::setenv("SERIN_PYTHON_TORCH", "/nowhere/python", 1);
  LoadOptions options = plain_options("exported/identity.pt2");
  options.cache = cache->path() / "compiled";
  const auto loaded = backend_->load(options);
  ::unsetenv("SERIN_PYTHON_TORCH");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(loaded.error().reason, "not_compiled");
  EXPECT_NE(loaded.error().message.find("/nowhere/python"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("`serin package compile "), std::string::npos)
      << loaded.error().message;
}

// A shared object has a log of its own.
TEST(TorchLog, IsWrittenAsTheProgramDoes) {
  LoadOptions options;
  options.model = std::filesystem::path(SERIN_TESTDATA) / "torch/in_place.pt";
  options.call = simple(4);
  options.call.method = "forward";
  const auto said = [&](log::Settings settings) {
    log::configure(settings);
    testing::internal::CaptureStderr();
    const auto backend = create_backend(model::EngineKind::kTorch);
    EXPECT_TRUE(backend.has_value() && (*backend)->load(options).has_value());
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said({log::Level::kInfo, log::Form::kText}), "");
  const std::string text = said({log::Level::kDebug, log::Form::kText});
  EXPECT_NE(text.find(" debug   the model is ready to run"), std::string::npos) << text;
  const std::string json = said({log::Level::kDebug, log::Form::kJson});
  EXPECT_NE(json.find(R"("level":"debug","message":"the model is ready)"), std::string::npos)
      << json;
  log::configure({});
}
#endif

#ifdef SERIN_HAS_TENSORFLOW
TEST(TensorflowFiles, WithPythonInsideAreRefusedByName) {
  auto backend = *create_backend(model::EngineKind::kTensorflow);
  const std::filesystem::path folder = std::filesystem::path(SERIN_TESTDATA) / "tensorflow";
  EXPECT_NE(backend->inspect(folder / "python").error().message.find("EagerPyFunc"),
            std::string::npos);
  EXPECT_EQ(backend->inspect(folder / "python").error().code, Code::kPermissionDenied);
}

TEST(TensorflowFiles, ThatKerasExportedByItselfRun) {
  auto backend = *create_backend(model::EngineKind::kTensorflow);
  LoadOptions options;
  options.model = std::filesystem::path(SERIN_TESTDATA) / "tensorflow" / "keras_export";
  options.call.method = "serving_default";
  options.call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}}};
  options.call.results = {{"output_0", DType::kFloat32, {kBatchDimension, 3}}};
  auto model = backend->load(options);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const auto y = values_of(ran(**model, {floats({2, 4}, {1, 0, 0, 0, 0, -1, 0, 1})})[0]);
  ASSERT_EQ(y.size(), 6U);
  // A row of the kernel is 0.3·i + (0, 0.1, 0.2); the bias is 1.
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(y[i], std::tanh(1 + 0.1 * static_cast<double>(i)), 1e-5);
    EXPECT_NEAR(y[3 + i], std::tanh(1 + 0.6), 1e-5);
  }
}

TEST(TensorflowFiles, ThatUseWhatSavedModelUsesForThemselvesAreRefused) {
  auto backend = *create_backend(model::EngineKind::kTensorflow);
  const Error error =
      backend->inspect(std::filesystem::path(SERIN_TESTDATA) / "tensorflow" / "restores").error();
  EXPECT_EQ(error.code, Code::kPermissionDenied);
  EXPECT_NE(error.message.find("RestoreV2"), std::string::npos) << error.message;
}
#endif

}  // namespace
}  // namespace serin::engine
