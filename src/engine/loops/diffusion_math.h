// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a diffusion loop, as docs/package-format.md defines it. Pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "model/manifest.h"

namespace serin::engine {

// Before step `step` of `steps`: 1, 1 − 1/n, …, 1/n; 0 after the last.
double diffusion_time(std::int64_t step, std::int64_t steps);

// Moves `state` one step towards data, along what the model predicted at diffusion_time(step,
// steps).
void diffusion_step(const model::DiffusionLoop& loop, std::int64_t step, std::int64_t steps,
                    std::span<const float> prediction, std::span<float> state);

// `prediction` moves away from the unconditional one: unconditional + scale · (prediction −
// unconditional).
void guide(std::span<const float> unconditional, double scale, std::span<float> prediction);

}  // namespace serin::engine
