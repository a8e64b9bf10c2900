// SPDX-License-Identifier: Apache-2.0
#include "engine/model_caller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/last_resort.h"

namespace serin::engine {

ModelCaller::ModelCaller(std::unique_ptr<Model> model, const Clock& clock, Observer* observer)
    : model_(std::move(model)), clock_(&clock), observer_(observer), last_advance_(clock.now()) {
  started_.reserve(model_->calls_at_once());
}

Result<std::vector<Tensor>> ModelCaller::call(std::span<const Tensor> arguments, State* state,
                                              std::int64_t rows, std::int64_t padded_rows,
                                              const Abandoned& abandoned) {
  const Instant started = clock_->now();
  begin(started);
  auto results = attempt("the model", [&] { return model_->run(arguments, state, abandoned); });
  const Instant ended = clock_->now();
  const std::size_t side_by_side = end(started, results ? std::optional(ended) : std::nullopt);
  if (!results) return results;
  const double seconds = std::max(1e-6, std::chrono::duration<double>(ended - started).count());
  const double measured = static_cast<double>(rows) * static_cast<double>(side_by_side) / seconds;
  const double before = rows_per_second();
  rows_per_second_ = before == 0 ? measured : 0.9 * before + 0.1 * measured;
  if (observer_ != nullptr) observer_->batch_ran(rows, padded_rows, ended - started);
  return results;
}

void ModelCaller::begin(Instant now) {
  const std::lock_guard lock(mutex_);
  started_.push_back(now);
}

std::size_t ModelCaller::end(Instant started, std::optional<Instant> advanced) {
  const std::lock_guard lock(mutex_);
  const std::size_t ran = started_.size();
  started_.erase(std::ranges::find(started_, started));
  if (advanced) last_advance_ = std::max(last_advance_, *advanced);
  return ran;
}

Pulse ModelCaller::pulse() const {
  const std::lock_guard lock(mutex_);
  const bool in_call = !started_.empty();
  const Instant oldest = in_call ? std::ranges::min(started_) : Instant();
  return {last_advance_, in_call, std::max(oldest, last_advance_)};
}

}  // namespace serin::engine
