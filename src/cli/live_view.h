// SPDX-License-Identifier: Apache-2.0
// What somebody sees who runs `serin up` on a terminal. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/screen.h"

namespace serin::cli {

struct LiveView {
  std::string head;                  // what it is, where, how it ends
  json::array services;              // as the control API gives them
  json::array events;                // the last ones
  std::vector<std::string> notices;  // what could not be done that was asked for at the start
};

// Every version, every rollout, and as many of the last events as there is room for.
std::string live_page(const LiveView& view, const ScreenSize& size);

}  // namespace serin::cli
