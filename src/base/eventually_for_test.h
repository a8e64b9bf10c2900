// SPDX-License-Identifier: Apache-2.0
// For tests of what other threads and processes bring about: waits for it, however slow the
// machine.
#pragma once

#include <chrono>
#include <thread>

namespace serin {

// False when it has not come about within a minute.
template <class Condition>
bool eventually(Condition condition) {
  constexpr std::chrono::seconds kPatience{60};
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < end;
       std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
    if (condition()) return true;
  }
  return false;
}

}  // namespace serin
