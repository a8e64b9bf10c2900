// SPDX-License-Identifier: Apache-2.0
// One signature of one SavedModel in a session of its own. See engine::Model for who may call it
// and when.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/call_check.h"
#include "backends/tensorflow/handles.h"
#include "backends/tensorflow/saved_model.h"
#include "engine/backend.h"

namespace serin::backends {

class TensorflowModel final : public engine::Model {
 public:
  // kInvalidArgument when the signature and the call do not fit, kDataLoss when a variable holds a
  // NaN.
  static Result<std::unique_ptr<engine::Model>> create(const SavedModel& saved,
                                                       const engine::LoadOptions& options);
  ~TensorflowModel() override;

  Result<std::unique_ptr<engine::State>> make_state(std::span<const Carry> pairs,
                                                    std::int64_t batch) override;
  std::size_t calls_at_once() const override { return 1; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, engine::State* state,
                                  const engine::Abandoned& abandoned) override;
  std::uint64_t device_memory_bytes() const override { return weight_bytes_; }

 private:
  explicit TensorflowModel(model::Call call) : call_(std::move(call)) {}
  Status open(const engine::LoadOptions& options);
  Status bind(const SignatureDef& signature);
  // Where `declared` stand in the graph; the signature `verb` them.
  template <class Declared>
  Result<std::vector<TF_Output>> places_of(const std::vector<Declared>& declared,
                                           const std::map<std::string, TensorInfo>& tensors,
                                           const std::string& verb) const;
  Status check_weights(const SavedModel& saved);
  Result<TF_Output> output_named(const std::string& name) const;
  Result<std::vector<TensorHandle>> session_run(const std::vector<TF_Output>& inputs,
                                                const std::vector<TF_Tensor*>& values,
                                                const std::vector<TF_Output>& outputs) const;

  model::Call call_;
  GraphHandle graph_;
  TF_Session* session_ = nullptr;
  std::vector<TF_Output> inputs_, outputs_;
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace serin::backends
