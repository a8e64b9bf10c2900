// SPDX-License-Identifier: Apache-2.0
// The shared object's one door.
#include "backends/tensorflow/log_lines.h"
#include "backends/tensorflow/saved_model.h"
#include "backends/tensorflow/tensorflow_model.h"

namespace serin::backends {
namespace {

Result<SavedModel> checked(const std::filesystem::path& folder) {
  auto saved = read_saved_model(folder);
  if (!saved) return saved;
  if (Status fine = check_graph(*saved); !fine)
    return fail(std::move(fine.error()).within(folder.filename().string()));
  return saved;
}

std::vector<engine::Signature::Value> values_of(const std::map<std::string, TensorInfo>& side) {
  std::vector<engine::Signature::Value> values;
  for (const auto& [name, info] : side) {
    const auto dtype = dtype_of_tensorflow(info.type);
    values.push_back(
        {name, dtype.value_or(DType::kFloat32), info.shape, dtype.has_value() && info.rank_known});
  }
  return values;
}

class TensorflowBackend final : public engine::Backend {
 public:
  std::string version() const override { return std::string("tensorflow ") + TF_Version(); }

  Result<std::vector<engine::Signature>> inspect(const std::filesystem::path& model) override {
    SERIN_TRY_ASSIGN(const SavedModel saved, checked(model));
    std::vector<engine::Signature> signatures;
    for (const auto& [name, signature] : saved.signatures) {
      if (name.starts_with("__")) continue;  // __saved_model_init_op
      signatures.push_back({name, values_of(signature.inputs), values_of(signature.outputs)});
    }
    return signatures;
  }

  Result<std::unique_ptr<engine::Model>> load(const engine::LoadOptions& options) override {
    if (options.device.kind != engine::Device::Kind::kCpu) {
      return fail(Error{Code::kUnimplemented,
                        "this build runs TensorFlow on the CPU only; give --device cpu",
                        "no_cuda"});
    }
    SERIN_TRY_ASSIGN(const SavedModel saved, checked(options.model));
    return TensorflowModel::create(saved, options);
  }
};

}  // namespace
}  // namespace serin::backends

extern "C" __attribute__((visibility("default"))) serin::engine::Backend* serin_create_backend(
    serin::log::Settings log) {
  serin::log::configure(log);
  serin::backends::log_what_tensorflow_says();
  return new serin::backends::TensorflowBackend();
}
