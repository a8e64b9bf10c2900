// SPDX-License-Identifier: Apache-2.0
// The one place where the model is called: keeps the pulse that readiness reads, feeds the
// Observer, measures how fast rows go through, and turns what a framework throws into an Error.
// Owned by the engine, called on the device thread; pulse() and rows_per_second() from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace serin::engine {

// Whether anybody still waits for the call that runs: said by the loop, asked by the model, both on
// the device thread.
class Audience {
 public:
  void is(std::function<bool()> gone) { gone_ = std::move(gone); }
  bool gone() const { return gone_ && gone_(); }

 private:
  std::function<bool()> gone_;
};

struct Pulse {
  Instant last_advance;  // when a call last returned a result
  bool in_call = false;
  Instant call_started;
};

class ModelCaller {
 public:
  ModelCaller(std::unique_ptr<Model> model, const Clock& clock, Observer* observer,
              std::shared_ptr<Audience> audience = std::make_shared<Audience>());

  Model& model() { return *model_; }
  Audience& audience() { return *audience_; }
  const Clock& clock() const { return *clock_; }
  // `rows` of the `padded_rows` in the arguments are wanted.
  Result<std::vector<Tensor>> call(std::span<const Tensor> arguments, State* state,
                                   std::int64_t rows, std::int64_t padded_rows);

  Pulse pulse() const;
  double rows_per_second() const { return rows_per_second_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<Model> model_;
  const Clock* clock_;
  Observer* observer_;
  std::shared_ptr<Audience> audience_;
  std::atomic<Duration> last_advance_;
  std::atomic<Duration> call_started_{Duration(0)};
  std::atomic<bool> in_call_{false};
  std::atomic<double> rows_per_second_{0};
};

}  // namespace serin::engine
