// SPDX-License-Identifier: Apache-2.0
// The last resorts: the few places where a thread catches whatever code of ours or of others
// threw, so that one request's misfortune does not end the process. Everywhere else errors are
// values.
#pragma once

#include <string_view>
#include <utility>

#include "base/error.h"

namespace serin {

// For a catch (...) alone: what was thrown, as an Error. kUnavailable (out_of_memory) for
// std::bad_alloc, since another time may be better; else kInternal.
Error caught(std::string_view doing);

// Logs what was thrown; for a catch (...) alone. Never throws.
void log_caught(std::string_view doing) noexcept;

// Runs `work`; nothing that it throws gets out. False, and a line in the log, when it threw.
template <class Work>
bool survives(std::string_view doing, Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return true;
  } catch (...) {
    log_caught(doing);
    return false;
  }
}

// What `work` gives, a Result or a Status; what it throws as its error.
template <class Work>
auto attempt(std::string_view doing, Work&& work) -> decltype(std::forward<Work>(work)()) {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    return fail(caught(doing));
  }
}

}  // namespace serin
