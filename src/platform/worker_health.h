// SPDX-License-Identifier: Apache-2.0
// What a worker answers at /health/ready. Pure; what it says is not trusted to be well formed.
#pragma once

#include <string>
#include <string_view>

namespace serin::platform {

struct WorkerHealth {
  bool ready = false;
  bool stuck = false;  // it runs, and a call of its model does not come back
  std::string reason;
  std::string profile, reproducible;  // empty while it loads
};

WorkerHealth read_health(int status, std::string_view body);

}  // namespace serin::platform
