// SPDX-License-Identifier: Apache-2.0
// For the contract suite: the backends of this build and the models that they are tried with, which
// are the same functions for each. A framework's are files, made by testdata/make_torch.py,
// make_exported.py and make_tensorflow.py; exported programs are compiled once a build folder, by
// the Python of tools/setup. The remote backend's stand on a server beside the test.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "backends/remote/upstream_for_test.h"
#include "base/files.h"
#include "engine/backend.h"

namespace serin::engine {

using model::Argument;
using model::Call;
using model::kBatchDimension;
using model::ResultSpec;

struct Subject {
  model::EngineKind kind;
  std::string name;       // also of the folder with the models
  std::string framework;  // as version() begins; also the folder with what Python gave
  std::string suffix;     // of a model's file
  std::string method;     // the default one
  std::optional<backends::Form> server;  // in place of files
};
inline void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }

// Those that read a model's file.
inline std::vector<Subject> readers_of_files() {
  std::vector<Subject> list;
#ifdef SERIN_HAS_TORCH
  list.push_back({model::EngineKind::kTorch, "torch", "torch", ".pt", "forward", {}});
  list.push_back({model::EngineKind::kTorch, "exported", "torch", ".pt2", "forward", {}});
#endif
#ifdef SERIN_HAS_TENSORFLOW
  list.push_back(
      {model::EngineKind::kTensorflow, "tensorflow", "tensorflow", "", "serving_default", {}});
#endif
  return list;
}

inline std::vector<Subject> every_backend() {
  std::vector<Subject> list = readers_of_files();
  list.push_back({model::EngineKind::kRemote, "remote", "remote", "", "", backends::Form::kBinary});
  list.push_back(
      {model::EngineKind::kRemote, "remote_json", "remote", "", "", backends::Form::kJson});
  return list;
}

inline std::string name_of(const testing::TestParamInfo<Subject>& parameter) {
  return parameter.param.name;
}

inline Tensor floats(Shape shape, std::vector<float> values) {
  return Tensor::of<float>(std::move(shape), values);
}

inline std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

inline std::vector<Tensor> ran(Model& model, std::vector<Tensor> arguments,
                               State* state = nullptr) {
  auto results = model.run(arguments, state, {});
  EXPECT_TRUE(results.has_value()) << results.error().message;
  return results ? *std::move(results) : std::vector<Tensor>{};
}

// x: [N, 4] → y: [N, width]
inline Call simple(std::int64_t width) {
  Call call;
  call.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 4}}};
  call.results = {{"y", DType::kFloat32, {kBatchDimension, width}}};
  return call;
}

// The server of `port` as a package has it.
inline Upstream upstream_at(std::uint16_t port, const std::string& model) {
  Upstream upstream;
  upstream.remote.protocol = model::Remote::Protocol::kOpenInference;
  upstream.remote.url = "http://127.0.0.1:" + std::to_string(port);
  upstream.remote.model = model;
  return upstream;
}

class BackendContract : public testing::TestWithParam<Subject> {
 protected:
  static void SetUpTestSuite() { ::setenv("CUDA_VISIBLE_DEVICES", "", 1); }

  void SetUp() override {
    auto made = create_backend(GetParam().kind);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    backend_ = *std::move(made);
    if (!GetParam().server) return;
    net::ServerOptions listen;
    listen.port = 0;
    auto server = net::Server::create(listen, backends::upstream_handler(*GetParam().server));
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = *std::move(server);
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
    if (server_) made.upstream = upstream_at(server_->port(), model);
    return made;
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
  std::unique_ptr<net::Server> server_;
};

}  // namespace serin::engine
