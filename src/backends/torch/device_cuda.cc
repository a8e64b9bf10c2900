// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "backends/torch/device.h"
#include "backends/torch/shape_book.h"
#include "backends/torch/torch_script.h"
#include "base/log.h"

namespace serin::backends {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;
using Tensors = Lane::Tensors;

constexpr std::size_t kMostRecordings = 16;  // of one model; each holds its results' memory

ShapeBook::Shape shape_of(const Tensors& arguments) {
  ShapeBook::Shape shape;
  for (const at::Tensor& one : arguments) {
    shape.push_back(static_cast<std::int64_t>(one.scalar_type()));
    shape.push_back(one.dim());
    shape.insert(shape.end(), one.sizes().begin(), one.sizes().end());
  }
  return shape;
}

// Copies through pinned memory return at once; the allocator of pinned memory keeps it until the
// stream has read it.
at::Tensor upload(const at::Tensor& host, c10::Device device) {
  const at::Tensor source = host.numel() == 0 ? host : host.pin_memory();
  return source.to(at::TensorOptions().device(device), true);
}

// A call as a CUDA graph, with the places that its arguments are copied to and its results lie in.
class Recording {
 public:
  // Uploads the arguments, records `function` and does not run it. Throws when the call does what
  // cannot be recorded (a wait for the device, say); the stream is then as it was.
  Recording(const Tensors& arguments, const Lane::Function& function, c10::Device device) {
    for (const at::Tensor& one : arguments) arguments_.push_back(upload(one, device));
    const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
    try {
      // Thread-local: other models' threads may do as they like meanwhile.
      graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      Result<Tensors> results = function(arguments_);
      if (!results) throw std::runtime_error(results.error().message);
      results_ = *std::move(results);
      graph_.capture_end();
    } catch (...) {
      abandon(pool, device.index());
      throw;
    }
  }

  const Tensors& replay(const Tensors& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i].numel() != 0) arguments_[i].copy_(arguments[i].pin_memory(), true);
    }
    graph_.replay();
    return results_;
  }

 private:
  // A capture that fails leaves the stream capturing and the allocator serving its pool; each step
  // here may have been done already, which PyTorch answers by throwing.
  void abandon(at::cuda::MempoolId_t pool, c10::DeviceIndex device) {
    results_.clear();
    const auto step = [](const auto& undo) {
      try {
        undo();
      } catch (const std::exception&) {
      }
    };
    step([&] { graph_.capture_end(); });
    step([&] { allocator::endAllocateToPool(device, pool); });
    step([&] { allocator::releasePool(device, pool); });
  }

  Tensors arguments_, results_;
  at::cuda::CUDAGraph graph_;
};

class CudaLane final : public Lane {
 public:
  explicit CudaLane(c10::DeviceIndex index)
      : device_(c10::kCUDA, index), stream_(c10::cuda::getStreamFromPool(false, index)) {
    // The weights came by another stream.
    const c10::cuda::CUDAGuard guard(index);
    c10::cuda::device_synchronize();
  }

  ~CudaLane() override {
    try {
      stream_.synchronize();
    } catch (const std::exception& problem) {
      log::warning("the device failed", {{"reason", error_of_exception(problem).message}});
    }
  }

  at::Tensor zeros(at::IntArrayRef shape, at::ScalarType type) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    return at::zeros(shape, at::TensorOptions().dtype(type).device(device_));
  }

  Result<Tensors> call(Tensors arguments, const Function& function) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    // With state on the device a graph would copy the state twice a call, so those run plainly.
    if (std::ranges::all_of(arguments, &at::Tensor::is_cpu)) return call_shape(arguments, function);
    for (at::Tensor& one : arguments) {
      if (one.is_cpu()) one = upload(one, device_);
    }
    return function(std::move(arguments));
  }

  void bring_home(Tensors& tensors) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    for (at::Tensor& one : tensors) {
      if (!one.defined() || !one.is_cuda()) continue;
      at::Tensor home =
          at::empty(one.sizes(), at::TensorOptions().dtype(one.scalar_type()).pinned_memory(true));
      home.copy_(one, true);
      one = std::move(home);
    }
    stream_.synchronize();
  }

  void release() override {
    recordings_.clear();
    book_.forget();
    allocator::emptyCache();
  }

  std::uint64_t allocated_bytes() const override {
    return static_cast<std::uint64_t>(
        allocator::getDeviceStats(device_.index()).reserved_bytes[0].current);
  }

 private:
  Result<Tensors> call_shape(const Tensors& arguments, const Function& function) {
    const ShapeBook::Shape shape = shape_of(arguments);
    const ShapeBook::Way way = book_.next(shape);
    if (way == ShapeBook::Way::kRecord) record(shape, arguments, function);
    if (const auto found = recordings_.find(shape); found != recordings_.end())
      return found->second->replay(arguments);
    Tensors uploaded;
    for (const at::Tensor& one : arguments) uploaded.push_back(upload(one, device_));
    return function(std::move(uploaded));
  }

  void record(const ShapeBook::Shape& shape, const Tensors& arguments, const Function& function) {
    try {
      recordings_.emplace(shape, std::make_unique<Recording>(arguments, function, device_));
    } catch (const std::exception& problem) {
      book_.refuse(shape);
      log::info("a call cannot be recorded as a CUDA graph and runs without",
                {{"reason", error_of_exception(problem).message}});
    }
  }

  const c10::Device device_;
  const c10::cuda::CUDAStream stream_;
  ShapeBook book_{kMostRecordings};
  std::map<ShapeBook::Shape, std::unique_ptr<Recording>> recordings_;
};

}  // namespace

Status prepare_gpu(int index, std::uint64_t memory_limit_bytes) {
  const int count = c10::cuda::device_count();
  if (index >= count) {
    return fail(Error{Code::kUnimplemented,
                      "no device cuda:" + std::to_string(index) + ": PyTorch sees " +
                          std::to_string(count) + " GPUs",
                      "no_cuda"});
  }
  try {
    at::globalContext().lazyInitDevice(c10::kCUDA);
    // The same kernels each time, not those that happened to be fastest.
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
    // A package that says float32 means it, and its golden results may come from a host.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
    const auto device = static_cast<c10::DeviceIndex>(index);
    const c10::cuda::CUDAGuard guard(device);
    std::size_t unused = 0, total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&unused, &total));
    const double share = memory_limit_bytes == 0
                             ? 1.0
                             : static_cast<double>(memory_limit_bytes) / static_cast<double>(total);
    allocator::setMemoryFraction(std::min(share, 1.0), device);
  } catch (const std::exception& problem) {
    return fail(error_of_exception(problem).within("cuda:" + std::to_string(index)));
  }
  return {};
}

std::unique_ptr<Lane> make_gpu_lane(int index) {
  return std::make_unique<CudaLane>(static_cast<c10::DeviceIndex>(index));
}

}  // namespace serin::backends
