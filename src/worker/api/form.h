// SPDX-License-Identifier: Apache-2.0
// How well formed what a generation made is (rollout/score), for the Serin-Score field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "model/manifest.h"

namespace serin::worker::api {

// The least of its outputs', from 0 to 1. Nothing where it has neither text nor a medium.
std::optional<double> form_of(const model::Manifest& manifest, const engine::Finished& finished,
                              std::string_view prompt);

// "wellFormed=0.93"
std::string score_field(double form);

}  // namespace serin::worker::api
