// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/diffusion_math.h"

#include <cmath>
#include <numbers>

namespace serin::engine {
namespace {

using Predicts = model::DiffusionLoop::Predicts;

// Data and noise as the model sees them in one element of the state x = signal·data + sigma·noise.
struct Parts {
  double data, noise;
};

Parts parts_of(Predicts predicts, double x, double prediction, double signal, double sigma,
               bool pure_noise) {
  switch (predicts) {
    case Predicts::kEpsilon:
      // Pure noise says nothing of the data: it is taken as 0, the state as the noise.
      if (pure_noise) return {0, x};
      return {(x - sigma * prediction) / signal, prediction};
    case Predicts::kSample:
      return {prediction, (x - signal * prediction) / sigma};
    case Predicts::kVelocity: {
      const double data = (x - sigma * prediction) / (signal + sigma);
      return {data, data + prediction};
    }
  }
  return {0, x};
}

}  // namespace

double diffusion_time(std::int64_t step, std::int64_t steps) {
  return 1.0 - static_cast<double>(step) / static_cast<double>(steps);
}

void diffusion_step(const model::DiffusionLoop& loop, std::int64_t step, std::int64_t steps,
                    std::span<const float> prediction, std::span<float> state) {
  if (loop.schedule == model::DiffusionLoop::Schedule::kLinear) {
    const float size = static_cast<float>(1.0 / static_cast<double>(steps));
    for (std::size_t i = 0; i < state.size(); ++i) state[i] -= prediction[i] * size;
    return;
  }
  const double quarter = std::numbers::pi / 2;
  const double now = quarter * diffusion_time(step, steps);
  const double next = quarter * diffusion_time(step + 1, steps);
  const double signal = std::cos(now), sigma = std::sin(now);
  const double next_signal = std::cos(next), next_sigma = std::sin(next);
  for (std::size_t i = 0; i < state.size(); ++i) {
    const Parts parts = parts_of(loop.predicts, state[i], prediction[i], signal, sigma, step == 0);
    state[i] = static_cast<float>(next_signal * parts.data + next_sigma * parts.noise);
  }
}

void guide(std::span<const float> unconditional, double scale, std::span<float> prediction) {
  const float factor = static_cast<float>(scale);
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    prediction[i] = unconditional[i] + factor * (prediction[i] - unconditional[i]);
  }
}

}  // namespace serin::engine
