// SPDX-License-Identifier: Apache-2.0
#include "engine/model_caller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/last_resort.h"

namespace serin::engine {

ModelCaller::ModelCaller(std::unique_ptr<Model> model, const Clock& clock, Observer* observer,
                         std::shared_ptr<Audience> audience)
    : model_(std::move(model)),
      clock_(&clock),
      observer_(observer),
      audience_(std::move(audience)),
      last_advance_(clock.now().time_since_epoch()) {}

Result<std::vector<Tensor>> ModelCaller::call(std::span<const Tensor> arguments, State* state,
                                              std::int64_t rows, std::int64_t padded_rows) {
  const Instant started = clock_->now();
  call_started_ = started.time_since_epoch();
  in_call_ = true;
  auto results = attempt("the model", [&] { return model_->run(arguments, state); });
  in_call_ = false;
  if (!results) return results;
  const Instant ended = clock_->now();
  last_advance_ = ended.time_since_epoch();
  const double seconds = std::max(1e-6, std::chrono::duration<double>(ended - started).count());
  const double measured = static_cast<double>(rows) / seconds, before = rows_per_second();
  rows_per_second_ = before == 0 ? measured : 0.9 * before + 0.1 * measured;
  if (observer_ != nullptr) observer_->batch_ran(rows, padded_rows, ended - started);
  return results;
}

Pulse ModelCaller::pulse() const {
  return {Instant(last_advance_.load()), in_call_.load(), Instant(call_started_.load())};
}

}  // namespace serin::engine
