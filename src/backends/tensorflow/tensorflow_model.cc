// SPDX-License-Identifier: Apache-2.0
#include "backends/tensorflow/tensorflow_model.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/protozero.h"

namespace serin::backends {
namespace {

struct TensorflowState final : engine::State {
  std::vector<engine::Model::Carry> pairs;
  std::vector<TensorHandle> tensors;  // in the order of pairs
  std::int64_t batch = 0;
};

// tensorflow.ConfigProto. Threads of the session's own end with it; the process's shared pool would
// keep its first size.
std::string session_config(int threads) {
  std::string bytes;
  protozero::pbf_writer config(bytes);
  config.add_int32(2, threads);  // intra_op_parallelism_threads
  config.add_int32(5, 1);        // inter_op_parallelism_threads
  config.add_bool(7, true);      // allow_soft_placement
  config.add_bool(9, true);      // use_per_session_threads
  return bytes;
}

// Without TensorFlow's own, such as __saved_model_init_op.
std::string names_of(const auto& map) {
  std::string names;
  for (const auto& [name, value] : map) {
    if (!name.starts_with("__")) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

bool fits(const Shape& declared, const TensorInfo& info) {
  if (!info.rank_known) return true;
  if (declared.size() != info.shape.size()) return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (declared[i] >= 0 && info.shape[i] >= 0 && declared[i] != info.shape[i]) return false;
  }
  return true;
}

Tensor copy_of(const Tensor& tensor) {
  Tensor made(tensor.dtype(), tensor.shape());
  std::copy(tensor.bytes().begin(), tensor.bytes().end(), made.mutable_bytes().begin());
  return made;
}

Status check_declared(const std::string& name, DType dtype, const Shape& shape,
                      const TensorInfo& info) {
  const auto theirs = dtype_of_tensorflow(info.type);
  if (theirs && *theirs == dtype && fits(shape, info)) return {};
  return invalid("the package declares " + name + " as " + std::string(name_of(dtype)) + " " +
                     model::declared_shape(shape) + ", the SavedModel's signature as " +
                     (theirs ? std::string(name_of(*theirs)) : "a type that packages do not know") +
                     " " + (info.rank_known ? to_string(info.shape) : "of any shape"),
                 name);
}

}  // namespace

Result<std::unique_ptr<engine::Model>> TensorflowModel::create(const SavedModel& saved,
                                                               const engine::LoadOptions& options) {
  const auto signature = saved.signatures.find(options.call.method);
  if (signature == saved.signatures.end()) {
    return invalid("the SavedModel has no signature \"" + options.call.method + "\"; it has " +
                       names_of(saved.signatures),
                   "call.method");
  }
  std::unique_ptr<TensorflowModel> made(new TensorflowModel(options.call));
  SERIN_TRY(made->open(options));
  SERIN_TRY(made->bind(signature->second));
  SERIN_TRY(made->check_weights(saved));
  return made;
}

TensorflowModel::~TensorflowModel() {
  if (session_ == nullptr) return;
  const StatusHandle status(TF_NewStatus());
  TF_CloseSession(session_, status.get());
  TF_DeleteSession(session_, status.get());
}

Status TensorflowModel::open(const engine::LoadOptions& options) {
  const StatusHandle status(TF_NewStatus());
  const OptionsHandle session_options(TF_NewSessionOptions());
  const std::string config = session_config(options.threads);
  TF_SetConfig(session_options.get(), config.data(), config.size(), status.get());
  if (TF_GetCode(status.get()) != TF_OK) return fail(error_of(status.get()));
  graph_.reset(TF_NewGraph());
  const char* tag = "serve";
  session_ = TF_LoadSessionFromSavedModel(session_options.get(), nullptr, options.model.c_str(),
                                          &tag, 1, graph_.get(), nullptr, status.get());
  if (session_ != nullptr && TF_GetCode(status.get()) == TF_OK) return {};
  Error error = error_of(status.get());
  if (error.code == Code::kInternal)
    error.code = Code::kInvalidArgument;  // what the file holds is at fault
  return fail(std::move(error).within("cannot load " + options.model.filename().string()));
}

Result<TF_Output> TensorflowModel::output_named(const std::string& name) const {
  const std::size_t colon = name.find(':');
  int index = 0;
  if (colon != std::string::npos)
    std::from_chars(name.data() + colon + 1, name.data() + name.size(), index);
  TF_Operation* operation = TF_GraphOperationByName(graph_.get(), name.substr(0, colon).c_str());
  if (operation == nullptr || index < 0 || index >= TF_OperationNumOutputs(operation)) {
    return invalid("the SavedModel's signature names " + name + ", which its graph does not have");
  }
  return TF_Output{operation, index};
}

template <class Declared>
Result<std::vector<TF_Output>> TensorflowModel::places_of(
    const std::vector<Declared>& declared, const std::map<std::string, TensorInfo>& tensors,
    const std::string& verb) const {
  std::vector<TF_Output> places;
  for (const Declared& one : declared) {
    const auto found = tensors.find(one.name);
    if (found == tensors.end()) {
      return invalid("the signature " + call_.method + " " + verb + " no \"" + one.name +
                         "\"; it " + verb + " " + names_of(tensors),
                     one.name);
    }
    SERIN_TRY(check_declared(one.name, one.dtype, one.shape, found->second));
    SERIN_TRY_ASSIGN(const TF_Output place, output_named(found->second.name));
    places.push_back(place);
  }
  return places;
}

Status TensorflowModel::bind(const SignatureDef& signature) {
  SERIN_TRY_ASSIGN(inputs_, places_of(call_.arguments, signature.inputs, "takes"));
  if (call_.arguments.size() != signature.inputs.size()) {
    return invalid("the signature " + call_.method + " takes " + names_of(signature.inputs) +
                       "; the package feeds only " + std::to_string(call_.arguments.size()) +
                       " of them",
                   "call.arguments");
  }
  SERIN_TRY_ASSIGN(outputs_, places_of(call_.results, signature.outputs, "gives"));
  return {};
}

// SavedModels keep a node that reads each variable; one at a time, so that memory holds one copy of
// one variable at most.
Status TensorflowModel::check_weights(const SavedModel& saved) {
  for (const GraphNode& node : saved.nodes) {
    if (node.op != "ReadVariableOp" || !dtype_of_tensorflow(node.type)) continue;
    SERIN_TRY_ASSIGN(const TF_Output output, output_named(node.name));
    auto values = session_run({}, {}, {output});
    // What nothing restored (an optimiser's variables in a Keras export) has no value; a signature
    // that needs it fails when it is run, and so in the golden requests.
    if (!values && values.error().code == Code::kFailedPrecondition) continue;
    if (!values)
      return fail(std::move(values.error()).within("cannot read the variable " + node.name));
    const TF_Tensor* value = values->front().get();
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(TF_TensorData(value)),
                                           TF_TensorByteSize(value));
    weight_bytes_ += bytes.size();
    if (holds_nan(*dtype_of_tensorflow(TF_TensorType(value)), bytes)) {
      const std::string variable = node.inputs.empty() ? node.name : node.inputs.front();
      return fail(Code::kDataLoss, "the weights " + variable + " hold a NaN");
    }
  }
  return {};
}

Result<std::vector<TensorHandle>> TensorflowModel::session_run(
    const std::vector<TF_Output>& inputs, const std::vector<TF_Tensor*>& values,
    const std::vector<TF_Output>& outputs) const {
  const StatusHandle status(TF_NewStatus());
  std::vector<TF_Tensor*> given(outputs.size(), nullptr);
  TF_SessionRun(session_, nullptr, inputs.data(), values.data(), static_cast<int>(inputs.size()),
                outputs.data(), given.data(), static_cast<int>(outputs.size()), nullptr, 0, nullptr,
                status.get());
  std::vector<TensorHandle> owned;
  for (TF_Tensor* tensor : given) owned.emplace_back(tensor);
  if (TF_GetCode(status.get()) != TF_OK) return fail(error_of(status.get()));
  return owned;
}

Result<std::unique_ptr<engine::State>> TensorflowModel::make_state(std::span<const Carry> pairs,
                                                                   std::int64_t batch) {
  SERIN_TRY(check_carry(call_, pairs));
  auto state = std::make_unique<TensorflowState>();
  state->batch = batch;
  for (const Carry& pair : pairs) {
    const model::Argument& argument = call_.arguments[pair.argument];
    SERIN_TRY_ASSIGN(const Shape shape, concrete_shape(argument.shape, {.batch = batch}));
    SERIN_TRY_ASSIGN(const std::int64_t count, element_count(shape));
    const std::size_t bytes = static_cast<std::size_t>(count) * size_of(argument.dtype);
    TensorHandle tensor(TF_AllocateTensor(tensorflow_type_of(argument.dtype), shape.data(),
                                          static_cast<int>(shape.size()), bytes));
    if (tensor == nullptr) return fail(out_of_memory("the cache " + argument.name));
    if (bytes > 0) std::memset(TF_TensorData(tensor.get()), 0, bytes);
    state->pairs.push_back(pair);
    state->tensors.push_back(std::move(tensor));
  }
  return state;
}

Result<std::vector<Tensor>> TensorflowModel::run(std::span<const Tensor> arguments,
                                                 engine::State* state, const engine::Abandoned&) {
  auto* held = static_cast<TensorflowState*>(state);
  std::vector<bool> carried(call_.arguments.size(), false);
  std::vector<TF_Tensor*> values(call_.arguments.size(), nullptr);
  for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i) {
    carried[held->pairs[i].argument] = true;
    values[held->pairs[i].argument] = held->tensors[i].get();
  }
  Dimensions known;
  if (held != nullptr) known.batch = held->batch;
  SERIN_TRY_ASSIGN(const Dimensions dimensions, check_arguments(call_, arguments, carried, known));
  std::vector<TensorHandle> fed;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (carried[i]) continue;
    fed.push_back(tensorflow_tensor(arguments[i]));
    if (fed.back() == nullptr)
      return fail(Code::kInternal,
                  "TensorFlow does not take the argument " + call_.arguments[i].name);
    values[i] = fed.back().get();
  }
  SERIN_TRY_ASSIGN(std::vector<TensorHandle> given, session_run(inputs_, values, outputs_));
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto dtype = dtype_of_tensorflow(TF_TensorType(given[i].get()));
    if (!dtype)
      return fail(Code::kInternal,
                  "result " + call_.results[i].name + " has a dtype that packages do not know");
    SERIN_TRY(check_result(call_.results[i], *dtype, shape_of(given[i].get()), dimensions));
  }
  std::vector<Tensor> results(given.size());
  for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i) {
    held->tensors[i] = std::move(given[held->pairs[i].result]);
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == nullptr) continue;
    const bool copy = lies_in(TF_TensorData(given[i].get()), arguments);
    results[i] = host_tensor(std::move(given[i]));
    if (copy) results[i] = copy_of(results[i]);
  }
  return results;
}

}  // namespace serin::backends
