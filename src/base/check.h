// SPDX-License-Identifier: Apache-2.0
// A programmer's mistake ends the process with a message. Never used on what comes from outside.
#pragma once

namespace serin {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace serin

#define SERIN_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::serin::check_failed(#condition, __FILE__, __LINE__))
