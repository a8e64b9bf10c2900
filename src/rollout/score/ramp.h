// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace serin::rollout {

// 0 at `bad`, 1 at `good`, straight between and level beyond; not a number is bad.
inline double ramp(double x, double bad, double good) {
  const double at = (x - bad) / (good - bad);
  return at >= 1 ? 1 : at > 0 ? at : 0;
}

}  // namespace serin::rollout
