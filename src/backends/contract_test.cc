// SPDX-License-Identifier: Apache-2.0
// What every backend must do (engine/backend.h), tried on each that this build has. The models are
// made by testdata/make_torch.py, make_exported.py and make_tensorflow.py and are the same
// functions in each form. Exported programs are compiled once a build folder, by the Python of
// tools/setup.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <thread>

#include "base/files.h"
#include "engine/backend.h"

namespace serin::engine {
namespace {

using model::Argument;
using model::Call;
using model::kBatchDimension;
using model::ResultSpec;

struct Framework {
  model::EngineKind kind;
  std::string name;       // also of the folder with the models
  std::string framework;  // as version() begins; also the folder with what Python gave
  std::string suffix;     // of a model's file
  std::string method;     // the default one
};
void PrintTo(const Framework& framework, std::ostream* out) { *out << framework.name; }

std::vector<Framework> frameworks() {
  std::vector<Framework> list;
#ifdef SERIN_HAS_TORCH
  list.push_back({model::EngineKind::kTorch, "torch", "torch", ".pt", "forward"});
  list.push_back({model::EngineKind::kTorch, "exported", "torch", ".pt2", "forward"});
#endif
#ifdef SERIN_HAS_TENSORFLOW
  list.push_back(
      {model::EngineKind::kTensorflow, "tensorflow", "tensorflow", "", "serving_default"});
#endif
  return list;
}

Tensor floats(Shape shape, std::vector<float> values) {
  return Tensor::of<float>(std::move(shape), values);
}

std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

class BackendContract : public testing::TestWithParam<Framework> {
 protected:
  static void SetUpTestSuite() { ::setenv("CUDA_VISIBLE_DEVICES", "", 1); }

  void SetUp() override {
    auto made = create_backend(GetParam().kind);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    backend_ = *std::move(made);
  }

  std::filesystem::path folder() const {
    return std::filesystem::path(SERIN_TESTDATA) / GetParam().name;
  }
  Tensor from_python(const std::string& file) const {
    const auto path = std::filesystem::path(SERIN_TESTDATA) / GetParam().framework / file;
    return *parse_npy(*read_file(path));
  }
  std::filesystem::path path_of(const std::string& model) const {
    return folder() / (model + GetParam().suffix);
  }

  LoadOptions options(const std::string& model, Call call) const {
    LoadOptions made;
    made.model = path_of(model);
    made.call = std::move(call);
    made.cache = SERIN_COMPILED;
    if (made.call.method.empty()) made.call.method = GetParam().method;
    return made;
  }
  // x: [N, 4] → y: [N, width]
  static Call simple(std::int64_t width) {
    Call call;
    call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}}};
    call.results = {{"y", DType::kFloat32, {kBatchDimension, width}}};
    return call;
  }
  static Call counting() {
    Call call;
    call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}},
                      {"cache", "", DType::kFloat32, {kBatchDimension, 4}}};
    call.results = {{"sum", DType::kFloat32, {kBatchDimension}},
                    {"cache", DType::kFloat32, {kBatchDimension, 4}}};
    return call;
  }
  std::unique_ptr<Model> loaded(const std::string& model, Call call) {
    auto made = backend_->load(options(model, std::move(call)));
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? *std::move(made) : nullptr;
  }
  Error refusal(const std::string& model, Call call = simple(4)) {
    auto made = backend_->load(options(model, std::move(call)));
    return made ? Error{Code::kUnknown, "it was loaded"} : made.error();
  }

  std::unique_ptr<Backend> backend_;
};

