// SPDX-License-Identifier: Apache-2.0
// A world for rehearsing rollouts as people write it (docs/schema/world.json), read from YAML.
#pragma once

#include <string_view>

#include "base/error.h"
#include "control/schema/schema.h"
#include "rollout/simulate/world.h"

namespace serin::control {

struct RehearsedWorld {
  rollout::World world;
  double horizon = 0;  // seconds
};

// The schema of a World; made once.
const Schema& world_schema();

// kInvalidArgument with every finding, a line each: "FILE:LINE:COLUMN: PATH: what". `file` is for
// messages.
Result<RehearsedWorld> read_world(std::string_view text, std::string_view file);

}  // namespace serin::control
