// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/tensor_model.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <utility>

#include "backends/torch/tensors.h"
#include "backends/torch/torch_script.h"

namespace serin::backends {
namespace {

struct TorchState final : engine::State {
  std::vector<engine::Model::Carry> pairs;
  std::vector<at::Tensor> tensors;  // in the order of pairs
  std::int64_t batch = 0;
};

}  // namespace

Result<std::unique_ptr<engine::State>> TensorModel::make_state(std::span<const Carry> pairs,
                                                               std::int64_t batch) {
  SERIN_TRY(check_carry(call_, pairs));
  auto state = std::make_unique<TorchState>();
  state->batch = batch;
  try {
    const c10::InferenceMode guard;
    for (const Carry& pair : pairs) {
      const model::Argument& argument = call_.arguments[pair.argument];
      SERIN_TRY_ASSIGN(const Shape shape, concrete_shape(argument.shape, {.batch = batch}));
      state->pairs.push_back(pair);
      state->tensors.push_back(lane_->zeros(shape, scalar_type_of(argument.dtype)));
    }
  } catch (const std::exception& problem) {
    lane_->release();
    return fail(error_of_exception(problem).within("cannot make the cache"));
  }
  return state;
}

std::vector<at::Tensor> TensorModel::inputs_of(std::span<const Tensor> arguments,
                                               const Carried& carried) const {
  std::vector<at::Tensor> inputs;
  inputs.reserve(arguments.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (carried[i] != nullptr) {
      inputs.push_back(
          *carried[i]);  // the state's own: what the method writes into it, it gives back
      continue;
    }
    // A GPU's lane copies anyway.
    const bool copy = writes(i) && device_.kind == engine::Device::Kind::kCpu;
    at::Tensor view = view_of(arguments[i]);
    inputs.push_back(copy ? view.clone() : std::move(view));
  }
  return inputs;
}

Result<std::vector<Tensor>> TensorModel::run(std::span<const Tensor> arguments,
                                             engine::State* state, const engine::Abandoned&) {
  auto* held = static_cast<TorchState*>(state);
  Carried carried(call_.arguments.size(), nullptr);
  std::vector<bool> is_carried(call_.arguments.size(), false);
  for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i) {
    carried[held->pairs[i].argument] = &held->tensors[i];
    is_carried[held->pairs[i].argument] = true;
  }
  Dimensions known;
  if (held != nullptr) known.batch = held->batch;
  SERIN_TRY_ASSIGN(const Dimensions dimensions,
                   check_arguments(call_, arguments, is_carried, known));
  const bool first = !std::exchange(called_, true);
  try {
    const c10::InferenceMode guard;
    at::set_num_threads(
        threads_);  // OpenMP keeps the count a thread, and the thread may have changed
    SERIN_TRY_ASSIGN(
        std::vector<at::Tensor> given,
        lane_->call(inputs_of(arguments, carried), [this](std::vector<at::Tensor> tensors) {
          return compute(std::move(tensors));
        }));
    std::vector<Tensor> results(given.size());
    std::vector<std::size_t> pair_of(given.size(), SIZE_MAX);
    for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i)
      pair_of[held->pairs[i].result] = i;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const auto dtype = dtype_of(given[i].scalar_type());
      if (!dtype)
        return fail(Code::kInternal,
                    "result " + call_.results[i].name + " has a dtype that packages do not know");
      SERIN_TRY(check_result(call_.results[i], *dtype,
                             Shape(given[i].sizes().begin(), given[i].sizes().end()), dimensions));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (pair_of[i] != SIZE_MAX) held->tensors[pair_of[i]] = std::exchange(given[i], {});
    }
    lane_->bring_home(given);
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (!given[i].defined()) continue;
      // Memory that somebody else holds too (a weight, an argument) may change after this call.
      const bool shared = given[i].storage().use_count() > 1 || given[i].use_count() > 1 ||
                          lies_in(given[i].const_data_ptr(), arguments);
      results[i] = host_tensor(shared ? given[i].clone() : given[i], call_.results[i].dtype);
    }
    return results;
  } catch (const std::exception& problem) {
    Error error = error_of_exception(problem);
    if (error.code == Code::kResourceExhausted)
      lane_->release();
    else if (first)
      error = first_refusal(error, arguments, carried);
    return fail(std::move(error));
  }
}

Error TensorModel::first_refusal(const Error& theirs, std::span<const Tensor> arguments,
                                 const Carried& carried) {
  std::string given;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const model::Argument& argument = call_.arguments[i];
    const std::string dtype(name_of(argument.dtype));
    given += (given.empty() ? "" : ", ") + argument.name + " as " + dtype + " " +
             model::declared_shape(argument.shape);
    const auto taken = taken_as(i, arguments, carried);
    if (!taken) continue;
    return Error{Code::kInvalidArgument,
                 "the model does not take the argument " + argument.name + " as " + dtype +
                     ", as the package declares it; it takes " + std::string(name_of(*taken)) +
                     ". " + theirs.message,
                 "", "call.arguments"};
  }
  return Error{theirs.code, "the model does not take " + given + ", as the package declares it. " +
                                theirs.message};
}

std::optional<DType> TensorModel::taken_as(std::size_t argument, std::span<const Tensor> arguments,
                                           const Carried& carried) {
  // After a failure a GPU may take no call at all.
  if (carried[argument] != nullptr || device_.kind != engine::Device::Kind::kCpu) return {};
  constexpr DType kUsual[] = {DType::kFloat32, DType::kInt64,   DType::kInt32,
                              DType::kFloat64, DType::kFloat16, DType::kBFloat16};
  const c10::InferenceMode guard;
  for (const DType dtype : kUsual) {
    if (dtype == call_.arguments[argument].dtype) continue;
    try {
      std::vector<at::Tensor> inputs = inputs_of(arguments, carried);
      inputs[argument] = inputs[argument].to(scalar_type_of(dtype));
      if (compute(std::move(inputs))) return dtype;
    } catch (const std::exception&) {
      continue;  // neither
    }
  }
  return {};
}

std::uint64_t TensorModel::device_memory_bytes() const {
  return device_.kind == engine::Device::Kind::kCpu ? weight_bytes() : lane_->allocated_bytes();
}

}  // namespace serin::backends