std::vector<Tensor> ran(Model& model, std::vector<Tensor> arguments, State* state = nullptr) {
  auto results = model.run(arguments, state);
  EXPECT_TRUE(results.has_value()) << results.error().message;
  return results ? *std::move(results) : std::vector<Tensor>{};
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

TEST_P(BackendContract, AgreesWithPython) {
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

TEST_P(BackendContract, GivesTheSameBitsEachTime) {
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

TEST_P(BackendContract, RefusesArgumentsThatTheCallDoesNotDeclare) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  const auto error_of = [&](std::vector<Tensor> arguments) {
    const auto results = model->run(arguments, nullptr);
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
  const auto results = (*made)->run(std::vector<Tensor>{floats({1, 4}, {1, 2, 3, 4})}, nullptr);
  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().code, Code::kInternal);
  EXPECT_NE(results.error().message.find("declares result y as float32 [N, 5]"), std::string::npos)
      << results.error().message;
}

TEST_P(BackendContract, SaysWhichMethodsThereAre) {
  Call call = simple(3);
  call.method = "nothing";
  const Error error = refusal("affine", call);
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_NE(error.message.find("named"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(GetParam().method), std::string::npos) << error.message;
  Call many = simple(3);
  many.arguments.push_back({"more", "", DType::kFloat32, {kBatchDimension}});
  EXPECT_EQ(refusal("affine", many).code, Code::kInvalidArgument);
  Call none = simple(3);
  none.arguments.clear();
  EXPECT_EQ(refusal("affine", none).code, Code::kInvalidArgument);
}

TEST_P(BackendContract, DescribesItsModel) {
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
  EXPECT_FALSE(model->run(std::vector<Tensor>{floats({1, 4}, {1, 1, 1, 1}), Tensor()}, state->get())
                   .has_value());
  EXPECT_FALSE(model
                   ->run(std::vector<Tensor>{Tensor(DType::kFloat32, {2, 4}),
                                             Tensor(DType::kFloat32, {2, 4})},
                         state->get())
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

TEST_P(BackendContract, LivesOnWhenMemoryRunsOut) {
  auto model = loaded("large", simple(4));
  if (model == nullptr) return;
  Call call = simple(4);
  call.results[0].shape = {kBatchDimension, 4};
  const auto results = model->run(std::vector<Tensor>{floats({1, 4}, {1, 2, 3, 4})}, nullptr);
  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().code, Code::kResourceExhausted) << results.error().message;
  EXPECT_EQ(results.error().reason, "out_of_memory");
  auto fine = loaded("identity", simple(4));
  EXPECT_EQ(values_of(ran(*fine, {floats({1, 4}, {1, 2, 3, 4})})[0]),
            (std::vector<float>{1, 2, 3, 4}));
}

TEST_P(BackendContract, RefusesOperationsOnFilesByName) {
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

TEST_P(BackendContract, RefusesWeightsThatHoldNan) {
  const Error error = refusal("nan", simple(3));
  EXPECT_EQ(error.code, Code::kDataLoss) << error.message;
  EXPECT_NE(error.message.find("bias"), std::string::npos) << error.message;
}

TEST_P(BackendContract, RefusesWhatIsBrokenOrMissing) {
  EXPECT_EQ(refusal("cut").code, Code::kInvalidArgument);
  EXPECT_FALSE(backend_->load(options("nothing", simple(3))).has_value());
  EXPECT_FALSE(backend_->inspect(folder() / "convolution.x.npy").has_value());
}

TEST_P(BackendContract, RefusesADeviceThatIsNotThere) {
  LoadOptions wanted = options("affine", simple(3));
  wanted.device = {Device::Kind::kCuda, 63};
  const auto made = backend_->load(wanted);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::kUnimplemented);
}

TEST_P(BackendContract, TellsHowLargeItsWeightsAre) {
  auto model = loaded("affine", simple(3));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->device_memory_bytes(), (12 + 3) * sizeof(float));
}

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
    ASSERT_TRUE((*model)->run(std::vector<Tensor>{x}, nullptr).has_value());
    model->reset();
    if (i == 100) at_100 = resident_bytes();
  }
  const std::size_t at_end = resident_bytes();
  RecordProperty("resident_at_100", std::to_string(at_100));
  RecordProperty("resident_at_end", std::to_string(at_end));
  EXPECT_LT(static_cast<double>(at_end), 1.01 * static_cast<double>(at_100));
}

INSTANTIATE_TEST_SUITE_P(Every, BackendContract, testing::ValuesIn(frameworks()),
                         [](const auto& parameter) { return parameter.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BackendContract);

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
  for (const char* file : {"state_dict.pt", "legacy.pt", "garbage.pt"}) {
    const Error error = refusal(file);
    EXPECT_EQ(error.code, Code::kInvalidArgument) << file;
    EXPECT_EQ(error.reason, "needs_class");
    EXPECT_NE(
        error.message.find(std::string("serin package import ") + file + " --class FILE:CLASS"),
        std::string::npos)
        << error.message;
  }
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

TEST(Backends, ThatThisBuildLacksSayWhereTheyWereLookedFor) {
  const auto made = create_backend(model::EngineKind::kRemote);
  if (made.has_value()) return;
  EXPECT_EQ(made.error().code, Code::kUnimplemented);
  EXPECT_NE(made.error().message.find("libserin_remote.so"), std::string::npos)
      << made.error().message;
}

}  // namespace
}  // namespace serin::engine
