// SPDX-License-Identifier: Apache-2.0
// The one place where the model is called: keeps the pulse that readiness reads, feeds the
// Observer, measures how fast rows go through, and turns what a framework throws into an Error.
// Owned by the engine, called on its device threads, as many at once as the model allows; pulse()
// and rows_per_second() from any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace serin::engine {

struct Pulse {
  Instant last_advance;  // when a call last returned a result
  bool in_call = false;
  // When the call that has run longest started; later, when another advanced beside it since.
  Instant call_started;
};

class ModelCaller {
 public:
  ModelCaller(std::unique_ptr<Model> model, const Clock& clock, Observer* observer);

  Model& model() { return *model_; }
  const Clock& clock() const { return *clock_; }
  // `rows` of the `padded_rows` in the arguments are wanted.
  Result<std::vector<Tensor>> call(std::span<const Tensor> arguments, State* state,
                                   std::int64_t rows, std::int64_t padded_rows,
                                   const Abandoned& abandoned);

  Pulse pulse() const;
  double rows_per_second() const { return rows_per_second_.load(std::memory_order_relaxed); }

 private:
  void begin(Instant now);
  // The call that began then is over; gives how many ran, it included.
  std::size_t end(Instant started, std::optional<Instant> advanced);

  std::unique_ptr<Model> model_;
  const Clock* clock_;
  Observer* observer_;
  mutable std::mutex mutex_;
  Instant last_advance_;          // guarded by mutex_
  std::vector<Instant> started_;  // of the calls that run; guarded by mutex_
  std::atomic<double> rows_per_second_{0};
};

}  // namespace serin::engine
