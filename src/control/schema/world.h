// SPDX-License-Identifier: Apache-2.0
// A world for rehearsing rollouts as people write it (docs/schema/world.json), read from YAML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

// `scorers`: the names of those that the manifest has beside wellFormed and feedback. The world
// says how each scores, and of no other; the versions' models have them in this order.
// kInvalidArgument with every finding, a line each: "FILE:LINE:COLUMN: PATH: what". `file` is for
// messages.
Result<RehearsedWorld> read_world(std::string_view text, std::string_view file,
                                  const std::vector<std::string>& scorers);

}  // namespace serin::control
