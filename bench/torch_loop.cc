// SPDX-License-Identifier: Apache-2.0
// What the PyTorch backend costs beside a bare loop over the same model on the same device: rows a
// second at several batch sizes. The bare loop is what PyTorch's manual says: pinned copies there,
// the method under its optimising executor, a copy back.
//
//   torch_loop MODEL.pt DEVICE SECONDS     the motion example's model, cpu or cuda:N
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "engine/backend.h"

namespace {

using namespace serin;

constexpr std::int64_t kBatches[] = {1, 4, 16, 64};

model::Call motion() {
  model::Call call;
  call.method = "forward";
  call.arguments = {{"noise", "noise", DType::kFloat32, {model::kBatchDimension, 10}},
                    {"shape", "shape", DType::kInt64, {model::kBatchDimension}},
                    {"direction", "direction", DType::kInt64, {model::kBatchDimension}}};
  call.results = {{"clip", DType::kFloat32, {model::kBatchDimension, 16, 3, 32, 32}}};
  return call;
}

// Calls in a second, after ten that warm up.
double rate(double seconds, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 10; ++i) call();
  const auto begin = Clock::now();
  double passed = 0;
  int calls = 0;
  while (passed < seconds) {
    call();
    ++calls;
    passed = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return calls / passed;
}

class Bare {
 public:
  Bare(const std::string& file, const c10::Device& device)
      : device_(device), module_(frozen(file, device)) {}

  void run(std::int64_t batch) {
    const c10::InferenceMode guard;
    const torch::jit::GraphOptimizerEnabledGuard optimised(true);  // our backend switches it off
    std::vector<c10::IValue> there;
    for (const at::Tensor& one :
         {at::randn({batch, 10}), at::randint(0, 4, {batch}), at::randint(0, 8, {batch})}) {
      there.emplace_back(device_.is_cpu() ? one : one.pin_memory().to(device_, true));
    }
    const at::Tensor clip = module_.forward(std::move(there)).toTensor().to(at::kCPU);
    if (clip.size(0) != batch) std::abort();
  }

 private:
  static torch::jit::Module frozen(const std::string& file, const c10::Device& device) {
    const torch::jit::GraphOptimizerEnabledGuard optimised(true);
    torch::jit::Module module = torch::jit::load(file, device);
    module.eval();
    return torch::jit::freeze(module);
  }
  c10::Device device_;
  torch::jit::Module module_;
};

void ours(engine::Model& model, std::int64_t batch) {
  const std::vector<float> noise(static_cast<std::size_t>(batch) * 10, 0.5F);
  const std::vector<std::int64_t> label(static_cast<std::size_t>(batch), 1);
  const std::vector<Tensor> arguments{Tensor::of<float>({batch, 10}, noise),
                                      Tensor::of<std::int64_t>({batch}, label),
                                      Tensor::of<std::int64_t>({batch}, label)};
  if (!model.run(arguments, nullptr, {})) std::abort();
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    std::fprintf(stderr, "torch_loop MODEL.pt cpu|cuda:N SECONDS\n");
    return 2;
  }
  const double seconds = std::atof(words[3]);
  at::set_num_threads(1);
  engine::LoadOptions options;
  options.model = words[1];
  options.call = motion();
  const auto device = engine::parse_device(words[2]);
  const auto backend = engine::create_backend(model::EngineKind::kTorch);
  if (!device || !backend) {
    std::fprintf(stderr, "%s\n", (device ? backend.error() : device.error()).message.c_str());
    return 1;
  }
  options.device = *device;
  const auto model = (*backend)->load(options);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return 1;
  }
  Bare bare(words[1], c10::Device(words[2]));
  std::printf("%8s %16s %16s %8s\n", "batch", "bare rows/s", "ours rows/s", "ratio");
  for (const std::int64_t batch : kBatches) {
    const double theirs = rate(seconds, [&] { bare.run(batch); }) * static_cast<double>(batch);
    const double own = rate(seconds, [&] { ours(**model, batch); }) * static_cast<double>(batch);
    std::printf("%8lld %16.1f %16.1f %8.2f\n", static_cast<long long>(batch), theirs, own,
                own / theirs);
  }
  return 0;
}
