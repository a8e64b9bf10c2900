// SPDX-License-Identifier: Apache-2.0
// Any bytes: read_world() refuses them or gives a world in which traffic can be drawn.
#include <algorithm>

#include "control/schema/world.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  const auto read = serin::control::read_world({reinterpret_cast<const char*>(data), size},
                                               "world.yaml", {"judge"});
  if (!read) return 0;
  // As large as worlds may be, they are not drawn here.
  serin::rollout::World world = read->world;
  world.users = std::min<std::uint64_t>(world.users, 100);
  world.rate = std::min(world.rate, 100.0);
  serin::rollout::Traffic traffic(world, 1);
  for (int i = 0; i < 4; ++i) static_cast<void>(traffic.next(0.5));
  return 0;
}
